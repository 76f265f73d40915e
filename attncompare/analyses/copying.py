"""Which heads of a decoder copy? Induction and duplicate-token scores of both models on random tokens said twice."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from attncompare.attention import Progress, frozen, head_name, listed
from attncompare.errors import UnsupportedModel
from attncompare.metrics.copying import copying_scores
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.repeated import repeated_rows

LENGTH, SEQUENCES, SEED = 50, 10, 0

NAMES = ("induction", "duplicate")

STRONG = 0.3
"""From where a head is said to copy; ours. A head that spreads its attention over these sequences has about 0.01."""


@dataclass(frozen=True, eq=False)
class Copying:
    """Scores of every head, between 0 and 1; arrays are ``[score, layer, head]`` float32, in the order of :data:`NAMES`."""

    base: np.ndarray
    tuned: np.ndarray

    def sentence(self, layers: tuple[int, ...]) -> str:
        """How many induction heads there are, and the strongest of the tuned model."""
        counts = [int((side[0] >= STRONG).sum()) for side in (self.base, self.tuned)]
        row, head = np.unravel_index(int(self.tuned[0].argmax()), self.tuned[0].shape)
        name = head_name(layers[int(row)], int(head))
        return (
            f"Induction heads (a score of at least {STRONG:g} on random tokens said twice): {counts[0]} in base, "
            f"{counts[1]} in tuned; strongest in tuned {name} ({self.base[0][row, head]:.2f} in base, "
            f"{self.tuned[0][row, head]:.2f} in tuned)."
        )

    def columns(self) -> dict[str, np.ndarray]:
        """One value a head, by name."""
        return {
            f"{name}_{side}": values[number].ravel()
            for number, name in enumerate(NAMES)
            for side, values in (("base", self.base), ("tuned", self.tuned))
        }

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, with what was read."""
        scores = {
            name: {"base": listed(self.base[number]), "tuned": listed(self.tuned[number])}
            for number, name in enumerate(NAMES)
        }
        return {"tokens": LENGTH, "sequences": SEQUENCES, "seed": SEED, **scores}


def copying(pair: Pair, question: PairText, tell: Progress) -> tuple[Copying | None, str]:
    """The scores of every head of a decoder, or why there are none; no reason where nobody would expect them."""
    if not question.causal or pair.encoder_decoder:
        return None, ""
    layers = question.stack.layers
    sums: dict[int, torch.Tensor] = {}
    try:
        for read, _, layer, base, tuned in repeated_rows(pair, question, LENGTH, SEQUENCES, SEED, tell):
            scores = torch.stack([
                torch.stack(copying_scores(rows, read.before, read.length)) for rows in (base, tuned)
            ]).double().cpu()  # fmt: skip
            sums[layer] = sums[layer] + scores if layer in sums else scores
    except UnsupportedModel as error:
        return None, str(error)
    found = torch.stack([sums[layer] for layer in layers], 2) / SEQUENCES  # [side, score, layer, head]
    return Copying(frozen(found[0]), frozen(found[1])), ""
