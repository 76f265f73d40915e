"""The tokens along one side of a map: which are merged when there are many, which get a label, where borders run.

Knows nothing about drawing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, NamedTuple

import numpy as np

from attncompare.attention import Token
from attncompare.plots.labels import is_marked, is_null, look, readable
from attncompare.plots.scope import Scope

BINNED_ABOVE = 128
"""Sides with more tokens are drawn in bins of neighbouring tokens."""
_LABELLED = 48  # up to here every token has a label
_THINNED = 32  # above, at most so many have

BorderKind = Literal["segment", "generated", "null"]


class Tick(NamedTuple):
    """The label of a cell."""

    cell: int
    text: str
    look: dict[str, str]
    """Colour and slant."""


class Border(NamedTuple):
    """A line between two cells: at the end of a pair's first text, of what a model wrote, or of what is a token."""

    edge: float
    """In cells; 2.5 is between the cells 2 and 3, and a border within a bin is where its token is."""
    kind: BorderKind


@dataclass(frozen=True, slots=True)
class Side:
    """Tokens along one side of a map: bins of ``size`` tokens, of which every ``step``-th has a label."""

    text: tuple[Token, ...]
    """All tokens of the text."""
    positions: tuple[int, ...]
    """Which of them are shown."""
    size: int
    step: int

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens shown."""
        return tuple(self.text[position] for position in self.positions)

    @property
    def null(self) -> bool:
        """Whether the last one is a null key: it is never merged with tokens."""
        return bool(self.positions) and is_null(self.text[self.positions[-1]])

    @property
    def starts(self) -> list[int]:
        """The first token of each bin, counted among those shown."""
        last = len(self.positions) - self.null
        return [*range(0, last, self.size), *([last] if self.null else [])]

    @property
    def cells(self) -> int:
        """How many bins."""
        return len(self.starts)

    @property
    def numbered(self) -> bool:
        """Whether labels give positions: where tokens are merged, and where only a window of the text is shown."""
        return self.size > 1 or len(self.positions) < len(self.text)

    def ticks(self) -> list[Tick]:
        """The labels, from the first cell on."""
        starts = self.starts
        places = list(range(0, len(starts), self.step))
        if self.null and places[-1] != len(starts) - 1:
            places = [place for place in places if place + self.step < len(starts)] + [len(starts) - 1]
        return [self._tick(place, self.positions[starts[place]]) for place in places]

    def _tick(self, cell: int, position: int) -> Tick:
        token = self.text[position]
        text = readable(token.text)
        # A bin is named by its first token only, so it is not grey and italic where that one is.
        properties = look(token, text) if self.size == 1 or not is_marked(token) or is_null(token) else {}
        return Tick(cell, f"{position} {text}" if self.numbered and not is_null(token) else text, properties)

    def borders(self) -> list[Border]:
        """Where something else begins, from the first cell on."""
        tokens = self.tokens
        count = len(tokens) - self.null
        found: list[tuple[int, BorderKind]] = []
        for index, (before, after) in enumerate(zip(tokens[: count - 1], tokens[1:count], strict=True), start=1):
            if before.segment != after.segment:
                found.append((index, "segment"))
            if before.generated != after.generated:
                found.append((index, "generated"))
        if self.null and count:
            found.append((count, "null"))
        edges = [*self.starts, len(tokens)]
        return [Border(float(np.interp(index, edges, range(len(edges)))) - 0.5, kind) for index, kind in found]


def side(text: Sequence[Token], positions: Sequence[int] | None = None) -> Side:
    """The tokens (at ``positions`` of the text, default all) as one side of a map."""
    chosen = tuple(range(len(text))) if positions is None else tuple(positions)
    null = bool(chosen) and is_null(text[chosen[-1]])
    size = max(ceil((len(chosen) - null) / BINNED_ABOVE), 1)
    cells = ceil((len(chosen) - null) / size) + null
    step = 1 if cells <= _LABELLED else ceil(cells / _THINNED)
    return Side(tuple(text), chosen, size, step)


def binned(matrix: np.ndarray, queries: Side, keys: Side, *, mass: bool = True) -> np.ndarray:
    """``matrix[query, key]`` with neighbouring tokens merged as the sides say.

    Mass is summed over a bin's keys, then averaged over its queries, so rows still sum to 1; what is not mass
    (``mass=False``) is averaged over the cells that are there. A bin is NaN where all its cells are.
    """
    if queries.size == keys.size == 1:
        return matrix
    rows, columns = np.array(queries.starts), np.array(keys.starts)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)

    there = np.isfinite(matrix)
    count = sums(there.astype(np.float64))
    divisor = np.diff([*rows, len(queries.positions)])[:, None] if mass else np.maximum(count, 1)
    return np.where(count > 0, sums(np.where(there, matrix, 0.0)) / divisor, np.nan)


def remarks(queries: Side, keys: Side, *, masked: bool, scope: Scope) -> str:
    """What a reader must know about labels, bins, borders and blank cells; empty where there is nothing to say.

    Where there is a single query, only the keys have labels.
    """
    sides = [keys] if len(queries.positions) == 1 else [queries, keys]
    said = [merged := _bins(queries, keys, scope), _thinned(sides)]
    if not merged and any(one.size == 1 and one.numbered for one in sides):
        said.append("A label starts with the position in the text.")
    if any(one.size == 1 and any(is_marked(t) and not is_null(t) for t in one.tokens) for one in sides):
        said.append("Grey italic: special and sink tokens.")
    said += _lines(sides)
    if masked:
        said.append("Hatched: keys that the query may not see.")
    if scope.crosses and len(sides) == 2:
        said.append("Queries are the target, keys the source text.")
    return " ".join(part for part in [*said, scope.remark()] if part)


def _bins(queries: Side, keys: Side, scope: Scope) -> str:
    alone = len(queries.positions) == 1
    merged = [(one, name) for one, name in ((queries, "queries"), (keys, "keys")) if one.size > 1]
    if not merged:
        return ""
    how = {"queries": "mean over its queries", "keys": "sum over its keys"}
    if alone or (len(merged) == 2 and queries.size == keys.size):
        merged = [(keys, f"{scope.noun}s")] if keys.size > 1 else merged
        names = ["keys"] if alone else ["queries", "keys"]
    else:
        names = [name for _, name in merged]
    bins = ", ".join(
        f"{len(one.positions) - one.null} {name} in {one.cells - one.null} bins of {one.size}" for one, name in merged
    )
    cell = ", ".join(how[name] for name in names)
    return f"{bins}: each cell is the {cell}; a label is the position and text of a bin's first."


def _thinned(sides: list[Side]) -> str:
    if all(one.step == 1 for one in sides):
        return ""
    if len({(one.step, one.size > 1) for one in sides}) == 1:
        return f"Every {_ordinal(sides[0].step)} {'bin' if sides[0].size > 1 else 'token'} is labelled."
    named = zip(sides[::-1], (("key", "keys"), ("query", "queries")), strict=False)
    each = [
        f"every {_ordinal(one.step)} {f'bin of {many}' if one.size > 1 else single}"
        for one, (single, many) in named
        if one.step > 1
    ]
    return f"Labelled: {', '.join(each)}."


def _lines(sides: list[Side]) -> list[str]:
    """What lines and colours between and on names mean."""
    said, kinds = [], {border.kind for one in sides for border in one.borders()}
    if "segment" in kinds:
        said.append("Solid line: where the second text begins.")
    if any(token.generated for one in sides for token in one.tokens):
        said.append(f"Green names{', from the dashed line' if 'generated' in kinds else ''}: written by a model.")
    if any(one.null for one in sides):
        said.append("“no token”, past the dotted line: what the model's logit sink takes.")
    return said


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"
