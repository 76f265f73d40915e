"""What is read out of both models' logits, and which answers can't be."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from attncompare.errors import BadInput, PairMismatch
from attncompare.models.pair import Pair
from attncompare.models.readout import judge_answer, readout, require_outputs
from tests.models import readers
from tests.models.checkpoints import refused

LABELS = ("negative", "Positive", "mixed feelings")
LOGITS = torch.tensor([1.0, 3.0, 2.0])


@pytest.fixture(scope="module")
def classes() -> Pair:
    return readers.pair("bert", kind="AutoModelForSequenceClassification", output_kind="label", labels=LABELS)


@pytest.fixture(scope="module")
def words() -> Pair:
    return readers.pair("gpt2")


def likeliest(number: int) -> Tensor:
    logits = torch.zeros(readers.VOCABULARY)
    logits[number] = 5.0
    return logits


def test_without_an_answer_the_likeliest_class_is_set_against_the_second(classes: Pair) -> None:
    found = readout(classes, LOGITS, None, None)
    assert (found.kind, found.answer, found.against, found.unit) == (
        "logit_difference",
        "Positive",
        "mixed feelings",
        "logits",
    )
    assert found.name == "logit(Positive) − logit(mixed feelings)"
    other = torch.tensor([[0.5, -2.0, 4.0], [1.0, 1.0, 1.0]])
    assert found.value(other, "base").tolist() == [-6.0, 0.0]
    assert found.probability(other, "tuned").tolist() == pytest.approx(other.softmax(-1)[:, 1].tolist())


def test_a_class_and_a_difference_by_name(classes: Pair) -> None:
    alone = readout(classes, LOGITS, "negative", None)
    assert (alone.kind, alone.name) == ("logit", "logit(negative)")
    assert float(alone.value(LOGITS, "base")) == 1.0
    both = readout(classes, LOGITS, "negative", " positive ")  # near enough, and no other is
    assert float(both.value(LOGITS, "tuned")) == -2.0
    assert both.name == "logit(negative) − logit(Positive)"  # as the models call it
    assert both.to_dict() == {
        "kind": "logit_difference",
        "name": both.name,
        "unit": "logits",
        "answer": "negative",
        "against": "Positive",
        "base_head": "own",
    }


def test_classes_that_there_are_not(classes: Pair) -> None:
    with refused(BadInput, "no class 'neutral'", "'negative', 'Positive', 'mixed feelings'"):
        readout(classes, LOGITS, "neutral", None)
    with refused(BadInput, "no class ''"):
        readout(classes, LOGITS, "negative", "")
    with refused(BadInput, "can't be set against itself"):
        readout(classes, LOGITS, "positive", "Positive")
    with refused(BadInput, "to set against 'negative' is missing"):
        readout(classes, LOGITS, None, "negative")


def test_a_next_token_is_a_log_probability(words: Pair) -> None:
    number = words.tuned.tokenizer.convert_tokens_to_ids("Ġthe")
    found = readout(words, likeliest(number), None, None)
    assert (found.kind, found.answer, found.unit) == ("log_probability", " the", "nats")
    assert found.name == "log p(' the')"
    logits = torch.randn(2, readers.VOCABULARY, generator=torch.Generator().manual_seed(1))
    assert torch.equal(found.value(logits, "base"), logits.log_softmax(-1)[:, number])
    torch.testing.assert_close(found.value(logits, "tuned").exp(), found.probability(logits, "tuned"))


@pytest.mark.parametrize("written", ["the", " the", "Ġthe"])
def test_a_word_is_the_token_that_follows_a_text(words: Pair, written: str) -> None:
    number = words.tuned.tokenizer.convert_tokens_to_ids("Ġthe")
    assert readout(words, likeliest(7), written, None).tuned_numbers == (number,)


def test_a_difference_of_two_next_tokens(words: Pair) -> None:
    ids = words.tuned.tokenizer.convert_tokens_to_ids
    found = readout(words, likeliest(7), "the", "is")
    assert (found.kind, found.name) == ("logit_difference", "logit(the) − logit(is)")
    logits = torch.arange(float(readers.VOCABULARY))
    assert float(found.value(logits, "base")) == ids("Ġthe") - ids("Ġis")


def test_words_that_are_no_token(words: Pair) -> None:
    with refused(BadInput, "'astonishing' is", "tokens of org/base", "a next token is one"):
        readout(words, likeliest(7), "astonishing", None)
    with refused(BadInput, "An answer is empty"):
        readout(words, likeliest(7), "  ", None)
    with refused(BadInput, "'the' can't be set against itself"):
        readout(words, likeliest(7), "the", " the")
    pieces = readers.pair("gpt2", readers.sentence_piece())
    with refused(BadInput, "'Ж' is not in the vocabulary of org/base"):
        readout(pieces, likeliest(7), "Ж", None)


def test_two_tokenizers_have_numbers_of_their_own() -> None:
    pair = readers.pair("gpt2", readers.sentence_piece(), readers.byte_level())
    found = readout(pair, likeliest(7), "a", None)
    expected = [side.tokenizer.encode(" a", add_special_tokens=False) for side in (pair.base, pair.tuned)]
    assert [list(found.base_numbers), list(found.tuned_numbers)] == expected
    assert found.base_numbers != found.tuned_numbers
    logits = torch.arange(float(readers.VOCABULARY))
    assert found.value(logits, "base") != found.value(logits, "tuned")
    missing = pair.tuned.tokenizer.convert_tokens_to_ids("Ġtimes")
    with refused(BadInput, "likeliest next token, ' times', is none of the base's"):
        readout(pair, likeliest(missing), None, None)


@pytest.mark.parametrize("notes", [(), ("the tuned checkpoint has no trained output head",)])
def test_outputs_that_can_not_be_compared(words: Pair, notes: tuple[str, ...]) -> None:
    require_outputs(words)
    without: Any = replace(words, output_kind="none", notes=notes)
    with refused(PairMismatch, "can't be compared", "divergence, rollout and value zeroing remain", *notes):
        require_outputs(without)


def test_answers_that_are_no_strings() -> None:
    judge_answer(None)
    judge_answer("he")
    for wrong in (3, ["he"], b"he"):
        with refused(BadInput, "Expected an answer to be a string", type(wrong).__name__):
            judge_answer(wrong)
