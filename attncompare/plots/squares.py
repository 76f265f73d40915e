"""One number a head, drawn: cells, names of layers and heads, numbers, a frame around one, and the scale of colours.

Knows nothing about what the number is.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.path import Path

from attncompare.plots.canvas import DPI, SMALL, box, ground, style, write
from attncompare.plots.cells import Grid, every, layer_ticks
from attncompare.plots.colors import GUTTER, INK, LINE_COLOR, MUTED, furthest, text_on
from attncompare.plots.labels import width
from attncompare.plots.wording import decimals, short

_BAR, _AWAY, _BESIDE = 16, 26, 110  # thickness of the colour bar, distance from the cells, room for both and numbers
_LOWEST = 1e-3  # a logarithmic scale begins no lower: the smallest p of 999 draws


def beside(unit: str) -> float:
    """Room for the scale of colours, in pixels to the right of the cells."""
    return max(_BESIDE, _AWAY + width(unit, SMALL, DPI))


def is_written(place: Grid, values: np.ndarray) -> bool:
    """Whether cells hold numbers; the colour bar alone speaks where all are too small for few digits."""
    return place.numbered and furthest(values) >= 0.0005


def draw_heads(
    figure: Figure,
    place: Grid,
    layers: Sequence[int],
    values: np.ndarray,
    scale: Colormap,
    limits: tuple[float, float],
    unit: str,
    *,
    sign: bool,
    outlined: tuple[int, int] | None,
    log: bool = False,
    quiet: np.ndarray | None = None,
) -> None:
    """The cells of :func:`draw_cells` and their scale of colours, in ``unit``, to the right of them."""
    image = draw_cells(figure, place, layers, values, scale, limits, sign=sign, outlined=outlined, log=log, quiet=quiet)
    _color_bar(figure, image, place, unit)


def draw_cells(
    figure: Figure,
    place: Grid,
    layers: Sequence[int],
    values: np.ndarray,
    scale: Colormap,
    limits: tuple[float, float],
    *,
    sign: bool,
    outlined: tuple[int, int] | None = None,
    log: bool = False,
    quiet: np.ndarray | None = None,
) -> AxesImage:
    """``values[row, head]`` in cells, rows named by ``layers``; what is NaN is hatched.

    ``sign``: numbers carry a plus or minus. ``outlined``: row and head of the cell with a frame. ``log``: the scale of
    colours is logarithmic. ``quiet[row, head]``: cells to be smaller; all others are then marked.
    """
    axes = box(figure, place.left, place.top, place.width, place.height)
    if not np.isfinite(values).all():
        ground(axes)
    norm = LogNorm(max(limits[0], _LOWEST), limits[1]) if log else Normalize(*limits)
    image = axes.imshow(values, cmap=scale, norm=norm, aspect="auto", interpolation="nearest", origin="upper")
    axes.set(xlim=(-0.5, place.heads - 0.5), ylim=(place.layers - 0.5, -0.5))
    _gutters(axes, place)
    _names(axes, place, layers)
    loud = np.zeros(values.shape, bool) if quiet is None else np.isfinite(values) & ~quiet
    if quiet is not None:
        _shrink(axes, quiet & np.isfinite(values), place)
    if is_written(place, values):
        _numbers(axes, image, values, place, loud, sign=sign)
    else:
        _marks(axes, image, values, place, loud)
    if outlined is not None:
        _outline(axes, *outlined)
    return image


def _gutters(axes: Axes, place: Grid) -> None:
    """Lines between cells and around them, in two artists: cells near 0 would melt into the white card."""
    thick = (2 if place.numbered else 1) * 72 / DPI
    line: dict[str, Any] = {"colors": GUTTER, "linewidth": thick, "zorder": 2, "clip_on": False}
    axes.vlines(np.arange(place.heads + 1) - 0.5, -0.5, place.layers - 0.5, **line)
    axes.hlines(np.arange(place.layers + 1) - 0.5, -0.5, place.heads - 0.5, **line)


def _outline(axes: Axes, row: int, head: int) -> None:
    """A dark frame with a light line inside it: one of them is seen on any cell."""
    for zorder, color, points in ((3, INK, 3.0), (4, "white", 1.0)):
        corner = (head - 0.5, row - 0.5)
        frame = Rectangle(corner, 1, 1, fill=False, edgecolor=color, linewidth=points, clip_on=False, zorder=zorder)
        axes.add_patch(frame)


def _names(axes: Axes, place: Grid, layers: Sequence[int]) -> None:
    across = range(0, place.heads, every(place.cell_width, width(f"H{place.heads}", 8, DPI) + 12))
    axes.xaxis.tick_top()
    axes.set_xticks(list(across), [f"H{head}" for head in across], **style(color=MUTED))
    layer_ticks(axes, place, layers)


def _shrink(axes: Axes, quiet: np.ndarray, place: Grid) -> None:
    """A white frame inside each quiet cell: what is left of it keeps its colour, so the scale stays true."""
    thick = max(2.5, min(place.cell_width, place.cell_height) * 0.14)
    x, y = 0.5 - thick / place.cell_width, 0.5 - thick / place.cell_height
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)], float)
    frames = []
    for row, head in np.argwhere(quiet).tolist():
        outer, inner = square * 0.5 + (head, row), square[::-1] * (x, y) + (head, row)
        frames.append(Path.make_compound_path(Path(outer, closed=True), Path(inner, closed=True)))
    axes.add_collection(PathCollection(frames, facecolors="white", linewidths=0, zorder=1.5, gid="quiet"))


def _marks(axes: Axes, image: AxesImage, values: np.ndarray, place: Grid, loud: np.ndarray) -> None:
    """A dot in each loud cell that has no room for a bold number."""
    cells = np.argwhere(loud)
    if len(cells):
        size = (0.3 * min(place.cell_width, place.cell_height) * 72 / DPI) ** 2
        inks = [text_on(color) for color in image.to_rgba(values)[loud]]
        axes.scatter(cells[:, 1], cells[:, 0], size, c=inks, linewidths=0, zorder=2.5, gid="loud")


def _numbers(axes: Axes, image: AxesImage, values: np.ndarray, place: Grid, loud: np.ndarray, *, sign: bool) -> None:
    """The value of each head, bold where it is ``loud``."""
    colors = image.to_rgba(values)
    points = 8.0 if place.cell_width >= 50 else 7.0
    shown = style(points, ha="center", va="center_baseline")
    room = (place.cell_width - 2) / (1.13 if loud.any() else 1)  # bold figures are wider
    # Most numbers have as many decimals as fit with a leading 0; longer ones have fewer.
    typical = ("−" if sign else "") + "."
    places = next(
        (n for n in range(decimals(furthest(values)), 0, -1) if width(typical + "0" * n, points, DPI) <= room), 0
    )
    for row, head in np.argwhere(np.isfinite(values)).tolist():
        text = _fitting(values[row, head], places, room, points, sign=sign)
        weight = "bold" if loud[row, head] else "normal"
        axes.text(head, row, text, **{**shown, "color": text_on(colors[row, head]), "fontweight": weight})


def _fitting(value: float, places: int, room: float, points: float, *, sign: bool) -> str:
    """The value with as many decimals as there is room for."""
    texts = [short(value, fewer, sign=sign) for fewer in range(places, -1, -1)]
    return next((text for text in texts if width(text, points, DPI) <= room), texts[-1])


def _color_bar(figure: Figure, image: AxesImage, place: Grid, unit: str) -> None:
    x, height = place.left + place.width + _AWAY, min(place.height, 330)
    axes = box(figure, x, place.top, _BAR, height)
    low, high = image.get_clim()
    ramp = np.linspace(0, 1, 256)[:, None]
    axes.imshow(
        ramp,
        cmap=image.get_cmap(),
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        origin="lower",
        extent=(0, 1, 0, 1),
    )
    axes.yaxis.tick_right()
    middle = sqrt(low * high) if isinstance(image.norm, LogNorm) else (low + high) / 2
    ticks = [low, middle, high]
    axes.set_yticks([0, 0.5, 1], [_tick(tick) for tick in ticks], **style(color=MUTED))
    axes.tick_params(length=0, pad=4)
    axes.spines[:].set(visible=True, color=LINE_COLOR, linewidth=0.6)
    write(figure, x, place.top - 14, unit, color=MUTED)


def _tick(value: float) -> str:
    """
    >>> _tick(0.446), _tick(-354.2), _tick(0.0)
    ('0.45', '−354', '0')
    """
    return f"{value:{'.0f' if abs(value) >= 99.5 else '.2g'}}".replace("-", "−")
