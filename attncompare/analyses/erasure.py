"""Which ranking of the words is faithful? Words are erased in its order, and the answer watched (ERASER).

Comprehensiveness is how far the answer's probability falls without the top words, sufficiency how far with them alone
(DeYoung et al. 2020, ERASER, section 5; means over the bins as in its published code). Both are beside random rankings:
erasing anything does something, and a text with holes is none that the models were trained on.
"""

from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import pandas as pd

from attncompare.analyses.attribution import Erasing
from attncompare.attention import About, Progress, Token
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout

BINS = (0.01, 0.05, 0.1, 0.2, 0.5)
RANKINGS = ("attention", "rollout", "gradient_x_input", "integrated_gradients")
"""By the mean attention and the rollout from where the answer is read, and by signed attribution; each model by its own."""


@dataclass(frozen=True, eq=False)
class Erasure:
    """Comprehensiveness and sufficiency of rankings, for both models. Arrays are read-only float32; NaN: not measured."""

    about: About
    readout: Readout
    erasing: Erasing
    words: tuple[Token, ...]
    erasable: tuple[int, ...]
    """The words that were ranked and erased: none that is special."""
    bins: tuple[float, ...]
    counts: tuple[int, ...]
    """How many words each bin erases: the share of the erasable words, rounded up."""
    rankings: tuple[str, ...]
    scores: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[ranking, erasable]``."""
    full: dict[str, float]
    """The answer's probability on the whole text."""
    without: dict[str, np.ndarray]
    """``[ranking, bin]``: its probability without the top words."""
    only: dict[str, np.ndarray]
    """``[ranking, bin]``: its probability with the top words alone."""
    random_without: dict[str, np.ndarray]
    """``[draw, bin]``: the same for random rankings, the same ones for both models."""
    random_only: dict[str, np.ndarray]
    seed: int
    notes: tuple[str, ...]

    def comprehensiveness(self, side: str) -> np.ndarray:
        """``[ranking]``: mean over the bins of the fall without the top words. Higher is more faithful."""
        return self.full[side] - self.without[side].mean(1)

    def sufficiency(self, side: str) -> np.ndarray:
        """``[ranking]``: mean over the bins of the fall with the top words alone. Lower is more faithful."""
        return self.full[side] - self.only[side].mean(1)

    def random_comprehensiveness(self, side: str) -> np.ndarray:
        """``[draw]``: what random rankings reach."""
        return self.full[side] - self.random_without[side].mean(1)

    def random_sufficiency(self, side: str) -> np.ndarray:
        """``[draw]``: what random rankings reach."""
        return self.full[side] - self.random_only[side].mean(1)

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        raise NotImplementedError

    def frame(self) -> pd.DataFrame:
        """One line per side, ranking (random: its draws' mean) and bin."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        raise NotImplementedError


def erasure(
    pair: Pair,
    text: str,
    *,
    answer: str | None = None,
    against: str | None = None,
    erasing: Erasing = "delete",
    draws: int = 10,
    seed: int = 0,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Erasure:
    """Erase words in the order of attention, rollout, gradient x input, integrated gradients and ``draws`` random orders."""
    raise NotImplementedError
