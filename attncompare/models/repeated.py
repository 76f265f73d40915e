"""Random tokens said twice, as both models of a pair read them: what shows heads that copy.

Knows nothing about scores.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.attention import Progress, Token
from attncompare.errors import UnsupportedModel
from attncompare.models.pair import Pair, unwrapped
from attncompare.models.question import PairText
from attncompare.models.tokens import Encoding
from attncompare.models.traces import record_side


@dataclass(frozen=True, slots=True)
class Repeated:
    """What was read: ``before`` tokens, then ``length`` random ones, then the same again."""

    before: int
    length: int


def repeated_rows(
    pair: Pair, question: PairText, length: int, sequences: int, seed: int, tell: Progress
) -> Iterator[tuple[Repeated, int, int, Float[Tensor, "head query key"], Float[Tensor, "head query key"]]]:
    """For each sequence and layer: what was read, the sequence's number, the layer, and both models' rows.

    The same ids for both models, drawn without putting back from those that stand for the same token in both and are no
    special ones. The token that starts a text, where there is one, stands in front.

    Raises:
        UnsupportedModel: the models' tokenizers share too few tokens, or they read no text that long.
    """
    ids, start = _ordinary(pair), _start(pair, question)
    if len(ids) < length:
        raise UnsupportedModel("the two tokenizers share too few tokens for a random sequence that both can read")
    if pair.max_tokens is not None and len(start) + 2 * length > pair.max_tokens:
        raise UnsupportedModel(f"the models read at most {pair.max_tokens} tokens")
    read = Repeated(len(start), length)
    for number in range(sequences):
        drawn = random.Random(f"{seed}-{number}").sample(ids, length)
        encoding = _encoding([*start, *drawn, *drawn])
        tell("reading random tokens twice", number, sequences)
        sides = [
            record_side(pair, question, side, _still(tell, number, sequences), only="self", encoding=encoding)
            for side in (pair.base, pair.tuned)
        ]
        for (place, base), (_, tuned) in zip(*(trace.stack("self") for trace in sides), strict=True):
            heads, keys = list(range(base.heads)), len(encoding.tokens)  # a null key is no token
            yield read, number, place.layer, base.rows(heads)[..., :keys], tuned.rows(heads)[..., :keys]


def _still(tell: Progress, number: int, sequences: int) -> Progress:
    """Progress of one pass, told as the sequence it is of; the pass can still be stopped between its layers."""
    return lambda step, done, total: tell("reading random tokens twice", number, sequences)


def _ordinary(pair: Pair) -> list[int]:
    """Ids of the same ordinary token in both tokenizers, with an embedding in both models."""
    base, tuned = pair.base.tokenizer.get_vocab(), pair.tuned.tokenizer.get_vocab()
    rows = min(unwrapped(side.model).get_input_embeddings().weight.shape[0] for side in (pair.base, pair.tuned))
    special = {*pair.base.tokenizer.all_special_ids, *pair.tuned.tokenizer.all_special_ids}
    added = {*pair.base.tokenizer.get_added_vocab().values(), *pair.tuned.tokenizer.get_added_vocab().values()}
    return sorted(at for name, at in base.items() if tuned.get(name) == at and at < rows and at not in special | added)


def _start(pair: Pair, question: PairText) -> list[int]:
    """The special token that both models' texts start with, as a list; empty where there is none."""
    firsts = [(side.ids[0], side.tokens[0].special) for side in (question.base, question.tuned)]
    return [firsts[0][0]] if firsts[0] == firsts[1] and firsts[0][1] else []


def _encoding(ids: list[int]) -> Encoding:
    token = Token("random", "", None, None, special=False, sink=False)
    inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    return Encoding(inputs, (token,) * len(ids))
