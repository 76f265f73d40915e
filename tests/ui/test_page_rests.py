"""The tab *What the output rests on*, with the embedded pair: its parts say what Python says, and refuse in one sentence."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from attncompare import Attribution, Pair, compare, value_zeroing
from attncompare import attribution as attribution_of
from attncompare import erasure as erasure_of
from attncompare.analyses.scores import Method
from attncompare.attention import unheard
from attncompare.models.checkpoint import any_folder
from attncompare.report.tables import number
from attncompare.ui import attributing, erasing, rests, zeroing
from attncompare.ui.on_demand import findings_html
from attncompare.ui.questions import Answer, Question, ask_comparison, question
from attncompare.ui.sought import Sought, chosen, ranked, sought
from attncompare.ui.work import turn
from tests.ui.kinds import save_kind

PNG = b"\x89PNG\r\n\x1a\n"
SKIPPED = str(gr.skip())
TEXT = "A dull film, not a good one."


@pytest.fixture(scope="module")
def short(embedded_pair: Pair) -> Answer:
    """A comparison of a short text."""
    return Answer(Question("", "", TEXT), compare(embedded_pair, TEXT), 0.01)


@pytest.fixture(scope="module")
def steps(short: Answer) -> list[tuple[Any, ...]]:
    """Everything that attributing by the default method yields."""
    asked = ("", "", "integrated_gradients", "auto", "delete", "mean", 3, 9)
    return list(attributing.attribute(any_folder, short, *asked))


def last_of(steps: Iterator[tuple[Any, ...]]) -> tuple[Any, ...]:
    return list(steps)[-1]


def same(found: Any, python: Any) -> bool:
    """Whether two records hold the same numbers."""
    return json.dumps(found.to_dict()) == json.dumps(python.to_dict())


def lines_of(table: str) -> list[str]:
    """What each line of a folded table is about."""
    return [unescape(name) for name in re.findall(r'<th scope="row"><bdi>(.*?)</bdi>', table)]


def test_attribution_shows_work_then_what_python_says(steps: list[tuple[Any, ...]], embedded_pair: Pair) -> None:
    first, *_, last = steps
    *kept, go, stop, status = first
    assert set(map(str, kept)) == {SKIPPED}
    assert (go["interactive"], stop["interactive"]) == (False, True)
    assert "starting" in status
    found, said, over, picture, overlay, agreement, tokens, heads, results, go, stop, status = last
    python = attribution_of(embedded_pair, TEXT)
    assert same(found, python)
    assert lines_of(tokens)[0].startswith(f"‘{python.tokens[int(np.abs(python.tuned).argmax())].text}’")
    best = python.head_frame().nlargest(1, "tau_tuned").iloc[0]
    assert lines_of(heads)[0] == f"L{best['layer']:.0f}.H{best['head']:.0f}"
    plain = unescape(said).replace("<bdi>", "").replace("</bdi>", "").replace("<b>", "").replace("</b>", "")
    places = [plain.index(sentence) for sentence in (*found.answers, found.readout.name, found.how, *found.notes)]
    assert places[: len(found.answers)] == sorted(places[: len(found.answers)])
    assert "borrowed" in said
    assert [name for _, name in over["choices"]] == ["mean", "rollout", "head"]
    for shown in (picture, overlay, agreement):
        assert Path(shown["value"]).read_bytes().startswith(PNG)
        assert len(shown["alt_text"]) > 3
    assert results["visible"] is True
    assert (go["interactive"], stop["interactive"], status) == (True, False, "")


def test_the_overlay_is_redrawn_from_what_was_kept(steps: list[tuple[Any, ...]]) -> None:
    found: Attribution = steps[-1][0]
    with turn(unheard):  # somebody else has the models
        pictures = [attributing.lay_over(found, *over) for over in (("mean", 3, 9), ("rollout", 3, 9), ("head", 3, 9))]
    assert len({Path(picture["value"]).read_bytes() for picture in pictures}) == 3
    assert "L3.H9" in pictures[2]["alt_text"]
    assert str(attributing.lay_over(None, "mean", 0, 0)) == SKIPPED
    assert attributing.offer_overlay(None, "mean", 0, 0, "") is None
    table = attributing.offer_overlay(found, "head", 3, 9, "").frame()
    np.testing.assert_array_equal(table["L3.H9_tuned"], found.looks["tuned"].heads[3, 9])
    assert "L3.H9_tuned" not in attributing.offer_overlay(found, "mean", 3, 9, "").frame()
    with pytest.raises(gr.Error, match="There is no head 0 of layer 9"):
        attributing.lay_over(found, "head", 9, 0)


def test_erasure_says_what_python_says(short: Answer, embedded_pair: Pair) -> None:
    found, said, picture, table, results, *_, status = last_of(erasing.erase(any_folder, short, "", "", "hide"))
    python = erasure_of(embedded_pair, TEXT, erasing="hide")
    assert same(found, python)
    assert lines_of(table)[:4] == ["attention", "rollout", "gradient x input", "integrated gradients"]
    reached = python.full["tuned"] - python.without["tuned"][:, python.distinct].mean(1)
    assert f'<td class="n">{number(float(reached[3]))}</td>' in table
    assert said.index("<strong>") < said.index('class="notes"')
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    assert (results["visible"], status) == (True, "")


def test_value_zeroing_says_what_python_says(short: Answer, embedded_pair: Pair) -> None:
    found, said, picture, table, results, *_, status = last_of(zeroing.zero(any_folder, short))
    python = value_zeroing(embedded_pair, TEXT)
    assert same(found, python)
    assert python.answers[0].split(":")[0].replace("‘[CLS]’", "‘<bdi>[CLS]</bdi>’") in said
    assert table.count("<tr>") == 1 + len(python.tokens)
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    assert (results["visible"], status) == (True, "")


def test_nothing_runs_before_there_is_an_answer() -> None:
    for skipped in (rests.start(None), attributing.start(None, "saliency"), erasing.start(None), zeroing.start(None)):
        assert set(map(str, skipped)) == {SKIPPED}


def test_a_new_answer_puts_the_old_findings_away(short: Answer) -> None:
    waiting, content, wanted, against = rests.start(short)
    assert (waiting["visible"], content["elem_classes"]) == (False, [])
    assert "negative, the likeliest" in wanted["placeholder"]
    assert "positive, the next" in against["placeholder"]
    said, layer, head, kept, results, go, stop, status = attributing.start(short, "integrated_gradients")
    assert "300 forward passes of 11 tokens" in said
    assert [value for _, value in layer["choices"]] == [0, 1, 2, 3, 4, 5]
    assert len(head["choices"]) == 12
    assert kept is None
    assert (results["visible"], go["interactive"], stop["interactive"], status) == (False, True, False, "")
    for said, results, *buttons, status in (erasing.start(short), zeroing.start(short)):
        assert "Roughly" in said
        assert (results["visible"], *(button["interactive"] for button in buttons), status) == (False, True, False, "")


def test_a_method_brings_its_options_and_its_price(short: Answer) -> None:
    for method, price, baseline, erased in (
        ("integrated_gradients", "300", True, False),
        ("saliency", "6", False, False),
        ("occlusion", "20", False, True),
    ):
        said, first, second = attributing.choose(short, method)
        assert f"about {price} forward passes" in said
        assert (first["visible"], second["visible"]) == (baseline, erased)
    assert str(attributing.choose(None, "occlusion")[0]) == SKIPPED


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (TEXT, ("spam", "", "saliency", "auto", "delete"), "no class 'spam'"),
        (TEXT, ("", "positive", "saliency", "auto", "delete"), "name both, or none"),
        (TEXT, ("positive", "positive", "saliency", "auto", "delete"), "against itself"),
        (TEXT, ("x" * 201, "", "saliency", "auto", "delete"), "got 201 characters"),
        (TEXT, ("", "", "integrated_gradients", "eos", "delete"), "no end token"),
        (TEXT, ("", "", "guess", "auto", "delete"), "Expected method to be one of"),
        ("film " * 520, ("", "", "saliency", "auto", "delete"), "at most 512"),
    ],
)
def test_bad_input_is_one_sentence_and_keeps_what_was_found(
    short: Answer, text: str, options: tuple[str, ...], expected: str
) -> None:
    shown: list[tuple[Any, ...]] = []
    asked = Answer(Question("", "", text), short.comparison)
    with pytest.raises(gr.Error, match=expected) as raised:
        shown.extend(attributing.attribute(any_folder, asked, *options, "mean", 3, 9))
    assert "\n" not in raised.value.message
    *kept, go, stop, status = shown[-1]
    assert set(map(str, kept)) == {SKIPPED}
    assert (go["interactive"], stop["interactive"]) == (True, False)
    assert 'role="alert"' in status


def test_a_pair_without_answers_says_what_remains(tmp_path: Path) -> None:
    kind = save_kind("lora", tmp_path)
    answer = ask_comparison(question("", kind.tuned, TEXT), any_folder, unheard)
    wanted, against = rests.start(answer)[2:]
    assert wanted["placeholder"] == "these models give no answers"
    assert against["placeholder"] == ""
    for steps in (
        attributing.attribute(any_folder, answer, "", "", "saliency", "auto", "delete", "mean", 0, 0),
        erasing.erase(any_folder, answer, "", "", "delete"),
    ):
        with pytest.raises(gr.Error, match="divergence, rollout and value zeroing remain"):
            list(steps)
    _, _, picture, *_ = last_of(zeroing.zero(any_folder, answer))
    assert Path(picture["value"]).read_bytes().startswith(PNG)


def test_next_tokens_are_answers_too(tmp_path: Path) -> None:
    kind = save_kind("decoder", tmp_path)
    answer = ask_comparison(question(kind.base, kind.tuned, TEXT), any_folder, unheard)
    assert rests.start(answer)[3]["placeholder"] == "empty: none, its log-probability"
    found, said, *_ = last_of(
        attributing.attribute(any_folder, answer, "", "", "gradient_x_input", "auto", "delete", "head", 1, 2)
    )
    assert found.readout.kind == "log_probability"
    assert "nats" in said


def test_what_strangers_wrote_is_escaped(steps: list[tuple[Any, ...]]) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    shown = findings_html((hostile, f"‘{hostile}’"), (hostile,), steps[-1][0].readout)
    assert "<img" not in shown
    assert shown.count("&lt;img") == 3


def test_what_is_asked_is_judged_before_anything_runs() -> None:
    assert sought(" ", None) == Sought()
    assert sought("he", "she") == Sought("he", "she")
    assert ranked(10.0, 0) == (10, 0)
    for bad in (
        lambda: sought(3, None),
        lambda: chosen("how", None, Method),
        lambda: ranked(9, 0),
        lambda: ranked(10, -1),
    ):
        with pytest.raises(ValueError, match="Expected"):
            bad()
