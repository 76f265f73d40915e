"""One number a head, drawn: cells, names of layers and heads, numbers, a frame around one, and the scale of colours.

Knows nothing about what the number is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from attncompare.plots.canvas import DPI, box, ground, style, write
from attncompare.plots.cells import Grid, every, layer_ticks
from attncompare.plots.colors import GUTTER, INK, LINE_COLOR, MUTED, furthest, text_on
from attncompare.plots.labels import width
from attncompare.plots.wording import decimals, short

_BAR = 16  # thickness of the colour bar
BESIDE = 110
"""Room for the scale of colours, in pixels to the right of the cells."""


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
) -> None:
    """``values[row, head]`` in cells, rows named by ``layers``; what is NaN is hatched.

    ``sign``: numbers carry a plus or minus. ``outlined``: row and head of the cell with a frame.
    """
    axes = box(figure, place.left, place.top, place.width, place.height)
    if not np.isfinite(values).all():
        ground(axes)
    image = axes.imshow(
        values, cmap=scale, vmin=limits[0], vmax=limits[1], aspect="auto", interpolation="nearest", origin="upper"
    )
    axes.set(xlim=(-0.5, place.heads - 0.5), ylim=(place.layers - 0.5, -0.5))
    _gutters(axes, place)
    _names(axes, place, layers)
    if place.numbered:
        _numbers(axes, image, values, place, sign=sign)
    if outlined is not None:
        _outline(axes, *outlined)
    _color_bar(figure, image, place, unit)


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


def _numbers(axes: Axes, image: AxesImage, values: np.ndarray, place: Grid, *, sign: bool) -> None:
    """The value of each head; the colour bar alone speaks where all are too small for few digits."""
    if furthest(values) < 0.0005:
        return
    colors = image.to_rgba(values)
    points = 8.0 if place.cell_width >= 50 else 7.0
    shown = style(points, ha="center", va="center_baseline")
    places = decimals(furthest(values))
    for row, head in np.argwhere(np.isfinite(values)).tolist():
        text = short(values[row, head], places, sign=sign)
        axes.text(head, row, text, **{**shown, "color": text_on(colors[row, head])})


def _color_bar(figure: Figure, image: AxesImage, place: Grid, unit: str) -> None:
    x, height = place.left + place.width + 26, min(place.height, 330)
    axes = box(figure, x, place.top, _BAR, height)
    low, high = image.get_clim()
    ramp = np.linspace(low, high, 256)[:, None]
    axes.imshow(
        ramp,
        cmap=image.get_cmap(),
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="nearest",
        origin="lower",
        extent=(0, 1, low, high),
    )
    axes.yaxis.tick_right()
    ticks = [low, (low + high) / 2, high]
    axes.set_yticks(ticks, [f"{tick:.2g}".replace("-", "−") for tick in ticks], **style(color=MUTED))
    axes.tick_params(length=0, pad=4)
    axes.spines[:].set(visible=True, color=LINE_COLOR, linewidth=0.6)
    write(figure, x, place.top - 14, unit, color=MUTED)
