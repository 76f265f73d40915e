"""The page's handlers, called as plain functions with the embedded pair."""

import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd
import pytest

from attncompare import METRICS
from attncompare.attention import unheard
from attncompare.errors import BadInput
from attncompare.models.checkpoint import any_folder
from attncompare.models.traces import TRACES
from attncompare.report.words import CAUTIONS
from attncompare.ui import changed, distance, flow, header, one_head, options
from attncompare.ui.failures import UNEXPECTED, failure
from attncompare.ui.files import asset, examples, numbers, table
from attncompare.ui.questions import Answer, question
from attncompare.ui.reading import MAX_CHARACTERS
from attncompare.ui.verdict import error_html, verdict_html
from attncompare.ui.work import turn
from tests.ui.conftest import LONG_TEXT, PLAIN

PNG = b"\x89PNG\r\n\x1a\n"
SKIPPED = gr.skip()


@pytest.fixture
def long_answer(long_pair: tuple[str, str]) -> Answer:
    """A comparison of a text of 600 tokens."""
    return last_of(header.run(any_folder, *long_pair, LONG_TEXT, *PLAIN))[0]


def last_of(steps: Generator[tuple[Any, ...]]) -> tuple[Any, ...]:
    return list(steps)[-1]


def test_compare_shows_work_then_the_same_verdict_as_python(answer: Answer) -> None:
    steps = list(header.run(any_folder, "", "", answer.question.text, *PLAIN))
    assert "starting" in steps[0][2]
    assert steps[0][6]["interactive"] is False
    assert steps[0][7]["interactive"] is True
    result, yardstick, status, verdict, kind, _, compare, cancel = steps[-1]
    assert yardstick is None
    assert kind["visible"] is False
    assert result.comparison.verdict == answer.comparison.verdict
    assert result.comparison.movers[0].name in verdict
    assert status == ""
    assert compare["interactive"] is True
    assert cancel["interactive"] is False


@pytest.mark.parametrize(
    ("tuned", "text", "expected"),
    [
        ("", "", "The text is empty"),
        ("", " \n ", "The text is empty"),
        ("", "a" * (MAX_CHARACTERS + 1), "at most 200,000"),
        ("not a hub id", "A film.", "Expected a hub id"),
    ],
)
def test_an_error_is_one_sentence_and_leaves_the_answer(tuned: str, text: str, expected: str) -> None:
    steps = header.run(any_folder, "", tuned, text, *PLAIN)
    shown = []
    with pytest.raises(gr.Error) as raised:
        shown.extend(steps)  # extend keeps what came before the error
    assert expected in raised.value.message
    assert "\n" not in raised.value.message
    assert raised.value.print_exception is False
    kept, yardstick, status, verdict, _, _, compare, _ = shown[-1]
    assert kept == yardstick == SKIPPED
    assert verdict == SKIPPED
    assert 'role="alert"' in status
    assert compare["interactive"] is True


def test_an_unexpected_error_reaches_the_log_and_not_the_visitor(caplog: pytest.LogCaptureFixture) -> None:
    said = failure(RuntimeError("/home/someone/secret"))
    assert said.sentence == UNEXPECTED
    assert "/home/someone/secret" in caplog.text


def test_a_question_is_checked() -> None:
    with pytest.raises(BadInput, match="text to be a string, got int"):
        question("", "", 7)
    assert question(" org/name ", "", " kept as typed ").base == "org/name"
    assert question("", "", " kept as typed ").text == " kept as typed "


def test_start_opens_the_head_that_moved_most(answer: Answer) -> None:
    waiting, _, menu, _, grid, layer, head, part, *window = changed.start(answer, "jsd_bits")
    assert "jsd_bits" in dict(menu["choices"]).values()
    top = answer.comparison.movers[0]
    assert waiting["visible"] is False
    assert (layer["value"], head["value"]) == (top.layer, top.head)
    assert (len(layer["choices"]), len(head["choices"])) == (6, 12)
    assert part["visible"] is False
    assert [number["value"] for number in window] == [0, 14, 0, 14]
    assert Path(grid["value"]).read_bytes().startswith(PNG)
    assert top.name in grid["alt_text"]


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_of_the_menu_can_be_drawn(metric: str, answer: Answer) -> None:
    picture = changed.draw_heads(answer, None, metric, 0, 0)
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    assert METRICS[metric].title in picture["alt_text"]
    named = {name: label for label, name in changed.metric_choices()}
    assert METRICS[metric].unit in named.get(metric, METRICS[metric].unit)


def test_another_metric_is_another_picture(answer: Answer) -> None:
    pictures = {changed.draw_heads(answer, None, metric, 0, 0)["value"] for metric in ("jsd_bits", "cosine")}
    assert len(pictures) == 2


def test_a_head_is_drawn_also_when_its_trace_has_gone(answer: Answer) -> None:
    before = last_of(one_head.draw(any_folder, answer, 2, 5))[0]["value"]
    TRACES.drop(lambda key: True)
    assert last_of(one_head.draw(any_folder, answer, 2, 5))[0]["value"] == before


def test_a_cell_is_found_from_the_pixel_that_was_clicked(answer: Answer) -> None:
    from attncompare.plots.grid import grid

    place = grid(6, 12)
    x, y = place.left + 9.5 * place.cell_width, place.top + 3.5 * place.cell_height
    event = gr.SelectData(None, {"index": [int(x), int(y)], "value": None})
    assert changed.cell(answer, event) == (3, 9)


def test_files_hold_the_numbers(answer: Answer) -> None:
    *_, as_json, as_csv = changed.draw_rest(answer, None)
    assert json.loads(Path(as_json["value"]).read_text("utf-8")) == answer.comparison.to_dict()
    assert len(pd.read_csv(as_csv["value"])) == 72
    assert (Path(as_json["value"]).name, Path(as_csv["value"]).name) == ("comparison.json", "heads.csv")
    assert numbers("comparison", answer.comparison.to_dict()) == as_json["value"]
    assert table("heads", answer.comparison.frame()) == as_csv["value"]


def test_nothing_is_drawn_before_there_is_an_answer() -> None:
    assert changed.draw_heads(None, None, "jsd_bits", 0, 0) == SKIPPED
    for skipped in (changed.start(None, "jsd_bits"), flow.start(None), distance.start(None), one_head.everything(None)):
        assert set(map(str, skipped)) == {str(SKIPPED)}
    for steps in (
        one_head.draw(any_folder, None, 0, 0),
        changed.draw_top(any_folder, None),
        flow.run(any_folder, None, 0),
        distance.run(any_folder, None),
        header.switch(any_folder, None, "cross"),
    ):
        assert list(steps) == []


def test_flow_draws_a_short_text_whole(answer: Answer) -> None:
    _, _, picture, _, long, _, _ = flow.start(answer)
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    assert long["visible"] is False


def test_flow_follows_one_token_of_a_long_causal_text(long_answer: Answer) -> None:
    assert long_answer.comparison.rollout is None
    _, _, picture, note, long, token, _ = flow.start(long_answer)
    assert picture["visible"] is False
    assert "up to 512 tokens" in note
    assert long["visible"] is True
    assert token["value"] == 599
    drawn, lift, status = last_of(flow.run(any_folder, long_answer, 599))
    assert Path(drawn["value"]).read_bytes().startswith(PNG)
    assert "uniform attention" in lift
    assert status == ""
    for bad in (None, 10_000):
        with pytest.raises(gr.Error, match=r"0 to 599"):
            list(flow.run(any_folder, long_answer, bad))


def test_a_long_text_opens_a_window_on_one_heads_maps(long_answer: Answer) -> None:
    *_, part, _, _, _, last_key = changed.start(long_answer, "jsd_bits")
    assert part["visible"] is True
    assert last_key["value"] == last_key["maximum"] == 599
    whole, window = (
        last_of(one_head.draw(any_folder, long_answer, 1, 2, *typed))[0]["alt_text"]
        for typed in ((0, 599, 0, 599), (500, 599, 480, 599))
    )
    assert whole != window
    assert "500" in window
    for typed in ((5, 2, 0, 9), (0, 600, 0, 9), (None, 9, 0, 9), (0, 9, -1, 9)):
        with pytest.raises(gr.Error, match=r"first and a last token, 0 to 599"):
            list(one_head.draw(any_folder, long_answer, 1, 2, *typed))
    assert [update["value"] for update in one_head.everything(long_answer)] == [0, 599, 0, 599]


def test_reading_a_long_text_again_is_told(long_answer: Answer) -> None:
    TRACES.drop(lambda key: True)
    with turn(unheard):  # somebody else's comparison
        steps = one_head.draw(any_folder, long_answer, 1, 2)
        assert 'role="status"' in next(steps)[1]
        steps.close()
    assert last_of(one_head.draw(any_folder, long_answer, 1, 2))[1] == ""


def test_how_far_heads_look_is_measured_on_demand(long_answer: Answer) -> None:
    _, _, asking, results, *_ = distance.start(long_answer)
    assert (asking["visible"], results["visible"]) == (True, False)
    first, *_, last = list(distance.run(any_folder, long_answer))
    assert "starting" in first[-1]
    picture, as_json, as_csv, results, go, stop, status = last
    assert "Strongest far link" in picture["alt_text"]
    assert results["visible"] is True
    assert (go["interactive"], stop["interactive"], status) == (True, False, "")
    assert len(json.loads(Path(as_json["value"]).read_text("utf-8"))["links"]) > 0
    assert len(pd.read_csv(as_csv["value"])) == 12


def test_cross_attention_has_no_distances_and_no_rollout(answer: Answer) -> None:
    crossed = replace(answer, comparison=replace(answer.comparison, attention="cross", rollout=None))
    _, _, asking, _, _, _, status = distance.start(crossed)
    assert asking["visible"] is False
    assert "no distances" in status
    _, _, picture, note, long, _, _ = flow.start(crossed)
    assert (picture["visible"], long["visible"]) == (False, False)
    assert "No rollout" in note


def test_the_text_is_shortened_in_the_form() -> None:
    text = "film " * 600
    shown: list[tuple[Any, ...]] = []
    with pytest.raises(gr.Error, match="at most 512"):
        shown.extend(header.run(any_folder, "", "", text, *PLAIN))
    assert shown[-1][5]["visible"] is True
    cut, status, *_ = last_of(header.shorten(any_folder, "", "", text, *PLAIN))
    assert len(cut.split()) == 510
    assert "cut from 3,000 to 2,549 characters" in status
    result = last_of(header.run(any_folder, "", "", cut, *PLAIN))[0]
    assert len(result.comparison.tokens) == 512


def test_no_cut_is_offered_for_what_no_cut_cures() -> None:
    shown: list[tuple[Any, ...]] = []
    with pytest.raises(gr.Error, match="chat template"):
        shown.extend(header.run(any_folder, "", "", "A film.", "", "", True, *PLAIN[3:]))
    assert shown[-1][5]["visible"] is False


def test_the_closed_form_says_what_is_set_in_it() -> None:
    assert options.named(*PLAIN)["label"] == "How the text is read"
    assert options.named("B", *PLAIN[1:])["label"] == "How the text is read: sentence pair"
    assert options.named(*PLAIN[:3], "tuned", None, *PLAIN[5:])["label"] == "How the text is read"
    assert [number["interactive"] for number in options.writable("base")] == [True, True, True]


def test_the_receipt_tells_not_measured_from_0(answer: Answer) -> None:
    heads = dict(answer.comparison.heads)
    heads["content_jsd_bits"] = np.where(np.arange(72).reshape(6, 12) < 3, np.nan, 0).astype(np.float32)
    shown = verdict_html(replace(answer.comparison, heads=heads))
    assert (
        "<dt>not measured</dt><dd><bdi>Content divergence (3 heads); Floors (there is no yardstick yet)</bdi></dd>"
        in shown
    )
    assert "Floors (there is no yardstick yet)" in verdict_html(answer.comparison)


def test_the_receipt_says_how_tokens_were_aligned(answer: Answer) -> None:
    same, *others = answer.comparison.checks
    differ = replace(
        same, passed=False, detail="9 units, made of 11 tokens of the base and 14 tokens of the tuned model."
    )
    left = {"unaligned_tuned": 0.125, "unaligned_tokens_tuned": ["<s>"]}
    result = replace(answer.comparison, checks=(differ, *others), alignment={**answer.comparison.alignment, **left})
    shown = verdict_html(result)
    assert "9 units, made of 11 tokens of the base and 14 tokens of the tuned model." in shown
    assert "left out: 12.5% of the tuned model&#x27;s." in shown
    assert "tokens differ" in shown
    assert "FAILED" not in shown
    assert "Both models see the same 15 tokens." in verdict_html(answer.comparison)


def test_the_verdict_escapes_what_strangers_typed(answer: Answer) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    shown = verdict_html(replace(answer.comparison, verdict=f"One. ‘{hostile}’ moved.", base=spoilt(answer, hostile)))
    assert "<img" not in shown
    assert "&lt;img" in shown
    assert "<img" not in error_html(hostile)
    assert "<img" not in failure(BadInput(hostile)).toast().message
    assert hostile in failure(BadInput(hostile)).message().message


def test_the_verdict_says_both_cautions_and_every_check(answer: Answer) -> None:
    shown = verdict_html(answer.comparison)
    for caution in CAUTIONS:
        assert caution in shown
    assert shown.count("<li") == len(answer.comparison.checks) + len(CAUTIONS)
    assert f"<strong>{answer.comparison.verdict.split('. ')[0]}.</strong>" in shown


def test_a_failed_check_is_not_shown_as_passed(answer: Answer) -> None:
    checks = tuple(replace(check, passed=check.name == "same_tokens") for check in answer.comparison.checks)
    shown = verdict_html(replace(answer.comparison, checks=checks))
    assert shown.count('class="bad"') == sum(not check.is_note for check in checks) - 1
    assert shown.count("✓") == 1
    assert "FAILED: " in shown


def test_examples_are_ours_and_short_enough() -> None:
    texts = examples()
    assert len({text["title"] for text in texts}) == len(texts) >= 6
    assert texts[0]["text"] == "The film is not good, and the dialogue is painfully dull."
    assert 90 <= len(texts[-1]["text"].split()) <= 125
    assert asset("css/page.css").is_file()


def spoilt(answer: Answer, text: str) -> Any:
    """The base's record with another id."""
    return replace(answer.comparison.base, id=text)
