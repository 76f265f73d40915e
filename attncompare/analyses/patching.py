"""Does the change matter? Heads swapped between the two models, one at a time, and what that does to the answer."""

from dataclasses import dataclass
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd

from attncompare.attention import About, Progress
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout

Swapped = Literal["pattern", "output"]
"""What of a head comes from the other model: where it looks, with the values of the model that it is put into; or all that
it gives."""

Direction = Literal["into_base", "into_tuned"]
"""The tuned model's head put into the base (is the change enough?), or the base's into the tuned model (is it needed?)."""

Verdict = Literal["changed and matters", "changed but idle", "unchanged but critical", "neither"]

SMALLEST_GAP = 0.05
"""With less than this between the two models' readouts no share of it is given."""


@dataclass(frozen=True, eq=False)
class Patching:
    """What swapping heads between the models does to the answer. Arrays are read-only float32."""

    about: About
    readout: Readout
    what: Swapped
    layers: tuple[int, ...]
    """The model's own number of each layer, the first axis of ``[layer, head]``."""
    jsd_bits: np.ndarray
    """``[layer, head]``: divergence between base and tuned."""
    outputs: dict[str, float]
    """The readout of ``base`` and ``tuned`` as they are."""
    heads: dict[str, np.ndarray]
    """``into_base``, ``into_tuned``: ``[layer, head]``, readout with the head swapped minus without."""
    whole_layers: dict[str, np.ndarray]
    """``[layer]``: with all heads of a layer swapped at once; effects of heads do not add up to it."""
    everything: dict[str, float]
    """With all heads swapped."""
    critical: np.ndarray
    """``[layer, head]``: what switching the head off in the tuned model does to the readout (mean ablation)."""
    notes: tuple[str, ...]

    def gap(self, direction: Direction) -> float:
        """What a complete swap would do: the other model's readout minus that of the model it is put into."""
        gap = self.outputs["tuned"] - self.outputs["base"]
        return gap if direction == "into_base" else -gap

    def share(self, direction: Direction) -> np.ndarray | None:
        """``[layer, head]``: effects as shares of the gap; None where the models hardly differ, so that it says nothing."""
        gap = self.gap(direction)
        return None if abs(gap) < SMALLEST_GAP else self.heads[direction] / gap

    @property
    def changed(self) -> np.ndarray:
        """``[layer, head]`` bool: the fewest heads that carry half of all divergence."""
        raise NotImplementedError

    @property
    def matters(self) -> np.ndarray:
        """``[layer, head]`` bool: the fewest heads that carry half of all effects' sizes, with the base's head put into the
        tuned model."""
        raise NotImplementedError

    @property
    def is_critical(self) -> np.ndarray:
        """``[layer, head]`` bool: the fewest heads that carry half of all that switching heads off does."""
        raise NotImplementedError

    @property
    def verdicts(self) -> np.ndarray:
        """``[layer, head]`` of :data:`Verdict` strings: changed and matters; changed but idle (changed, and neither swapping
        nor its size matters); unchanged but critical (not changed, but the tuned model needs it); neither."""
        raise NotImplementedError

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


def patching(
    pair: Pair,
    text: str,
    *,
    what: Swapped = "pattern",
    answer: str | None = None,
    against: str | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Patching:
    """Put every head of each model into the other, one at a time, then every layer, then all."""
    raise NotImplementedError
