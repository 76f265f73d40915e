"""Where the cells of the grid of heads stand, and which head a pixel of its picture belongs to.

The layout depends on the numbers of layers and heads alone, so a click can be traced back without the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from attncompare.plots.canvas import HEADING, PAD, style
from attncompare.plots.colors import MUTED

_AXIS = 34  # room for the head names above the cells
_STEPS = (1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells stand, in pixels of the picture."""

    layers: int
    heads: int
    cell_width: int
    cell_height: int
    left: int = PAD + 44
    top: int = PAD + HEADING + _AXIS

    @property
    def width(self) -> int:
        return self.heads * self.cell_width

    @property
    def height(self) -> int:
        return self.layers * self.cell_height

    @property
    def numbered(self) -> bool:
        """Whether cells are big enough for a number in each."""
        return self.cell_width >= 38 and self.cell_height >= 24


def grid(layers: int, heads: int) -> Grid:
    """The layout of ``layers`` x ``heads`` cells: large with few, never under 12 x 10 pixels with many."""
    cell_width = min(max((648 if heads <= 16 else 768) // heads, 12), 160)
    tallest = 46 if cell_width >= 38 else max(cell_width, 20)
    return Grid(layers, heads, cell_width, min(max(1100 // layers, 10), tallest))


def heads_cell(layers: Sequence[int], heads: int, x: float, y: float) -> tuple[int, int]:
    """The layer and head under pixel ``x``, ``y`` (from the top left) of the PNG of :func:`heads`, nearest if outside.

    ``layers`` are the model's own numbers of the layers shown (``comparison.layers``), and the layer returned is one of
    them; the PNG of :func:`reach` has its grid at the same place.
    """
    place = grid(len(layers), heads)
    row = int((y - place.top) // place.cell_height)
    head = int((x - place.left) // place.cell_width)
    return layers[min(max(row, 0), place.layers - 1)], min(max(head, 0), heads - 1)


def every(pitch: float, needed: float) -> int:
    """Which k makes every k-th label fit, when labels need ``needed`` pixels and places are ``pitch`` pixels apart."""
    return next((step for step in _STEPS if step * pitch >= needed), _STEPS[-1])


def layer_ticks(axes: Axes, place: Grid, layers: Sequence[int]) -> None:
    """Names of ``layers`` left of the rows, every k-th where rows are thin; the same in every picture with a row a layer."""
    down = range(0, place.layers, every(place.cell_height, 20))
    axes.set_yticks(list(down), [f"L{layers[row]}" for row in down], **style(color=MUTED))
    axes.tick_params(length=0, pad=5)


def holes(layers: Sequence[int]) -> str:
    """What a reader must know where the model has layers that don't attend; empty where it has none."""
    whole = list(layers) == list(range(layers[0], layers[0] + len(layers))) and layers[0] == 0
    return "" if whole else "Layers that are missing here don't attend."
