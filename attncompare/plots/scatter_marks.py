"""The heads of the scatter with their verdicts, the marks of these, and the key that names the heads of each."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.patching import Patching
from attncompare.attention import head_name
from attncompare.plots.canvas import BODY, DPI, PAD, box, write
from attncompare.plots.colors import INK, MUTED
from attncompare.plots.labels import width

ORDER = ("changed and matters", "changed but idle", "unchanged but critical", "neither")
MANY = 400
"""Heads beyond which marks are smaller, and only those that carry a verdict are kept free of names."""
_ROW = 31
_SMALLEST, _LARGEST = 8.0, 40.0  # diameters of marks, in pixels
_SPACE = 14
_LISTED = 12  # names in the key, at most

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """How heads of one verdict look."""

    marker: str
    face: str
    edge: str
    ink: str
    """Of its words: dark enough to read."""
    tint: str
    line: float
    above: float


KINDS = {
    "changed and matters": Kind("o", "#d9690f", "#7a3603", "#8f4200", "#fdf0e4", 0.8, 6),
    "changed but idle": Kind("s", "white", "#3266ad", "#28528c", "#edf2fa", 1.7, 5),
    "unchanged but critical": Kind("^", "#b98ad0", "#4c1964", "#4c1964", "#f7f1fa", 1.0, 4),
    "neither": Kind("o", "#d8d6e1", "#9b99aa", MUTED, "white", 0.5, 3),
}


@dataclass(frozen=True, eq=False)
class Heads:
    """What the scatter shows of each head, ``[layer, head]``."""

    layers: tuple[int, ...]
    moved: np.ndarray
    """Divergence, bits."""
    effect: np.ndarray
    """Size of what the base's head does in the tuned model."""
    needed: np.ndarray
    """Size of what switching the head off does."""
    verdicts: np.ndarray
    shown: np.ndarray
    """bool: whether both coordinates were measured."""

    @property
    def diameters(self) -> np.ndarray:
        """Pixels across each mark; its area grows with what switching the head off does."""
        needed = np.nan_to_num(self.needed)
        most = needed.max(initial=0) or 1.0
        # Where there are thousands of heads large marks would cover each other.
        smallest, quiet, loud = (_SMALLEST, 20, 14) if needed.size <= MANY else (5.0, 12, 10)
        size = np.asarray(np.sqrt(smallest**2 + needed / most * (_LARGEST**2 - smallest**2)))
        return np.where(self.verdicts == "neither", np.minimum(size, quiet), np.maximum(size, loud))

    def ranked(self, verdict: str) -> list[Cell]:
        """Row and head of every head of a verdict, the most important first: by effect, divergence, or need."""
        size = {"changed but idle": self.moved, "unchanged but critical": self.needed}.get(verdict, self.effect)
        rows, heads = np.nonzero(self.verdicts == verdict)
        order = np.argsort(-np.nan_to_num(size[rows, heads]), kind="stable")
        return list(zip(rows[order].tolist(), heads[order].tolist(), strict=True))

    def name(self, cell: Cell) -> str:
        """``L5.H9``."""
        return head_name(self.layers[cell[0]], cell[1])


def heads_of(record: Patching) -> Heads:
    """The heads of a record."""
    moved, effect = record.jsd_bits, np.abs(record.heads["into_tuned"])
    shown = np.isfinite(moved) & np.isfinite(effect)
    return Heads(record.layers, moved, effect, np.abs(record.critical), record.verdicts, shown)


KEY_HEIGHT = _ROW * len(ORDER)
"""Height in pixels of what :func:`draw_key` draws."""


def draw_key(figure: Figure, heads: Heads, top: float) -> None:
    """A line a verdict from pixel ``top``: its mark, how many heads, and the first of them."""
    edge = figure.get_size_inches()[0] * DPI - PAD
    listed = PAD + 36 + width("unchanged but critical · 000", BODY, DPI, bold=True) * 1.04 + _SPACE
    for index, verdict in enumerate(ORDER):
        kind, cells, quiet = KINDS[verdict], heads.ranked(verdict), verdict == "neither"
        baseline = top + _ROW * index + 22
        axes = box(figure, PAD, baseline - 20, 28, 28)
        axes.set(xlim=(0, 28), ylim=(28, 0))
        axes.set_label("key")
        across = 11 if quiet else 17
        axes.scatter(
            [12], [14], (across * 72 / DPI) ** 2, marker=kind.marker, facecolors=kind.face, edgecolors=kind.edge,
            linewidths=kind.line, clip_on=False,
        )  # fmt: skip
        weight = "normal" if quiet else "bold"
        write(figure, PAD + 36, baseline, f"{verdict} · {len(cells)}", points=BODY, color=kind.ink, fontweight=weight)
        if not quiet:
            write(figure, listed, baseline, _listed(heads, cells, edge - listed), color=INK, points=BODY)


def _listed(heads: Heads, cells: list[Cell], room: float) -> str:
    """As many names as there is room for."""
    names = [heads.name(cell) for cell in cells[:_LISTED]]
    for count in range(len(names), 0, -1):
        rest = f" and {len(cells) - count} more" if count < len(cells) else ""
        text = ", ".join(names[:count]) + rest
        if width(text, BODY, DPI) * 1.02 <= room:
            return text
    return "no head" if not cells else f"{len(cells)} heads"
