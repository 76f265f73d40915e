"""What the place that the answer is read from looks at: by head, on average, and through all layers (rollout)."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Looks:
    """One model's attention from where its answer is read. Arrays are read-only float32; a row sums to at most 1."""

    read: tuple[int, ...]
    """The queries (tokens, or units where tokens are merged) whose last state the answer depends on: [CLS], the last token,
    or all tokens of a model that averages. Rows are means over them."""
    heads: np.ndarray
    """``[layer, head, token]``."""
    rollout: np.ndarray | None
    """``[token]``; None where there is no rollout (cross-attention, above 512 tokens)."""

    @property
    def mean(self) -> np.ndarray:
        """``[token]``: mean over all layers and heads."""
        mean: np.ndarray = self.heads.mean((0, 1))
        return mean

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, without the heads."""
        rollout = None if self.rollout is None else self.rollout.tolist()
        return {"read": list(self.read), "mean": self.mean.tolist(), "rollout": rollout}
