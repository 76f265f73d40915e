"""Did the change matter? How far each head moved, against what its change does to the answer.

Attention is not an explanation: a head can move far and carry nothing, and one that hardly moved can carry the answer.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from attncompare.analyses.patching import Patching
from attncompare.plots.canvas import DPI, LINE, PAD, SMALL, card, footer, lines, style
from attncompare.plots.cells import holes
from attncompare.plots.labels import width
from attncompare.plots.opening import opening
from attncompare.plots.placing import Box, placed
from attncompare.plots.readouts import asked
from attncompare.plots.scatter_ground import BELOW, PLOT, covered, draw_axes, draw_regions
from attncompare.plots.scatter_marks import KEY_HEIGHT, KINDS, MANY, ORDER, Cell, Heads, draw_key, heads_of
from attncompare.plots.scope import scope
from attncompare.plots.wording import signed

_CARD = 1000
_NAMED = {"changed and matters": 10, "changed but idle": 6, "unchanged but critical": 10, "neither": 3}
"""Heads of each verdict that get a name in the plot, at most."""


def scatter(record: Patching) -> Figure:
    """Every head a mark: divergence to the right, the size of its effect upwards, its verdict by marker and colour.

    The effect is that of putting the base's head back into the tuned model. Marks are the larger the more the tuned model
    loses without the head, so what hardly changed and is still needed stands out. Solid lines: beyond them are the fewest
    heads that carry half of all divergence, or of all effects; dotted, nine tenths. Both axes are square-root scales.
    """
    about, heads = scope(record.about), heads_of(record)
    head = opening(f"Which changed {about.of('heads')} matter?{about.over}", _below(record), _CARD)
    top = head.end + KEY_HEIGHT + 18
    below = lines(_footnote(record, heads), _CARD - 2 * PAD)
    end = top + PLOT + BELOW
    figure = card(_CARD, end + LINE * len(below) + PAD - 8)
    head.draw(figure)
    draw_key(figure, heads, head.end)
    axes = draw_axes(figure, heads, top, record.readout.unit)
    taken = draw_regions(axes, record, heads)
    for verdict in reversed(ORDER):
        _marks(axes, heads, verdict)
    _names(axes, heads, taken)
    footer(figure, end, below)
    return figure


def scatter_alt(record: Patching) -> str:
    """What the picture of :func:`scatter` shows, in words and true numbers."""
    about, heads = scope(record.about), heads_of(record)
    said = [
        f"A mark for each of {heads.moved.size} {about.of('heads')}: divergence in bits against the size of what putting "
        f"the base's {record.what} back into the tuned model does to {asked(record)}, in {record.readout.unit}."
    ]
    for verdict in ORDER[:-1]:
        cells = heads.ranked(verdict)
        named = ", ".join(_described(record, heads, cell) for cell in cells[:4])
        more = f" and {len(cells) - 4} more" if len(cells) > 4 else ""
        said.append(f"{verdict.capitalize()} ({len(cells)}): {named or 'no head'}{more}.")
    said.append(f"Neither: {int((heads.verdicts == 'neither').sum())}.")
    said += [_unmeasured(heads), *record.notes, holes(record.layers), about.remark()]
    return " ".join(part for part in said if part)


def _described(record: Patching, heads: Heads, cell: Cell) -> str:
    effect, needed = (float(values[cell]) for values in (record.heads["into_tuned"], record.critical))
    return f"{heads.name(cell)} ({heads.moved[cell]:.2g} bits, effect {signed(effect)}, switched off {signed(needed)})"


def _marks(axes: Axes, heads: Heads, verdict: str) -> None:
    """The marks of one verdict, small ones on top."""
    rows, columns = np.nonzero(heads.shown & (heads.verdicts == verdict))
    size = heads.diameters[rows, columns]
    order = np.argsort(-size, kind="stable")
    at, kind = (rows[order], columns[order]), KINDS[verdict]
    axes.scatter(
        heads.moved[at], heads.effect[at], (size[order] * 72 / DPI) ** 2, marker=kind.marker, facecolors=kind.face,
        edgecolors=kind.edge, linewidths=kind.line, zorder=kind.above, clip_on=False, gid=verdict,
    )  # fmt: skip


def _names(axes: Axes, heads: Heads, taken: list[Box]) -> None:
    """Names of the most important heads of each verdict, with a line to those that stand off; none on ``taken``."""
    cells = [cell for verdict in ORDER for cell in heads.ranked(verdict)[: _NAMED[verdict]]]
    cells = [cell for cell in cells if heads.shown[cell] and heads.effect[cell] > 0]
    extent, size = axes.get_window_extent(), heads.diameters
    kept_free = heads.shown & ((heads.verdicts != "neither") | (heads.moved.size <= MANY))
    centers = [axes.transData.transform((heads.moved[cell], heads.effect[cell])) for cell in cells]
    boxes = placed(
        [(float(x), -float(y)) for x, y in centers],
        [float(size[cell]) / 2 for cell in cells],
        [(width(heads.name(cell), SMALL, DPI, bold=True) * 1.02 + 4, SMALL * DPI / 72 + 3) for cell in cells],
        covered(axes, heads, kept_free),
        Box(extent.x0 + 2, -extent.y1 + 2, extent.x1 - 2, -extent.y0 - 2),
        taken,
    )
    for cell, center, spot in zip(cells, centers, boxes, strict=True):
        if spot is not None:
            _name(axes, heads, cell, (float(center[0]), float(center[1])), spot, float(size[cell]))


def _name(axes: Axes, heads: Heads, cell: Cell, center: tuple[float, float], spot: Box, size: float) -> None:
    kind, inverse = KINDS[heads.verdicts[cell]], axes.transData.inverted()
    middle = (spot.left + spot.right) / 2, -(spot.top + spot.bottom) / 2
    nearest = np.clip(center[0], spot.left, spot.right), np.clip(center[1], -spot.bottom, -spot.top)
    if np.hypot(nearest[0] - center[0], nearest[1] - center[1]) > size / 2 + 9:
        ends = inverse.transform([center, nearest])
        axes.plot(ends[:, 0], ends[:, 1], color=kind.edge, linewidth=0.6, zorder=2.5, gid="leader")
    x, y = inverse.transform(middle)
    weight = "normal" if heads.verdicts[cell] == "neither" else "bold"
    axes.text(
        x, y, heads.name(cell), gid="name", zorder=9, clip_on=False,
        path_effects=[withStroke(linewidth=2.2, foreground="white")],
        **style(SMALL, kind.ink, ha="center", va="center", fontweight=weight),
    )  # fmt: skip


def _below(record: Patching) -> str:
    back = {"pattern": "where it looks", "output": "all that it gives"}[record.what]
    return (
        f"One head of the tuned model at a time gets the base's version back ({back}). Across: how far the head moved. Up: "
        f"how far {asked(record)} moves then."
    )


def _unmeasured(heads: Heads) -> str:
    missing = int((~heads.shown).sum())
    return f"{missing} {'head was' if missing == 1 else 'heads were'} not measured." if missing else ""


def _footnote(record: Patching, heads: Heads) -> str:
    said = [
        "Size of a mark: what switching the head off does to the tuned model.",
        "Solid lines: right of it, and above it, stand the fewest heads that carry half of all divergence, and half of all "
        "effects; dotted: nine tenths. Axes are square-root scales.",
        _unmeasured(heads),
        "One text, one answer: a head that is idle here may matter elsewhere, and heads can stand in for each other.",
    ]
    return " ".join(part for part in (*said, *record.notes, holes(record.layers), scope(record.about).remark()) if part)
