"""What the picture of noise shows where: groups of heads, the ends of the axis, stacks of dots, rows.

Pixels below the top of the axes. Knows nothing about drawing.
"""

from dataclasses import dataclass

import numpy as np

from attncompare.analyses.noise import Noise
from attncompare.plots.canvas import PAD
from attncompare.plots.floors import heads_named

ROWS = 18
"""Heads that get a row of their own, at most."""
_OTHERS = 5  # rows kept for heads within where those beyond would fill the picture
NAME, BARS, COLUMN = 150, 620, 102
"""Room for names, length of the axis, width of a column of numbers."""
CARD = 2 * PAD + NAME + BARS + 3 * COLUMN
_DOTS = (9.0, 7.0, 5.0)  # diameters of a dot of the strip, the largest that leaves room
_ROW, _DOUBLE = 28, 42  # height of a row, and of one with replicates below
_HEADING, _GAP = 46, 16
_LANE = 120  # what a lane of dots is at most stacked to
_DECADES, _STRIP_DECADES = 5, 3  # the longest axis, and the longest that a dot without a row asks for
_APART = 27  # least distance of the names of two lanes

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Group:
    """Heads of one kind, by divergence."""

    name: str
    """As the strip calls them; empty where nothing tells heads apart."""
    cells: tuple[Cell, ...]
    """Row and head in the arrays."""
    shown: int
    """How many of them get a row."""

    @property
    def heading(self) -> str:
        """What stands above its rows."""
        many = heads_named(len(self.cells))
        said = f"{many} {self.name} a random change" if self.name else many
        if self.shown == len(self.cells):
            return said
        return f"{said}: the largest" if self.shown == 1 else f"{said}: the {self.shown} largest"


@dataclass(frozen=True, slots=True)
class Lane:
    """Where the dots of all heads of a group stand."""

    name: str
    cells: tuple[Cell, ...]
    dots: tuple[float, ...]
    """The y of each."""
    middle: float


@dataclass(frozen=True, slots=True)
class Places:
    """What is drawn where."""

    lanes: tuple[Lane, ...]
    headings: tuple[tuple[str, float], ...]
    rows: tuple[tuple[Cell, float], ...]
    """Heads with a row, and the middle of their band; a second band for replicates stands below."""
    limits: tuple[float, float]
    dot: float
    """Diameter of a dot of the strip."""
    height: float


def groups(noise: Noise) -> tuple[Group, ...]:
    """Heads beyond a random change and heads within, or all measured heads where that was not tested."""
    bits = np.nan_to_num(noise.jsd_bits, nan=-1.0)
    order = np.argsort(-bits, axis=None, kind="stable")[: int(np.isfinite(noise.jsd_bits).sum())]
    cells = [(int(row), int(head)) for row, head in zip(*np.unravel_index(order, bits.shape), strict=True)]
    if not noise.testable:
        return (Group("", tuple(cells), min(len(cells), ROWS)),)
    beyond = tuple(cell for cell in cells if noise.moved[cell])
    rest = tuple(cell for cell in cells if not noise.moved[cell])
    first = min(len(beyond), ROWS - min(len(rest), _OTHERS))
    return Group("beyond", beyond, first), Group("within", rest, min(len(rest), ROWS - first))


def columns(noise: Noise) -> tuple[str, ...]:
    """The numbers behind each row: those that were measured."""
    return ("bits", *(["× floor"] if noise.floor else []), *(["p"] if noise.testable else []))


def places(noise: Noise, limits: tuple[float, float] | None = None) -> Places:
    """The strip of all heads, then rows for some; ``limits`` are the ends of the axis, in bits."""
    kinds = groups(noise)
    limits = limits or _ends(noise, [cell for kind in kinds for cell in kind.cells[: kind.shown]])
    dot, stacks = _stacks(noise, kinds, limits)
    headings: list[tuple[str, float]] = [(_everyone(kinds), _HEADING - 14.0)]
    y, lanes, rows = _HEADING - 4.0, [], []
    for kind, stack in zip(kinds, stacks, strict=True):
        bottom = y + max(float(stack.max(initial=0)) + dot, _APART - 14)
        lanes.append(Lane(kind.name, kind.cells, tuple((bottom - stack).tolist()), bottom))
        y = bottom + 14
    height = _DOUBLE if noise.replicates else _ROW
    for kind in kinds:
        if kind.shown:
            y += _HEADING
            headings.append((kind.heading, y - 14))
            rows += [(cell, y + height * index + _ROW / 2) for index, cell in enumerate(kind.cells[: kind.shown])]
            y += height * kind.shown
    return Places(tuple(lanes), tuple(headings), tuple(rows), limits, dot, y + _GAP)


def across(bits: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Pixels from the left end of the axis; what lies beyond an end stands on it."""
    low, high = limits
    return np.asarray(np.log(np.clip(bits, low, high) / low) / np.log(high / low) * BARS)


def outside(noise: Noise, at: Places) -> bool:
    """Whether any divergence or random change stands at an end of the axis because it lies beyond."""
    shown = np.append(_of_rows(noise, [cell for cell, _ in at.rows]), noise.jsd_bits)
    return bool(((shown < at.limits[0]) | (shown > at.limits[1])).any())


def _ends(noise: Noise, cells: list[Cell]) -> tuple[float, float]:
    """Room for everything that is drawn, but for arithmetic and what is tiny beside the rest."""
    rows, everyone = _positive(_of_rows(noise, cells)), _positive(np.append(noise.jsd_bits, noise.ceiling_bits))
    high = 1.3 * float(max(rows.max(initial=0), everyone.max(initial=0))) or 1.0
    strip = max(float(everyone.min(initial=high)) / 1.3, high / 10**_STRIP_DECADES)
    return min(strip, max(float(rows.min(initial=high)) / 1.3, high / 10**_DECADES)), high


def _positive(bits: np.ndarray) -> np.ndarray:
    return bits[np.isfinite(bits) & (bits > 0)]


def _of_rows(noise: Noise, cells: list[Cell]) -> np.ndarray:
    """Divergences, random changes and replicates of heads with a row."""
    if not cells:
        return np.array([])
    rows, heads = np.transpose(cells)
    others = [noise.replicates.from_base, noise.replicates.between] if noise.replicates else []
    parts = [noise.jsd_bits[None], noise.draws, *others]
    return np.concatenate([part[:, rows, heads].ravel() for part in parts])


def _everyone(kinds: tuple[Group, ...]) -> str:
    """What stands above the strip."""
    many = sum(len(kind.cells) for kind in kinds)
    return f"All {heads_named(many)}, a dot each" if many > 1 else heads_named(many)


def _stacks(noise: Noise, kinds: tuple[Group, ...], limits: tuple[float, float]) -> tuple[float, list[np.ndarray]]:
    """The diameter of the dots, and for each group how high above the lowest each of its dots stands."""
    lanes = [across(np.array([noise.jsd_bits[cell] for cell in kind.cells]), limits) for kind in kinds]
    for dot in _DOTS:
        levels = [_levels(lane, dot + 1) for lane in lanes]
        highest = max(int(level[lane > 0].max(initial=0)) for lane, level in zip(lanes, levels, strict=True))
        if highest * (dot + 1) <= _LANE:
            break

    # Heads that did not change at all pile up at the left end: they alone are pressed together.
    def heights(lane: np.ndarray, level: np.ndarray) -> np.ndarray:
        pile = int(level[lane <= 0].max(initial=0))
        pitch = np.where(lane > 0, _LANE / max(highest, 1), _LANE / 2 / max(pile, 1))
        return np.asarray(level * np.minimum(pitch, dot + 1))

    return dot, [heights(*pair) for pair in zip(lanes, levels, strict=True)]


def _levels(pixels: np.ndarray, apart: float) -> np.ndarray:
    """The lowest level at which each dot, placed from left to right, does not touch the one before."""
    ends: list[float] = []
    levels = np.zeros(len(pixels), int)
    for index in np.argsort(pixels, kind="stable").tolist():
        level = next((level for level, end in enumerate(ends) if pixels[index] >= end), len(ends))
        ends[level : level + 1] = [float(pixels[index]) + apart]
        levels[index] = level
    return levels
