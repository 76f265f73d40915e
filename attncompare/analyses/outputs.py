"""What do the two models answer? Class or next-token probabilities, and how far apart they are."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from attncompare.attention import HeadOrigin, OutputKind
from attncompare.models.pair import Pair, Side
from attncompare.models.readout import same_words

SHOWN = 10
"""How many answers are listed, likeliest first."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """Both models' likeliest answers with their probabilities."""

    kind: OutputKind
    base: tuple[tuple[str, float], ...]
    tuned: tuple[tuple[str, float], ...]
    base_head: HeadOrigin
    """borrowed: the base's answer comes from the base body under the tuned model's head."""
    kl_bits: float | None
    """Kullback-Leibler divergence of tuned from base over all answers, KL(tuned || base), in bits; None where the two
    vocabularies differ."""
    same: bool | None
    """Whether both give the same likeliest answer."""

    def frame(self) -> pd.DataFrame:
        """One line per answer that either model lists, by the larger of both probabilities: ``answer``, ``base``, ``tuned``;
        NaN where an answer is not among a model's likeliest."""
        both = {"base": dict(self.base), "tuned": dict(self.tuned)}
        answers = sorted(
            {**both["base"], **both["tuned"]}, key=lambda one: -max(side.get(one, 0.0) for side in both.values())
        )
        sides = {name: [side.get(answer, float("nan")) for answer in answers] for name, side in both.items()}
        return pd.DataFrame({"answer": answers, **sides})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "kind": self.kind,
            "base": [list(answer) for answer in self.base],
            "tuned": [list(answer) for answer in self.tuned],
            "base_head": self.base_head,
            "kl_bits": self.kl_bits,
            "same": self.same,
        }


def outputs(pair: Pair, base_logits: Tensor | None, tuned_logits: Tensor | None) -> Outputs:
    """Answers from the logits of one text (class logits, or those of the next token)."""
    if base_logits is None or tuned_logits is None:
        return Outputs("none", (), (), pair.base_head, None, None)
    base, tuned = (logits.double().log_softmax(-1) for logits in (base_logits, tuned_logits))
    answers = _likeliest(pair, pair.base, base), _likeliest(pair, pair.tuned, tuned)
    if pair.output_kind == "next_token" and not same_words(pair):
        # Number 7 of one vocabulary is another word than number 7 of the other.
        return Outputs(pair.output_kind, *answers, pair.base_head, None, answers[0][0][0] == answers[1][0][0])
    divergence = float(
        torch.where(tuned.isneginf(), 0, tuned.exp() * (tuned - base)).sum()
        / torch.log(torch.tensor(2.0, dtype=torch.float64))
    )
    return Outputs(
        pair.output_kind,
        *answers,
        pair.base_head,
        max(divergence, 0.0),
        bool(base.argmax() == tuned.argmax()),
    )


def _likeliest(pair: Pair, side: Side, log_probabilities: Tensor) -> tuple[tuple[str, float], ...]:
    top = log_probabilities.exp().topk(min(SHOWN, len(log_probabilities)))
    names = [
        pair.labels[i] if pair.output_kind == "label" else str(side.tokenizer.decode([i])) for i in top.indices.tolist()
    ]
    return tuple(zip(names, top.values.tolist(), strict=True))
