"""The grid of layers and heads: one number a head. Knows nothing about tokens."""

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.noise import Noise
from attncompare.attention import head_name
from attncompare.errors import BadInput
from attncompare.metrics import DELTAS, FLOORS, METRICS, Metric
from attncompare.plots.canvas import LINE, PAD, card, footer, heading, heading_width, lines, room
from attncompare.plots.cells import grid, holes
from attncompare.plots.floors import BEYOND, heads_named, within
from attncompare.plots.scope import provenance, scope
from attncompare.plots.squares import beside, draw_heads, is_written
from attncompare.plots.wording import change, extreme, is_log, number, scale, scale_limits, superlative, title, unit


def heads(
    comparison: Comparison,
    metric: str = "jsd_bits",
    *,
    limits: tuple[float, float] | None = None,
    selected: tuple[int, int] | None = None,
    outline: bool = True,
) -> Figure:
    """One metric of every head as a grid, layers down and heads across.

    ``limits`` are the ends of the colour scale (default: from the data; symmetric about 0 for deltas). The ``selected``
    (layer, head), the layer by its own number, is outlined; default: the head with the largest change, and none without
    ``outline`` (a page marks the open head itself). A head that was not measured is hatched. Of divergences whose noise
    was tested, heads within a random change are quiet: their cells are smaller, in the same colours.

    Raises:
        BadInput: no such metric, or ``selected`` is in no layer of the comparison.
    """
    values = comparison.metric(metric)  # refuses a metric that does not exist
    declared, about = METRICS[metric], scope(comparison.about)
    place = grid(*values.shape)
    outlined = _row(comparison, *selected) if selected else extreme(declared, values) if outline else None
    heading_text = title(declared, about)
    picture_width = max(
        place.left + place.width + beside(unit(declared, about)) + PAD, heading_width(heading_text), 900
    )
    below = lines(_legend(comparison, declared, values, outlined), picture_width - 2 * PAD)
    bottom = place.top + place.height
    figure = card(picture_width, bottom + 14 + LINE * len(below) + PAD - 8)
    heading(figure, heading_text, provenance(comparison, room(picture_width)))
    draw_heads(
        figure, place, comparison.layers, values, scale(declared), limits or scale_limits(declared, values),
        unit(declared, about), sign=metric in DELTAS, outlined=outlined, log=is_log(declared),
        quiet=_quiet(comparison, declared),
    )  # fmt: skip
    footer(figure, bottom + 14, below)
    return figure


def heads_alt(comparison: Comparison, metric: str = "jsd_bits") -> str:
    """What the picture of :func:`heads` shows, in words and true numbers."""
    values = comparison.metric(metric)  # refuses a metric that does not exist
    declared, about = METRICS[metric], scope(comparison.about)
    size = f"{values.shape[0]} layers by {values.shape[1]} heads"
    start = f"Grid of {size}: {title(declared, about)} ({unit(declared, about)})."
    measured = np.argwhere(np.isfinite(values))
    if not len(measured):
        return f"{start} No head was measured."
    ranked = sorted(measured.tolist(), key=lambda cell: -change(declared, values)[tuple(cell)])[:3]
    largest = ", ".join(f"{_name(comparison, *cell)} {number(values[tuple(cell)], declared)}" for cell in ranked)
    finite = values[np.isfinite(values)]
    spread = f"Values run from {number(finite.min(), declared)} to {number(finite.max(), declared)}."
    missing = values.size - finite.size
    blank = f"{missing} heads were not measured." if missing else ""
    noisy = _beyond(comparison, declared, values)
    said = (
        start,
        noisy,
        f"{superlative(declared)}: {largest}.",
        spread,
        blank,
        holes(comparison.layers),
        about.remark(),
    )
    return " ".join(part for part in said if part)


def _quiet(comparison: Comparison, metric: Metric) -> np.ndarray | None:
    """Heads that the noise makes quiet; other metrics than divergences say something else."""
    return within(comparison) if metric.kind == "divergence" else None


def _beyond(comparison: Comparison, metric: Metric, values: np.ndarray) -> str:
    """How many heads moved beyond a random change, and the largest of them; empty where the picture does not say it."""
    if comparison.noise is None or _quiet(comparison, metric) is None:
        return ""
    cells = np.argwhere(comparison.noise.moved & np.isfinite(values)).tolist()
    if not cells:
        return f"No head moved {BEYOND}."
    cells.sort(key=lambda cell: -values[tuple(cell)])
    named = ", ".join(f"{_name(comparison, *cell)} {number(values[tuple(cell)], metric)}" for cell in cells[:3])
    largest = f"largest {named}" if len(cells) > 3 else named
    return f"{heads_named(len(cells))} moved {BEYOND}: {largest}. The others are within."


def _row(comparison: Comparison, layer: int, head: int) -> tuple[int, int]:
    if layer not in comparison.layers:
        raise BadInput(
            f"Layer {layer} is not in this comparison: choose one of {', '.join(map(str, comparison.layers))}."
        )
    return comparison.layers.index(layer), head


def _name(comparison: Comparison, row: int, head: int) -> str:
    return head_name(comparison.layers[row], head)


def _unmeasured(noise: Noise | None, metric: Metric) -> str:
    """What hatched cells are, and why a column of the floor is missing."""
    if metric.name in FLOORS and noise is None:
        return "Hatched: the noise of this comparison was not measured."
    untested = f" {noise.sentence()}" if metric.name in FLOORS and noise and not noise.testable else ""
    return f"Hatched: not measured.{untested}"


def _legend(comparison: Comparison, metric: Metric, values: np.ndarray, outlined: tuple[int, int] | None) -> str:
    said = [metric.reading]
    if outlined is not None and np.isfinite(values[outlined]):
        said.append(f"Outlined: {_name(comparison, *outlined)} ({number(values[outlined], metric)}).")
    if _quiet(comparison, metric) is not None:
        mark = "Bold" if is_written(grid(*values.shape), values) else "Dotted"
        said.append(f"{mark}: {BEYOND}; smaller cells: within.")
    if not np.isfinite(values).all():
        said.append(_unmeasured(comparison.noise, metric))
    return " ".join(part for part in (*said, holes(comparison.layers), scope(comparison.about).remark()) if part)
