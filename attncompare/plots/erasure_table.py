"""The marks of rankings, and the table that names them with their comprehensiveness and sufficiency."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncompare.analyses.erasure import Erasure
from attncompare.plots.canvas import BODY, PAD, box, write
from attncompare.plots.colors import BASE, FLOOR, INK, MUTED, TUNED
from attncompare.plots.readouts import is_borrowed

NAMES = {
    "attention": "attention",
    "rollout": "rollout",
    "gradient_x_input": "gradient × input",
    "integrated_gradients": "integrated gradients",
}
_ATTENTION, _GRADIENT = "#6a2a86", "#0f7d74"
_MARKS: dict[str, dict[str, Any]] = {
    "attention": {"color": _ATTENTION, "marker": "o", "linestyle": "solid"},
    "rollout": {"color": _ATTENTION, "marker": "s", "linestyle": (0, (3, 2)), "markerfacecolor": "white"},
    "gradient_x_input": {"color": _GRADIENT, "marker": "^", "linestyle": (0, (3, 2)), "markerfacecolor": "white"},
    "integrated_gradients": {"color": _GRADIENT, "marker": "D", "linestyle": "solid"},
}
_OTHER: dict[str, Any] = {"color": INK, "marker": "v", "linestyle": "solid"}
_ROW, _HEADER = 29, 58
_SWATCH = 66
_COLUMNS = ((480, 600), (860, 980))  # right edges of numbers: comprehensiveness and sufficiency of base and tuned


def line(axes: Axes, ranking: str, x: Any, y: Any, whole: int = 0) -> None:
    """The curve of a ranking; the first ``whole`` points are the whole text and have no marker."""
    look = _MARKS.get(ranking, _OTHER)
    axes.plot(
        x, y, linewidth=1.5, markersize=5.2, markeredgewidth=1.2, zorder=4, gid=ranking, clip_on=False,
        markevery=slice(whole, None), **look,
    )  # fmt: skip


def band(axes: Axes, x: Any, low: Any, high: Any, mean: Any) -> None:
    """Random rankings: from lowest to highest, and their mean."""
    axes.fill_between(x, low, high, color=FLOOR, alpha=0.6, linewidth=0, zorder=2, gid="random")
    axes.plot(x, mean, color=MUTED, linewidth=1.2, zorder=3, gid="random mean")


def comprehensive(record: Erasure, side: str, ranking: int) -> bool:
    """Whether a ranking's fall without its top words is larger than that of every random one."""
    return bool(record.comprehensiveness(side)[ranking] > record.random_comprehensiveness(side).max(initial=-np.inf))


def sufficient(record: Erasure, side: str, ranking: int) -> bool:
    """Whether a ranking's fall with its top words alone is smaller than that of every random one."""
    return bool(record.sufficiency(side)[ranking] < record.random_sufficiency(side).min(initial=np.inf))


def table_height(record: Erasure) -> int:
    """Height in pixels of what :func:`draw_table` draws."""
    return _HEADER + _ROW * (len(record.rankings) + 1) + 10


def draw_table(figure: Figure, record: Erasure, top: float) -> None:
    """A row a ranking from pixel ``top``: its mark, its name, and its numbers in both models; random ones last."""
    for (base, tuned), name, reading in zip(
        _COLUMNS, ("comprehensiveness", "sufficiency"), ("more is better", "less is better"), strict=True
    ):
        write(figure, PAD + tuned, top + 20, f"{name}, {reading}", color=INK, ha="right")
        borrowed = "*" if is_borrowed(record) else ""
        write(figure, PAD + base, top + 46, f"base{borrowed}", color=BASE, ha="right", fontweight="bold")
        write(figure, PAD + tuned, top + 46, "tuned", color=TUNED, ha="right", fontweight="bold")
    for index, ranking in enumerate(record.rankings):
        baseline = top + _HEADER + _ROW * index + 20
        axes = _swatch(figure, baseline)
        line(axes, ranking, [2, _SWATCH / 2, _SWATCH - 2], [0, 0, 0])
        axes.lines[-1].set_markevery([1])
        write(figure, PAD + _SWATCH + 10, baseline, NAMES.get(ranking, ranking), points=BODY)
        for column, side in enumerate(("base", "tuned")):
            fall, keep = record.comprehensiveness(side)[index], record.sufficiency(side)[index]
            _number(figure, PAD + _COLUMNS[0][column], baseline, fall, bold=comprehensive(record, side, index))
            _number(figure, PAD + _COLUMNS[1][column], baseline, keep, bold=sufficient(record, side, index))
    baseline = top + _HEADER + _ROW * len(record.rankings) + 20
    band(_swatch(figure, baseline), [2, _SWATCH - 2], [-6, -6], [6, 6], [0, 0])
    write(figure, PAD + _SWATCH + 10, baseline, "random, mean", points=BODY, color=MUTED)
    for column, side in enumerate(("base", "tuned")):
        for place, found in zip(
            _COLUMNS, (record.random_comprehensiveness(side), record.random_sufficiency(side)), strict=True
        ):
            mean = float(found.mean()) if found.size else np.nan
            _number(figure, PAD + place[column], baseline, mean, color=MUTED)


def _swatch(figure: Figure, baseline: float) -> Axes:
    axes = box(figure, PAD, baseline - 19, _SWATCH, 26)
    axes.set(xlim=(0, _SWATCH), ylim=(13, -13))
    axes.set_label("key")
    return axes


def _number(figure: Figure, x: float, y: float, value: float, *, bold: bool = False, color: str = INK) -> None:
    text = f"{value:+.3f}".replace("-", "−") if np.isfinite(value) else "–"
    write(figure, x, y, text, points=BODY, ha="right", color=color, fontweight="bold" if bold else "normal")
