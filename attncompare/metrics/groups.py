"""How much of a head's attention goes to groups of keys, among content: each row without sinks, beside its null.

Special tokens and sinks are left out and rows renormalised: what rests on a sink says nothing about words. The null of a
row is the group's share of the content keys that its query may see, so a head that looks nowhere in particular shows no
preference. Knows no token and no model: groups are rows of flags.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attncompare.metrics.block import Block, Gathered
from attncompare.metrics.kernel import MIN_CONTENT_MASS


def content_shares(
    rows: Float[Tensor, "head query key"], groups: Bool[Tensor, "group key"], content: Bool[Tensor, " key"]
) -> Float[Tensor, "part head query"]:
    """Share of each row's content mass that each group holds, and last that of the rest; parts of a row sum to 1.

    ``groups``: flags of keys, no key in two groups; only content counts. NaN where a row gives nothing to content.
    """
    flags = _parts(groups, content).to(rows)
    masses = torch.einsum("hqk,pk->phq", rows.double(), flags.double())
    return masses / masses.sum(0)


def even_shares(
    visible: Bool[Tensor, "query key"], groups: Bool[Tensor, "group key"], content: Bool[Tensor, " key"]
) -> Float[Tensor, "part query"]:
    """The same of a row that attends evenly to what its query may see: the null. NaN where it may see no content."""
    counts = _parts(groups, content).to(visible.device).double() @ visible.double().T
    return counts / counts.sum(0)


@dataclass(frozen=True, eq=False)
class GroupShares:
    """Of one layer, means over the rows that give enough to content in both models; float64, NaN where no row does."""

    base: Float[Tensor, "part head"]
    """The groups, and last the rest; the parts of a head sum to 1."""
    tuned: Float[Tensor, "part head"]
    even: Float[Tensor, "part head"]
    """The null, over the same rows."""
    rows: Float[Tensor, " head"]
    """Share of the rows that count."""


class GroupSums:
    """The rows of one layer of both models, taken block by block; :meth:`shares` gives the result.

    A row with less than :data:`MIN_CONTENT_MASS` of its mass on content, in either model, is left out of both and of the
    null, so that no difference between the models is one of which rows were counted.
    """

    def __init__(self, heads: int, groups: Bool[Tensor, "group key"], content: Bool[Tensor, " key"]) -> None:
        self._groups, self._content = groups, content
        self._rows = Gathered(heads)

    def add(self, block: Block) -> None:
        """Account for one block of rows, whose keys may stop at the last one that its queries can see."""
        keys = block.base.shape[-1]
        groups, content = self._groups[:, :keys], self._content[:keys]
        kept = torch.ones(block.base.shape[:2], dtype=torch.bool, device=block.base.device)
        for rows in (block.base, block.tuned):
            kept &= rows @ content.to(rows) >= MIN_CONTENT_MASS
        seen = block.visible
        if seen is None:
            seen = torch.ones(block.base.shape[1:], dtype=torch.bool)
        even = even_shares(seen, groups, content).to(block.base.device)
        parts = [content_shares(rows, groups, content) for rows in (block.base, block.tuned)]
        parts.append(even[:, None].expand_as(parts[0]))
        counted = [torch.where(kept, part, 0) for part in parts]
        self._rows.add(block, torch.cat((*counted, kept[None].double())))

    def shares(self) -> GroupShares:
        """The means over everything that was added."""
        found = self._rows.all()
        kept, size = found[-1].sum(-1), len(self._groups) + 1
        base, tuned, even = (found[at * size : (at + 1) * size].sum(-1) / kept for at in range(3))
        return GroupShares(base, tuned, even, kept / found.shape[-1])


def _parts(groups: Bool[Tensor, "group key"], content: Bool[Tensor, " key"]) -> Bool[Tensor, "part key"]:
    """The groups among content, and what of content is in none of them."""
    inside = groups & content
    return torch.cat((inside, (content & ~inside.any(0))[None]))
