"""The tabs on routes, distances and several texts, the pinned comparison and the help: handlers as plain functions."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd
import pytest

from attncompare import Pair, plots, reach, rollout
from attncompare.analyses.pattern_classes import classes_alone
from attncompare.attention import Token
from attncompare.models.checkpoint import any_folder
from attncompare.models.traces import TRACES
from attncompare.report import numbers
from attncompare.report.tables import table_html
from attncompare.report.words import limited_html
from attncompare.ui import distance, flow, header, help, pinning, several
from attncompare.ui.files import examples
from attncompare.ui.questions import Answer
from attncompare.ui.taking import whole
from tests.ui.conftest import LONG_TEXT, NEGATION, PLAIN

PNG = b"\x89PNG\r\n\x1a\n"
SKIPPED = gr.skip()
PRAISE = "A warm, quick-witted picture."
SPITE = "</script><img src=x onerror=alert(1)>{{x}}${x}\u202e"


def last_of(steps: Iterator[tuple[Any, ...]]) -> tuple[Any, ...]:
    return list(steps)[-1]


@pytest.fixture
def long_answer(long_pair: tuple[str, str]) -> Answer:
    """A comparison of a text of 600 tokens."""
    return last_of(header.run(any_folder, *long_pair, LONG_TEXT, *PLAIN))[0]


def asked(text: str) -> Answer:
    return last_of(header.run(any_folder, "", "", text, *PLAIN))[0]


def is_picture(update: dict[str, Any]) -> bool:
    return Path(update["value"]).read_bytes().startswith(PNG)


def test_nothing_happens_before_there_is_an_answer() -> None:
    for skipped in (flow.start(None), distance.start(None), several.start(None, None), pinning.lay(None, None)):
        assert set(map(str, skipped)) == {str(SKIPPED)}
    for steps in (
        flow.draw(any_folder, None, flow.ALL, 0, 6),
        flow.again(any_folder, None, None, flow.ALL, 0, 6),
        help.draw(any_folder, None, None),
        help.renew(any_folder, None, True),
    ):
        assert list(steps) == [SKIPPED]
    for offer in (flow.offered, several.offered, pinning.offered, help.offered):
        assert offer(None, "") is None


def test_a_short_text_is_rolled_out_whole(answer: Answer) -> None:
    *_, output, long, _, layers, routes, said, picture, table, status = flow.start(answer)
    assert routes is answer.comparison.rollout
    assert [value for _, value in output["choices"]] == [flow.ALL, *range(15)]
    assert output["choices"][5] == ("4: not", 4)
    assert (long["visible"], layers["value"], layers["maximum"], status) == (False, 6, 6, "")
    assert is_picture(picture)
    assert "where the answer is read" in said
    assert table.count("<tr>") == 1 + numbers.LINES


@pytest.mark.parametrize("trace", ["kept", "gone"])
@pytest.mark.parametrize(("output", "layers"), [(flow.ALL, 6), (flow.ALL, 2), (4, 6), (4, 1)])
def test_an_output_and_layers_are_chosen(
    answer: Answer, embedded_pair: Pair, output: Any, layers: int, trace: str
) -> None:
    if trace == "gone":
        TRACES.drop(lambda key: True)
    routes, said, picture, _, status = last_of(flow.draw(any_folder, answer, output, 0, layers))
    python = rollout(embedded_pair, NEGATION, token=None if output == flow.ALL else output, layers=layers)
    assert routes.base == pytest.approx(python.base, abs=1e-6)
    assert (routes.queries, routes.layers, status) == (python.queries, python.layers, "")
    assert is_picture(picture)
    assert ("up to layer" in picture["alt_text"]) is (layers < 6)
    assert ("Up to layer" in said) is (layers < 6)
    take = flow.offered(routes, "")
    assert take is not None
    assert json.loads(take.made("json"))["layers"] == list(range(layers))
    assert len(pd.read_csv(io.BytesIO(take.made("csv")))) == python.base.size
    assert take.made("png").startswith(PNG)
    assert b"<svg" in take.made("svg")


def test_one_token_of_a_long_causal_text_is_followed(long_answer: Answer) -> None:
    assert long_answer.comparison.rollout is None
    *_, output, long, token, layers, routes, _, picture, _, status = flow.start(long_answer)
    assert (output["visible"], long["visible"], token["value"], layers["maximum"]) == (False, True, 599, 3)
    assert (routes, picture["visible"]) == (None, False)
    assert "up to 512 tokens" in status
    assert list(flow.again(any_folder, long_answer, None, flow.ALL, 599, 2)) == [SKIPPED]
    routes, said, picture, _, status = last_of(flow.draw(any_folder, long_answer, flow.ALL, 599, 3))
    assert is_picture(picture)
    assert "uniform attention" in said
    assert (routes.queries, status) == ((599,), "")
    shallow, *_ = last_of(flow.again(any_folder, long_answer, routes, flow.ALL, 599, 2))
    assert shallow.layers == (0, 1)
    for bad in (None, 10_000):
        with pytest.raises(gr.Error, match=r"0 to 599"):
            list(flow.draw(any_folder, long_answer, flow.ALL, bad, 3))


def test_the_table_of_routes_lists_the_largest_changes(answer: Answer) -> None:
    routes = answer.comparison.rollout
    assert routes is not None
    first = int(np.abs(routes.delta[0]).argmax())
    row = numbers.routes(routes).split("<tr>")[2]
    assert f"<bdi>{first} {routes.tokens[first].text}</bdi>" in row
    assert f"{routes.base[0, first]:.1%}" in row
    assert f"{routes.tuned.mean(0)[first]:.1%}" in row


def test_cross_attention_has_neither_distances_nor_rollout_nor_patterns(answer: Answer) -> None:
    crossed = replace(answer, comparison=replace(answer.comparison, attention="cross", rollout=None))
    _, results, go, _, note = distance.start(crossed)
    assert (results["visible"], go["interactive"]) == (False, False)
    assert "no distances" in note
    *_, output, long, _, layers, routes, _, picture, _, status = flow.start(crossed)
    assert (output["visible"], long["visible"], layers["visible"], picture["visible"]) == (False,) * 4
    assert "no rollout" in status
    assert routes is None
    assert list(flow.draw(any_folder, crossed, flow.ALL, 0, 6)) == [SKIPPED]
    assert "no such patterns" in last_of(help.draw(any_folder, crossed, None))[1]


def test_how_far_heads_look_is_measured_on_demand(long_answer: Answer) -> None:
    estimate, results, go, *_ = distance.start(long_answer)
    assert (results["visible"], go["interactive"]) == (False, True)
    assert "2 forward passes" in estimate
    first, *_, last = list(distance.measure(any_folder, long_answer))
    assert "starting" in first[-1]
    found, said, picture, table, results, go, stop, status = last
    assert "Strongest far link" in picture["alt_text"]
    assert "On the whole" in said
    assert table.count("<tr>") == 1 + 12
    assert (results["visible"], go["interactive"], stop["interactive"], status) == (True, True, False, "")
    take = whole("reach", plots.reach)(found, "")
    assert take is not None
    assert len(json.loads(take.made("json"))["links"]) > 0
    assert len(pd.read_csv(io.BytesIO(take.made("csv")))) == 12


def test_several_texts_are_compared(answer: Answer) -> None:
    lines = f"  {NEGATION}\n\n{PRAISE}\n"
    first, *_, last = list(several.ask(any_folder, answer, lines))
    assert "starting" in first[-1]
    found, said, picture, tables, results, *_, status = last
    assert found.texts == (NEGATION, PRAISE)
    assert found.bits[0] == pytest.approx(answer.comparison.heads["jsd_bits"], abs=1e-6)
    assert "Among the 5 most moved heads" in said
    assert NEGATION in picture["alt_text"]
    assert PRAISE in tables
    assert (results["visible"], status) == (True, "")
    take = several.offered(found, "")
    assert take is not None
    assert len(pd.read_csv(io.BytesIO(take.made("csv")))) == 72
    assert [text["text"] for text in json.loads(take.made("json"))["texts"]] == [NEGATION, PRAISE]
    assert several.start(answer, found)[2] == SKIPPED  # the same pair: what was found stays
    other = replace(answer, comparison=replace(answer.comparison, tuned=replace(answer.comparison.tuned, id="x/y")))
    assert several.start(other, found)[2] is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", "Expected 2 to 8 texts, got 0"),
        ("one text", "Expected 2 to 8 texts, got 1"),
        ("a\n" * 9, "Expected 2 to 8 texts, got 9"),
        (f"{PRAISE}\n" + "word " * 600, "Text 2 .*can't be compared: .* 512"),
        (f"{PRAISE}\n" + "w" * 200_001, "Text 2 .*can't be compared: .* 200,000"),
    ],
)
def test_texts_that_can_not_be_compared_are_named(answer: Answer, lines: str, expected: str) -> None:
    with pytest.raises(gr.Error, match=expected):
        list(several.ask(any_folder, answer, lines))


def test_the_examples_offered_are_short() -> None:
    texts = several._short_examples().splitlines()
    assert 2 <= len(texts) <= 8
    assert all(len(text) <= several.SHORT for text in texts)


def test_a_pinned_comparison_is_laid_beside_the_next_one(answer: Answer) -> None:
    pinned, both, pins, unpins, note, part, *_ = pinning.pin(answer)
    assert both is None
    assert (pins["visible"], unpins["visible"], part["visible"]) == (False, True, False)
    assert "The film is not good" in note
    both, pins, unpins, note, part, said, picture, table = pinning.lay(asked(PRAISE), pinned)
    assert (pins["visible"], unpins["visible"], note, part["visible"]) == (True, True, "", True)
    assert both.then.text == NEGATION
    assert both.now.text == PRAISE
    assert "moved" in said
    assert NEGATION in picture["alt_text"]
    assert is_picture(picture)
    assert table.count("<tr>") == 1 + pinning.LISTED
    take = pinning.offered(both, "")
    assert take is not None
    assert set(pd.read_csv(io.BytesIO(take.made("csv")))["comparison"]) == {"pinned", "now"}
    pinned, both, pins, unpins, _, part, *_ = pinning.unpin(answer)
    assert (pinned, both) == (None, None)
    assert (pins["visible"], unpins["visible"], part["visible"]) == (True, False, False)


def test_another_kind_of_model_can_stand_beside(answer: Answer, long_answer: Answer) -> None:
    pinned, *_ = pinning.pin(answer)
    both, *_, said, picture, table = pinning.lay(long_answer, pinned)
    assert not both.matched
    assert "other layers or heads" in said
    assert is_picture(picture)
    assert table == ""


def test_the_help_shows_the_visitors_own_heads(answer: Answer, embedded_pair: Pair) -> None:
    found, said, results, picture = last_of(help.draw(any_folder, answer, None))
    assert found.answers == classes_alone(embedded_pair, NEGATION).answers
    assert len(found.examples) > 2
    for name, maps in found.examples:
        assert f"{name}: <b>{maps.name}</b>, {found.more(name, maps)}" in said
    assert results["visible"] is True
    assert is_picture(picture)
    assert list(help.draw(any_folder, answer, found)) == [SKIPPED]  # opened again
    assert len(list(help.renew(any_folder, answer, False))) == 1
    assert last_of(help.renew(any_folder, answer, True))[0] is not None
    take = help.offered(found, "")
    assert take is not None
    assert len(pd.read_csv(io.BytesIO(take.made("csv")))) == 72


def test_hostile_words_stay_words(answer: Answer) -> None:
    for made in (
        limited_html([f"In ‘{SPITE}’ it moved.", SPITE, SPITE]),
        table_html(SPITE, [SPITE, SPITE], [[SPITE, SPITE]]),
    ):
        assert "<img" not in made
        assert "</script>" not in made
        assert "&lt;img" in made
    routes = answer.comparison.rollout
    assert routes is not None
    hostile = tuple(Token(SPITE, SPITE, None, None, False, False) for _ in routes.tokens)
    assert "<img" not in numbers.routes(replace(routes, tokens=hostile))
    assert "<img" not in "".join(map(str, flow.drawn(replace(routes, tokens=hostile))[1:]))
    glance = replace(pinning.pin(answer)[0], text=SPITE)
    assert "<img" not in pinning._note_html(glance)
    both, *_, said, _, _ = pinning.lay(asked(PRAISE), glance)
    assert "<img" not in said


def test_links_between_paragraphs_are_shown_with_their_text(embedded_pair: Pair) -> None:
    text = examples()[-1]["text"] + "\n\n</script><b>bold</b>"
    found = reach(embedded_pair, text)
    assert len(found.across) > 5
    _, _, table = distance.show(found)
    assert "The strongest links between paragraphs" in table
    for link in found.across[:3]:
        assert escape(found.passage(link.query)) in table
    assert "<b>bold" not in table
    assert "strongest links between paragraphs" not in distance.show(reach(embedded_pair, "One paragraph, no more."))[2]
