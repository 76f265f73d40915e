"""A link to what is on the screen: what it holds, what it gives back, and what it refuses."""

import math
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from attncompare.errors import BadInput
from attncompare.models.checkpoint import any_folder
from attncompare.ui import header
from attncompare.ui.link import LONGEST_TEXT, NAMES, Link, parameters, parse
from attncompare.ui.questions import Answer, question
from attncompare.ui.reading import typed_reading
from tests.ui.conftest import NEGATION, PLAIN

HOSTILE = "A </script><img src=x onerror=alert(1)> {{x}} ${y} & = ? # % + \u202eabc\u202c 😀 film"
READ = ("Second.", "Target.", True, "base", 8, 0.7, 3, "word", "cross")
FORM = 13


def asked(answer: Answer, text: str, *options: Any) -> Answer:
    return replace(answer, question=question(" org/base@v1 ", "org/tuned", text, typed_reading(*options)))


@pytest.mark.parametrize("options", [PLAIN, READ])
@pytest.mark.parametrize("text", [NEGATION, HOSTILE, "a\nb\tc"])
def test_a_link_gives_back_what_was_asked(answer: Answer, text: str, options: tuple[Any, ...]) -> None:
    written = parameters(replace(asked(answer, text, *options), opened=(3, 9)))
    assert written["head"] == "L3.H9"
    assert written["left_out"] == 0
    found = parse({**dict(written["parameters"]), "head": "L3.H9", "tab": "flow", "__theme": "dark"})
    assert found == Link("org/base@v1", "org/tuned", text, options, (3, 9), "flow")
    assert typed_reading(*found.options) == typed_reading(*options)


def test_a_plain_question_makes_a_short_link(answer: Answer) -> None:
    assert parameters(answer) == {"parameters": [["text", NEGATION]], "head": "", "left_out": 0}


def test_long_texts_are_left_out_and_counted(answer: Answer) -> None:
    fits = parameters(asked(answer, "a" * LONGEST_TEXT, *PLAIN))
    assert dict(fits["parameters"])["text"] == "a" * LONGEST_TEXT
    long = parameters(asked(answer, "a" * LONGEST_TEXT, "b", *PLAIN[1:]))
    assert long["left_out"] == LONGEST_TEXT + 1
    assert not {"text", "text_pair"} & dict(long["parameters"]).keys()


def test_an_address_without_anything_of_ours_is_no_link() -> None:
    assert parse({}) is None
    assert parse({"__theme": "dark", "utm_source": "x"}) is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"head": "L3.H9; rm -rf /"},
        {"head": "3.9"},
        {"head": "L99999.H1"},
        {"head": "L\u0663.H1"},
        {"tab": "<script>"},
        {"level": "sentence"},
        {"attention": "everything"},
        {"chat": "1"},
        {"generate": "both"},
        {"max_new_tokens": "1e9"},
        {"max_new_tokens": "9" * 400},
        {"seed": "-1"},
        {"seed": "1.5"},
        {"temperature": "nan"},
        {"temperature": "inf"},
        {"base": "a" * 2000},
        {"text": "a" * 200_001},
    ],
)
def test_a_hostile_value_is_one_sentence(parameters: dict[str, str]) -> None:
    with pytest.raises(BadInput) as raised:
        parse({"text": "A film.", **parameters})
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200
    assert set(parameters) <= set(NAMES)


def arrived(**parameters: str) -> Iterator[tuple[Any, ...]]:
    return header.arrive(any_folder, SimpleNamespace(query_params=parameters))


def test_arriving_fills_the_form_and_opens_the_head(answer: Answer) -> None:
    steps = list(arrived(text=NEGATION, head="L2.H5", level="token"))
    assert steps[0][:7] == ("", "", NEGATION, *PLAIN[:4])
    assert [(number["value"], number["interactive"]) for number in steps[0][7:10]] == [
        (64, False),
        (0, False),
        (0, False),
    ]
    assert steps[0][10:12] == ("token", "self")
    assert "token by token" in steps[0][12]["label"]
    assert all(len(step) == len(steps[0]) for step in steps)
    found, _, status, verdict, *_, link = steps[-1][FORM:]
    assert found.opened == found.first == (2, 5)
    assert "Compared in" in status
    assert found.comparison.movers[0].name == answer.comparison.movers[0].name
    assert found.comparison.movers[0].name in verdict
    assert link["head"] == "L2.H5"


def test_a_head_that_the_models_lack_is_told_and_the_rest_restored(answer: Answer) -> None:
    found, _, status, *_ = list(arrived(text=NEGATION, head="L77.H0"))[-1][FORM:]
    assert found.opened is None
    assert found.first == answer.first
    assert "L77.H0" in status


def test_arriving_with_nothing_leaves_everything() -> None:
    for given in ({}, {"tab": "flow"}, {"__theme": "dark"}):
        (step,) = arrived(**given)
        assert set(map(str, step)) == {str(gr.skip())}


def test_arriving_without_a_text_compares_nothing() -> None:
    (step,) = arrived(base="org/base", tuned="org/tuned")
    assert step[:3] == ("org/base", "org/tuned", gr.skip())
    assert "no text" in step[FORM + 2]


def test_a_hostile_link_is_told_and_nothing_is_lost() -> None:
    shown = []
    steps = arrived(text="A film.", head="<img src=x>")
    with pytest.raises(gr.Error):
        shown.extend(steps)
    (step,) = shown
    assert "&lt;img src=x&gt;" in step[FORM + 2]
    assert [one for one in step if one != gr.skip()] == [step[FORM + 2]]


def test_numbers_of_a_link_are_those_of_the_form() -> None:
    found = parse({"generate": "tuned", "temperature": "0.5", "seed": "7", "max_new_tokens": "3"})
    assert found is not None
    by, tokens, temperature, seed = found.options[3:7]
    assert (by, tokens, seed) == ("tuned", 3, 7)
    assert math.isclose(temperature, 0.5)
