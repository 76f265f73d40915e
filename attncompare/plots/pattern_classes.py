"""Classes of patterns: every head before and after, and which classes heads went from and to."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from attncompare.analyses.pattern_record import SETTLED, PatternClasses, SideClasses
from attncompare.attention import head_name
from attncompare.metrics.pattern_rules import CLASSES
from attncompare.plots.canvas import (
    HEADING,
    LINE,
    PAD,
    SMALL,
    box,
    card,
    footer,
    heading,
    heading_width,
    lines,
    style,
    write,
)  # fmt: skip
from attncompare.plots.cells import every, holes, layer_ticks
from attncompare.plots.cells import grid as cells
from attncompare.plots.colors import BASE, INK, LINE_COLOR, MUTED, TUNED, text_on
from attncompare.plots.scope import scope

COLORS = ("#5b2a86", "#3266ad", "#b9b6c9", "#0b7a4a", "#efe6cf", "#f0a63c")
"""Of the classes, in their order."""
LETTERS = ("VD", "D", "V", "B", "br", "h")
"""The same in letters, so that no class goes by colour alone."""

_LEFT, _GAP, _TITLE, _AXIS = 44, 64, 34, 30
_FLOW, _BAR, _SIDE = 280, 22, 262  # of the flow: between the columns, a column, names beside it
_FLOW_HIGH = 300
_SPACE = 10  # between two classes of a column


def pattern_classes(found: PatternClasses) -> Figure:
    """The class of every head in base and in tuned as grids, changed heads outlined, and the flow from class to class.

    A solid outline is a clear change; a dashed one crossed a threshold beside which it stands.
    """
    about = scope(found.about)
    layers, heads = found.changed.shape
    cell_width = max(14, min(42, 600 // heads))
    cell_height = max(10, min(34, 1000 // layers))
    wide, high = heads * cell_width, layers * cell_height
    flow = 2 * (_BAR + _SIDE) + _FLOW
    title = f"What each {about.of('head')} looks like, before and after{about.over}"
    below = f"{int(found.clear.sum())} of {found.changed.size} heads clearly changed class"
    room = max(2 * (_LEFT + wide) + _GAP + 2 * PAD, flow + 2 * PAD, heading_width(title, below))
    remarked = lines(_legend(found), room - 2 * PAD)
    top = PAD + HEADING + _TITLE + _AXIS
    end = top + high + _TITLE + _AXIS + _FLOW_HIGH
    figure = card(room, end + 18 + LINE * len(remarked) + PAD)
    heading(figure, title, below)
    x = (room - 2 * wide - _GAP) / 2
    for name, color, side in (("base", BASE, found.base), ("tuned", TUNED, found.tuned)):
        write(figure, x, top - _AXIS - 12, name, points=10, color=color, fontweight="bold")
        axes = box(figure, x, top, wide, high)
        _grid(axes, found, side, cell_width, cell_height)
        x += wide + _GAP + _LEFT
    write(figure, PAD, top + high + _TITLE + 12, "From class to class", points=10, color=INK, fontweight="bold")
    _flow(box(figure, (room - flow) / 2, end - _FLOW_HIGH, flow, _FLOW_HIGH), found, flow, _FLOW_HIGH)
    footer(figure, end + 18, remarked)
    return figure


def pattern_classes_alt(found: PatternClasses) -> str:
    """What the picture of :func:`pattern_classes` shows, in words and true numbers."""
    layers, heads = found.changed.shape
    moved = [f"{count} from {one} to {two}" for (one, two), count in found.flows.items() if one != two]
    steps = f"Heads that changed class: {', '.join(moved)}." if moved else "No head changed class."
    return " ".join([
        f"Two grids of {layers} layers by {heads} heads, the class of each head in base and in tuned, and the flow between.",
        steps,
        *found.answers,
    ])  # fmt: skip


def _grid(axes: Axes, found: PatternClasses, side: SideClasses, cell_width: int, cell_height: int) -> None:
    layers, heads = side.classes.shape
    axes.set(xlim=(-0.5, heads - 0.5), ylim=(layers - 0.5, -0.5))
    lettered = cell_width >= 26 and cell_height >= 20
    for row, head in np.ndindex(layers, heads):
        number = int(side.classes[row, head])
        axes.add_patch(
            Rectangle((head - 0.5, row - 0.5), 1, 1, facecolor=COLORS[number], edgecolor="white", linewidth=1)
        )
        if lettered:
            bold = "bold" if found.clear[row, head] else "normal"
            written = style(SMALL - 0.5, text_on(COLORS[number]), ha="center", va="center_baseline", fontweight=bold)
            axes.text(head, row, LETTERS[number], **written)
    for row, head in np.argwhere(found.changed).tolist():
        clear = bool(found.clear[row, head])
        axes.add_patch(
            Rectangle(
                (head - 0.44, row - 0.44), 0.88, 0.88, fill=False,
                edgecolor=INK if clear else text_on(COLORS[int(side.classes[row, head])]), linewidth=2.2 if clear else 0.9,
                linestyle="solid" if clear else (0, (2.5, 2)), clip_on=False,
            )
        )  # fmt: skip
    layer_ticks(axes, cells(layers, heads), found.layers)
    across = list(range(0, heads, every(cell_width, 34)))
    axes.xaxis.tick_top()
    axes.set_xticks(across, [f"H{head}" for head in across], **style(color=MUTED))
    axes.tick_params(length=0, pad=5)


def _flow(axes: Axes, found: PatternClasses, wide: int, tall: int) -> None:
    """Two columns of classes, as high as they have heads, and bands between them."""
    axes.set(xlim=(0, wide), ylim=(tall, 0))
    present = [name for name in CLASSES if found.base.count(name) or found.tuned.count(name)]
    unit = (tall - _SPACE * (len(present) - 1) - 14 * len(present)) / found.changed.size
    ends = [
        _column(axes, found, side, present, unit, x) for side, x in ((found.base, _SIDE), (found.tuned, wide - _SIDE))
    ]
    left, right = _SIDE + _BAR, wide - _SIDE - _BAR
    for (one, two), count in found.flows.items():
        start, end = ends[0][one], ends[1][two]
        ends[0][one], ends[1][two] = start + count * unit, end + count * unit
        band = Path(
            [(left, start), ((left + right) / 2, start), ((left + right) / 2, end), (right, end),
             (right, end + count * unit), ((left + right) / 2, end + count * unit),
             ((left + right) / 2, start + count * unit), (left, start + count * unit), (left, start)],
            [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY],
        )  # fmt: skip
        stays = one == two
        axes.add_patch(
            PathPatch(band, facecolor=COLORS[CLASSES.index(one)], alpha=0.35 if stays else 0.85,
                      edgecolor=LINE_COLOR if stays else INK, linewidth=0.4)
        )  # fmt: skip


def _column(
    axes: Axes, found: PatternClasses, side: SideClasses, present: list[str], unit: float, edge: float
) -> dict[str, float]:
    """One column at ``edge`` (its outer side); where each class begins, from the top."""
    left = side is found.base
    x = edge if left else edge - _BAR
    y, starts = 0.0, {}
    for name in present:
        number, count = CLASSES.index(name), side.count(name)  # type: ignore[arg-type]
        slot = max(count * unit, 0) + 14
        starts[name] = y + 7
        axes.add_patch(
            Rectangle((x, y + 7), _BAR, count * unit, facecolor=COLORS[number], edgecolor=MUTED, linewidth=0.5)
        )
        words = f"{name} ({LETTERS[number]}) {count}" if left else f"{count} {name} ({LETTERS[number]})"
        axes.text(
            x - 8 if left else x + _BAR + 8, y + slot / 2, words,
            **style(SMALL, INK if count else MUTED, ha="right" if left else "left", va="center_baseline"),
        )  # fmt: skip
        y += slot + _SPACE
    return starts


def _legend(found: PatternClasses) -> str:
    about, said = scope(found.about), []
    if found.changed.any():
        said.append(
            f"Outlined: of another class in tuned; solid: at least {SETTLED:g} from every threshold in both models, dashed: "
            "beside one, which may be chance."
        )
    named = [head_name(found.layers[row], head) for row, head in np.argwhere(found.clear).tolist()]
    if 0 < len(named) <= 8:
        said.append(f"Solid: {', '.join(named)}.")
    said.append("Rules and thresholds are ours, on one text.")
    return " ".join(part for part in (*said, holes(found.layers), about.remark()) if part)
