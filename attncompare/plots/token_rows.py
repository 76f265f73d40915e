"""Tokens as rows in reading order, each with its name: which of a long text are shown, and where they stand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncompare.attention import Token
from attncompare.plots.canvas import BODY, DPI, PAD, style, write
from attncompare.plots.colors import LINE_COLOR, MUTED
from attncompare.plots.labels import is_marked, look, readable, width
from attncompare.plots.scope import Scope

MOST = 48
"""Tokens that are shown of a text, at most."""
ROW = 27
"""Height of a row, in pixels."""
_SPACE = 14  # between a name and what it names


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Tokens of a text, one a row."""

    tokens: tuple[Token, ...]
    """All tokens of the text."""
    of: int
    """How many there were to choose from."""
    shown: tuple[int, ...]
    """Those that have a row, in reading order."""

    @property
    def height(self) -> int:
        """Pixels of all rows; one row at least."""
        return ROW * max(len(self.shown), 1)

    @property
    def numbered(self) -> bool:
        """Whether names have positions: where neighbours are missing."""
        return len(self.shown) < self.of

    @property
    def middles(self) -> np.ndarray:
        """Pixels from the top of the rows to the middle of each."""
        return ROW * (np.arange(len(self.shown)) + 0.5)

    def name_width(self) -> float:
        """Pixels that names take, with the space behind them."""
        parts = [(readable(self.tokens[i].text), str(i) if self.numbered else "") for i in self.shown]
        widest = max(
            (width(f"{position} {text}" if position else text, BODY, DPI) for text, position in parts), default=0
        )
        return widest * 1.02 + _SPACE + (8 if self.numbered else 0)

    def remark(self, scope: Scope, by: str) -> str:
        """What a reader must know about what is left out; ``by``: what the shown ones have most of."""
        said = []
        if self.numbered:
            noun = scope.noun
            said.append(
                f"{len(self.shown)} of {self.of} {noun}s, those with most {by}, in reading order; before each its position, "
                f"dotted lines where {noun}s are left out."
            )
        chosen = [self.tokens[i] for i in self.shown]
        if any(is_marked(token) for token in chosen):
            said.append("Grey italic: special and sink tokens.")
        if any(token.generated for token in chosen):
            said.append("Green: written by a model.")
        return " ".join(said)


def token_rows(tokens: Sequence[Token], sizes: Sequence[np.ndarray], among: Sequence[int] | None = None) -> TokenRows:
    """The tokens (``among`` these) that are largest in any of ``sizes``, each in shares of its own largest."""
    chosen = np.arange(len(tokens)) if among is None else np.array(among, int)
    rank = np.zeros(len(chosen))
    for size in sizes:
        known = np.nan_to_num(np.abs(np.asarray(size, float)[chosen]))
        rank = np.maximum(rank, known / (known.max(initial=0) or 1.0))
    first = np.sort(np.argsort(-rank, kind="stable")[:MOST])
    return TokenRows(tuple(tokens), len(chosen), tuple(chosen[first].tolist()))


def draw_names(figure: Figure, rows: TokenRows, top: float) -> None:
    """The names, right-aligned in the :meth:`TokenRows.name_width` pixels inside the border."""
    right = PAD + rows.name_width() - _SPACE
    for index, middle in zip(rows.shown, rows.middles, strict=True):
        text = readable(rows.tokens[index].text)
        properties = look(rows.tokens[index], text, MUTED)
        write(figure, right, top + middle + 7, text, points=BODY, ha="right", **properties)
        if rows.numbered:
            write(figure, PAD, top + middle + 7, str(index), color=MUTED)


def draw_lines(axes: Axes, rows: TokenRows) -> None:
    """Axes of one pixel per unit down; faint lines between rows, dotted where tokens are left out."""
    axes.set_ylim(rows.height, 0)
    for place, (before, after) in enumerate(zip(rows.shown, rows.shown[1:], strict=False), start=1):
        left_out = rows.numbered and after - before > 1
        line = axes.axhline(
            place * ROW, color=MUTED if left_out else LINE_COLOR, linewidth=0.7 if left_out else 0.4, zorder=0,
            linestyle=(0, (1, 2)) if left_out else "solid",
        )  # fmt: skip
        line.set_gid("left out" if left_out else "rule")


def number(axes: Axes, x: float, y: float, text: str, side: int, color: str = MUTED) -> None:
    """A number just outside the end of a mark, to the right (1) or the left (-1)."""
    axes.annotate(
        text, (x, y), xytext=(4 * side, 0), textcoords="offset points", va="center_baseline",
        ha="left" if side > 0 else "right", annotation_clip=False, **style(7.5, color),
    )  # fmt: skip
