"""One pass over blocks of rows of one layer: every per-head number of a comparison, in one call per block.

Only sums leave a block, so memory is one block however long the text is. Means are over a text's rows, taken in float64
from float32 rows. Rows that see a single key are [1] in both models and are left out of the means of divergences,
similarity and entropy; attended distance, sink mass and attention received keep them, as their sources do.

Knows no token and no model: sinks are indices, a block is two tensors.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attncompare.metrics.divergence import cosine, hellinger, jsd_terms, total_variation
from attncompare.metrics.rows import distances, entropy_nats, mean_distance

MIN_CONTENT_MASS = 0.1
"""A row with less of its mass outside the sinks, in either model, says nothing about content (Vig & Belinkov 2019, fn 4)."""

DIVERGENCES = ("sink_bits", "within_sink_bits", "content_bits", "tvd", "hellinger", "cosine")
ENTROPIES = ("entropy_base_nats", "entropy_tuned_nats")
ALL_ROWS = ("distance_base", "distance_tuned", "sink_mass_base", "sink_mass_tuned")


@dataclass(frozen=True, eq=False)
class Block:
    """Rows ``start:start + query`` of one layer in both models, and which keys they may see (None: every key)."""

    start: int
    base: Float[Tensor, "head query key"]
    tuned: Float[Tensor, "head query key"]
    visible: Bool[Tensor, "query key"] | None


@dataclass(frozen=True, eq=False)
class LayerNumbers:
    """Everything a comparison keeps of one layer; per head unless said otherwise."""

    columns: dict[str, Float[Tensor, " head"]]
    """The machine contract's columns, float64; NaN where nothing could be measured."""
    received_base: Float[Tensor, "head key"]
    """Sum over queries of the attention that each key received."""
    received_tuned: Float[Tensor, "head key"]
    seen: Float[Tensor, " key"]
    """How many queries can see each key."""
    gain: Float[Tensor, "head query"]
    """Each query's largest gain (tuned - base) on a single key, and that key; likewise its largest loss."""
    gain_key: Int[Tensor, "head query"]
    loss: Float[Tensor, "head query"]
    loss_key: Int[Tensor, "head query"]
    worst_sum: float
    """Largest |row sum - 1| of either model."""
    forbidden: float
    """Largest mass of either model on a key that its query may not see."""


class LayerKernel:
    """Adds up blocks of one layer; :meth:`numbers` gives the result."""

    def __init__(self, heads: int, keys: int, sinks: list[int], *, null: bool = False) -> None:
        """``sinks``: key positions of the sink set, any order."""
        self._sinks = sorted(sinks)
        self._sums: dict[str, Tensor] = {}
        self._rows = 0
        self._several = 0
        self._content_bits = torch.zeros(heads, dtype=torch.float64)
        self._content_rows = torch.zeros(heads, dtype=torch.float64)
        self._received = torch.zeros(2, heads, keys, dtype=torch.float64)
        self._seen = torch.zeros(keys, dtype=torch.float64)
        self._moves: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self._worst_sum = 0.0
        self._forbidden = 0.0

    def add(self, block: Block) -> None:
        """Account for one block of rows."""
        base, tuned, visible = block.base, block.tuned, block.visible
        _, queries, keys = base.shape
        several = _several(visible, queries, keys, base.device)
        self._rows += queries
        self._several += int(several.sum())
        self._seen[:keys] += float(queries) if visible is None else visible.sum(0).cpu()
        for side, rows in enumerate((base, tuned)):
            self._received[side, :, :keys] += rows.sum(1).cpu()
            worst = float((rows.sum(-1) - 1).abs().max())
            self._worst_sum = worst if not worst <= self._worst_sum else self._worst_sum  # NaN stays
            if visible is not None:
                self._forbidden = max(self._forbidden, float(rows.masked_fill(visible, 0).max()))
        self._add_divergences(base, tuned, several)
        distance = distances(block.start, queries, keys, base.device)
        for name, rows in (("base", base), ("tuned", tuned)):
            self._sum(f"entropy_{name}_nats", entropy_nats(rows), several)
            self._sum(f"distance_{name}", mean_distance(rows, distance))
        moved = tuned - base
        self._moves.append(tuple(x.cpu() for x in (*moved.max(-1), *moved.min(-1))))  # type: ignore[arg-type]

    def _add_divergences(self, base: Tensor, tuned: Tensor, several: Tensor) -> None:
        """The divergence with its split, from one evaluation of the terms (methods: grouping property)."""
        terms = jsd_terms(base, tuned)
        sinks = [sink for sink in self._sinks if sink < base.shape[-1]]
        sink_base, sink_tuned = base[..., sinks].sum(-1), tuned[..., sinks].sum(-1)
        content_base, content_tuned = base.sum(-1) - sink_base, tuned.sum(-1) - sink_tuned
        in_sinks = terms[..., sinks].sum(-1)
        sink_term, content_term = jsd_terms(sink_base, sink_tuned), jsd_terms(content_base, content_tuned)
        # With no sink in sight nothing was split off, and the term of the two whole rows is rounding.
        content = (terms.sum(-1) - in_sinks - (content_term if sinks else 0)).clamp_min_(0)
        self._sum("sink_bits", (sink_term + content_term) * bool(sinks), several)
        self._sum("within_sink_bits", (in_sinks - sink_term).clamp_min_(0), several)
        self._sum("content_bits", content, several)
        self._sum("tvd", total_variation(base, tuned), several)
        self._sum("hellinger", hellinger(base, tuned), several)
        self._sum("cosine", cosine(base, tuned), several)
        self._sum("sink_mass_base", sink_base)
        self._sum("sink_mass_tuned", sink_tuned)
        kept = several & (content_base >= MIN_CONTENT_MASS) & (content_tuned >= MIN_CONTENT_MASS)
        renormalised = (content * 2 / (content_base + content_tuned)).masked_fill_(~kept, 0)
        self._content_bits += renormalised.sum(-1, dtype=torch.float64).cpu()
        self._content_rows += kept.sum(-1).cpu()

    def _sum(self, name: str, values: Float[Tensor, "head query"], keep: Bool[Tensor, " query"] | None = None) -> None:
        values = values if keep is None else values.masked_fill(~keep, 0)
        self._sums[name] = self._sums.get(name, 0) + values.sum(-1, dtype=torch.float64).cpu()

    def numbers(self) -> LayerNumbers:
        """The means over all rows seen so far."""
        nothing = torch.full_like(self._content_rows, float("nan"))
        columns = {name: self._sums[name] / self._rows for name in ALL_ROWS}
        for name in (*DIVERGENCES, *ENTROPIES):
            columns[name] = self._sums[name] / self._several if self._several else nothing
        columns["jsd_bits"] = columns["sink_bits"] + columns["within_sink_bits"] + columns["content_bits"]
        columns["content_jsd_bits"] = torch.where(
            self._content_rows > 0, self._content_bits / self._content_rows, nothing
        )
        columns["content_rows_share"] = self._content_rows / self._several if self._several else nothing
        gain, gain_key, loss, loss_key = (torch.cat(parts, dim=1) for parts in zip(*self._moves, strict=True))
        return LayerNumbers(
            columns, self._received[0], self._received[1], self._seen,
            gain, gain_key, loss, loss_key, self._worst_sum, self._forbidden,
        )  # fmt: skip


def _several(visible: Tensor | None, queries: int, keys: int, device: torch.device) -> Bool[Tensor, " query"]:
    """Which rows see at least two keys."""
    if visible is None:
        return torch.full((queries,), keys > 1, device=device)
    return visible.sum(-1) > 1
