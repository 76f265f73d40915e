"""What the pictures of the bias probe are drawn of: a row a group with a mark a model, and bars about 0.

Models are told apart by place, shape and name, never by colour alone. Knows nothing about what the numbers are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncompare.plots.canvas import BODY, DPI, SMALL, box, style, write
from attncompare.plots.colors import BASE, INK, LINE_COLOR, MUTED, TUNED, furthest, top
from attncompare.plots.labels import readable, width

ROW = 74
"""Height of a group's row, in pixels."""
NAMES, LANE, NUMBERS = 270, 330, 170
"""Room for names and words, for a lane of marks, and for the numbers behind it."""
BARS = 210
"""Height of the part with bars, its title and axis left out."""

_SIDES = (("base", BASE, "o", -13), ("tuned", TUNED, "D", 13))
"""Name, colour, shape, and how far below the middle of a row."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Numbers of one group."""

    values: dict[str, float]
    """``base`` and ``tuned``; one of them, or another name, alone."""
    even: float | None = None
    """What evenly spread attention gives: a tick."""
    ends: dict[str, tuple[float, float]] | None = None
    """Intervals of the values."""
    said: tuple[str, ...] = ()
    """Numbers in words, a line each, behind the lane."""


def draw_names(figure: Figure, x: float, y: float, rows: Sequence[tuple[str, str]]) -> None:
    """The name of each group and its words below it, from this top left corner."""
    for at, (name, words) in enumerate(rows):
        middle = y + ROW * (at + 0.5)
        short = readable(name, NAMES / (1.1 * BODY * DPI / 72))
        write(figure, x, middle - 4, short, points=BODY, fontweight="bold")
        write(figure, x, middle + 20, readable(words, (NAMES - 16) / (1.04 * SMALL * DPI / 72)), color=MUTED)


def draw_lane(
    figure: Figure, name: str, corner: tuple[float, float], rows: Sequence[Marks], *, signed: bool = False
) -> Axes:
    """A lane of marks with numbers behind it; the scale begins at 0, or goes as far below it where values are ``signed``."""
    x, y = corner
    height = ROW * len(rows)
    every = [np.array([*row.values.values(), row.even or 0.0, *_ends(row)]) for row in rows]
    far = 1.08 * (furthest(*every) if signed else top(*every))
    axes = box(figure, x, y, LANE, height)
    axes.set(xlim=(-far if signed else 0, far), ylim=(height, 0))
    axes.set_label(name)
    ticks = [-far / 1.08, 0, far / 1.08] if signed else [0, far / 2.16, far / 1.08]
    axes.xaxis.tick_top()
    axes.set_xticks(ticks, [_tick(tick, signed=signed) for tick in ticks], **style(color=MUTED))
    axes.tick_params(length=0, pad=4)
    middles = ROW * (np.arange(len(rows)) + 0.5)
    axes.hlines(middles, *axes.get_xlim(), colors=LINE_COLOR, linewidth=0.6, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for row, middle in zip(rows, middles.tolist(), strict=True):
        _draw(axes, row, middle)
        for line, said in enumerate(row.said):
            write(figure, x + LANE + 16, y + middle + 6 + 21 * (line - (len(row.said) - 1) / 2), said, color=MUTED)
    return axes


def _draw(axes: Axes, row: Marks, middle: float) -> None:
    known = [side for side in _SIDES if side[0] in row.values]
    for name, color, shape, away in known:
        at = middle + (away if len(known) > 1 else 0)
        low, high = (row.ends or {}).get(name, (np.nan, np.nan))
        if np.isfinite(low):
            axes.hlines([at], [low], [high], colors=color, linewidth=2.2, zorder=2).set_gid(f"{name} interval")
        if np.isfinite(row.values[name]):
            axes.plot([row.values[name]], [at], shape, color=color, markersize=6.5, zorder=3, clip_on=False, gid=name)
    if row.even is not None and np.isfinite(row.even):
        axes.vlines([row.even], middle - 27, middle + 27, colors=INK, linewidth=1.4, zorder=1).set_gid("even")


def draw_bars(
    figure: Figure,
    name: str,
    corner: tuple[float, float],
    room: float,
    values: dict[str, float],
    said: dict[str, str],
    ends: dict[str, tuple[float, float]] | None = None,
    *,
    borrowed: bool,
) -> Axes:
    """A bar about 0 for base and for tuned, each with its name above it and its number, ``said``, behind the name.

    Under a ``borrowed`` head the base's bar is hatched and named so: its size is no match for the other's.
    """
    x, y = corner
    every = [np.array([*values.values(), *(end for two in (ends or {}).values() for end in two)])]
    far = 1.1 * furthest(*every)
    axes = box(figure, x, y, room, BARS)
    axes.set(xlim=(-far, far), ylim=(BARS, 0))
    axes.set_label(name)
    for at, (side, color, _, _) in enumerate(_SIDES):
        middle = BARS * (0.36 + 0.46 * at)
        hatched = borrowed and side == "base"
        look: dict[str, Any] = (
            {"facecolor": "white", "edgecolor": color, "hatch": "////"} if hatched else {"color": color}
        )
        axes.barh([middle], [np.nan_to_num(values[side])], 34, linewidth=0.8 * hatched, zorder=2, label=side, **look)
        axes.vlines([0], middle - 24, middle + 24, colors=INK, linewidth=0.8, zorder=3)
        low, high = (ends or {}).get(side, (np.nan, np.nan))
        if np.isfinite(low):
            axes.hlines([middle], [low], [high], colors=INK, linewidth=2, zorder=4).set_gid(f"{side} interval")
        name = f"{side} (borrowed head)" if hatched else side
        write(figure, x, y + middle - 31, name, points=BODY, color=color, fontweight="bold")
        write(figure, x + 1.04 * width(name, BODY, DPI, bold=True) + 12, y + middle - 31, said[side], color=MUTED)
    return axes


def draw_key(figure: Figure, x: float, y: float, *, interval: bool = False) -> None:
    """What the marks mean, in one line whose baseline is at ``y``."""
    full_width, full_height = figure.get_size_inches() * DPI
    axes = box(figure, 0, 0, full_width, full_height)
    axes.set(xlim=(0, full_width), ylim=(full_height, 0))
    axes.set_label("key")
    for name, color, shape, _ in _SIDES:
        axes.plot([x + 8], [y - 6], shape, color=color, markersize=6.5)
        write(figure, x + 26, y, name, points=BODY, color=MUTED)
        x += 26 + width(name, BODY, DPI) + 26
    axes.vlines([x + 4], y - 18, y + 4, colors=INK, linewidth=1.4)
    said = "evenly spread attention" + (" · lines: 95% intervals over texts" if interval else "")
    write(figure, x + 14, y, said, points=BODY, color=MUTED)


def _ends(row: Marks) -> list[float]:
    return [end for two in (row.ends or {}).values() for end in two]


def _tick(value: float, *, signed: bool) -> str:
    """
    >>> _tick(0.0812, signed=False), _tick(-0.012, signed=True), _tick(0.0, signed=True)
    ('8.1%', '−1.2', '0')
    """
    if value == 0:
        return "0"
    return f"{100 * value:+.2g}".replace("-", "−") if signed else f"{100 * value:.2g}%"
