"""What attribution, erasure and interventions begin with: a text, read, and the one number asked of both models."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Unpack, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.analyses.receipt import versions
from attncompare.attention import CheckpointInfo, Progress
from attncompare.errors import BadInput
from attncompare.models.merged import UnitIndex
from attncompare.models.pair import Pair, Side
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import Readout, SideName, readout, require_outputs
from attncompare.models.tokens import Encoding
from attncompare.models.traces import walk


def require_choice(name: str, value: Any, choices: Any) -> None:
    """Raises BadInput unless ``value`` is one of the values of a Literal type."""
    if value not in get_args(choices):
        raise BadInput(f"There is no {name} {value!r:.40}: choose one of {', '.join(get_args(choices))}.")


BORROWED = (
    "The base answers under the tuned model's head (borrowed): its sizes are not comparable with the tuned model's."
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a result comes from."""

    base: CheckpointInfo
    tuned: CheckpointInfo
    text: str
    """As it was asked."""
    reading: dict[str, Any]
    """How it was read, as in a comparison."""

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, with the versions of the libraries."""
        return {
            "base": self.base.to_dict(),
            "tuned": self.tuned.to_dict(),
            "text": self.text,
            "reading": self.reading,
            "versions": versions(),
        }


def source(pair: Pair, question: PairText) -> Source:
    """Where a result about this question comes from."""
    return Source(pair.base.info, pair.tuned.info, question.text, question.to_dict())


class Asked(NamedTuple):
    """One model of the two that are asked."""

    name: SideName
    side: Side
    encoding: Encoding
    logits: Float[Tensor, " label"]
    """Of its answer to the whole text; none of models without outputs that can be compared."""
    groups: tuple[tuple[int, ...], ...]
    """Which of the tokens that attention looks at make each unit."""
    tokens: int
    """How many of them there are."""

    def over_units(self, values: Float[Tensor, "*row token"]) -> Float[Tensor, "*row unit"]:
        """Sums over the tokens of each unit; what tokens of no unit have is left out."""
        units = len(self.groups)
        unit = UnitIndex.of(self.groups, self.tokens).unit
        total = values.new_zeros(*values.shape[:-1], units + 1)
        return total.index_add_(-1, torch.where(unit < 0, units, unit).to(values.device), values)[..., :units]


def ask(
    pair: Pair, question: PairText, answer: str | None, against: str | None, progress: Progress | None
) -> tuple[Readout, tuple[Asked, Asked]]:
    """The readout, and both models' answers to the whole text; both traces are kept on the way, where they fit.

    Raises:
        PairMismatch: the models' outputs can't be compared. BadInput: an answer that can't be used.
    """
    require_outputs(pair)
    base, tuned = both_sides(pair, question, progress)
    return readout(pair, tuned.logits, answer, against), (base, tuned)


def both_sides(pair: Pair, question: PairText, progress: Progress | None) -> tuple[Asked, Asked]:
    """Both models' answers to the whole text; both traces are kept on the way, where they fit."""
    logits = walk(pair, question, lambda *_: None, progress)
    base, tuned = (torch.empty(0) if found is None else found for found in logits)
    keys = question.keys
    return (
        Asked("base", pair.base, question.base, base, keys.base, len(keys.base_tokens)),
        Asked("tuned", pair.tuned, question.tuned, tuned, keys.tuned, len(keys.tuned_tokens)),
    )


def asked(
    pair: Pair,
    text: str,
    answer: str | None,
    against: str | None,
    progress: Progress | None,
    **reading: Unpack[Reading],
) -> tuple[PairText, Readout]:
    """The question and the readout; both models' traces are kept on the way, where they fit.

    Raises:
        PairMismatch: the models' outputs can't be compared. BadInput: a text, an option or an answer that can't be used.
    """
    require_outputs(pair)
    question = prepare(pair, text, progress=progress, **reading)
    return question, ask(pair, question, answer, against, progress)[0]
