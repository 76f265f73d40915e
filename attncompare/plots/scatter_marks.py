"""The marks of the four verdicts, how large they are, and the key that names the heads of each."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.patching import Patching
from attncompare.attention import head_name
from attncompare.plots.canvas import BODY, DPI, PAD, box, write
from attncompare.plots.colors import INK, MUTED
from attncompare.plots.labels import width

ORDER = ("changed and matters", "changed but idle", "unchanged but critical", "neither")
_ROW = 31
_SMALLEST, _LARGEST = 8.0, 40.0  # diameters of marks, in pixels
_SPACE = 14
MANY = 400
"""Heads beyond which marks are smaller, and only those that carry a verdict are kept free of names."""


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


def diameters(record: Patching) -> np.ndarray:
    """``[layer, head]``: pixels across each mark; its area grows with what switching the head off does."""
    needed = np.nan_to_num(np.abs(record.critical))
    most = needed.max(initial=0) or 1.0
    # Where there are thousands of heads large marks would cover each other.
    smallest, quiet, loud = (_SMALLEST, 20, 14) if needed.size <= MANY else (5.0, 12, 10)
    size = np.asarray(np.sqrt(smallest**2 + needed / most * (_LARGEST**2 - smallest**2)))
    return np.where(record.verdicts == "neither", np.minimum(size, quiet), np.maximum(size, loud))


def ranked(record: Patching, verdict: str) -> list[tuple[int, int]]:
    """Row and head of every head of a verdict, the most important first: by effect, divergence, or what it is needed for."""
    effect = np.abs(record.heads["into_tuned"])
    size = {"changed but idle": record.jsd_bits, "unchanged but critical": np.abs(record.critical)}.get(verdict, effect)
    cells = np.argwhere(record.verdicts == verdict).tolist()
    return sorted(((row, head) for row, head in cells), key=lambda cell: -float(np.nan_to_num(size[cell])))


def key_height(record: Patching) -> int:
    """Height in pixels of what :func:`draw_key` draws."""
    return _ROW * len(ORDER)


def draw_key(figure: Figure, record: Patching, top: float) -> None:
    """A line a verdict from pixel ``top``: its mark, how many heads, and the first of them."""
    edge = figure.get_size_inches()[0] * DPI - PAD
    for index, verdict in enumerate(ORDER):
        kind, cells = KINDS[verdict], ranked(record, verdict)
        baseline = top + _ROW * index + 22
        axes = box(figure, PAD, baseline - 20, 28, 28)
        axes.set(xlim=(0, 28), ylim=(28, 0))
        axes.set_label("key")
        across = 11 if verdict == "neither" else 17
        axes.scatter(
            [12], [14], (across * 72 / DPI) ** 2, marker=kind.marker, facecolors=kind.face, edgecolors=kind.edge,
            linewidths=kind.line, clip_on=False,
        )  # fmt: skip
        quiet = verdict == "neither"
        name = f"{verdict} · {len(cells)}"
        write(figure, PAD + 36, baseline, name, points=BODY, color=kind.ink, fontweight="normal" if quiet else "bold")
        x = PAD + 36 + width("unchanged but critical · 000", BODY, DPI, bold=True) * 1.04 + _SPACE
        write(
            figure, x, baseline, _listed(record, verdict, cells, edge - x), color=MUTED if quiet else INK, points=BODY
        )


def _listed(record: Patching, verdict: str, cells: list[tuple[int, int]], room: float) -> str:
    """As many names as there is room for."""
    if verdict == "neither":
        return ""
    names = [head_name(record.layers[row], head) for row, head in cells]
    for count in range(len(names), 0, -1):
        rest = f" and {len(names) - count} more" if count < len(names) else ""
        text = ", ".join(names[:count]) + rest
        if width(text, BODY, DPI) * 1.02 <= room:
            return text
    return "no head" if not names else f"{len(names)} heads"
