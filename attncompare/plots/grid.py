"""The grid of layers and heads: one number a head. Knows nothing about tokens."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from attncompare.analyses.comparison import Comparison
from attncompare.attention import head_name
from attncompare.metrics import METRICS, Metric
from attncompare.plots.canvas import (
    DPI,
    LINE,
    PAD,
    box,
    card,
    footer,
    ground,
    heading,
    lines,
    room,
    style,
    write,
)
from attncompare.plots.cells import Grid, every, grid, layer_ticks
from attncompare.plots.colors import GUTTER, INK, LINE_COLOR, MUTED, reach, text_on
from attncompare.plots.labels import width
from attncompare.plots.wording import (
    change,
    decimals,
    extreme,
    number,
    provenance,
    scale,
    scale_limits,
    short,
    superlative,
    title,
)

_BAR = 16  # thickness of the colour bar


def heads(
    comparison: Comparison,
    metric: str = "jsd_bits",
    *,
    limits: tuple[float, float] | None = None,
    selected: tuple[int, int] | None = None,
) -> Figure:
    """One metric of every head as a grid, layers down and heads across.

    ``limits`` are the ends of the colour scale (default: from the data; symmetric about 0 for deltas). The ``selected``
    (layer, head) is outlined; default: the head with the largest change. A head that was not measured is hatched.
    """
    values = comparison.metric(metric)  # refuses a metric that does not exist
    declared = METRICS[metric]
    place = grid(*values.shape)
    outlined = selected or extreme(declared, values)
    picture_width = max(place.left + place.width + 110 + PAD, 900)
    below = lines(_legend(declared, values, outlined), picture_width - 2 * PAD)
    bottom = place.top + place.height
    figure = card(picture_width, bottom + 14 + LINE * len(below) + PAD - 8)
    heading(figure, title(declared), provenance(comparison, room(picture_width)))
    axes = box(figure, place.left, place.top, place.width, place.height)
    if not np.isfinite(values).all():
        ground(axes)
    low, high = limits or scale_limits(declared, values)
    image = axes.imshow(
        values, cmap=scale(declared), vmin=low, vmax=high, aspect="auto", interpolation="nearest", origin="upper"
    )
    axes.set(xlim=(-0.5, place.heads - 0.5), ylim=(place.layers - 0.5, -0.5))
    _gutters(axes, place)
    _names(axes, place)
    if place.numbered:
        _numbers(axes, image, values, place, sign=declared.kind == "delta")
    if outlined is not None:
        _outline(axes, *outlined)
    _color_bar(figure, image, place, declared.unit)
    footer(figure, bottom + 14, below)
    return figure


def heads_alt(comparison: Comparison, metric: str = "jsd_bits") -> str:
    """What the picture of :func:`heads` shows, in words and true numbers."""
    values = comparison.metric(metric)  # refuses a metric that does not exist
    declared = METRICS[metric]
    start = f"Grid of {values.shape[0]} layers by {values.shape[1]} heads: {title(declared)} ({declared.unit})."
    measured = np.argwhere(np.isfinite(values))
    if not len(measured):
        return f"{start} No head was measured."
    ranked = sorted(measured.tolist(), key=lambda cell: -change(declared, values)[tuple(cell)])[:3]
    largest = ", ".join(f"{head_name(*cell)} {number(values[tuple(cell)], declared)}" for cell in ranked)
    finite = values[np.isfinite(values)]
    spread = f"Values run from {number(finite.min(), declared)} to {number(finite.max(), declared)}."
    missing = values.size - finite.size
    blank = f" {missing} heads were not measured." if missing else ""
    return f"{start} {superlative(declared)}: {largest}. {spread}{blank}"


def _legend(metric: Metric, values: np.ndarray, outlined: tuple[int, int] | None) -> str:
    text = metric.reading
    if outlined is not None and np.isfinite(values[outlined]):
        text += f" Outlined: {head_name(*outlined)} ({number(values[outlined], metric)})."
    if not np.isfinite(values).all():
        text += " Hatched: not measured."
    return text


def _gutters(axes: Axes, place: Grid) -> None:
    """Lines between cells and around them, in two artists: cells near 0 would melt into the white card."""
    thick = (2 if place.numbered else 1) * 72 / DPI
    line: dict[str, Any] = {"colors": GUTTER, "linewidth": thick, "zorder": 2, "clip_on": False}
    axes.vlines(np.arange(place.heads + 1) - 0.5, -0.5, place.layers - 0.5, **line)
    axes.hlines(np.arange(place.layers + 1) - 0.5, -0.5, place.heads - 0.5, **line)


def _outline(axes: Axes, layer: int, head: int) -> None:
    """A dark frame with a light line inside it: one of them is seen on any cell."""
    for zorder, color, points in ((3, INK, 3.0), (4, "white", 1.0)):
        corner = (head - 0.5, layer - 0.5)
        frame = Rectangle(corner, 1, 1, fill=False, edgecolor=color, linewidth=points, clip_on=False, zorder=zorder)
        axes.add_patch(frame)


def _names(axes: Axes, place: Grid) -> None:
    across = range(0, place.heads, every(place.cell_width, width(f"H{place.heads}", 8, DPI) + 12))
    axes.xaxis.tick_top()
    axes.set_xticks(list(across), [f"H{head}" for head in across], **style(color=MUTED))
    layer_ticks(axes, place)


def _numbers(axes: Axes, image: AxesImage, values: np.ndarray, place: Grid, *, sign: bool) -> None:
    """The value of each head; the colour bar alone speaks where all are too small for few digits."""
    if reach(values) < 0.0005:
        return
    colors = image.to_rgba(values)
    points = 8.0 if place.cell_width >= 50 else 7.0
    shown = style(points, ha="center", va="center_baseline")
    places = decimals(reach(values))
    for layer, head in np.argwhere(np.isfinite(values)).tolist():
        text = short(values[layer, head], places, sign=sign)
        axes.text(head, layer, text, **{**shown, "color": text_on(colors[layer, head])})


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
