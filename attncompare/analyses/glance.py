"""A comparison at a glance: which heads moved by how much and what both models answered, to be laid beside others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.outputs import Outputs
from attncompare.attention import About, head_name, listed
from attncompare.metrics.agreement import kendall_tau_b


@dataclass(frozen=True, eq=False)
class Glance:
    """One comparison, reduced to what can be laid beside another."""

    base: str
    """The id of the base."""
    tuned: str
    text: str
    tokens: int
    """Positions compared: tokens, units or words, as ``about`` says."""
    layers: tuple[int, ...]
    """The model's own numbers, the first axis of ``bits``."""
    bits: np.ndarray
    """Divergence ``[layer, head]``; NaN where it was not measured."""
    outputs: Outputs
    about: About

    @classmethod
    def of(cls, comparison: Comparison) -> "Glance":
        """The glance at a comparison."""
        return cls(
            comparison.base.id,
            comparison.tuned.id,
            comparison.text,
            len(comparison.tokens),
            comparison.layers,
            comparison.heads["jsd_bits"],
            comparison.outputs,
            comparison.about,
        )

    @property
    def mean_bits(self) -> float:
        """Mean divergence of the heads; NaN where none was measured."""
        measured = self.bits[np.isfinite(self.bits)]
        return float(measured.mean()) if measured.size else float("nan")

    def most(self, count: int) -> list[tuple[int, int]]:
        """Row and head of the heads that moved most, largest first; none that did not move."""
        bits = np.nan_to_num(self.bits)
        order = np.argsort(-bits, axis=None, kind="stable")[: min(count, int((bits > 0).sum()))]
        return [(int(at) // bits.shape[1], int(at) % bits.shape[1]) for at in order]

    def name(self, row: int, head: int) -> str:
        """A head by the model's own number of its layer."""
        return head_name(self.layers[row], head)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "base": self.base,
            "tuned": self.tuned,
            "text": self.text,
            "tokens": self.tokens,
            "level": self.about.level,
            "attention": self.about.attention,
            "layers": list(self.layers),
            "jsd_bits": listed(self.bits),
            "outputs": self.outputs.to_dict(),
        }


def rank_agreement(one: Glance, other: Glance) -> float:
    """Kendall's tau-b of the heads by divergence, in [-1, 1]; NaN where fewer than 5 heads were measured in both.

    Both have the same layers and heads.
    """
    first, second = (torch.tensor(glance.bits, dtype=torch.float64).flatten() for glance in (one, other))
    both = first.isfinite() & second.isfinite()
    return float(kendall_tau_b(first[both][None], second[both])[0])
