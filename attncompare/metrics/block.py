"""What a kernel is fed with: a block of rows of one layer in both models, and what its queries may see.

Knows no token and no model: a block is two tensors and where they stand.
"""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Sight:
    """The queries ``start:start + queries`` of a layer, and which of the first ``keys`` keys each of them may see.

    Blocks of different heads but the same queries share one, so that what follows from it is worked out once.
    """

    start: int
    queries: int
    keys: int
    visible: Bool[Tensor, "query key"] | None = None
    """None: every key."""

    @cached_property
    def several(self) -> Bool[Tensor, " query"]:
        """Which queries see at least two keys."""
        if self.visible is None:
            return torch.full((self.queries,), self.keys > 1)
        return (self.visible.sum(-1) > 1).cpu()

    @cached_property
    def seen(self) -> Float[Tensor, " key"]:
        """How many of the queries can see each key."""
        if self.visible is None:
            return torch.full((self.keys,), float(self.queries))
        return self.visible.sum(0).float().cpu()

    @cached_property
    def hidden(self) -> tuple[slice, Float[Tensor, "query some"]] | None:
        """The columns that hold keys which some query may not see, and 1 at each such cell; None where there is none."""
        if self.visible is None:
            return None
        columns = (self.seen < self.queries).nonzero().flatten()
        if not len(columns):
            return None
        within = slice(int(columns[0]), int(columns[-1]) + 1)
        return within, (~self.visible[:, within]).float()

    @cached_property
    def distances(self) -> Float[Tensor, "query key"]:
        """|query - key| in tokens."""
        query = torch.arange(self.start, self.start + self.queries, dtype=torch.float32)
        return (query[:, None] - torch.arange(self.keys, dtype=torch.float32)).abs_()


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of some heads of one layer in both models. The tensors may be overwritten once the next block is asked for."""

    sight: Sight
    base: Float[Tensor, "head query key"]
    tuned: Float[Tensor, "head query key"]
    heads: slice = field(default_factory=lambda: slice(None))
    """Which heads of the layer these are."""
    entropies: tuple[Float[Tensor, "head query"] | None, Float[Tensor, "head query"] | None] = None, None
    """Entropies of the rows of base and tuned in nats where whoever made the rows knows them; None: to be computed."""

    def split(self, layers: int) -> "list[Block]":
        """The rows of each layer where several stand in one block, without what else is known of them."""
        sides = zip(self.base.chunk(layers), self.tuned.chunk(layers), strict=True)
        return [Block(self.sight, base, tuned) for base, tuned in sides]

    @property
    def start(self) -> int:
        """The first query."""
        return self.sight.start

    @property
    def visible(self) -> Bool[Tensor, "query key"] | None:
        """Which keys the queries may see; None: every key."""
        return self.sight.visible


class Scratch:
    """Memory for one block that is used again for the next one."""

    def __init__(self, parts: int) -> None:
        """``parts``: how many tensors are needed at a time."""
        self._parts = parts
        self._held = torch.empty(0)

    def like(self, rows: Float[Tensor, "*any"]) -> tuple[Tensor, ...]:
        """Uninitialised tensors of the shape of ``rows``: the same memory at every call."""
        needed = self._parts * rows.numel()
        if self._held.numel() < needed or self._held.device != rows.device:
            self._held = torch.empty(needed, dtype=torch.float32, device=rows.device)
        return self._held[:needed].view(self._parts, *rows.shape).unbind()


class Gathered:
    """What was worked out for each block of a layer, in its place: blocks come by queries and by heads, in any order."""

    def __init__(self, heads: int) -> None:
        self._heads = heads
        self._parts: dict[int, Float[Tensor, "number head some"]] = {}

    def add(self, block: Block, numbers: Float[Tensor, "number some_heads some"]) -> None:
        """The numbers of one block."""
        if block.start not in self._parts:
            shape = len(numbers), self._heads, numbers.shape[-1]
            self._parts[block.start] = torch.full(shape, torch.nan, dtype=numbers.dtype, device=numbers.device)
        self._parts[block.start][:, block.heads] = numbers

    def all(self) -> Float[Tensor, "number head some"]:
        """The blocks of queries in their order, beside each other; float64, NaN where a block is missing."""
        return torch.cat([self._parts[start] for start in sorted(self._parts)], dim=-1).cpu().double()
