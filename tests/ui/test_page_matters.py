"""The tab *Does it matter*, with the embedded pair: its parts say what Python says, and refuse in one sentence."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from attncompare import Ablation, Pair, compare
from attncompare import ablation as ablation_of
from attncompare import patching as patching_of
from attncompare.attention import unheard
from attncompare.errors import BadInput
from attncompare.models.checkpoint import any_folder
from attncompare.models.pair import PAIRS
from attncompare.ui import ablating, matters, swapping
from attncompare.ui.causes import ask_ablation, ask_patching
from attncompare.ui.questions import Answer, Question, ask_comparison, question
from attncompare.ui.sought import MOST_REFERENCES, Sought, referred
from tests.conftest import TEXT as WORDS
from tests.conftest import save_tiny
from tests.models.readers import byte_level
from tests.ui.kinds import save, save_kind

PNG = b"\x89PNG\r\n\x1a\n"
SKIPPED = str(gr.skip())
TEXT = "A dull film, not a good one."


@pytest.fixture(scope="module")
def short(embedded_pair: Pair) -> Answer:
    """A comparison of a short text."""
    return Answer(Question("", "", TEXT), compare(embedded_pair, TEXT), 0.01)


def last_of(steps: Iterator[tuple[Any, ...]]) -> tuple[Any, ...]:
    return list(steps)[-1]


def same(found: Any, python: Any) -> bool:
    """Whether two records hold the same numbers."""
    return json.dumps(found.to_dict()) == json.dumps(python.to_dict())


def heads_of(table: str) -> list[str]:
    """The heads that a folded table lists."""
    return re.findall(r'<th scope="row"><bdi>(L\d+\.H\d+)</bdi>', table)


def largest(frame: Any, column: str) -> list[str]:
    """The heads with the largest sizes in a column of a record's table."""
    order = frame.iloc[(-frame[column].abs()).argsort(kind="stable")][:12]
    return [f"L{layer}.H{head}" for layer, head in zip(order["layer"], order["head"], strict=True)]


def test_swapping_shows_work_then_what_python_says(short: Answer, embedded_pair: Pair) -> None:
    first, *_, last = list(swapping.swap(any_folder, short, "positive", "negative", "output"))
    *kept, go, stop, status = first
    assert set(map(str, kept)) == {SKIPPED}
    assert (go["interactive"], stop["interactive"]) == (False, True)
    found, said, scatter, patching, table, results, go, stop, status = last
    python = patching_of(embedded_pair, TEXT, what="output", answer="positive", against="negative")
    assert same(found, python)
    assert heads_of(table) == largest(python.frame(), "into_tuned")
    assert "logit(positive) − logit(negative)" in said
    assert "borrowed" in said
    for picture in (scatter, patching):
        assert Path(picture["value"]).read_bytes().startswith(PNG)
        assert len(picture["alt_text"]) > 3
    assert results["visible"] is True
    assert (go["interactive"], stop["interactive"], status) == (True, False, "")


def test_switching_off_says_what_python_says(short: Answer, embedded_pair: Pair) -> None:
    others = "A warm picture.\n\nNobody laughed.\n"
    found, said, picture, table, *_ = last_of(ablating.ablate(any_folder, short, "", "", "mean", others))
    python = ablation_of(embedded_pair, TEXT, how="mean", references=["A warm picture.", "Nobody laughed."])
    assert same(found, python)
    assert heads_of(table) == largest(python.frame(), "effect_tuned")
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    assert "<strong>The tuned model needs" in said
    alone = last_of(ablating.ablate(any_folder, short, "", "", "zero", others))  # those texts are for means only
    assert alone[0].how == "zero"


def test_nothing_runs_before_there_is_an_answer() -> None:
    for skipped in (matters.start(None), swapping.start(None), ablating.start(None)):
        assert set(map(str, skipped)) == {SKIPPED}


def test_a_new_answer_puts_the_old_findings_away(short: Answer) -> None:
    waiting, content, wanted, _ = matters.start(short)
    assert (waiting["visible"], content["elem_classes"]) == (False, [])
    assert "negative" in wanted["placeholder"]
    for (said, results, *buttons, status), price in ((swapping.start(short), "240"), (ablating.start(short), "160")):
        assert f"Roughly a second: about {price} forward passes of 11 tokens" in said
        assert (results["visible"], *(button["interactive"] for button in buttons), status) == (False, True, False, "")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (lambda short: swapping.swap(any_folder, short, "spam", "", "pattern"), "no class 'spam'"),
        (lambda short: swapping.swap(any_folder, short, "", "", "everything"), "'everything'"),
        (lambda short: ablating.ablate(any_folder, short, "", "positive", "zero", ""), "name both, or none"),
        (lambda short: ablating.ablate(any_folder, short, "", "", "mean", "a\n" * 17), "at most 16 texts"),
        (lambda short: ablating.ablate(any_folder, short, "", "", "sideways", ""), "got 'sideways'"),
    ],
)
def test_bad_input_is_one_sentence_and_keeps_what_was_found(short: Answer, steps: Any, expected: str) -> None:
    shown: list[tuple[Any, ...]] = []
    with pytest.raises(gr.Error, match=expected) as raised:
        shown.extend(steps(short))
    assert "\n" not in raised.value.message
    *kept, go, stop, status = shown[-1]
    assert set(map(str, kept)) == {SKIPPED}
    assert (go["interactive"], stop["interactive"]) == (True, False)
    assert 'role="alert"' in status


def test_pairs_whose_heads_cannot_be_swapped_say_what_remains(tmp_path: Path) -> None:
    kind = save_kind("tokenizers", tmp_path)
    answer = ask_comparison(question(kind.base, kind.tuned, TEXT), any_folder, unheard)
    with pytest.raises(gr.Error, match="different tokens.*attribution, erasure and ablation remain"):
        list(swapping.swap(any_folder, answer, "a", "", "pattern"))


def test_pairs_that_are_read_but_not_changed_say_what_remains(tmp_path: Path) -> None:
    for name, seed in (("base", 1), ("tuned", 2)):
        save(tmp_path / name, "bloom", "AutoModelForCausalLM", byte_level(), seed)
    asked = question(str(tmp_path / "base"), str(tmp_path / "tuned"), TEXT)
    answer = ask_comparison(asked, any_folder, unheard)
    for steps in (
        swapping.swap(any_folder, answer, "", "", "pattern"),
        ablating.ablate(any_folder, answer, "", "", "zero", ""),
    ):
        with pytest.raises(gr.Error, match="remain"):
            list(steps)


def test_references_are_texts() -> None:
    assert referred(None) == ()
    assert referred(["a", "b"]) == ("a", "b")
    for bad in ("a", [3], [" "], ["a"] * (MOST_REFERENCES + 1), ["a" * 20_001]):
        with pytest.raises(BadInput):
            referred(bad)


def test_two_who_ask_about_one_pair_do_not_wait_for_each_other_for_ever(tmp_path: Path) -> None:
    """One reads the text into the cache that the other needs too: pausing amid that would leave both waiting."""
    base = str(save_tiny(tmp_path / "base", "bert", seed=11))
    tuned = str(save_tiny(tmp_path / "tuned", "bert", seed=11, tune=0.15))
    PAIRS.drop(lambda key: True)
    asked = question(base, tuned, WORDS)
    found: list[Any] = []
    visitors = [
        threading.Thread(target=lambda: found.append(ask_patching(asked, any_folder, unheard, Sought(), "pattern"))),
        threading.Thread(target=lambda: found.append(ask_ablation(asked, any_folder, unheard, Sought(), "zero"))),
        threading.Thread(target=lambda: found.append(ask_ablation(asked, any_folder, unheard, Sought(), "zero"))),
    ]
    for visitor in visitors:
        visitor.daemon = True
        visitor.start()
    for visitor in visitors:
        visitor.join(20)
    assert len(found) == 3
    one, other = (result for result in found if isinstance(result, Ablation))
    assert one.to_dict() == other.to_dict()
