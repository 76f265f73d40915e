"""How a text is read, as the form and clients say it; texts that are too long."""

import random
from typing import Any

import pytest

from attncompare.attention import unheard
from attncompare.errors import BadInput
from attncompare.models.checkpoint import any_folder
from attncompare.models.generation import Generation
from attncompare.models.opening import open_pair
from attncompare.models.tokens import encode
from attncompare.ui import questions
from attncompare.ui.questions import Question, TooLong, ask_comparison, question, shortened
from attncompare.ui.reading import MAX_CHARACTERS, MAX_NEW_TOKENS, said, sent_reading, typed_reading
from tests.ui.conftest import LONG_TEXT, PLAIN

EVERYTHING = {
    "text_pair": None,
    "target": "Un film.",
    "chat": True,
    "generate": {"by": "base", "max_new_tokens": 40, "temperature": 0.5, "seed": 7},
    "attention": "cross",
    "level": "word",
}


def test_a_form_that_nobody_opened_says_nothing() -> None:
    assert typed_reading(*PLAIN) == {}
    assert sent_reading(None) == sent_reading({}) == {}
    assert said({}) == ""


def test_what_a_client_sends_reaches_the_analyses() -> None:
    assert sent_reading(EVERYTHING) == {
        "target": "Un film.",
        "chat": True,
        "generate": Generation("base", 40, 0.5, 7),
        "attention": "cross",
        "level": "word",
    }
    assert sent_reading({"generate": {"max_new_tokens": 3.0}}) == {"generate": Generation("tuned", 3)}


def test_the_form_and_a_client_say_the_same() -> None:
    typed = typed_reading("", "Un film.", True, "base", 40, 0.5, 7, "word", "cross")
    assert typed == sent_reading(EVERYTHING)
    assert said(typed) == "target text, chat template, up to 40 tokens by the base model, by words, cross-attention"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([], "Expected reading to be an object"),
        ({"chats": True}, "There is no 'chats' in reading: it may have text_pair, target"),
        ({"chat": 1.5}, "Expected chat of reading to be true or false, got 1.5"),
        ({"text_pair": 5}, "Expected text_pair of reading to be a string or null, got int"),
        ({"text_pair": " "}, "The second text is blank"),
        ({"target": "a" * (MAX_CHARACTERS + 1)}, "The target text has 200,001 characters"),
        ({"level": 3}, "Expected level of reading to be a string, got 3"),
        ({"attention": ["self"]}, "Expected attention of reading to be a string"),
        ({"generate": "tuned"}, "Expected generate to be an object"),
        ({"generate": {"tokens": 3}}, "There is no 'tokens' in generate"),
        ({"generate": {"by": 3}}, "Expected by of generate"),
        ({"generate": {"by": "me"}}, "Expected by of generate to be 'tuned' or 'base', got 'me'"),
        ({"generate": {"max_new_tokens": MAX_NEW_TOKENS + 1}}, "has 1 to 256 tokens, got 257"),
        ({"generate": {"max_new_tokens": 10**400}}, "has 1 to 256 tokens"),
        ({"generate": {"max_new_tokens": True}}, "Expected max_new_tokens to be a whole number"),
        ({"generate": {"max_new_tokens": float("inf")}}, "Expected max_new_tokens to be a whole number"),
        ({"generate": {"temperature": "hot"}}, "Expected temperature to be 0"),
        ({"generate": {"temperature": 10**400}}, "Expected temperature to be 0"),
        ({"generate": {"temperature": -1}}, "got -1"),
        ({"generate": {"temperature": float("nan")}}, "got nan"),
        ({"generate": {"seed": -5}}, "Expected seed to be a whole number from 0"),
        ({"generate": {"seed": 0.5}}, "Expected seed to be a whole number"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(sent: Any, expected: str) -> None:
    with pytest.raises(BadInput, match=expected) as raised:
        sent_reading(sent)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_number_that_was_deleted_from_the_form_is_missed() -> None:
    with pytest.raises(BadInput, match="max_new_tokens to be a whole number, got None"):
        typed_reading("", "", False, "tuned", None, 0, 0, "auto", "self")


def test_a_text_over_the_models_limit_can_be_shortened() -> None:
    text = " ".join(random.Random(3).choices(["film", "unbelievably", "😀", "Übermut", "dull."], k=600))
    asked = question("", "", text)
    with pytest.raises(TooLong, match="at most 512"):
        ask_comparison(asked, any_folder, unheard)
    cut = shortened(asked, any_folder, unheard)
    pair = open_pair(None, None, None, None, local=any_folder)
    count = len(encode(pair.base.tokenizer, cut).tokens)
    assert text.startswith(cut)
    assert 500 < count <= 512
    assert shortened(question("", "", cut), any_folder, unheard) == cut
    assert len(ask_comparison(question("", "", cut), any_folder, unheard).comparison.tokens) == count


def test_the_second_text_keeps_its_place_when_the_first_is_shortened() -> None:
    asked = question("", "", "film " * 600, {"text_pair": "A second text of seven tokens."})
    cut = shortened(asked, any_folder, unheard)
    result = ask_comparison(Question("", "", cut, asked.reading), any_folder, unheard).comparison
    assert len(result.tokens) == 512
    assert [token.text for token in result.tokens if token.segment == 1][:3] == ["A", "second", "text"]


def test_a_second_text_that_is_too_long_alone_offers_no_cut() -> None:
    asked = question("", "", "A film.", {"text_pair": "film " * 600})
    with pytest.raises(BadInput) as raised:
        ask_comparison(asked, any_folder, unheard)
    assert not isinstance(raised.value, TooLong)
    with pytest.raises(BadInput, match="512"):
        shortened(asked, any_folder, unheard)


def test_a_shortened_text_leaves_room_to_go_on(long_pair: tuple[str, str]) -> None:
    asked = question(*long_pair, LONG_TEXT * 3, {"generate": Generation("tuned", 20)})
    with pytest.raises(TooLong):
        ask_comparison(asked, any_folder, unheard)
    cut = shortened(asked, any_folder, unheard)
    assert len(cut.split()) == 1024 - 20
    result = ask_comparison(Question(*long_pair, cut, asked.reading), any_folder, unheard).comparison
    assert sum(token.generated for token in result.tokens) == 20


def test_the_page_has_its_own_limit_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work grows with the square of the text, and every visitor waits for it."""
    monkeypatch.setattr(questions, "MAX_TOKENS", 5)
    text = "The film is not good, and the dialogue is painfully dull."
    with pytest.raises(TooLong, match="has 15 tokens and the page compares at most 5"):
        ask_comparison(question("", "", text), any_folder, unheard)
    assert shortened(question("", "", text), any_folder, unheard) == "The film is"
