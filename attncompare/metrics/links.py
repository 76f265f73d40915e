"""The strongest links of each head: the queries that changed most on a single key, and that key.

To know the key of every query's largest change would take longer than all else that is computed of a block; it is looked up
only for the few queries of a block that can be among the strongest. Knows no token and no model.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncompare.metrics.block import Block, Gathered

LINKS = 3
"""Links kept per head and direction."""


@dataclass(frozen=True, eq=False)
class Links:
    """Strongest first; each query stands with one key."""

    size: Float[Tensor, "head link"]
    """Change of attention (tuned - base): positive for gains, negative for losses."""
    query: Int[Tensor, "head link"]
    key: Int[Tensor, "head link"]

    def split(self, parts: int) -> "list[Links]":
        """The links of each of several equal groups of heads."""
        numbers = (numbers.chunk(parts) for numbers in (self.size, self.query, self.key))
        return [Links(*of_part) for of_part in zip(*numbers, strict=True)]


class StrongestLinks:
    """Keeps the strongest gains and losses of the blocks that it is shown."""

    def __init__(self, heads: int) -> None:
        self._gathered = Gathered(heads)

    def add(
        self,
        block: Block,
        moved: Float[Tensor, "head query key"],
        gain: Float[Tensor, "head query"],
        loss: Float[Tensor, "head query"],
    ) -> None:
        """One block: what moved (tuned - base), and each query's largest gain and largest loss."""
        sizes, queries = torch.stack((gain, -loss)).topk(min(LINKS, gain.shape[-1]))
        head = torch.arange(len(moved), device=moved.device)[:, None]
        keys = torch.stack((moved[head, queries[0]].argmax(-1), moved[head, queries[1]].argmin(-1)))
        # float64 holds every index exactly
        self._gathered.add(block, torch.cat((sizes.double(), (queries + block.start).double(), keys.double())))

    def strongest(self) -> tuple[Links, Links]:
        """The strongest gains and the strongest losses."""
        sizes, queries, keys = self._gathered.all().unflatten(0, (3, 2))
        top, at = sizes.topk(min(LINKS, sizes.shape[-1]))
        queries, keys = (numbers.gather(-1, at).long() for numbers in (queries, keys))
        return Links(top[0], queries[0], keys[0]), Links(-top[1], queries[1], keys[1])
