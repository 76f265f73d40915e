"""How much each token moves the answer, by one method, for both models: the numbers under attribution and erasure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.analyses.asking import Asked
from attncompare.attention import Progress
from attncompare.models import gradients
from attncompare.models.erasing import Eraser, Erasing
from attncompare.models.fillers import Kind, common, written
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.readout import Readout

Method = Literal["integrated_gradients", "gradient_x_input", "saliency", "occlusion"]

Baseline = Literal["auto", "pad", "mask", "unk", "eos", "zero"]

AUTO: tuple[Kind, ...] = ("pad", "eos", "unk")
"""What ``auto`` tries, in this order, as a baseline."""


@dataclass(frozen=True, eq=False)
class Scores:
    """One model's attribution to each unit."""

    units: Float[Tensor, " unit"]
    """Signed, in the readout's unit (saliency: never negative); NaN where a unit was not judged."""
    left_out: float = 0.0
    """What falls to tokens of no unit."""
    integral: gradients.Integrated | None = None
    """How integrated gradients went."""


class Scorer:
    """Scores the units of a question by one method, in the same way in both models."""

    def __init__(
        self, pair: Pair, question: PairText, readout: Readout, method: Method, *, baseline: Baseline, erasing: Erasing
    ) -> None:
        """Raises BadInput where the models have no such baseline or mask."""
        self._pair, self._question, self._readout, self._method = pair, question, readout, method
        self._decoder = question.attention == "decoder"
        self._kind: Kind | None = None
        if method == "occlusion":
            self._eraser = Eraser(pair, erasing, decoder=self._decoder)
        elif method == "integrated_gradients" and baseline != "zero":
            kinds = AUTO if baseline == "auto" else tuple(kind for kind in get_args(Kind) if kind == baseline)
            self._kind = common(pair, kinds, "choose another baseline, such as 'zero'")

    @property
    def how(self) -> str:
        """One sentence on what a token was compared with."""
        if self._method == "occlusion":
            return f"Occlusion: the readout on the text minus the readout with one token {self._eraser.how}."
        if self._method == "saliency":
            return "Saliency: the length of the readout's gradient with respect to a token's embedding."
        if self._method == "gradient_x_input":
            return (
                "Gradient x input: the readout's gradient times a token's embedding, so compared with a zero embedding."
            )
        filler = "a zero embedding" if self._kind is None else written(self._pair, self._kind)
        return f"Integrated gradients from a baseline with {filler} in place of every token that is not special."

    def score(self, asked: Asked, tell: Progress) -> Scores:
        """One model's scores; ``tell`` may raise to stop.

        Raises:
            UnsupportedModel: the model gives no gradients. BadInput: nothing can be erased.
        """
        if self._method == "occlusion":
            return Scores(self._occlusion(asked, tell))
        tell(f"following gradients in the {'base' if asked.name == 'base' else 'tuned model'}", 0, 1)
        of = gradients.embedded(
            self._pair, asked.side, asked.encoding, self._readout, asked.name, decoder=self._decoder
        )
        if self._method == "integrated_gradients":
            tokens = asked.encoding.target if self._decoder else asked.encoding.tokens
            keep = torch.tensor([token.special for token in tokens or ()])
            integral = gradients.integrated(of, gradients.baseline(of, keep, self._kind), tell)
            return self._over_units(asked, integral.attribution, integral)
        measure = gradients.saliency if self._method == "saliency" else gradients.gradient_x_input
        return self._over_units(asked, measure(of))

    def _over_units(
        self, asked: Asked, tokens: Float[Tensor, " token"], integral: gradients.Integrated | None = None
    ) -> Scores:
        units = asked.over_units(tokens)
        return Scores(units, float(tokens.sum() - units.sum()), integral)

    def _occlusion(self, asked: Asked, tell: Progress) -> Float[Tensor, " unit"]:
        taken = occluded(self._question)
        versions = [(), *(asked.groups[unit] for unit in taken)]
        found = self._eraser.numbers(
            asked.side, asked.encoding, versions, lambda logits: self._readout.value(logits, asked.name), tell
        )
        scores = torch.full((len(asked.groups),), math.nan, dtype=torch.float64)
        scores[taken] = found[0] - found[1:]
        return scores


def occluded(question: PairText) -> Sequence[int]:
    """The units that may be taken from a text: none that is special, for a model is hardly ever trained without those."""
    return [unit for unit, token in enumerate(question.keys.units) if not token.special]
