"""What the heads of the scatter stand on: square-root scales, the borders of what changed and what matters, their names."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attncompare.analyses.patching import Patching
from attncompare.plots.canvas import DPI, PAD, SMALL, box, style, write
from attncompare.plots.colors import INK, LINE_COLOR, MUTED
from attncompare.plots.labels import widest, width
from attncompare.plots.placing import Box
from attncompare.plots.scatter_marks import KINDS, Heads

PLOT = 620
"""Height of the plot, in pixels."""
BELOW = 92
"""Room for the axis below it."""
_NAME = 40  # room for the name of the axis on the left
_ABOVE = (1.12, 1.22)  # how far the scales go on past the highest value, across and up


def draw_axes(figure: Figure, heads: Heads, top: float, unit: str) -> Axes:
    """Square-root scales from 0: most heads crowd there, and a few are far."""
    highest = [float(values[heads.shown].max(initial=0)) or 1.0 for values in (heads.moved, heads.effect)]
    ticks = [_ticks(high) for high in highest]
    left = PAD + _NAME + widest((f"{tick:g}" for tick in ticks[1]), SMALL, DPI)
    right = figure.bbox.width - PAD - 8
    axes = box(figure, left, top, right - left, PLOT)
    axes.set_label("heads")
    for index, (name, axis) in enumerate((("x", axes.xaxis), ("y", axes.yaxis))):
        getattr(axes, f"set_{name}scale")("function", functions=(_root, np.square))
        getattr(axes, f"set_{name}lim")(0, highest[index] * _ABOVE[index])
        axis.set_ticks(ticks[index], [f"{tick:g}" for tick in ticks[index]], **style(color=MUTED))
        axis.set_ticks([], minor=True)
    axes.tick_params(length=0, pad=6, which="both")
    axes.grid(True, color=LINE_COLOR, linewidth=0.4, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["left", "bottom"]].set(visible=True, color=MUTED, linewidth=0.8)
    write(figure, right, top + PLOT + 62, "how far the head moved: divergence, bits →", color=INK, ha="right")
    write(
        figure, PAD + 8, top, f"its effect on the answer, {unit} →", color=INK, rotation=90, ha="center", va="top"
    )  # fmt: skip
    return axes


def covered(axes: Axes, heads: Heads, chosen: np.ndarray) -> np.ndarray:
    """``[mark, side]``: left, top, right, bottom of the marks of ``chosen[layer, head]``, in pixels that count downwards."""
    points = axes.transData.transform(np.column_stack([heads.moved[chosen], heads.effect[chosen]])).reshape(-1, 2)
    half = heads.diameters[chosen][:, None] / 2
    low, high = points - half, points + half
    return np.column_stack([low[:, 0], -high[:, 1], high[:, 0], -low[:, 1]])


def draw_regions(axes: Axes, record: Patching, heads: Heads) -> list[Box]:
    """Borders of what changed and what matters, a tint and a name for each kind of head; where the names stand."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    changed, matters = _border(heads.moved, record.changed), _border(heads.effect, record.matters)
    nearly, idle = _border(heads.moved, ~record.unchanged), _border(heads.effect, ~record.idle)
    for value, draw, name, dotted in (
        (changed, axes.axvline, "changed", False), (matters, axes.axhline, "matters", False),
        (nearly, axes.axvline, "unchanged", True), (idle, axes.axhline, "idle", True),
    ):  # fmt: skip
        if np.isfinite(value):
            dashes = (0, (1, 2.5)) if dotted else "solid"
            draw(value, color=MUTED, linewidth=0.8 if dotted else 1.1, linestyle=dashes, zorder=1).set_gid(name)
    marks, taken = covered(axes, heads, heads.shown), []
    for verdict, names, ends in (
        ("changed and matters", ("changed, matters",), (changed, matters, right, top)),
        ("changed but idle", ("changed, idle",), (changed, 0.0, right, idle)),
        ("unchanged but critical", ("hardly changed: large if critical", "hardly changed"), (0.0, 0.0, nearly, top)),
    ):
        if np.isfinite(ends).all():
            taken += _ground(axes, verdict, ends, names, marks)
    return taken


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
    """Between the smallest value beyond and the largest that is not; NaN where there are none of either."""
    rest = values[~beyond & np.isfinite(values)]
    if not beyond.any() or not rest.size:
        return float("nan")
    return float((values[beyond].min() + rest.max()) / 2)


def _ground(
    axes: Axes, verdict: str, ends: tuple[float, float, float, float], names: Sequence[str], marks: np.ndarray
) -> list[Box]:
    """A tint from left and bottom to right and top, and the first of ``names`` that a corner has room for; where it is."""
    left, bottom, right, top = ends
    kind = KINDS[verdict]
    ground = Rectangle((left, bottom), right - left, top - bottom, color=kind.tint, linewidth=0, zorder=0.2)
    ground.set_gid(f"ground: {verdict}")
    axes.add_patch(ground)
    (x0, y0), (x1, y1) = axes.transData.transform([(left, bottom), (right, top)])
    for name in names:
        spot = _corner(Box(x0, -y1, x1, -y0), (width(name, SMALL, DPI) * 1.02, SMALL * DPI / 72), marks)
        if spot is not None:
            place = axes.transData.inverted().transform((spot.left, -spot.bottom))
            axes.text(*place, name, gid="region", zorder=1.5, **style(SMALL, kind.ink, alpha=0.85, va="bottom"))
            return [spot]
    return []


def _corner(room: Box, size: tuple[float, float], marks: np.ndarray) -> Box | None:
    """A box of ``size`` in a corner of ``room`` that covers no mark."""
    (wide, tall), gap = size, 8
    if wide + 2 * gap > room.right - room.left or tall + gap > room.bottom - room.top:
        return None
    for x in (room.right - gap - wide, room.left + gap):
        for y in (room.top + gap, room.bottom - gap - tall):
            spot = Box(x, y, x + wide, y + tall)
            if not spot.overlap(marks).any():
                return spot
    return None
