"""One layer's attention over units instead of tokens: keys are summed, queries averaged (Clark et al. 2019, section 4.1).

A word is looked at as much as its tokens together, and looks where its tokens look on average. Tokens that belong to no
unit are left out on both axes: every row is divided by what it gives to the keys that are left, before rows are averaged,
and how much was left out is kept. Rows are merged block by block; no tensor over all tokens and all tokens is made.

Knows nothing about tokenizers: a unit is a set of positions.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attncompare.models.views import AnyCall

CHUNK_CELLS = {"cpu": 2**20, "cuda": 2**26}
"""Attention weights of one model that are asked for at once, by device: a unit may have thousands of tokens."""

MIN_CHUNK = 64
"""Fewest queries asked for at once."""

NOTHING_LEFT = torch.finfo(torch.float32).tiny
"""A row that gives less than this to the units says nothing about them: dividing by it would overflow."""


@dataclass(frozen=True, eq=False)
class UnitIndex:
    """Which unit each position belongs to, on one axis of one model."""

    unit: Int[Tensor, " token"]
    """-1 for a position that belongs to no unit."""
    units: int

    @classmethod
    def of(cls, groups: tuple[tuple[int, ...], ...], tokens: int) -> "UnitIndex":
        """From each unit's positions (never none, any order, no position twice) among ``tokens``."""
        unit = torch.full((tokens,), -1)
        sizes = torch.tensor([len(group) for group in groups])
        unit[[i for group in groups for i in group]] = torch.arange(len(groups)).repeat_interleave(sizes)
        return cls(unit, len(groups))

    @cached_property
    def complete(self) -> bool:
        """Whether every position belongs to a unit."""
        return bool((self.unit >= 0).all())

    @cached_property
    def reach(self) -> list[int]:
        """For each number of leading positions, how many leading units have some of them."""
        return [0, *(self.unit.cummax(0).values + 1).tolist()]

    @cached_property
    def bounds(self) -> Int[Tensor, "2 unit"]:
        """First and last position of each unit."""
        held = (self.unit >= 0).nonzero()[:, 0]
        unit = self.unit[held]
        first = torch.full((self.units,), len(self.unit)).scatter_reduce(0, unit, held, "amin")
        return torch.stack((first, torch.zeros_like(first).scatter_reduce(0, unit, held, "amax")))

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """The positions from the first to beyond the last of the units ``start:stop``."""
        first, last = self.bounds[:, start:stop]
        return int(first.min()), int(last.max()) + 1

    def buckets(self, start: int, stop: int, units: slice, device: torch.device) -> Int[Tensor, " token"]:
        """Where each of the positions ``start:stop`` goes among ``units``; one beyond them for all others."""
        first, last, _ = units.indices(self.units)
        unit = self.unit[start:stop]
        return torch.where((unit >= first) & (unit < last), unit - first, last - first).to(device)


class LeftOut:
    """The attention on positions that belong to no unit, gathered while rows are merged."""

    def __init__(self) -> None:
        self._mass = torch.zeros((), dtype=torch.float64)
        self._rows = 0
        self.blank_rows = 0
        """Rows of units that were made uniform, since none of their tokens gives anything to a unit."""

    def add(self, shared: Float[Tensor, "head query"]) -> None:
        """Account for rows that give ``shared`` of their mass to units."""
        self._mass += (1 - shared).clamp_min(0).sum(dtype=torch.float64).cpu()
        self._rows += shared.numel()

    @property
    def share(self) -> float | None:
        """Mean over all rows so far, in [0, 1]; None before the first."""
        return float(self._mass) / self._rows if self._rows else None


@dataclass(frozen=True, eq=False)
class MergedCall:
    """An attention call over units: the same face as :class:`attncompare.models.calls.LayerCall`.

    A null key is no token: it stays the last key.
    """

    call: AnyCall
    query_units: UnitIndex
    key_units: UnitIndex
    """Over the tokens alone, without a null key."""
    left_out: LeftOut

    @property
    def null(self) -> bool:
        """Whether the last key is the model's null key."""
        return self.call.null

    @property
    def queries(self) -> int:
        """Number of units that look."""
        return self.query_units.units

    @property
    def keys(self) -> int:
        """Number of units looked at, a null key included."""
        return self.key_units.units + self.null

    @property
    def heads(self) -> int:
        """Number of query heads."""
        return self.call.heads

    @property
    def device(self) -> torch.device:
        """Where its rows are computed."""
        return self.call.device

    def block(self, start: int, stop: int) -> tuple[Float[Tensor, "head query key"], Bool[Tensor, "query key"] | None]:
        """Rows of the units ``start:stop``, and which units they may see: those of which any token sees any token.

        As :meth:`LayerCall.block`: where the model is causal and unmasked, later units are neither computed nor returned.
        """
        low, high = self.query_units.span(start, stop)
        size = max(MIN_CHUNK, CHUNK_CELLS.get(self.device.type, CHUNK_CELLS["cpu"]) // (self.heads * self.call.keys))
        total = _Total(self, slice(start, stop))
        for at in range(low, high, size):
            total.add(at, *self.call.block(at, min(at + size, high)))
        return total.rows()

    def rows(self, heads: list[int], queries: slice = slice(None)) -> Float[Tensor, "head query key"]:
        """Attention of the chosen heads, over all units; 0 where masked."""
        start, stop, _ = queries.indices(self.queries)
        rows = self.block(start, stop)[0][heads]
        return nn.functional.pad(rows, (0, self.keys - rows.shape[2]))

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"]:
        """Which units the units ``start:stop`` may see, over all units."""
        low, high = self.query_units.span(start, stop)
        into = self.query_units.buckets(low, high, slice(start, stop), torch.device("cpu"))
        seen = self.call.visible(low, high).float()
        return _sum_queries(_sum_keys(seen[None], self.key_units, null=self.null), into, stop - start)[0] > 0


class _Total:
    """Rows of a block of units, added up chunk by chunk."""

    def __init__(self, merged: MergedCall, units: slice) -> None:
        self._merged = merged
        self._units = units
        self._size = units.stop - units.start
        self._rows: Tensor | None = None
        self._count: Tensor = torch.zeros(())
        self._visible: Tensor | None = None

    def add(self, start: int, rows: Float[Tensor, "head query key"], visible: Bool[Tensor, "query key"] | None) -> None:
        """Take the rows of the tokens from ``start``; a causal chunk may have more keys than the one before."""
        queries, keys, null = self._merged.query_units, self._merged.key_units, self._merged.null
        into = queries.buckets(start, start + rows.shape[1], self._units, rows.device)
        # Keys first: they are the longer axis, and everything after them is the smaller for it.
        rows, shared, counted = _over_units(rows, keys, null=null)
        self._merged.left_out.add(shared[:, into < self._size])
        self._count = self._count + _sum_queries(counted[..., None], into, self._size)
        self._rows = _grown(self._rows, _sum_queries(rows, into, self._size))
        if visible is not None:
            seen = _sum_keys(visible[None].float(), keys, null=null)
            self._visible = _grown(self._visible, _sum_queries(seen, into, self._size))

    def rows(self) -> tuple[Float[Tensor, "head query key"], Bool[Tensor, "query key"] | None]:
        """The mean of each unit's rows over units, and which of these are visible."""
        assert self._rows is not None
        rows = self._rows / self._count.clamp_min(1)
        visible = None if self._visible is None else self._visible[0] > 0
        blank = self._count[..., 0] == 0
        if blank.any():
            # A row has to be a distribution, and of this one nothing is known.
            self._merged.left_out.blank_rows += int(blank.sum())
            even = torch.ones_like(rows[0]) if visible is None else visible.to(rows.dtype)
            rows[blank] = (even / even.sum(-1, keepdim=True)).expand_as(rows)[blank]
        return rows, visible


def merge_map(
    rows: Float[Tensor, "query key"], query_units: UnitIndex, key_units: UnitIndex
) -> Float[Tensor, "unit key_unit"]:
    """A whole small matrix of rows over units, as :class:`MergedCall` merges attention; rows of the result sum to 1.

    For what is computed over tokens and merged once at the end, such as rollout and its null. A row with nothing left for
    any unit is not counted; a unit of such rows alone is 0.
    """
    over_units, _, counted = _over_units(rows[None], key_units, null=False)
    into = query_units.buckets(0, len(rows), slice(None), rows.device)
    count = _sum_queries(counted[..., None], into, query_units.units)
    return (_sum_queries(over_units, into, query_units.units) / count.clamp_min(1))[0]


def _over_units(
    rows: Float[Tensor, "head query key"], keys: UnitIndex, *, null: bool
) -> tuple[Float[Tensor, "head query unit"], Float[Tensor, "head query"], Float[Tensor, "head query"]]:
    """Rows of tokens over units of keys: with sum 1, what they gave to units before, and 1 for each that gave anything."""
    rows = _sum_keys(rows, keys, null=null)
    ones = rows.new_ones(rows.shape[:2])
    if keys.complete:
        return rows, ones, ones
    shared = rows.sum(-1)
    counted = (shared >= NOTHING_LEFT).to(rows.dtype)
    rows = rows * (counted / shared.clamp_min(NOTHING_LEFT))[..., None]
    return rows, shared, counted


def _sum_keys(
    rows: Float[Tensor, "head query key"], keys: UnitIndex, *, null: bool
) -> Float[Tensor, "head query unit"]:
    """Keys summed within units, up to the last unit that the keys of ``rows`` reach; a null key is kept."""
    tokens = rows.shape[-1] - null
    units = keys.reach[tokens]
    into = keys.buckets(0, tokens, slice(0, units), rows.device)
    total = rows.new_zeros(*rows.shape[:2], units + 1).index_add_(2, into, rows[..., :tokens])
    if null:  # it takes the place of the keys that are left out
        total[..., units] = rows[..., -1]
        return total
    return total[..., :units]


def _sum_queries(
    rows: Float[Tensor, "head query key"], into: Int[Tensor, " query"], units: int
) -> Float[Tensor, "head unit key"]:
    """Queries summed within units; ``into`` is ``units`` for a query that belongs to none of them."""
    total = rows.new_zeros(rows.shape[0], units + 1, rows.shape[2])
    return total.index_add_(1, into, rows)[:, :units]


def _grown(total: Tensor | None, more: Tensor) -> Tensor:
    """The sum of two blocks of rows, the second of which may have more keys."""
    if total is None:
        return more
    return nn.functional.pad(total, (0, more.shape[-1] - total.shape[-1])) + more
