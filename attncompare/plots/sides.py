"""The tokens along one side of a map: which are merged when there are many, and which get a label.

Knows nothing about drawing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from attncompare.attention import Token
from attncompare.plots.labels import is_marked, readable

BINNED_ABOVE = 128
"""Texts with more tokens are drawn in bins of neighbouring tokens."""
_LABELLED = 48  # up to here every token has a label
_THINNED = 32  # above, at most so many have


@dataclass(frozen=True, slots=True)
class Side:
    """Tokens along one side of a map: bins of ``size`` tokens, of which every ``step``-th has a label."""

    tokens: tuple[Token, ...]
    positions: tuple[int, ...]
    size: int
    step: int

    @property
    def cells(self) -> int:
        return ceil(len(self.tokens) / self.size)

    def ticks(self) -> list[tuple[int, str, bool]]:
        """Cell, label, and whether it is of a special or sink token."""
        places = range(0, self.cells, self.step)
        firsts = [self.tokens[cell * self.size] for cell in places]
        texts = [readable(token.text) for token in firsts]
        if self.size > 1:
            texts = [f"{self.positions[cell * self.size]} {text}" for cell, text in zip(places, texts, strict=True)]
        marks = [self.size == 1 and is_marked(token) for token in firsts]
        return list(zip(places, texts, marks, strict=True))


def side(tokens: Sequence[Token], positions: Sequence[int] | None = None) -> Side:
    """The tokens (at ``positions`` of the text, default all) as one side of a map."""
    chosen = range(len(tokens)) if positions is None else positions
    size = ceil(len(chosen) / BINNED_ABOVE)
    cells = ceil(len(chosen) / size) if size else 0
    step = 1 if cells <= _LABELLED else ceil(cells / _THINNED)
    return Side(tuple(tokens[index] for index in chosen), tuple(chosen), max(size, 1), step)


def binned(matrix: np.ndarray, queries: Side, keys: Side, *, mass: bool = True) -> np.ndarray:
    """``matrix[query, key]`` with neighbouring tokens merged as the sides say.

    Mass is summed over a bin's keys, then averaged over its queries, so rows still sum to 1; what is not mass
    (``mass=False``) is averaged over the cells that are there. A bin is NaN where all its cells are.
    """
    if queries.size == keys.size == 1:
        return matrix
    rows, columns = (np.arange(0, len(each.tokens), each.size) for each in (queries, keys))

    def sums(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)

    there = np.isfinite(matrix)
    count = sums(there.astype(np.float64))
    divisor = np.diff([*rows, len(queries.tokens)])[:, None] if mass else np.maximum(count, 1)
    return np.where(count > 0, sums(np.where(there, matrix, 0.0)) / divisor, np.nan)


def remarks(queries: Side, keys: Side, *, masked: bool) -> str:
    """What a reader must know about labels, bins and blank cells; empty where there is nothing to say."""
    said = []
    if keys.size > 1:
        rows = "mean over its queries, " if queries.size > 1 else ""
        said.append(
            f"{len(keys.tokens)} tokens in {keys.cells} bins of {keys.size}: each cell is the {rows}sum over its keys; "
            "a label is the position and text of a bin's first token."
        )
    thing = "token" if keys.size == 1 else "bin"
    if keys.step > 1:
        said.append(f"Every {_ordinal(keys.step)} {thing} is labelled.")
    if keys.size == 1 and any(is_marked(token) for token in keys.tokens):
        said.append("Grey italic: special and sink tokens.")
    if masked:
        said.append("Hatched: keys that the query may not see.")
    return " ".join(said)


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"
