"""One pass over blocks of rows of one layer: every per-head number of a comparison.

A block is reduced to some numbers per row at once, in as few passes over it as it takes; what follows from those (means, the
split of the divergence) is worked out at the end, in float64. Memory is one block and those numbers, which grow with the
length of the text and never with its square.

Rows that see a single key are [1] in both models and are left out of the means of divergences, similarity and entropy;
attended distance, sink mass and attention received keep them, as their sources do.

Knows no token and no model: sinks are indices, a block is two tensors.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attncompare.metrics.block import Block, Gathered, Scratch, Sight
from attncompare.metrics.divergence import IN_BITS, SMALLEST, jsd_terms, spread_
from attncompare.metrics.links import Links, StrongestLinks
from attncompare.metrics.rows import dot, entropy_nats

MIN_CONTENT_MASS = 0.1
"""A row with less of its mass outside the sinks, in either model, says nothing about content (Vig & Belinkov 2019, fn 4)."""

ALL_ROWS = ("distance_base", "distance_tuned", "sink_mass_base", "sink_mass_tuned")
"""Columns whose mean is over all rows, those that see a single key too."""

PER_ROW = (
    "sum_base", "sum_tuned", "dot", "square_base", "square_tuned", "moved", "root_difference", "entropy_base",
    "entropy_tuned", "bits", "bits_in_sinks", *ALL_ROWS,
)  # fmt: skip
"""What a kernel keeps of each row."""


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
    gained: Links
    lost: Links
    worst_sum: float
    """Largest |row sum - 1| of either model."""
    forbidden: float
    """Largest mass of either model on a key that its query may not see."""

    def split(self, layers: int) -> "list[LayerNumbers]":
        """The numbers of each layer where several were counted as one; the last two stay those of all of them."""
        columns = zip(*(values.chunk(layers) for values in self.columns.values()), strict=True)
        received = zip(self.received_base.chunk(layers), self.received_tuned.chunk(layers), strict=True)
        links = zip(self.gained.split(layers), self.lost.split(layers), strict=True)
        return [
            replace(
                self, columns=dict(zip(self.columns, values, strict=True)),
                received_base=base, received_tuned=tuned, gained=gained, lost=lost,
            )
            for values, (base, tuned), (gained, lost) in zip(columns, received, links, strict=True)
        ]  # fmt: skip


class DivergenceKernel:
    """The divergence alone: adds up blocks of one layer; :meth:`bits` gives the result."""

    def __init__(self, heads: int) -> None:
        self._rows = Gathered(heads)
        self._several: dict[int, Bool[Tensor, " query"]] = {}
        self._scratch = Scratch(4)

    def add(self, block: Block) -> None:
        """Account for one block of rows."""
        total, moved, left, right = self._scratch.like(block.base)
        torch.add(block.base, block.tuned, out=total).clamp_min_(SMALLEST)
        torch.sub(block.tuned, block.base, out=moved)
        bits = spread_(moved, total, (left, right)).mul_(total).sum(-1) * IN_BITS
        self._rows.add(block, bits[None])
        self._several[block.start] = block.sight.several

    def bits(self) -> Float[Tensor, " head"]:
        """Mean Jensen-Shannon divergence over the rows that see at least two keys, in bits; NaN where there is none."""
        several = torch.cat([self._several[start] for start in sorted(self._several)])
        return _mean(self._rows.all()[0], several)


class LayerKernel:
    """Adds up blocks of one layer; :meth:`numbers` gives the result."""

    def __init__(self, heads: int, keys: int, sinks: list[int], *, null: bool = False) -> None:
        """``sinks``: key positions of the sink set, any order.

        ``null``: the last key is the model's null key. It takes part in everything but distance: it has no position.
        """
        self._sinks = sorted(sinks)
        self._null = null
        self._rows = Gathered(heads)
        self._several: dict[int, Bool[Tensor, " query"]] = {}
        self._received = torch.zeros(2, heads, keys, dtype=torch.float64)
        self._seen = torch.zeros(keys)
        self._links = StrongestLinks(heads)
        self._forbidden = 0.0
        self._scratch = Scratch(4)

    def add(self, block: Block) -> None:
        """Account for one block of rows."""
        keys = block.sight.keys
        if block.start not in self._several:
            self._several[block.start] = block.sight.several
            self._seen[:keys] += block.sight.seen
        for side, rows in enumerate((block.base, block.tuned)):
            self._received[side, block.heads, :keys] += rows.sum(1).cpu()
        self._look_for_forbidden(block)
        numbers = self._row_numbers(block)
        self._rows.add(block, torch.stack([numbers[name] for name in PER_ROW]))

    def _look_for_forbidden(self, block: Block) -> None:
        if block.sight.hidden:
            columns, hidden = block.sight.hidden
            for rows in (block.base, block.tuned):
                self._forbidden = max(self._forbidden, float((rows[..., columns] * hidden).max()))

    def _row_numbers(self, block: Block) -> dict[str, Float[Tensor, "head query"]]:
        """What is kept of each row, in as few passes over the block as it takes."""
        base, tuned = block.base, block.tuned
        total, moved, left, right = self._scratch.like(base)
        spare = left
        found = {"sum_base": base.sum(-1), "sum_tuned": tuned.sum(-1), "dot": dot(base, tuned, spare)}
        found |= {"square_base": dot(base, base, spare), "square_tuned": dot(tuned, tuned, spare)}
        distance = self._distances(block.sight).to(base.device)
        found |= {"distance_base": dot(base, distance, spare), "distance_tuned": dot(tuned, distance, spare)}
        for name, rows, known in zip(("entropy_base", "entropy_tuned"), (base, tuned), block.entropies, strict=True):
            found[name] = entropy_nats(rows, spare) if known is None else known

        torch.sub(tuned, base, out=moved)
        self._links.add(block, moved, moved.amax(-1), moved.amin(-1))
        found["moved"] = torch.abs(moved, out=spare).sum(-1)
        roots = torch.sqrt(tuned, out=left).sub_(torch.sqrt(base, out=right))
        found["root_difference"] = torch.linalg.vector_norm(roots, dim=-1)

        torch.add(base, tuned, out=total).clamp_min_(SMALLEST)
        terms = spread_(moved, total, (left, right)).mul_(total)
        sinks = [sink for sink in self._sinks if sink < base.shape[-1]]
        found |= {"bits": terms.sum(-1) * IN_BITS, "bits_in_sinks": terms[..., sinks].sum(-1) * IN_BITS}
        found |= {"sink_mass_base": base[..., sinks].sum(-1), "sink_mass_tuned": tuned[..., sinks].sum(-1)}
        return found

    def _distances(self, sight: Sight) -> Float[Tensor, "query key"]:
        if not self._null:
            return sight.distances
        return torch.nn.functional.pad(sight.distances[:, :-1], (0, 1))

    def numbers(self) -> LayerNumbers:
        """The means over all rows seen so far."""
        rows = dict(zip(PER_ROW, self._rows.all(), strict=True))
        several = torch.cat([self._several[start] for start in sorted(self._several)])
        sums = torch.stack((rows["sum_base"], rows["sum_tuned"]))
        gained, lost = self._links.strongest()
        return LayerNumbers(
            _columns(rows, several, bool(self._sinks)), self._received[0], self._received[1], self._seen,
            gained, lost, float((sums - 1).abs().max()), self._forbidden,
        )  # fmt: skip


def _columns(
    rows: dict[str, Float[Tensor, "head query"]], several: Bool[Tensor, " query"], sinks: bool
) -> dict[str, Float[Tensor, " head"]]:
    """Means over rows, and the divergence with its split by the grouping property of its terms."""
    sinks_base, sinks_tuned = rows["sink_mass_base"], rows["sink_mass_tuned"]
    content_base, content_tuned = rows["sum_base"] - sinks_base, rows["sum_tuned"] - sinks_tuned
    # In float32 as the terms of the rows: a sink that stands alone then cancels to exactly 0.
    masses = (torch.stack(parts).float() for parts in ((sinks_base, content_base), (sinks_tuned, content_tuned)))
    sink_bits, content_bits = jsd_terms(*masses).double()
    if not sinks:  # nothing was split off, and the term of the two whole rows is rounding
        content_bits = torch.zeros_like(content_bits)
    content = (rows["bits"] - rows["bits_in_sinks"] - content_bits).clamp_min(0)
    kept = several & (content_base >= MIN_CONTENT_MASS) & (content_tuned >= MIN_CONTENT_MASS)
    of_rows = {
        "sink_bits": sink_bits + content_bits,
        "within_sink_bits": (rows["bits_in_sinks"] - sink_bits).clamp_min(0),
        "content_bits": content,
        "tvd": rows["moved"] / 2,
        "hellinger": rows["root_difference"] / math.sqrt(2),
        "cosine": (rows["dot"] / (rows["square_base"] * rows["square_tuned"]).sqrt()).clamp_max(1),
        "entropy_base_nats": rows["entropy_base"],
        "entropy_tuned_nats": rows["entropy_tuned"],
    }
    columns = dict(zip(of_rows, _mean(torch.stack(list(of_rows.values())), several), strict=True))
    columns["jsd_bits"] = columns["sink_bits"] + columns["within_sink_bits"] + columns["content_bits"]
    columns["content_jsd_bits"] = _mean(content * 2 / (content_base + content_tuned).clamp_min(MIN_CONTENT_MASS), kept)
    columns["content_rows_share"] = kept.sum(-1) / several.sum()
    return columns | {name: rows[name].mean(-1) for name in ALL_ROWS}


def _mean(rows: Float[Tensor, "*any query"], keep: Bool[Tensor, "*some query"]) -> Float[Tensor, "*any"]:
    """Mean over the rows to keep; NaN where there are none."""
    return (rows * keep).sum(-1) / keep.sum(-1)
