"""The one number that is read out of a model's output, and what both models' outputs must have in common for it.

Attribution, erasure and interventions all ask how one number depends on something: the logit of a class, the difference of
two logits, or the log-probability of a next token. Both models are asked about the same answer. Knows nothing about
attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor

from attncompare.attention import HeadOrigin
from attncompare.errors import BadInput, PairMismatch
from attncompare.models.pair import Pair, Side

SideName = Literal["base", "tuned"]
ReadoutKind = Literal["logit", "logit_difference", "log_probability"]


@dataclass(frozen=True, slots=True)
class Readout:
    """One number of both models' outputs."""

    kind: ReadoutKind
    answer: str
    """A class, or a next token as it is written."""
    against: str | None
    """The answer whose logit is taken off; None but for a logit difference."""
    base_head: HeadOrigin
    """borrowed: the base's number comes from the base body under the tuned model's head."""
    base_numbers: tuple[int, ...]
    """Where the base's logits hold the answer, and what it is taken against."""
    tuned_numbers: tuple[int, ...]

    @property
    def name(self) -> str:
        """How pictures call it: ``logit(positive) − logit(negative)``."""
        first = repr(self.answer) if self.kind == "log_probability" or " " in self.answer else self.answer
        if self.kind == "log_probability":
            return f"log p({first})"
        return f"logit({self.answer})" + (f" − logit({self.against})" if self.against is not None else "")

    @property
    def unit(self) -> str:
        """What it is counted in."""
        return "nats" if self.kind == "log_probability" else "logits"

    def value(self, logits: Float[Tensor, "*batch label"], side: SideName) -> Float[Tensor, "*batch"]:
        """The number, of each of a batch of logits."""
        first, *second = self.base_numbers if side == "base" else self.tuned_numbers
        if self.kind == "log_probability":
            return logits.log_softmax(-1)[..., first]
        return logits[..., first] - logits[..., second[0]] if second else logits[..., first]

    def probability(self, logits: Float[Tensor, "*batch label"], side: SideName) -> Float[Tensor, "*batch"]:
        """The answer's probability among all classes or tokens, in [0, 1]."""
        return logits.softmax(-1)[..., (self.base_numbers if side == "base" else self.tuned_numbers)[0]]

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "kind": self.kind,
            "name": self.name,
            "unit": self.unit,
            "answer": self.answer,
            "against": self.against,
            "base_head": self.base_head,
        }


def require_outputs(pair: Pair) -> None:
    """Raises PairMismatch where the two models' outputs can't be compared."""
    if pair.output_kind == "none":
        why = f": {pair.notes[0]}" if pair.notes else ""
        raise PairMismatch(
            f"What these models answer can't be compared{why}. Attribution, erasure and interventions need class or "
            "next-token outputs on both sides; divergence, rollout and value zeroing remain."
        )


def readout(pair: Pair, tuned_logits: Float[Tensor, " label"], answer: str | None, against: str | None) -> Readout:
    """What to read out of both models' logits.

    Without ``answer`` it is what the tuned model finds likeliest: a class against the second likeliest, or a next token's
    log-probability. With ``answer`` alone it is that class's logit, or that token's log-probability; with ``against`` too,
    the difference of the two logits.

    Args:
        pair: whose outputs can be compared. tuned_logits: the tuned model's, of the text.
        answer: a class by its name, or a next token as it is written.
        against: the same.

    Raises:
        BadInput: no such class; a word that is no single token of a model; both the same; ``against`` alone.
    """
    judge_answer(answer)
    judge_answer(against)
    if answer is None and against is not None:
        raise BadInput(f"An answer to set against {against!r:.60} is missing: name both, or none.")
    if answer is None:
        return _likeliest(pair, tuned_logits)
    numbers = [_numbers(pair, side, answer, against) for side in (pair.base, pair.tuned)]
    if any(len(set(side)) < len(side) for side in numbers):
        raise BadInput(f"{answer!r:.60} can't be set against itself: name two answers.")
    if pair.output_kind == "label":  # as the models write them
        answer = pair.labels[numbers[1][0]]
        against = None if against is None else pair.labels[numbers[1][1]]
    alone: ReadoutKind = "logit" if pair.output_kind == "label" else "log_probability"
    return Readout(alone if against is None else "logit_difference", answer, against, pair.base_head, *numbers)


def judge_answer(answer: Any) -> None:
    """Raises BadInput unless an answer is a string, or None."""
    if answer is not None and not isinstance(answer, str):
        raise BadInput(f"Expected an answer to be a string, a class or a next token, got {type(answer).__name__}.")


def same_words(pair: Pair) -> bool:
    """Whether a number means the same token in both models."""
    base, tuned = pair.base.tokenizer, pair.tuned.tokenizer
    return base is tuned or base.get_vocab() == tuned.get_vocab()


def _likeliest(pair: Pair, logits: Float[Tensor, " label"]) -> Readout:
    first, second = logits.topk(2).indices.tolist()
    if pair.output_kind == "label":
        names = pair.labels[first], pair.labels[second]
        return Readout("logit_difference", *names, pair.base_head, (first, second), (first, second))
    raw = pair.tuned.tokenizer.convert_ids_to_tokens(first)
    name = str(pair.tuned.tokenizer.decode([first])) or str(raw or f"token {first}")
    number = first if same_words(pair) else _known(pair.base, raw)
    if number is None:
        raise BadInput(f"The tuned model's likeliest next token, {name!r}, is none of the base's: name an answer.")
    return Readout("log_probability", name, None, pair.base_head, (number,), (first,))


def _numbers(pair: Pair, side: Side, *words: str | None) -> tuple[int, ...]:
    found = [word for word in words if word is not None]
    if pair.output_kind == "label":
        return tuple(_label(pair.labels, word) for word in found)
    return tuple(_token(side, word) for word in found)


def _label(labels: Sequence[str], name: str) -> int:
    exact = [i for i, label in enumerate(labels) if label == name]
    close = [i for i, label in enumerate(labels) if label.casefold() == name.strip().casefold()]
    if len(found := exact or close) != 1:
        known = ", ".join(map(repr, labels[:20])) + (" …" if len(labels) > 20 else "")
        raise BadInput(f"The models know no class {name!r:.60}: choose one of {known}.")
    return found[0]


def _token(side: Side, word: str) -> int:
    """The token that ``word`` is where it follows a text: with a space before it, as it is, or by its raw name."""
    if not word.strip():
        raise BadInput("An answer is empty: name a token, such as 'he'.")
    pieces: list[int] = []
    for written in (f" {word.strip()}", word):
        pieces = side.tokenizer.encode(written, add_special_tokens=False)
        if len(pieces) == 1 and pieces[0] != side.tokenizer.unk_token_id:
            return int(pieces[0])
    if (number := _known(side, word)) is not None:
        return number
    if side.tokenizer.unk_token_id in pieces:
        raise BadInput(
            f"{word!r:.60} is not in the vocabulary of {side.info.id}: choose a word that is one of its tokens."
        )
    names = ", ".join(map(repr, side.tokenizer.convert_ids_to_tokens(pieces)[:8]))
    raise BadInput(
        f"{word!r:.60} is {len(pieces)} tokens of {side.info.id} ({names}): a next token is one, so choose a shorter word."
    )


def _known(side: Side, token: str) -> int | None:
    """The number of a token by its raw name; None if there is none."""
    return side.tokenizer.get_vocab().get(token)
