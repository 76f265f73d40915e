"""Near, mid and far mass of each layer, base above tuned, beside what uniform attention would give."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attncompare.analyses.distance import Reach
from attncompare.metrics.reach import BANDS, MID, NEAR
from attncompare.plots.canvas import BODY, DPI, LINE, PAD, box, style, write
from attncompare.plots.cells import Grid, layer_ticks
from attncompare.plots.colors import BANDS as COLORS
from attncompare.plots.colors import BASE, INK, MUTED, TUNED
from attncompare.plots.labels import width

_BARS = 400  # length of a whole bar, in pixels
_NUMBERS = 112  # room for "tuned .31" behind it
_NUMBERED = 36  # height of a row that has room for numbers
STRIPS = _BARS + _NUMBERS
"""Room that the strips take from their left edge, in pixels."""
_SPANS = (f"near (≤ {NEAR})", f"mid (≤ {MID})", "far")


def are_named(place: Grid) -> bool:
    """Whether rows have room for a name and a number behind each bar."""
    return place.cell_height >= _NUMBERED


def draw_strips(figure: Figure, distances: Reach, place: Grid, x: float, band: str) -> None:
    """Bars in the rows of the grid ``place``, from pixel ``x``; the numbers behind them are of ``band``."""
    write(figure, x, PAD + 20, "By layer, mean over heads", points=10, fontweight="bold")
    _key(figure, x)
    axes = box(figure, x, place.top, _BARS, place.height)
    axes.set(xlim=(0, 1), ylim=(place.layers - 0.5, -0.5))
    axes.set_label("strips")
    rows = np.arange(place.layers)
    for side, offset, name in ((distances.base, -0.2, "base"), (distances.tuned, 0.2, "tuned")):
        left = np.zeros(place.layers)
        for part, color in zip(BANDS, COLORS, strict=True):
            mass = np.nan_to_num(_mean(side[part]))
            axes.barh(rows + offset, mass, 0.36, left, color=color, linewidth=0, label=f"{name} {part}", zorder=2)
            left = left + mass
    _uniform(axes, distances)
    layer_ticks(axes, place, distances.layers)
    if are_named(place):
        _numbers(axes, distances, band)
    ends = ((x, "0", "left"), (x + _BARS / 2, "share", "center"), (x + _BARS, "1", "right"))
    for at, text, align in (*ends, (x + _BARS + 12, f"{band} share" if are_named(place) else "", "left")):
        write(figure, at, place.top - 14, text, color=MUTED, ha=align)


def _mean(masses: np.ndarray) -> np.ndarray:
    """Mean over the measured heads of each layer; NaN where none was."""
    count = np.isfinite(masses).sum(axis=1)
    return np.where(count, np.nansum(masses, axis=1) / np.maximum(count, 1), np.nan)


def _key(figure: Figure, x: float) -> None:
    """Which colour is which band, in the line below the title."""
    full_width, full_height = figure.get_size_inches() * DPI
    baseline = PAD + 22 + LINE + 4
    for text, color in zip(_SPANS, COLORS, strict=True):
        swatch = (x / full_width, 1 - (baseline + 1) / full_height)
        figure.add_artist(Rectangle(swatch, 22 / full_width, 14 / full_height, color=color, linewidth=0))
        write(figure, x + 30, baseline, text, points=BODY, color=MUTED)
        x += 30 + width(text, BODY, DPI) + 22


def _uniform(axes: Axes, distances: Reach) -> None:
    """Marks where near ends and far begins under uniform attention, across both bars of a layer."""
    near = distances.uniform["near"].astype(float)
    for ends in (near, near + distances.uniform["mid"]):
        inside = np.flatnonzero(ends < 0.999)
        marks = axes.vlines(ends[inside], inside - 0.46, inside + 0.46, colors=INK, linewidth=1.2, zorder=3)
        marks.set_gid("uniform")


def _numbers(axes: Axes, distances: Reach, band: str) -> None:
    """The share in ``band`` behind each bar."""
    for side, offset, name, color in ((distances.base, -0.2, "base", BASE), (distances.tuned, 0.2, "tuned", TUNED)):
        for row, mass in enumerate(_mean(side[band])):
            if np.isfinite(mass) and distances.uniform[band][row] > 0:
                axes.text(
                    1 + 12 / _BARS, row + offset, f"{name} {mass:.2f}".replace(" 0.", " ."),
                    **style(7.0, color, va="center_baseline"),
                )  # fmt: skip
