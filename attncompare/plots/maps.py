"""Attention maps side by side: which query looks at which key, in base, in tuned, and the difference.

Knows nothing about where a map comes from: a head or a rollout.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, cos, radians, sin
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from attncompare.plots.canvas import DPI, box, ground, style, write
from attncompare.plots.colors import (
    BASE,
    DIVERGING,
    INK,
    LINE_COLOR,
    MUTED,
    SEQUENTIAL,
    TUNED,
    furthest,
    top,
)  # fmt: skip
from attncompare.plots.labels import widest, width
from attncompare.plots.sides import Side
from attncompare.plots.wording import signed

_PITCH = 16  # least distance of labels, in pixels
_LEAST = 330  # width of a map under which its scale would not fit
_GAP = 44  # least space between two maps
_TALLEST = 800  # height of a map beyond which its cells get flat, if labels still fit
_FEW = 20  # least height of a cell where there are few queries
_OUT = 6  # pixels that labels stand off, and borders reach out
DASHES: dict[str, Any] = {"segment": "solid", "generated": (0, (4, 2.5)), "null": (0, (1, 1.5))}
"""Line styles of borders, by kind."""
SUBTITLE = 34
"""Height in pixels of the line that names a map."""
_SCALE = 66  # height of a colour bar with its numbers


@dataclass(frozen=True, slots=True)
class Layout:
    """Where maps stand beside each other: names of queries once on the left, names of keys above each map."""

    queries: Side
    keys: Side
    cell_width: int
    cell_height: int
    points: float
    angle: int
    left: int
    above: int
    gap: int
    spill: int
    """How far slanted labels reach past the right edge of a map."""

    @property
    def width(self) -> int:
        return self.keys.cells * self.cell_width

    @property
    def height(self) -> int:
        return self.queries.cells * self.cell_height

    def total(self, maps: int) -> int:
        return self.left + maps * self.width + (maps - 1) * self.gap + self.spill

    def x(self, index: int) -> int:
        """Left edge of a map, counted from the left edge of the query names."""
        return self.left + index * (self.width + self.gap)


def layout(queries: Side, keys: Side, room: int, maps: int = 3) -> Layout:
    """The largest whole-pixel cells with which ``maps`` maps fit ``room`` pixels; more room where labels need it.

    Cells are square where there are as many queries as keys.
    """
    names, tops = queries.ticks(), keys.ticks()
    wish = max((room - maps * _GAP - 120) // maps // keys.cells, 1)
    wide = min(max(wish, ceil(_PITCH / keys.step)), max(96, ceil(_LEAST / keys.cells)))
    least = _FEW if queries.cells * _FEW <= _LEAST else ceil(_PITCH / queries.step)
    high = max(min(wide, _TALLEST // queries.cells), least)
    pitch = wide * keys.step
    points = float(np.clip(min(pitch, high * queries.step) * 0.84 * 72 / DPI, 6.5, 8.5))
    angle = 60 if pitch >= 24 else 90
    lean, rise = cos(radians(angle)), sin(radians(angle))
    spill = max(
        ((tick.cell + 0.5) * wide + width(tick.text, points, DPI) * lean - keys.cells * wide for tick in tops),
        default=0.0,
    )
    left = max(widest((tick.text for tick in names), points, DPI) + 10, width("queries ↓", 8, DPI) + 18)
    above = widest((tick.text for tick in tops), points, DPI) * rise + points * DPI / 72 * lean + 8
    above = max(above, 60)  # "keys" and "queries" stand in the corner
    spill = max(ceil(spill), 0)
    return Layout(queries, keys, wide, high, points, angle, ceil(left), ceil(above), max(_GAP, spill + 16), spill)


def draw(
    figure: Figure,
    place: Layout,
    corner: tuple[float, float],
    index: int,
    values: np.ndarray,
    scale: Colormap,
    limits: tuple[float, float],
    name: str,
) -> Axes:
    """One map, the ``index``-th from the left; ``corner`` is the top left corner of the row of maps, in pixels."""
    axes = box(figure, corner[0] + place.x(index), corner[1] + place.above, place.width, place.height)
    if np.isnan(values).any():
        ground(axes)
    axes.imshow(
        values, cmap=scale, vmin=limits[0], vmax=limits[1], aspect="auto", interpolation="nearest", origin="upper"
    )
    axes.spines[:].set(visible=True, color=LINE_COLOR, linewidth=0.6)
    axes.set_label(name)
    edge = -0.5 - _OUT / place.cell_width, -0.5 - _OUT / place.cell_height  # just outside the map
    slanted = {"rotation": place.angle, "rotation_mode": "anchor", "ha": "left", "va": "center"}
    _names(axes, place.keys, place.points, "key", lambda cell: (cell, edge[1]), **slanted)
    if index == 0:
        level = {"ha": "right", "va": "center_baseline"}
        _names(axes, place.queries, place.points, "query", lambda cell: (edge[0], cell), **level)
        x = corner[0] + place.left - 16  # names of keys stand slanted or upright beside it
        write(figure, x, corner[1] + place.above - 36, "keys →", color=MUTED, ha="right")
        write(figure, x, corner[1] + place.above - 14, "queries ↓", color=MUTED, ha="right")
    _borders(axes, place)
    return axes


def _borders(axes: Axes, place: Layout) -> None:
    """Lines across the map where something else begins; a light edge keeps them seen on dark cells."""
    left, top = -0.5 - _OUT / place.cell_width, -0.5 - _OUT / place.cell_height
    right, bottom = place.keys.cells - 0.5, place.queries.cells - 0.5
    across = [((left, right), (border.edge, border.edge), border.kind) for border in place.queries.borders()]
    down = [((border.edge, border.edge), (top, bottom), border.kind) for border in place.keys.borders()]
    for x, y, kind in (*across, *down):
        light = withStroke(linewidth=2.0, foreground="white")
        axes.add_line(
            Line2D(
                x, y, color=INK, linewidth=0.8, linestyle=DASHES[kind], gid=kind, clip_on=False, path_effects=[light]
            )
        )


def _names(
    axes: Axes, side: Side, points: float, axis: str, place: Callable[[int], tuple[float, float]], **properties: Any
) -> None:
    """Names along one side of a map.

    They are texts and not tick labels: a tick costs twice the time, and a map has dozens. Their gid is ``axis``.
    """
    for tick in side.ticks():
        axes.text(*place(tick.cell), tick.text, gid=axis, **style(points, **tick.look), **properties)


def trio(
    figure: Figure,
    place: Layout,
    corner: tuple[float, float],
    sides: tuple[np.ndarray, np.ndarray],
    limits: tuple[float, float] | None,
    delta_limit: float | None,
    meaning: str,
) -> None:
    """Base, tuned and tuned minus base in one row with their scales; takes :func:`trio_height` pixels.

    ``meaning`` says what a value of base or tuned is.
    """
    base, tuned = sides
    delta = tuned - base
    shared = limits or (0.0, top(base, tuned))
    far = delta_limit or furthest(delta)
    below = corner[1] + SUBTITLE
    for index, (name, color, values, scale, ends) in enumerate((
        ("base", BASE, base, SEQUENTIAL, shared),
        ("tuned", TUNED, tuned, SEQUENTIAL, shared),
        ("tuned − base", INK, delta, DIVERGING, (-far, far)),
    )):  # fmt: skip
        map_title(figure, corner[0] + place.x(index), corner[1], name, color)
        draw(figure, place, (corner[0], below), index, values, scale, ends, name)
    y = below + place.above + place.height + 16
    left, right = corner[0] + place.x(0), corner[0] + place.x(2)
    color_bar(figure, (left, y, place.x(1) + place.width - place.x(0)), SEQUENTIAL, shared, meaning)
    color_bar(figure, (right, y, place.width), DIVERGING, (-far, far), "blue lost, red gained")


def map_title(figure: Figure, x: float, y: float, name: str, color: str) -> None:
    """The name of a map in the :data:`SUBTITLE` pixels below ``y``."""
    write(figure, x, y + 20, name, points=10, color=color, fontweight="bold")


def trio_height(place: Layout) -> int:
    """Height in pixels of what :func:`trio` draws."""
    return SUBTITLE + place.above + place.height + _SCALE


def color_bar(
    figure: Figure, where: tuple[float, float, float], scale: Colormap, limits: tuple[float, float], meaning: str
) -> None:
    """A flat colour bar at pixels (x, y, width) with its ends, its middle and its meaning below."""
    x, y, room = where
    axes = box(figure, x, y, room, 14)
    low, high = limits
    ramp = np.linspace(low, high, 256)[None]
    axes.imshow(ramp, cmap=scale, vmin=low, vmax=high, aspect="auto", interpolation="nearest", origin="upper")
    axes.spines[:].set(visible=True, color=LINE_COLOR, linewidth=0.6)
    for place, value, side in ((x, low, "left"), (x + room, high, "right")):
        text = signed(value, ".2g") if low < 0 else f"{value:.2g}"
        write(figure, place, y + 34, text, color=MUTED, ha=side)
    write(figure, x + room / 2, y + 34, meaning, color=MUTED, ha="center")
