"""Did the change matter? How far each head moved, against what its change does to the answer.

Attention is not an explanation: a head can move far and carry nothing, and one that hardly moved can carry the answer.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from attncompare.analyses.patching import Patching
from attncompare.attention import head_name
from attncompare.plots.canvas import DPI, LINE, PAD, box, card, footer, lines, style, write
from attncompare.plots.cells import holes
from attncompare.plots.colors import INK, LINE_COLOR, MUTED
from attncompare.plots.labels import width
from attncompare.plots.opening import opening
from attncompare.plots.placing import Box, placed
from attncompare.plots.readouts import asked
from attncompare.plots.scatter_marks import KINDS, ORDER, diameters, draw_key, key_height, ranked
from attncompare.plots.scope import scope
from attncompare.plots.wording import signed

_CARD = 1000
_LEFT, _BELOW = 84, 92  # room for the axes
_PLOT = 620
_NAMED = {"changed and matters": 10, "changed but idle": 6, "unchanged but critical": 8, "neither": 3}
"""Heads of each verdict that get a name in the plot, at most."""
_POINTS = 8.0
_KEPT_FREE = 400  # marks


def scatter(record: Patching) -> Figure:
    """Every head a mark: divergence to the right, the size of its effect upwards, its verdict by marker and colour.

    The effect is that of putting the base's head back into the tuned model. Marks are the larger the more the tuned model
    loses without the head, so what hardly changed and is still needed stands out. Solid lines: beyond them are the fewest
    heads that carry half of all divergence, or of all effects; dotted, nine tenths. Both axes are square-root scales.
    """
    about = scope(record.about)
    title = f"Which changed {about.of('heads')} matter?{about.over}"
    head = opening(title, _below(record), _CARD)
    top = head.end + key_height(record) + 18
    below = lines(_footnote(record), _CARD - 2 * PAD)
    end = top + _PLOT + _BELOW
    figure = card(_CARD, end + LINE * len(below) + PAD - 8)
    head.draw(figure)
    draw_key(figure, record, head.end)
    axes = box(figure, PAD + _LEFT, top, _CARD - 2 * PAD - _LEFT - 8, _PLOT)
    axes.set_label("heads")
    x, y = record.jsd_bits, np.abs(record.heads["into_tuned"])
    _axes(axes, record, x, y)
    shown = np.isfinite(x) & np.isfinite(y)
    size = diameters(record)
    taken = _regions(axes, record, _boxes(axes, x[shown], y[shown], size[shown]))
    for verdict in reversed(ORDER):
        chosen = np.flatnonzero(shown & (record.verdicts == verdict))
        chosen = np.unravel_index(chosen[np.argsort(-size.flat[chosen], kind="stable")], x.shape)  # small ones on top
        kind = KINDS[verdict]
        axes.scatter(
            x[chosen], y[chosen], (size[chosen] * 72 / DPI) ** 2, marker=kind.marker, facecolors=kind.face,
            edgecolors=kind.edge, linewidths=kind.line, zorder=kind.above, clip_on=False, gid=verdict,
        )  # fmt: skip
    _names(axes, record, x, y, size, taken)
    footer(figure, end, below)
    return figure


def scatter_alt(record: Patching) -> str:
    """What the picture of :func:`scatter` shows, in words and true numbers."""
    about, (layers, heads) = scope(record.about), record.jsd_bits.shape
    said = [
        f"A mark for each of {layers * heads} {about.of('heads')}: divergence in bits against the size of what putting the "
        f"base's {record.what} back into the tuned model does to {asked(record)}, in {record.readout.unit}."
    ]
    for verdict in ORDER[:-1]:
        cells = ranked(record, verdict)
        named = ", ".join(_described(record, *cell) for cell in cells[:4])
        more = f" and {len(cells) - 4} more" if len(cells) > 4 else ""
        said.append(f"{verdict.capitalize()} ({len(cells)}): {named or 'no head'}{more}.")
    said.append(f"Neither: {int((record.verdicts == 'neither').sum())}.")
    return " ".join(
        part for part in (*said, _unmeasured(record), *record.notes, holes(record.layers), about.remark()) if part
    )


def _described(record: Patching, row: int, head: int) -> str:
    return (
        f"{head_name(record.layers[row], head)} ({record.jsd_bits[row, head]:.2g} bits, effect "
        f"{signed(float(record.heads['into_tuned'][row, head]))}, switched off {signed(float(record.critical[row, head]))})"
    )


def _axes(axes: Axes, record: Patching, x: np.ndarray, y: np.ndarray) -> None:
    """Square-root scales from 0, with round ticks."""
    for values, name in ((x, "x"), (y, "y")):
        known = values[np.isfinite(values)]
        high = float(known.max(initial=0)) or 1.0
        axis = axes.xaxis if name == "x" else axes.yaxis
        getattr(axes, f"set_{name}scale")("function", functions=(_root, np.square))
        getattr(axes, f"set_{name}lim")(0, high * (1.12 if name == "x" else 1.22))
        ticks = _ticks(high)
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks], **style(color=MUTED))
        axis.set_ticks([], minor=True)
    axes.tick_params(length=0, pad=6, which="both")
    axes.grid(True, color=LINE_COLOR, linewidth=0.4, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["left", "bottom"]].set(visible=True, color=MUTED, linewidth=0.8)
    figure = axes.get_figure()
    pixels = axes.get_window_extent()
    down = figure.bbox.height
    write(figure, pixels.x1, down - pixels.y0 + 62, "how far the head moved: divergence, bits →", color=INK, ha="right")
    write(
        figure, pixels.x0 - 66, down - pixels.y1, f"its effect on the answer, {record.readout.unit} →", color=INK,
        rotation=90, ha="center", va="top",
    )  # fmt: skip


def _root(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.clip(values, 0, None))


def _ticks(high: float) -> list[float]:
    """0 and round values that stand apart on a square-root scale."""
    ten = 10.0 ** np.floor(np.log10(high))
    found = [0.0]
    for step in (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 4, 7):
        value = float(f"{step * ten:.1g}")
        if value <= high * 1.02 and np.sqrt(value / high) - np.sqrt(found[-1] / high) > 0.11:
            found.append(value)
    return found


def _border(values: np.ndarray, beyond: np.ndarray) -> float:
    """Between the smallest value beyond and the largest that is not; NaN where no value is beyond."""
    if not beyond.any():
        return float("nan")
    rest = values[~beyond & np.isfinite(values)]
    return float((values[beyond].min() + rest.max(initial=0)) / 2)


def _regions(axes: Axes, record: Patching, marks: np.ndarray) -> list[Box]:
    """Borders of what changed and what matters, a tint and a name for each kind of head; where the names stand."""
    x, y = record.jsd_bits, np.abs(record.heads["into_tuned"])
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    changed, matters = _border(x, record.changed), _border(y, record.matters)
    nearly, idle = _border(x, ~record.unchanged), _border(y, ~record.idle)
    for value, draw, name, dotted in (
        (changed, axes.axvline, "changed", False), (matters, axes.axhline, "matters", False),
        (nearly, axes.axvline, "unchanged", True), (idle, axes.axhline, "idle", True),
    ):  # fmt: skip
        if np.isfinite(value):
            dashes = (0, (1, 2.5)) if dotted else "solid"
            draw(value, color=MUTED, linewidth=0.8 if dotted else 1.1, linestyle=dashes, zorder=1).set_gid(name)
    taken = []
    if np.isfinite(changed) and np.isfinite(matters):
        taken += _ground(axes, "changed and matters", (changed, matters, right, top), "changed, matters", marks)
    if np.isfinite(changed) and np.isfinite(idle):
        taken += _ground(axes, "changed but idle", (changed, 0, right, idle), "changed, idle", marks)
    if np.isfinite(nearly):
        taken += _ground(
            axes, "unchanged but critical", (0, 0, nearly, top), "hardly changed: large if critical", marks
        )
    return taken


def _ground(
    axes: Axes, verdict: str, ends: tuple[float, float, float, float], name: str, marks: np.ndarray
) -> list[Box]:
    """A tint from left and bottom to right and top, and its name in a corner without ``marks``; where that stands."""
    left, bottom, right, top = ends
    kind = KINDS[verdict]
    ground = Rectangle((left, bottom), right - left, top - bottom, color=kind.tint, linewidth=0, zorder=0.2)
    ground.set_gid(f"ground: {verdict}")
    axes.add_patch(ground)
    (x0, y0), (x1, y1) = axes.transData.transform([(left, bottom), (right, top)])
    wide, tall = width(name, _POINTS, DPI) * 1.02, _POINTS * DPI / 72
    if wide + 16 > x1 - x0 or tall + 8 > y1 - y0:
        return []
    for x in (x1 - 8 - wide, x0 + 8):
        for y in (y1 - 8 - tall, y0 + 7):
            spot = Box(x, -(y + tall), x + wide, -y)
            if not spot.overlap(marks).any():
                place = axes.transData.inverted().transform((x, y))
                axes.text(*place, name, gid="region", zorder=1.5, **style(_POINTS, kind.ink, alpha=0.85, va="bottom"))
                return [spot]
    return []


def _boxes(axes: Axes, x: np.ndarray, y: np.ndarray, size: np.ndarray) -> np.ndarray:
    """``[mark, side]``: what marks cover: left, top, right, bottom in pixels that count downwards."""
    points = axes.transData.transform(np.column_stack([x, y])).reshape(-1, 2)
    half = size[:, None] / 2
    low, high = points - half, points + half
    return np.column_stack([low[:, 0], -high[:, 1], high[:, 0], -low[:, 1]])


def _names(axes: Axes, record: Patching, x: np.ndarray, y: np.ndarray, size: np.ndarray, taken: list[Box]) -> None:
    """Names of the most important heads of each verdict, with a line to those that stand off; none on ``taken``."""
    cells = [cell for verdict in ORDER for cell in ranked(record, verdict)[: _NAMED[verdict]]]
    cells = [cell for cell in cells if np.isfinite(x[cell]) and np.isfinite(y[cell])]
    if not cells:
        return
    extent = axes.get_window_extent()
    shown = np.isfinite(x) & np.isfinite(y)
    marks = _boxes(axes, x[shown], y[shown], size[shown])
    if len(marks) > _KEPT_FREE:  # thousands of small marks can't all be kept free: those that carry a verdict can
        marks = marks[record.verdicts[shown] != "neither"]
    names = [head_name(record.layers[row], head) for row, head in cells]
    centers = [axes.transData.transform((x[cell], y[cell])) for cell in cells]
    boxes = placed(
        [(float(px), -float(py)) for px, py in centers],
        [float(size[cell]) / 2 for cell in cells],
        [(width(name, _POINTS, DPI, bold=True) * 1.02 + 4, _POINTS * DPI / 72 + 3) for name in names],
        marks,
        Box(extent.x0 + 2, -extent.y1 + 2, extent.x1 - 2, -extent.y0 - 2),
        taken,
    )
    for cell, name, center, spot in zip(cells, names, centers, boxes, strict=True):
        if spot is not None:
            _name(axes, record, cell, name, (float(center[0]), float(center[1])), spot, float(size[cell]))


def _name(
    axes: Axes, record: Patching, cell: tuple[int, int], name: str, center: tuple[float, float], spot: Box, size: float
) -> None:
    kind = KINDS[record.verdicts[cell]]
    middle = (spot.left + spot.right) / 2, -(spot.top + spot.bottom) / 2
    inverse = axes.transData.inverted()
    nearest = np.clip(center[0], spot.left, spot.right), np.clip(center[1], -spot.bottom, -spot.top)
    if np.hypot(nearest[0] - center[0], nearest[1] - center[1]) > size / 2 + 9:
        ends = inverse.transform([center, nearest])
        axes.plot(ends[:, 0], ends[:, 1], color=kind.edge, linewidth=0.6, zorder=2.5, gid="leader")
    x, y = inverse.transform(middle)
    weight = "normal" if record.verdicts[cell] == "neither" else "bold"
    axes.text(
        x, y, name, gid="name", zorder=9, clip_on=False, path_effects=[withStroke(linewidth=2.2, foreground="white")],
        **style(_POINTS, kind.ink, ha="center", va="center", fontweight=weight),
    )  # fmt: skip


def _below(record: Patching) -> str:
    back = {"pattern": "where it looks", "output": "all that it gives"}[record.what]
    return (
        f"One head of the tuned model at a time gets the base's version back ({back}). Across: how far the head "
        f"moved. Up: how far {asked(record)} moves then."
    )


def _unmeasured(record: Patching) -> str:
    missing = int((~np.isfinite(record.jsd_bits + record.heads["into_tuned"])).sum())
    return f"{missing} {'head was' if missing == 1 else 'heads were'} not measured." if missing else ""


def _footnote(record: Patching) -> str:
    said = [
        "Size of a mark: what switching the head off does to the tuned model.",
        "Solid lines: right of it, and above it, stand the fewest heads that carry half of all divergence, and half of all "
        "effects; dotted: nine tenths. Axes are square-root scales.",
        _unmeasured(record),
        "One text, one answer: a head that is idle here may matter elsewhere, and heads can stand in for each other.",
    ]
    return " ".join(part for part in (*said, *record.notes, holes(record.layers), scope(record.about).remark()) if part)
