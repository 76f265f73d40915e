"""The marks of the picture of noise, and the key that says what each is. Knows nothing about where they stand."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncompare.analyses.noise import Noise
from attncompare.plots.canvas import BODY, DPI, LINE, PAD, box, write
from attncompare.plots.colors import BETWEEN, FLOOR, INK, MUTED, TUNED
from attncompare.plots.floors import small
from attncompare.plots.labels import width

BAND, THIN = 14, 8
"""Thickness of the band of random changes, and of the one between trainings, in pixels."""
KEY_LINE = LINE + 3
"""Distance of two lines of the key, in pixels."""
_SWATCH, _SPACE = 34, 26  # room for a mark in the key, space behind its words
_KINDS: dict[str, dict[str, Any]] = {
    "beyond": {"marker": "o", "markerfacecolor": TUNED, "markeredgecolor": INK, "markeredgewidth": 0.6},
    "within": {"marker": "o", "markerfacecolor": "white", "markeredgecolor": MUTED, "markeredgewidth": 0.9},
    "": {"marker": "D", "markerfacecolor": "white", "markeredgecolor": INK, "markeredgewidth": 0.9},
}

Entry = tuple[str, Callable[[Axes], None]]


def dots(axes: Axes, kind: str, x: Any, y: Any, pixels: float, gid: str = "") -> None:
    """Divergences of heads ``beyond`` or ``within`` a random change; of neither kind where that was not tested."""
    size = pixels * 72 / DPI * (0.8 if kind == "" else 1.0)  # a diamond is measured along its side
    axes.plot(x, y, linestyle="none", markersize=size, clip_on=False, zorder=5, gid=gid, **_KINDS[kind])


def band(axes: Axes, y: Any, low: Any, high: Any, mean: Any) -> None:
    """What random changes do to a head: from lowest to highest, a tick at the mean."""
    axes.barh(y, np.subtract(high, low), BAND, low, color=FLOOR, linewidth=0, zorder=2, label="floor")
    ticks = axes.vlines(mean, np.subtract(y, BAND / 2), np.add(y, BAND / 2), colors=MUTED, linewidth=1.3, zorder=3)
    ticks.set_gid("floor mean")


def trainings(axes: Axes, y: Any, x: Any, beyond: Any) -> None:
    """The divergence from base of each training, strong for heads of which all are ``beyond`` what trainings differ by."""
    colors, widths = np.where(beyond, TUNED, MUTED), np.where(beyond, 2.2, 0.9)
    marks = axes.vlines(x, np.subtract(y, 7.0), np.add(y, 7.0), colors=colors.tolist(), linewidth=widths, zorder=4)
    marks.set(gid="trainings", clip_on=False)


def between(axes: Axes, y: Any, low: Any, high: Any) -> None:
    """How far trainings differ from each other: from lowest to highest."""
    axes.barh(
        y, np.subtract(high, low), THIN, low, facecolor="white", edgecolor=BETWEEN, linewidth=0.8, hatch="//////",
        zorder=2, label="between",
    )  # fmt: skip


def arithmetic(axes: Axes, x: Any, y: Any, *, off: bool = False) -> None:
    """What arithmetic alone does; ``off``: it lies beyond the left end of the axis."""
    marker = "<" if off else "x"
    axes.plot(
        x, y, linestyle="none", marker=marker, markersize=3.2, color=MUTED, markeredgewidth=1.0, clip_on=False,
        zorder=4, gid="arithmetic off" if off else "arithmetic",
    )  # fmt: skip


def entries(noise: Noise, low: float) -> list[Entry]:
    """What the key names: only what is drawn, on an axis that begins at ``low``."""
    named: list[Entry] = []
    if noise.testable:
        named.append(("beyond a random change", lambda axes: dots(axes, "beyond", 17, 0, 11)))
        named.append(("within", lambda axes: dots(axes, "within", 17, 0, 11)))
    else:
        named.append(("not tested", lambda axes: dots(axes, "", 17, 0, 11)))
    if noise.floor:
        many = f"floor: its {len(noise.draws)} random changes and their mean"
        named.append((many, lambda axes: band(axes, 0, 3, 31, 15)))
    numeric = noise.numeric_bits[np.isfinite(noise.numeric_bits)]
    if numeric.size and numeric.max() < low:
        text = f"arithmetic alone: at most {small(float(numeric.max()))}"
        named.append((text, lambda axes: arithmetic(axes, 17, 0, off=True)))
    elif numeric.size:
        named.append(("arithmetic alone", lambda axes: arithmetic(axes, 17, 0)))
    if noise.replicates:
        named.append(("base to each training", lambda axes: trainings(axes, [0] * 3, [9, 17, 25], [False] * 3)))
        named.append(
            ("all beyond what these differ by", lambda axes: trainings(axes, [0] * 3, [9, 17, 25], [True] * 3))
        )
        named.append(("between trainings", lambda axes: between(axes, 0, 3, 31)))
    return named


def key_rows(named: Sequence[Entry], room: float) -> list[list[Entry]]:
    """The entries in lines of at most ``room`` pixels."""
    rows: list[list[Entry]] = []
    left = 0.0
    for entry in named:
        needed = _SWATCH + width(entry[0], BODY, DPI) * 1.02 + _SPACE
        if not rows or needed - _SPACE > left:
            rows.append([])
            left = room
        rows[-1].append(entry)
        left -= needed
    return rows


def draw_key(figure: Figure, rows: Sequence[Sequence[Entry]], baseline: float) -> None:
    """The lines of :func:`key_rows`, the first written at ``baseline``."""
    for index, row in enumerate(rows):
        x, y = float(PAD), baseline + index * KEY_LINE
        for text, draw in row:
            axes = box(figure, x, y - 6 - LINE / 2, _SWATCH, LINE)
            axes.set(xlim=(0, _SWATCH), ylim=(LINE / 2, -LINE / 2))
            axes.set_label("key")
            draw(axes)
            write(figure, x + _SWATCH + 6, y, text, points=BODY, color=MUTED)
            x += _SWATCH + 6 + width(text, BODY, DPI) * 1.02 + _SPACE
