"""Which heads does each model need? Every head switched off in turn, and its importance by gradient."""

from dataclasses import dataclass
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd

from attncompare.attention import About, Progress
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout

Ablating = Literal["mean", "zero", "uniform"]
"""What a head gives instead of its output: its mean over the text's positions, nothing, or the plain mean of the values that
each query may see."""


@dataclass(frozen=True, eq=False)
class Ablation:
    """What switching a head off does to the answer of its own model. Arrays are read-only float32."""

    about: About
    readout: Readout
    how: Ablating
    layers: tuple[int, ...]
    """The model's own number of each layer, the first axis of ``[layer, head]``."""
    outputs: dict[str, float]
    """The readout with all heads on: ``base``, ``tuned``."""
    heads: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[layer, head]``, readout without the head minus with it."""
    whole_layers: dict[str, np.ndarray]
    """``[layer]``: with all heads of a layer off at once; effects of heads do not add up to it."""
    everything: dict[str, float]
    """With all heads off."""
    importance: dict[str, np.ndarray]
    """``[layer, head]``: |d readout / d gate| of a gate on the head's output (Michel et al. 2019, Eq 2), never negative."""
    notes: tuple[str, ...]

    @property
    def delta(self) -> np.ndarray:
        """Size of the tuned model's effect minus size of the base's, ``[layer, head]``: above 0 where tuning made a head
        matter more."""
        return np.abs(self.heads["tuned"]) - np.abs(self.heads["base"])

    @property
    def importance_delta(self) -> np.ndarray:
        """Tuned minus base, ``[layer, head]``."""
        return self.importance["tuned"] - self.importance["base"]

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        raise NotImplementedError

    def frame(self) -> pd.DataFrame:
        """One line per head."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        raise NotImplementedError


def ablation(
    pair: Pair,
    text: str,
    *,
    how: Ablating = "mean",
    answer: str | None = None,
    against: str | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Ablation:
    """Switch off every head of both models in turn, every layer, and all heads."""
    raise NotImplementedError
