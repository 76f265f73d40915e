"""The picture of noise, drawn: its axis, the strip of all heads, and rows of some with their bands and numbers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from attncompare.analyses.noise import Noise
from attncompare.attention import head_name
from attncompare.plots.canvas import BODY, DPI, PAD, box, style, write
from attncompare.plots.colors import INK, LINE_COLOR, MUTED
from attncompare.plots.floors import small, times
from attncompare.plots.labels import width
from attncompare.plots.noise_layout import BARS, COLUMN, NAME, Places, across, columns
from attncompare.plots.noise_marks import arithmetic, band, between, dots, trainings

_LEFT = PAD + NAME
_SECOND = 19  # from the middle of a row's band to that of its replicates
_ROW_DOT = 12


def draw_axis(figure: Figure, noise: Noise, at: Places, top: float) -> Axes:
    """The axis above everything, and where the scale ends: heads that have nothing to do with each other."""
    axes = box(figure, _LEFT, top, BARS, at.height)
    low, high = at.limits
    axes.set(xscale="log", xlim=at.limits, ylim=(at.height, 0))
    axes.set_label("heads")
    ticks = _ticks(low, high)
    axes.xaxis.tick_top()
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.set_xticks(ticks, [small(tick) for tick in ticks], **style(color=MUTED))
    axes.tick_params(length=0, pad=5, which="both")
    axes.grid(True, axis="x", color=LINE_COLOR, linewidth=0.5, zorder=0)
    axes.set_axisbelow(True)
    axes.vlines([low], 0, at.height, colors=LINE_COLOR, linewidth=1, zorder=0, clip_on=False)
    write(figure, PAD, top - 11, "bits, log scale", color=MUTED)
    for index, name in enumerate(columns(noise)):
        write(figure, _LEFT + BARS + COLUMN * (index + 1), top - 11, name, color=MUTED, ha="right")
    if low < noise.ceiling_bits <= high:
        line = axes.axvline(noise.ceiling_bits, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        line.set_gid("ceiling")
        text = f"unrelated heads: {noise.ceiling_bits:.2g}"
        middle = _LEFT + float(across(np.array(noise.ceiling_bits), at.limits))
        half = width(text, BODY, DPI) / 2
        middle = min(max(middle, PAD + half), PAD + NAME + BARS + len(columns(noise)) * COLUMN - half)
        write(figure, middle, top + at.height + 20, text, points=BODY, color=MUTED, ha="center")
    return axes


def draw_lanes(figure: Figure, axes: Axes, noise: Noise, at: Places, top: float) -> None:
    """A dot for every head."""
    for lane in at.lanes:
        name = f"{len(lane.cells)} {lane.name}".strip() if lane.name else f"all {len(lane.cells)}"
        weight = "bold" if lane.name == "beyond" else "normal"
        color = MUTED if lane.name == "within" else INK
        write(figure, PAD, top + lane.middle + 7, name, points=BODY, color=color, fontweight=weight)
        dots(axes, lane.name, _inside([noise.jsd_bits[cell] for cell in lane.cells], at), lane.dots, at.dot, "strip")


def draw_rows(figure: Figure, axes: Axes, noise: Noise, at: Places, top: float) -> None:
    """Heads one by one: the band of its random changes, its dot, arithmetic, replicates, numbers."""
    for text, baseline in at.headings:
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 2}  # over the lines of the grid
        write(figure, PAD, top + baseline, text, points=BODY, fontweight="bold", bbox=ground)
    if not at.rows:
        return
    cells = tuple(np.transpose([cell for cell, _ in at.rows]))
    y = np.array([middle for _, middle in at.rows])
    axes.hlines(y, *at.limits, colors=LINE_COLOR, linewidth=0.5, zorder=1)
    if noise.floor:
        drawn = noise.draws[:, *cells]
        band(axes, y, _inside(drawn.min(0), at), _inside(drawn.max(0), at), _inside(noise.floor.mean[cells], at))
    if noise.replicates:
        apart = noise.replicates.between[:, *cells]
        between(axes, y + _SECOND, _inside(apart.min(0), at), _inside(apart.max(0), at))
        for training in noise.replicates.from_base[:, *cells]:
            trainings(axes, y + _SECOND, _inside(training, at), noise.replicates.beyond[cells])
    numeric = noise.numeric_bits[cells]
    on = numeric >= at.limits[0]
    off = numeric < at.limits[0]
    arithmetic(axes, numeric[on], y[on])
    arithmetic(axes, np.full(int(off.sum()), at.limits[0]), y[off], off=True)
    for kind, chosen in _kinds(noise, noise.moved[cells]):
        dots(axes, kind, _inside(noise.jsd_bits[cells][chosen], at), y[chosen], _ROW_DOT, "rows")
    for (row, head), middle in at.rows:
        _numbers(figure, noise, row, head, top + middle + 7)


def _kinds(noise: Noise, moved: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return [("beyond", moved), ("within", ~moved)] if noise.testable else [("", np.ones_like(moved))]


def _numbers(figure: Figure, noise: Noise, row: int, head: int, y: float) -> None:
    """A head's name before its row and its numbers behind."""
    loud = bool(noise.moved[row, head])
    look = {"color": INK if loud or not noise.testable else MUTED, "fontweight": "bold" if loud else "normal"}
    write(figure, PAD, y, head_name(noise.layers[row], head), points=BODY, **look)
    said = {"bits": small(float(noise.jsd_bits[row, head]))}
    if noise.floor:
        said |= {"× floor": times(noise.floor.multiple[row, head]), "p": f"{noise.floor.p[row, head]:.2g}"}
    for index, name in enumerate(columns(noise)):
        write(figure, _LEFT + BARS + COLUMN * (index + 1), y, said[name], points=BODY, ha="right", **look)


def _inside(bits: object, at: Places) -> np.ndarray:
    """Where a mark stands: what lies beyond an end of the axis stands on it."""
    return np.clip(np.asarray(bits, float), *at.limits)


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten; where there are less than three, 2 and 5 times as well."""
    tens = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    whole = [10.0**ten for ten in tens if low <= 10.0**ten <= high]
    if len(whole) > 2:
        return whole
    return [float(f"{step}e{ten}") for ten in tens for step in (1, 2, 5) if low <= step * 10.0**ten <= high]
