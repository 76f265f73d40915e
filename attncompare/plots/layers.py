"""Divergence by layer, split into what moved to or from sinks, within sinks, and between content tokens.

Rows stand exactly as high as in :mod:`attncompare.plots.cells`, so both pictures can stand side by side.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from attncompare.analyses.comparison import Comparison
from attncompare.metrics import METRICS
from attncompare.plots.canvas import (
    BODY,
    DPI,
    LINE,
    PAD,
    box,
    card,
    footer,
    heading,
    heading_width,
    lines,
    style,
    write,
)
from attncompare.plots.cells import every, grid, holes, layer_ticks
from attncompare.plots.colors import CONTENT, INK, LINE_COLOR, MUTED, SINK, WITHIN, top
from attncompare.plots.floors import small
from attncompare.plots.labels import width
from attncompare.plots.scope import scope

PARTS = {"sink_bits": SINK, "within_sink_bits": WITHIN, "content_bits": CONTENT}
"""The three parts of the divergence, which add up to it, in the order of the stack."""
_BARS = 560  # length of the longest bar, in pixels
_VALUE = 74  # room for the number behind a bar
_FLOOR = "floor"


def layers(comparison: Comparison, *, limits: tuple[float, float] | None = None) -> Figure:
    """Mean divergence of the heads of each layer, in bits, as stacked bars.

    ``limits`` are the ends of the axis (default: 0 to the longest bar). A layer that was not measured says so.
    """
    parts = _means(comparison)
    total = np.sum(list(parts.values()), axis=0)
    floor = _floor(comparison)
    place = grid(*comparison.metric("jsd_bits").shape)
    low, high = limits or (0.0, top(total, floor))
    about = scope(comparison.about)
    named = about.stack or about.over  # then there is no room for more
    title = f"Divergence by {about.of('layer')}{about.over if named else ', base to tuned'}"
    picture_width = max(place.left + _BARS + _VALUE + PAD, heading_width(title), _key_width(floor))
    reading = "Mean over a layer's heads, bits; the parts add up to it. Sinks are tokens that soak up unused attention."
    if np.isfinite(floor).any():
        reading += " Floor: the mean of random changes of the weights of the same size."
    below = lines(f"{reading} {holes(comparison.layers)} {about.remark()}", picture_width - 2 * PAD)
    bottom = place.top + place.height
    figure = card(picture_width, bottom + 14 + LINE * len(below) + PAD - 8)
    heading(figure, title, "")
    _key(figure, floor)
    axes = box(figure, place.left, place.top, _BARS, place.height)
    axes.set(xlim=(low, high), ylim=(place.layers - 0.5, -0.5))
    _axis(axes, low, high)
    left = np.zeros(place.layers)
    for name, color in PARTS.items():
        axes.barh(
            np.arange(place.layers), np.nan_to_num(parts[name]), left=left, height=0.62, color=color, label=name,
            linewidth=0, zorder=2,
        )  # fmt: skip
        left = left + np.nan_to_num(parts[name])
    layer_ticks(axes, place, comparison.layers)
    _floors(axes, floor)
    _values(axes, total, floor, every(place.cell_height, 20))
    footer(figure, bottom + 14, below)
    return figure


def layers_alt(comparison: Comparison) -> str:
    """What the picture of :func:`layers` shows, in words and true numbers."""
    parts = _means(comparison)
    total = np.sum(list(parts.values()), axis=0)
    about = scope(comparison.about)
    start = f"Stacked bars: mean divergence of the heads in each of {len(total)} {about.of('layer')}s, in bits."
    if not np.isfinite(total).any():
        return f"{start} No layer was measured."
    most, least = int(np.nanargmax(total)), int(np.nanargmin(total))
    split = ", ".join(f"{METRICS[name].title.lower()} {values[most]:.3f}" for name, values in parts.items())
    largest = f"Largest: layer {comparison.layers[most]}, {total[most]:.3f} ({split})."
    smallest = f"Smallest: layer {comparison.layers[least]}, {total[least]:.3f}."
    said = (start, largest, smallest, _floor_in_words(comparison), holes(comparison.layers), about.remark())
    return " ".join(part for part in said if part)


def _floor_in_words(comparison: Comparison) -> str:
    floor = _floor(comparison)
    listed = ", ".join(
        f"layer {layer} {small(float(mean))}"
        for layer, mean in zip(comparison.layers, floor, strict=True)
        if np.isfinite(mean)
    )
    return f"A tick on each bar is its floor, the mean of random changes of the same size: {listed}." if listed else ""


def _means(comparison: Comparison) -> dict[str, np.ndarray]:
    """Each part's mean over the measured heads of every layer; NaN where none was."""
    return {name: _mean(comparison.metric(name)) for name in PARTS}


def _floor(comparison: Comparison) -> np.ndarray:
    """The floor's mean over the heads of every layer; NaN where noise was not measured."""
    if comparison.noise is None:
        return np.full(len(comparison.layers), np.nan)
    return _mean(comparison.metric("floor_jsd_bits"))


def _mean(values: np.ndarray) -> np.ndarray:
    count = np.isfinite(values).sum(axis=1)
    return np.where(count, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)


def _floors(axes: Axes, floor: np.ndarray) -> None:
    """A tick across each bar, with a white edge that shows on any part of it."""
    low, high = axes.get_xlim()
    rows = np.flatnonzero((floor >= low) & (floor <= high))
    for color, points, zorder in (("white", 4.0, 3), (INK, 1.8, 4)):
        marks = axes.vlines(floor[rows], rows - 0.42, rows + 0.42, colors=color, linewidth=points, zorder=zorder)
        marks.set(gid="floor" if color == INK else "edge", clip_on=False)


def _key_width(floor: np.ndarray) -> float:
    """Width of a card on which the key is not cut; 0 where it is as short as without a floor."""
    if not np.isfinite(floor).any():
        return 0
    names = [*(METRICS[name].title.lower() for name in PARTS), _FLOOR]
    return 2 * PAD + sum(30 + 1.02 * width(name, BODY, DPI) + 26 for name in names) - 26


def _key(figure: Figure, floor: np.ndarray) -> None:
    """Which colour is which part, in the line below the title."""
    full_width, full_height = figure.get_size_inches() * DPI
    x, baseline = float(PAD), PAD + 22 + LINE + 4
    for name, color in PARTS.items():
        swatch = (x / full_width, 1 - (baseline + 1) / full_height)
        figure.add_artist(Rectangle(swatch, 22 / full_width, 14 / full_height, color=color, linewidth=0))
        text = METRICS[name].title.lower()
        write(figure, x + 30, baseline, text, points=BODY, color=MUTED)
        x += 30 + width(text, BODY, DPI) + 26
    if np.isfinite(floor).any():
        mark = ((x + 10) / full_width, 1 - (baseline + 4) / full_height)
        figure.add_artist(Rectangle(mark, 3.75 / full_width, 20 / full_height, color=INK, linewidth=0))
        write(figure, x + 30, baseline, _FLOOR, points=BODY, color=MUTED)


def _axis(axes: Axes, low: float, high: float) -> None:
    ticks = [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    axes.xaxis.tick_top()
    axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks], **style(color=MUTED))
    axes.grid(True, axis="x", color=LINE_COLOR, linewidth=0.5, zorder=0)
    axes.set_axisbelow(True)


def _values(axes: Axes, total: np.ndarray, floor: np.ndarray, step: int) -> None:
    """The number behind each bar; where rows are thin, behind every k-th and the longest."""
    longest = int(np.nanargmax(total)) if np.isfinite(total).any() else -1
    near = {layer for layer in range(longest - step + 1, longest + step) if layer != longest} if step > 1 else set()
    for layer, value in enumerate(total):
        if layer != longest and (layer % step or layer in near):
            continue
        text = f"{value:.3f}" if np.isfinite(value) else "not measured"
        axes.annotate(
            text, (np.nanmax([value, floor[layer], 0]), layer), xytext=(4, 0), textcoords="offset points",
            va="center_baseline", annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, **style(color=MUTED),
        )  # fmt: skip
