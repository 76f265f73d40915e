"""Several grids of heads in a row: each with its name, its scale below and, where there is one, a bar a layer beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from attncompare.plots.canvas import DPI, SMALL, box, style, write
from attncompare.plots.cells import Grid, every
from attncompare.plots.colors import DIVERGING, GAINED, INK, LINE_COLOR, LOST, MUTED, SEQUENTIAL, furthest, top
from attncompare.plots.labels import width
from attncompare.plots.maps import color_bar
from attncompare.plots.readouts import fixed
from attncompare.plots.squares import draw_cells

_ABOVE = 98  # name of a panel, a line below it, names of heads
_BELOW = 72  # a scale with its numbers
_AWAY, _BARS, _VALUE = 16, 74, 62  # from the cells to the bars of layers, their width, room for their numbers
_GAP = 26


@dataclass(frozen=True, slots=True)
class Panel:
    """One grid."""

    name: str
    under: str
    """A line below the name."""
    color: str
    """Of the name."""
    values: np.ndarray
    """``[layer, head]``; what is NaN is hatched."""
    far: float
    """Where the scale ends; it begins at 0, or as far below it where values are ``signed``."""
    meaning: str
    """What a value is: below the scale."""
    signed: bool = True
    layers: np.ndarray | None = None
    """``[layer]``: one number a layer beside the grid, signed."""
    layers_far: float = 1.0
    """How far from 0 their scale goes."""

    @property
    def scale(self) -> Colormap:
        return DIVERGING if self.signed else SEQUENTIAL

    @property
    def limits(self) -> tuple[float, float]:
        return (-self.far if self.signed else 0.0), self.far


@dataclass(frozen=True, slots=True)
class PanelRow:
    """Where grids of one shape stand beside each other."""

    layers: int
    heads: int
    names: int
    """Room for the names of layers."""
    cell_width: int
    cell_height: int
    least: int
    """Width that the words of a panel need."""
    margins: tuple[bool, ...]
    """Which grids have bars beside them."""

    @property
    def grid_width(self) -> int:
        return self.heads * self.cell_width

    @property
    def pitch(self) -> int:
        """Least width of a panel without its bars."""
        return max(self.grid_width, self.least)

    @property
    def height(self) -> int:
        return _ABOVE + self.layers * self.cell_height + _BELOW

    @property
    def width(self) -> int:
        return sum(self.names + self._room(i) for i in range(len(self.margins))) + (len(self.margins) - 1) * _GAP

    def _room(self, index: int) -> int:
        beside = self.grid_width + _AWAY + _BARS + _VALUE if self.margins[index] else 0
        return max(self.pitch, beside)

    def place(self, index: int, left: float, y: float) -> Grid:
        """The cells of a panel, of a row whose top left corner is at these pixels."""
        x = left + self.names + sum(self.names + self._room(i) + _GAP for i in range(index))
        return Grid(self.layers, self.heads, self.cell_width, self.cell_height, int(x), int(y) + _ABOVE)


def panel_row(layers: Sequence[int], rows: Sequence[Sequence[Panel]], room: int) -> PanelRow:
    """Where ``rows`` of panels, each beside each other in ``room`` pixels, have their grids.

    Cells hold numbers up to 12 heads, and are never under 4 x 10 pixels; the first row says which grids have bars.
    """
    first, heads = rows[0], rows[0][0].values.shape[1]
    margins = tuple(panel.layers is not None for panel in first)
    names = ceil(width(f"L{max(layers)}", SMALL, DPI)) + 14
    bars = sum(_AWAY + _BARS + _VALUE for margin in margins if margin)
    free = (room - bars - (len(margins) - 1) * _GAP) // len(margins) - names
    wide = min(max(free // heads, 40 if heads <= 12 else 4), 100)
    tall = min(max(820 // len(layers), 10), 46 if wide >= 38 else max(wide, 20))
    least = max(ceil(_words(panel)) for row in rows for panel in row)
    return PanelRow(len(layers), heads, names, wide, tall, least, margins)


def _words(panel: Panel) -> float:
    """The width of what is written above and below a panel, in pixels."""
    ends = 2 * width(f"+{panel.far:.2g}", SMALL, DPI)
    below = width(panel.meaning, SMALL, DPI) + ends + 24
    return 1.02 * max(below, width(panel.under, SMALL, DPI), width(panel.name, 10, DPI, bold=True))


def draw_row(
    figure: Figure, place: PanelRow, corner: tuple[float, float], layers: Sequence[int], panels: Sequence[Panel]
) -> None:
    """The panels from this top left corner, in :attr:`PanelRow.height` pixels."""
    for index, panel in enumerate(panels):
        cells = place.place(index, *corner)
        draw_cells(figure, cells, layers, panel.values, panel.scale, panel.limits, sign=panel.signed)
        figure.axes[-1].set_label(panel.name)
        write(figure, cells.left, corner[1] + 24, panel.name, points=10, color=panel.color, fontweight="bold")
        write(figure, cells.left, corner[1] + 52, panel.under, color=MUTED)
        scale = cells.left, cells.top + cells.height + 12, place.pitch
        color_bar(figure, scale, panel.scale, panel.limits, panel.meaning)
        if panel.layers is not None:
            _margin(figure, cells, panel.layers, panel.layers_far, panel.name)


def _margin(figure: Figure, cells: Grid, values: np.ndarray, far: float, name: str) -> None:
    """A bar a layer about a zero line, and its number; where rows are thin every k-th number."""
    x = cells.left + cells.width + _AWAY
    axes = box(figure, x, cells.top, _BARS, cells.height)
    axes.set(xlim=(-far, far), ylim=(cells.layers - 0.5, -0.5))
    axes.set_label(f"{name}: layers")
    rows, known = np.arange(cells.layers), np.nan_to_num(values)
    axes.barh(rows, known, 0.56, color=[GAINED if value > 0 else LOST for value in known], linewidth=0, zorder=2)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=3)
    axes.hlines(rows, -far, far, colors=LINE_COLOR, linewidth=0.4, zorder=0)
    for layer in range(0, cells.layers, every(cells.cell_height, 20)):
        text = fixed(float(values[layer]), far) if np.isfinite(values[layer]) else "–"
        axes.annotate(
            text, (1, layer), xycoords=("axes fraction", "data"), xytext=(5, 0), textcoords="offset points",
            va="center_baseline", annotation_clip=False, **style(7.5, MUTED),
        )  # fmt: skip
    write(figure, x + (_BARS + _VALUE) / 2, cells.top - 16, "whole layer", points=SMALL, color=MUTED, ha="center")


def signed_panel(
    name: str, under: str, color: str, values: np.ndarray, meaning: str, *, far: float | None = None
) -> Panel:
    """A panel about 0 that reaches as far as its values, or ``far``."""
    return Panel(name, under, color, values, furthest(values) if far is None else far, meaning)


def plain_panel(
    name: str, under: str, color: str, values: np.ndarray, meaning: str, *, far: float | None = None
) -> Panel:
    """A panel from 0 to its largest value, or ``far``."""
    return Panel(name, under, color, values, top(values) if far is None else far, meaning, signed=False)
