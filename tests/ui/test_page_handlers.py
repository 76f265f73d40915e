"""The page's handlers, called as plain functions with the embedded pair."""

import json
from collections.abc import Generator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd
import pytest

from attncompare import METRICS
from attncompare.analyses.verdict import Claim
from attncompare.attention import unheard
from attncompare.errors import BadInput
from attncompare.metrics import FLOORS
from attncompare.models.checkpoint import any_folder
from attncompare.models.traces import TRACES
from attncompare.plots.cells import grid as cells_of
from attncompare.report.words import CAUTIONS
from attncompare.ui import changed, changed_files, head_section, header, one_head, options
from attncompare.ui.failures import UNEXPECTED, failure
from attncompare.ui.files import asset, examples
from attncompare.ui.printable import printable
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
    result, yardstick, status, verdict, kind, _, compare, cancel, link = steps[-1]
    assert yardstick is None
    assert link["parameters"] == [["text", answer.question.text]]
    assert kind["visible"] is False
    assert result.comparison.verdict == answer.comparison.verdict
    assert result.comparison.movers[0].name in verdict
    assert "Compared in" in status
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
    kept, yardstick, status, verdict, _, _, compare, *_ = shown[-1]
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


def started(answer: Answer, metric: str = "jsd_bits") -> tuple[Any, ...]:
    """What a new answer shows at first."""
    return next(changed.start(answer, metric, False))


def test_start_opens_the_head_that_moved_most(answer: Answer) -> None:
    waiting, _, menu, metric, _, grid, ranked, layers, movers, view, status, fetched = started(answer)
    assert [name for _, name in menu["choices"]] == list(changed.FIRST)
    top = answer.comparison.movers[0]
    assert waiting["visible"] is False
    found = view["value"]
    assert (found["layers"][found["open"][0]], found["open"][1]) == (top.layer, top.head)
    assert (len(found["layers"]), found["heads"]) == (6, 12)
    assert view["exact"] is None
    assert (metric, status, fetched) == ("jsd_bits", "", None)
    assert png(grid).startswith(PNG)
    assert top.name in grid["alt"]
    first = ranked["rows"][0]
    assert (first["layer"], first["head"]) == (top.layer, top.head)
    assert layers["picture"] is movers["picture"] is None


def test_the_place_of_a_picture_is_known_before_it_comes(answer: Answer) -> None:
    first, last = changed.start(answer, "jsd_bits", False)
    assert len(first) == len(last)
    for reserved, drawn in zip(first[7:9], last[7:9], strict=True):
        assert [reserved[side] for side in ("width", "height")] == [drawn[side] for side in ("width", "height")]
        size = png(drawn)[16:24]
        assert (int.from_bytes(size[:4]), int.from_bytes(size[4:])) == (drawn["width"], drawn["height"])
    assert {str(update) for update in (*last[:7], *last[9:])} == {str(SKIPPED)}


def png(drawn: dict[str, Any]) -> bytes:
    """The picture of a component's value."""
    return Path(drawn["picture"]["path"]).read_bytes()


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_of_the_menu_can_be_drawn(metric: str, answer: Answer) -> None:
    metric, meaning, grid, ranked = changed.draw(answer, None, metric)
    assert METRICS[metric].citation.split(",")[0].replace("&", "&amp;") in meaning
    assert png(grid).startswith(PNG)
    assert METRICS[metric].title in grid["alt"]
    named = {name: label for label, name in changed.metric_choices(everything=True)}
    assert METRICS[metric].unit in named.get(metric, METRICS[metric].unit)
    assert METRICS[metric].title.lower() in ranked["caption"]


def test_the_menu_holds_five_metrics_until_all_are_asked_for(answer: Answer) -> None:
    assert [name for _, name in changed.offer(answer, None, "jsd_bits", False)["choices"]] == list(changed.FIRST)
    everything = [name for _, name in changed.offer(answer, None, "jsd_bits", True)["choices"]]
    assert sorted(everything) == sorted(name for name in METRICS if name not in FLOORS)
    assert everything[:5] == list(changed.FIRST)
    left = [name for _, name in changed.offer(answer, None, "cosine", False)["choices"]]
    assert left == [*changed.FIRST, "cosine"]  # what is chosen stays


def test_every_cell_says_its_head_and_number(answer: Answer) -> None:
    *_, grid, _ = changed.draw(answer, None, "jsd_bits")
    bits = answer.comparison.heads["jsd_bits"]
    assert np.shape(grid["names"]) == bits.shape
    assert grid["names"][3][9] == f"L3.H9: {bits[3, 9]:.3g} bits"
    left, top, width, height = grid["cells"]
    cells = cells_of(6, 12)
    assert left * grid["width"] / 100 == pytest.approx(cells.left)
    assert (top + height) * grid["height"] / 100 == pytest.approx(cells.top + cells.height)
    assert width * grid["width"] / 100 == pytest.approx(12 * cells.cell_width)


@pytest.mark.parametrize(("metric", "far"), [("jsd_bits", -1), ("cosine", 1), ("entropy_delta_nats", 0)])
def test_heads_are_listed_by_how_far_they_are_from_unchanged(answer: Answer, metric: str, far: int) -> None:
    *_, ranked = changed.draw(answer, None, metric)
    values = answer.comparison.metric(metric)
    ours = [values[row["layer"], row["head"]] for row in ranked["rows"]]
    assert sorted(values.ravel().tolist(), key=lambda value: far * value if far else -abs(value)) == ours
    assert max(row["bar"] for row in ranked["rows"]) == 100
    assert [row["negative"] for row in ranked["rows"]] == [value < 0 for value in ours]
    assert ranked["floors"] is False


def test_a_listed_head_says_what_it_lost_and_gained(answer: Answer) -> None:
    *_, ranked = changed.draw(answer, None, "jsd_bits")
    result = answer.comparison
    for row, mover in zip(ranked["rows"], result.movers, strict=True):
        assert (row["layer"], row["head"]) == (mover.layer, mover.head)
        key, change = mover.lost[0]
        assert row["lost"]["token"] == result.tokens[key].text
        assert row["lost"]["change"].startswith("−")
        assert float(row["lost"]["change"].replace("−", "-")) == pytest.approx(change, abs=0.006)
        bits = sum(float(part["bits"]) for part in row["parts"])
        assert bits == pytest.approx(float(result.heads["jsd_bits"][mover.layer, mover.head]), rel=0.06, abs=1e-3)


def test_a_head_that_was_not_measured_is_listed_last(answer: Answer) -> None:
    heads = dict(answer.comparison.heads)
    heads["jsd_bits"] = np.where(np.arange(72).reshape(6, 12) == 45, np.nan, heads["jsd_bits"]).astype(np.float32)
    spoilt = replace(answer, comparison=replace(answer.comparison, heads=heads))
    *_, grid, ranked = changed.draw(spoilt, None, "jsd_bits")
    assert grid["names"][3][9] == "L3.H9: not measured"
    assert (ranked["rows"][-1]["value"], ranked["rows"][-1]["bar"]) == ("not measured", 0)
    sent = one_head.payload(spoilt)
    assert sent["bits"][3][9] is None
    assert sent["order"][-1] == [3, 9]
    json.dumps(sent, allow_nan=False)


def test_the_payload_holds_every_head_of_both_models(answer: Answer) -> None:
    sent = one_head.payload(answer)
    json.dumps(sent, allow_nan=False)
    form = sent["format"]
    assert (form["bits"], form["step"], form["queries"], form["keys"], form["visible"]) == (16, 1, 15, 15, False)
    codes = np.fromfile(sent["codes"]["path"], "<u2").reshape(2, 6, 12, 15, 15)
    for row, head in ((0, 0), (3, 9), (5, 11)):
        maps = answer.comparison.head(row, head)
        for side, expected in zip(codes, (maps.base, maps.tuned), strict=True):
            np.testing.assert_allclose((side[row, head] / 65535) ** 2, expected, rtol=0, atol=2e-5)
    assert [token["text"] for token in sent["tokens"]] == [token.text for token in answer.comparison.tokens]
    assert [token["sink"] for token in sent["tokens"]].count(True) == len(answer.comparison.sinks)
    assert sent["keys"] is None
    bits = answer.comparison.heads["jsd_bits"]
    ranked = [bits[row, head] for row, head in sent["order"]]
    assert ranked == sorted(ranked, reverse=True)
    assert len(ranked) == 72
    np.testing.assert_allclose(sent["bits"], bits, atol=1e-6)


def test_a_link_opens_the_head_that_it_names_if_there_is_one(answer: Answer) -> None:
    assert one_head.payload(replace(answer, opened=(2, 5)))["open"] == [2, 5]
    top = answer.comparison.movers[0]
    for opened in ((6, 0), (0, 12), (-1, 0), (0, -1)):
        layer, head = one_head.place(replace(answer, opened=opened), "")
        assert (layer, head) == (0, 0)
    assert one_head.place(answer, "L2.H11") == (2, 11)
    for hostile in ("L9.H0", "L0.H12", "<b>", "L0.H0 ", "L٣.H٩\n", "L99999.H0", None, 3, {"a": 1}):
        assert one_head.place(answer, hostile) == (top.layer, top.head)


def test_without_a_trace_heads_are_fetched_one_by_one(answer: Answer) -> None:
    whole = {"row": 2, "head": 5, "queries": [0, 15], "keys": [0, 15]}
    before = fetched(answer, whole)
    TRACES.drop(lambda key: True)
    sent = one_head.payload(answer)
    assert (sent["codes"], sent["format"]) == (None, None)
    assert fetched(answer, whole)["file"] == before["file"]  # the models read the text again


def fetched(answer: Answer, asked: Any) -> dict[str, Any]:
    """What the view gets."""
    update, status, part = last_of(one_head.exact(any_folder, answer, asked))
    assert (status, part.row, part.head) == ("", asked["row"], asked["head"])
    return dict(update["exact"])


def test_the_open_head_is_fetched_exactly(answer: Answer) -> None:
    sent = fetched(answer, {"row": 3, "head": 9, "queries": [2, 7], "keys": [1, 15]})
    maps = answer.comparison.head(3, 9, queries=(2, 7), keys=(1, 15))
    codes = np.fromfile(sent["file"]["path"], "<u2").reshape(2, 5, 14)
    np.testing.assert_allclose((codes / 65535) ** 2, [maps.base, maps.tuned], rtol=0, atol=2e-5)
    rest = {name: sent[name] for name in ("row", "head", "queries", "keys", "visible")}
    assert rest == {"row": 3, "head": 9, "queries": [2, 7], "keys": [1, 15], "visible": False}


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        "row",
        {},
        {"row": 6},
        {"row": -1},
        {"row": True},
        {"row": "3"},
        {"row": 1.5},
        {"row": float("nan")},
        {"row": 10**400},
        {"head": 12},
        {"queries": None},
        {"queries": [0, 16]},
        {"queries": [3, 3]},
        {"queries": [-1, 3]},
        {"queries": [0, 1, 2]},
        {"queries": "01"},
        {"queries": [[0], 3]},
        {"keys": [0, float("inf")]},
        {"keys": {"0": 0, "1": 3}},
    ],
)
def test_what_a_stranger_asks_for_is_checked(answer: Answer, asked: Any) -> None:
    good = {"row": 3, "head": 9, "queries": [0, 15], "keys": [0, 15]}
    steps = one_head.exact(any_folder, answer, {**good, **asked} if isinstance(asked, dict) and asked else asked)
    shown = []
    with pytest.raises(gr.Error, match="Expected") as raised:
        shown.extend(steps)
    assert "\n" not in raised.value.message
    assert 'role="alert"' in shown[-1][1]


def test_files_hold_the_numbers(answer: Answer) -> None:
    files = changed_files.take_heads(answer, None, "cosine", "L2.H5")
    assert json.loads(files.made("json")) == answer.comparison.to_dict()
    assert len(pd.read_csv(BytesIO(files.made("csv")))) == 72
    assert files.made("png").startswith(PNG)
    assert b"<svg" in files.made("svg")[:400]
    layers = changed_files.take_layers(answer, None, "")
    table = pd.read_csv(BytesIO(layers.made("csv")))
    means = answer.comparison.heads["jsd_bits"].mean(1)
    np.testing.assert_allclose(table["jsd_bits"], means, rtol=1e-5)
    assert json.loads(layers.made("json"))["layers"][3]["floor_jsd_bits"] is None
    movers = changed_files.take_movers(answer, None, "")
    top = answer.comparison.movers[0]
    rows = json.loads(movers.made("json"))["movers"]
    assert (rows[0]["layer"], rows[0]["head"], rows[0]["key"]) == (top.layer, top.head, top.lost[0][0])
    assert rows[0]["change"] == pytest.approx(top.lost[0][1])


def test_the_open_head_can_be_taken_also_when_its_trace_has_gone(answer: Answer) -> None:
    TRACES.drop(lambda key: True)
    files = head_section.take_head(any_folder, answer, None, "L2.H5")
    assert files.name == "head-L2.H5"
    assert json.loads(files.made("json"))["head"] == 5
    assert len(pd.read_csv(BytesIO(files.made("csv")))) == 225
    assert files.made("png").startswith(PNG)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("not", "not"),
        ("", "␣"),
        ("\u202eabc", "U+202Eabc"),
        ("a\nb", "a⏎b"),
        ("</script>", "</script>"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("x" * 401, "x" * 400 + "…"),
    ],
)
def test_tokens_are_printable(raw: str, shown: str) -> None:
    assert printable(raw) == shown


def test_nothing_is_drawn_before_there_is_an_answer() -> None:
    assert changed.draw(None, None, "jsd_bits")[2:] == (SKIPPED, SKIPPED)
    assert set(map(str, changed.remeasure(None, None, "jsd_bits", False))) == {str(SKIPPED)}
    for steps in (
        changed.start(None, "jsd_bits", False),
        one_head.exact(any_folder, None, {}),
        header.switch(any_folder, None, "cross"),
    ):
        assert list(steps) == [SKIPPED]
    for files in (changed_files.take_layers(None, None, ""), head_section.take_head(any_folder, None, None, "")):
        assert files is None


def test_any_part_of_a_long_text_can_be_looked_at(long_answer: Answer) -> None:
    view = started(long_answer)[9]
    form = view["value"]["format"]
    assert form["step"] > 1
    assert form["visible"] is True
    assert Path(view["value"]["codes"]["path"]).stat().st_size < 0.75e6
    asked = {"row": 1, "head": 2, "queries": [500, 600], "keys": [480, 600]}
    update, _, part = last_of(one_head.exact(any_folder, long_answer, asked))
    sent = update["exact"]
    assert (sent["row"], sent["head"], sent["queries"], sent["keys"]) == (1, 2, [500, 600], [480, 600])
    content = np.fromfile(sent["file"]["path"], "u1")
    maps = long_answer.comparison.head(1, 2, queries=(500, 600), keys=(480, 600))
    assert sent["visible"] is True
    codes = content[: 2 * 2 * 12000].view("<u2").reshape(2, 100, 120)
    np.testing.assert_allclose((codes[0] / 65535) ** 2, np.nan_to_num(maps.base), rtol=0, atol=2e-5)
    assert np.array_equal(np.unpackbits(content[48000:])[:12000].reshape(100, 120), ~np.isnan(maps.base))
    with pytest.raises(gr.Error, match=r"At most 512 keys are shown at once, got 600"):
        list(one_head.exact(any_folder, long_answer, {**asked, "keys": [0, 600]}))
    files = head_section.take_head(any_folder, long_answer, part, "L1.H2")
    assert np.shape(json.loads(files.made("json"))["base"]) == (100, 120)
    assert pd.read_csv(BytesIO(files.made("csv")))["query"].min() == 500
    for other in (head_section.take_head(any_folder, long_answer, part, "L1.H3"),
                  head_section.take_head(any_folder, long_answer, None, "L1.H2")):  # fmt: skip
        assert json.loads(other.made("json"))["queries"] == [0, 600]
        assert other.made("png").startswith(PNG)
        with pytest.raises(BadInput, match="A table of 600 tokens would be too long"):
            other.made("csv")


def test_reading_a_long_text_again_is_told(long_answer: Answer) -> None:
    TRACES.drop(lambda key: True)
    asked = {"row": 1, "head": 2, "queries": [0, 9], "keys": [0, 9]}
    with turn(unheard):  # somebody else's comparison
        steps = one_head.exact(any_folder, long_answer, asked)
        assert 'role="status"' in next(steps)[1]
        steps.close()
    assert last_of(one_head.exact(any_folder, long_answer, asked))[1] == ""


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
    claims = (Claim("Heads", "One.", "heads"), Claim(hostile, f"‘{hostile}’ moved.", "movers"))
    shown = verdict_html(replace(answer.comparison, claims=claims, base=spoilt(answer, hostile)))
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
    assert f"<strong>{answer.comparison.claims[0].sentence}</strong>" in shown


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
    assert 90 <= len(texts[-2]["text"].split()) <= 125
    assert texts[-1]["text"].count("\n\n") == 4
    assert asset("css/page.css").is_file()


def spoilt(answer: Answer, text: str) -> Any:
    """The base's record with another id."""
    return replace(answer.comparison.base, id=text)
