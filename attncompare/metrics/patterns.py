"""Which pattern do a head's rows make: a diagonal, a vertical line, blocks? Scores by rules, each between 0 and 1.

The kinds are those of Kovaleva et al. 2019 (Revealing the dark secrets of BERT, section 4.1), who had a network trained on
maps labelled by hand tell them apart; rules and thresholds here are ours. A score means little by itself: in a short or
causal text uniform attention makes a band too, so every score has a null, that of rows spread evenly over the same keys.

Rows come block by block, ``[head query key]``, masked keys 0. Knows no token and no model.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attncompare.metrics.kernel import MIN_CONTENT_MASS

OFFSETS = (-1, 0, 1)
"""The token before, the token itself, the next one."""

NO_SEGMENT = -1
"""Of a key that belongs to no segment, such as a special token."""


@dataclass(frozen=True, eq=False)
class PatternScores:
    """Of one layer, per head, float64."""

    offsets: Float[Tensor, "offset head"]
    """Mean mass on the token before, on the token itself and on the next one."""
    received: Float[Tensor, "head key"]
    """Mean over rows of the mass on each key."""
    special: Float[Tensor, " head"]
    """Mean mass on special keys."""
    block: Float[Tensor, " head"]
    """Mass within the row's own segment beyond what evenly spread rows give, as a share of what there could be; special keys
    are left out and rows renormalised. 0: no more than even, 1: all. NaN with fewer than two segments."""

    near: Float[Tensor, " head"]
    """The band once special keys are left out and rows renormalised: what a head does beside resting on a sink."""
    entropy: Float[Tensor, " head"]
    """Mean over rows of a row's entropy as a share of the most it could have; NaN where no row sees two keys."""

    @property
    def band(self) -> Float[Tensor, " head"]:
        """Mean mass on the token itself and its neighbours: a diagonal."""
        return self.offsets.sum(0)

    @property
    def vertical(self) -> Float[Tensor, " head"]:
        """The larger of the mass on special keys and of the mass on the one key that has most: a vertical line."""
        return torch.maximum(self.special, self.received.max(-1).values)


class PatternSums:
    """The rows of one layer of one model, added up block by block."""

    def __init__(
        self, heads: int, special: Bool[Tensor, " key"], segments: Int[Tensor, " key"], queries: Int[Tensor, " query"]
    ) -> None:
        """``segments`` and ``queries``: which segment each key and each query belongs to, or :data:`NO_SEGMENT`."""
        self._special = special
        self._segments, self._queries = segments, queries
        self._offsets = torch.zeros(len(OFFSETS), heads, dtype=torch.float64)
        self._received = torch.zeros(heads, len(special), dtype=torch.float64)
        # Over content: mass in the own segment, what even rows would have there, and how many rows; mass of the band, rows.
        self._content = torch.zeros(5, heads, dtype=torch.float64)
        self._rows = torch.zeros(heads, dtype=torch.float64)
        self._entropy = torch.zeros(2, heads, dtype=torch.float64)  # and of how many rows

    def add(
        self,
        start: int,
        rows: Float[Tensor, "head query key"],
        visible: Bool[Tensor, "query key"] | None,
        heads: slice = slice(None),
    ) -> None:
        """Some queries and heads of the layer; ``rows`` may stop at the last key that the queries can see."""
        rows = rows.double().cpu()
        _, queries, keys = rows.shape
        self._rows[heads] += queries
        self._received[heads, :keys] += rows.sum(1)
        away = torch.arange(keys) - torch.arange(start, start + queries)[:, None]
        for i, offset in enumerate(OFFSETS):
            self._offsets[i, heads] += (rows * (away == offset)).sum((1, 2))
        seen = torch.ones(queries, keys, dtype=torch.bool) if visible is None else visible.cpu()
        most = seen.sum(-1).double().log()  # [query]
        of_rows = -torch.special.xlogy(rows, rows).sum(-1) / most.where(most > 0, torch.inf)
        self._entropy[:, heads] += torch.stack([of_rows.sum(-1), (most > 0).sum().double().expand(len(rows))])
        content = _over_content(rows, seen, away, self._queries[start : start + queries], self._segments[:keys])
        self._content[:, heads] += content

    def scores(self) -> PatternScores:
        """The scores of everything that was added."""
        received = self._received / self._rows[:, None]
        within, even = self._content[:2] / self._content[2]  # NaN where no row counts
        return PatternScores(
            self._offsets / self._rows,
            received,
            received[:, self._special].sum(-1),
            (within - even) / (1 - even),
            self._content[3] / self._content[4],
            self._entropy[0] / self._entropy[1],
        )


def _over_content(
    rows: Float[Tensor, "head query key"],
    seen: Bool[Tensor, "query key"],
    away: Int[Tensor, "query key"],
    queries: Int[Tensor, " query"],
    keys: Int[Tensor, " key"],
) -> Float[Tensor, "5 head"]:
    """Sums over the rows that give enough to content: mass in their own segment, what even rows would have there, how many
    rows could have more or less of it; mass on themselves and their neighbours, how many rows."""
    content = (keys != NO_SEGMENT) & seen
    same = (queries[:, None] == keys) & content
    mass = (rows * content).sum(-1)  # [head, query]
    kept = (mass >= MIN_CONTENT_MASS) & (queries != NO_SEGMENT)
    even = same.sum(-1).double() / content.sum(-1).clamp_min(1)
    open_ = kept & (even < 1)  # a row whose segment is all that it may see says nothing
    share = mass.clamp_min(MIN_CONTENT_MASS)
    within = (rows * same).sum(-1) / share
    band = (rows * (content & (away.abs() <= 1))).sum(-1) / share
    parts = (within * open_, even * open_, open_.double(), band * kept, kept.double())
    return torch.stack([part.sum(-1) for part in parts])
