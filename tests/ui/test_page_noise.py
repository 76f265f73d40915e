"""The tab *Is it real*, and what a yardstick does to the rest of the page, with the embedded pair."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd
import pytest

from attncompare import Noise, Pair
from attncompare import noise as noise_of
from attncompare.analyses.replicates import Replicates
from attncompare.analyses.verdict import NO_YARDSTICK, SEEDS, YARDSTICK
from attncompare.attention import unheard
from attncompare.errors import BadInput
from attncompare.metrics import FLOORS, METRICS
from attncompare.models import embedded
from attncompare.models.checkpoint import any_folder, no_folder
from attncompare.models.pair import PAIRS
from attncompare.report.tables import number
from attncompare.report.words import CAUTIONS
from attncompare.ui import changed, header, noise
from attncompare.ui.changed_files import take_heads
from attncompare.ui.measuring import MOST_DRAWS, MOST_REPLICATES, Measuring, sent_measuring, typed_measuring
from attncompare.ui.questions import Answer, ask_noise, question
from attncompare.ui.verdict import verdict_html
from tests.conftest import TEXT, save_tiny
from tests.ui.conftest import NEGATION

MEASURE = 'data-go-to="yardstick">measure'
"""Of the link to the tab that measures."""

PNG = b"\x89PNG\r\n\x1a\n"
SKIPPED = str(gr.skip())
EARLIER = "assets/movie-sentiment/step-0350"
"""Stands for another training: the embedded adapter as it was before its last steps."""


@pytest.fixture(scope="module")
def measured(embedded_pair: Pair) -> Noise:
    """Enough draws to test by, of the page's first example."""
    return noise_of(embedded_pair, NEGATION, draws=19)


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of a tiny base, two trainings of it, and a checkpoint of another kind."""
    folder = tmp_path_factory.mktemp("trainings")
    saved = {
        "base": save_tiny(folder / "base", "bert", seed=11),
        "tuned": save_tiny(folder / "tuned", "bert", seed=11, tune=0.15),
        "other": save_tiny(folder / "other", "bert", seed=11, tune=0.1),
        "alien": save_tiny(folder / "alien", "gpt2", seed=11),
    }
    return {name: str(path) for name, path in saved.items()}


def last_of(steps: Iterator[tuple[Any, ...]]) -> tuple[Any, ...]:
    return list(steps)[-1]


def test_measuring_shows_work_then_what_python_says(answer: Answer, measured: Noise) -> None:
    first, *_, last = list(noise.measure(any_folder, answer, 19, ""))
    *kept, go, stop, status = first
    assert set(map(str, kept)) == {SKIPPED}
    assert (go["interactive"], stop["interactive"]) == (False, True)
    assert "starting" in status
    found, said, picture, table, results, go, stop, status = last
    assert found.sentence() == measured.sentence()
    assert said.index(measured.sentence().split(" (")[0]) < said.index(YARDSTICK)
    assert "19 random changes (seed 0)" in said
    assert "24 weight matrices, of the tuning's rank (8) and relative size (0.069)" in unescape(said)
    assert Path(picture["value"]).read_bytes().startswith(PNG)
    assert "L3.H9" in picture["alt_text"]
    assert json.dumps(found.to_dict()) == json.dumps(measured.to_dict())
    first = found.frame().nlargest(1, "jsd_bits").iloc[0]
    line = table[table.index('<th scope="row">') :].partition("</tr>")[0]
    assert f"<bdi>L{first['layer']}.H{first['head']}</bdi>" in line
    for name in ("jsd_bits", "floor_jsd_bits", "floor_multiple", "floor_p"):
        assert f'<td class="n">{number(float(first[name]))}</td>' in line
    assert "<bdi>yes</bdi>" in line
    assert results["visible"] is True
    assert (go["interactive"], stop["interactive"], status) == (True, False, "")


def test_nothing_is_measured_before_there_is_an_answer() -> None:
    for skipped in (noise.offer(None, ""), noise.start(None), changed.remeasure(None, None, "jsd_bits", False)):
        assert set(map(str, skipped)) == {SKIPPED}
    assert str(header.judge(None, None, None)) == SKIPPED


def test_a_new_answer_puts_the_old_measurement_away(answer: Answer) -> None:
    waiting, content, offered = noise.offer(answer, "")
    _, results, go, stop, status = noise.start(answer)
    assert offered.splitlines() == list(embedded.REPLICATES)
    assert noise.offer(answer, None)[2] == offered  # what gradio sends of a field that was never shown
    assert str(noise.offer(answer, "org/mine")[2]) == SKIPPED
    assert (waiting["visible"], content["elem_classes"], results["visible"]) == (False, [], False)
    assert (go["interactive"], stop["interactive"], status) == (True, False, "")


def test_more_draws_take_longer(answer: Answer) -> None:
    few, many = noise.price(answer, 19), noise.price(answer, 190)
    assert ("bout 20 " in few, "bout 190 " in many) == (True, True)
    for unusable in (2, 500, None, "many"):
        assert str(noise.price(answer, unusable)) == SKIPPED
    assert str(noise.price(None, 39)) == SKIPPED


@pytest.mark.parametrize(
    ("draws", "lines", "expected"),
    [
        (2, "", "Expected random changes to be 3 to 199, got 2"),
        (MOST_DRAWS + 1, "", "got 200"),
        (None, "", "a whole number, got None"),
        (4.5, "", "a whole number, got 4.5"),
        (19, "\n".join(f"org/{i}" for i in range(MOST_REPLICATES + 1)), "At most 3 other trainings"),
        (19, "org/a\n org/a", "'org/a' is given twice"),
        (19, "not an id!", "'not an id!' can't be used: Expected a hub id"),
        (19, "./nowhere", "'./nowhere' can't be used: There is no folder"),
        (19, "assets/movie-sentiment/final", "has the same weights"),
    ],
)
def test_bad_input_is_one_sentence_and_keeps_what_was_measured(
    answer: Answer, draws: Any, lines: str, expected: str
) -> None:
    shown: list[tuple[Any, ...]] = []
    with pytest.raises(gr.Error, match=expected) as raised:
        shown.extend(noise.measure(any_folder, answer, draws, lines))
    assert "\n" not in raised.value.message
    *kept, go, stop, status = shown[-1]
    assert set(map(str, kept)) == {SKIPPED}
    assert (go["interactive"], stop["interactive"]) == (True, False)
    assert 'role="alert"' in status


def test_another_architecture_is_no_other_training(trainings: dict[str, str]) -> None:
    asked = question(trainings["base"], trainings["tuned"], TEXT)
    with pytest.raises(BadInput, match=r"alien' can't be used: .*bert against gpt2") as raised:
        ask_noise(asked, any_folder, unheard, Measuring(3, replicates=(trainings["alien"],)))
    assert "\n" not in str(raised.value)
    with pytest.raises(BadInput, match="not opened here"):
        ask_noise(question("", "", NEGATION), no_folder, unheard, Measuring(3, replicates=(trainings["other"],)))


def test_other_trainings_are_laid_beside(trainings: dict[str, str]) -> None:
    asked = question(trainings["base"], trainings["tuned"], TEXT)
    found = ask_noise(asked, any_folder, unheard, Measuring(3, replicates=(trainings["other"],)))
    assert found.replicates is not None
    assert found.replicates.ids == (trainings["tuned"], trainings["other"])
    said = noise.answer_html(found)
    assert "2 trainings" in said
    assert "<li>With 3 draws no p is below" in said


def test_the_form_and_a_client_say_the_same() -> None:
    assert typed_measuring(39, " org/a \n\n org/b\n") == sent_measuring(39, 0, ["org/a", "org/b"])
    assert sent_measuring(39.0, 0, None) == Measuring()
    for value in ("org/a", [3], [" "], {}):
        with pytest.raises(BadInput, match="Expected replicates to be a list of ids"):
            sent_measuring(39, 0, value)
    with pytest.raises(BadInput, match="Expected seed to be a whole number"):
        sent_measuring(39, -1, None)


def test_the_verdict_points_to_the_tab_until_it_goes_by_the_yardstick(answer: Answer, measured: Noise) -> None:
    before, after = header.judge(answer, None, None), header.judge(answer, measured, None)
    assert NO_YARDSTICK in before
    assert MEASURE in before
    assert "Floors (there is no yardstick yet)" in before
    assert measured.sentence() not in before
    assert measured.sentence() in after
    assert YARDSTICK in after
    assert MEASURE not in after
    assert "<dt>yardstick</dt><dd><bdi>19 random changes" in after
    for caution in CAUTIONS:
        assert caution in after


def test_a_yardstick_without_a_test_says_so(answer: Answer, embedded_pair: Pair) -> None:
    few = noise_of(embedded_pair, NEGATION, draws=3)
    shown = verdict_html(answer.beside(few))
    assert "3 random changes are too few to test by" in shown
    assert NO_YARDSTICK in shown
    assert MEASURE not in shown
    assert "Family-wise p (all heads)" in shown
    offered = dict(changed.metric_choices(answer.beside(few))).values()
    assert [name for name in FLOORS if name not in offered] == ["floor_p"]


def test_the_noise_of_another_question_is_left_out(answer: Answer, measured: Noise, embedded_pair: Pair) -> None:
    late = noise_of(embedded_pair, "Another text.", draws=3)
    assert answer.beside(late) is answer.beside(None) is answer.comparison
    assert answer.beside(measured).noise is measured


def test_floors_are_offered_only_where_they_were_measured(answer: Answer, measured: Noise) -> None:
    plain = [name for _, name in changed.metric_choices()]
    assert plain == list(changed.FIRST)
    menu, _, _, grid, *_ = changed.remeasure(answer, measured, "cosine", True)
    assert sorted(name for _, name in menu["choices"]) == sorted(METRICS)
    assert menu["value"] == "cosine"
    assert "Cosine" in grid["alt"]
    few = [name for _, name in changed.remeasure(answer, measured, "jsd_bits", False)[0]["choices"]]
    assert few == [*changed.FIRST, *FLOORS]
    _, _, menu, metric, meaning, grid, *_ = next(changed.start(answer, "floor_multiple", False))
    assert menu["value"] == metric == "jsd_bits"
    assert "mean over the text" in meaning
    assert "Divergence" in grid["alt"]
    assert [name for _, name in menu["choices"]] == plain


@pytest.mark.parametrize("metric", FLOORS)
def test_every_floor_can_be_drawn(metric: str, answer: Answer, measured: Noise) -> None:
    *_, grid, _ = changed.draw(answer, measured, metric)
    assert METRICS[metric].title in grid["alt"]
    assert "No head was measured" not in grid["alt"]


def test_pictures_and_files_go_by_the_yardstick(answer: Answer, measured: Noise) -> None:
    without, beside = (take_heads(answer, yardstick, "jsd_bits", "") for yardstick in (None, measured))
    assert json.loads(beside.made("json"))["noise"]["draws"] == 19
    assert pd.read_csv(BytesIO(beside.made("csv")))["floor_p"].notna().all()
    assert pd.read_csv(BytesIO(without.made("csv")))["floor_p"].isna().all()
    grids = [changed.draw(answer, yardstick, "jsd_bits")[2] for yardstick in (None, measured)]
    assert grids[0]["picture"] != grids[1]["picture"]  # heads within the floor are quiet
    times = measured.floor.multiple
    for row, head in ((0, 0), (3, 9)):
        name = grids[1]["names"][row][head]
        assert name.startswith(grids[0]["names"][row][head])
        assert float(name.split(", ")[1].removesuffix(" times its floor")) == pytest.approx(times[row, head], rel=0.05)
        assert name.endswith("within a random change") is not measured.moved[row, head]
    rows = {(row["layer"], row["head"]): row for row in changed.draw(answer, measured, "jsd_bits")[3]["rows"]}
    assert float(rows[3, 9]["floor"].removesuffix("×")) == pytest.approx(times[3, 9], rel=0.05)


def test_what_strangers_typed_is_escaped(measured: Noise) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    bits = np.zeros((2, *measured.jsd_bits.shape), np.float32)
    trainings = Replicates(("a", hostile), bits, bits[:1])
    shown = noise.answer_html(replace(measured, notes=(hostile,), replicates=trainings))
    assert SEEDS in shown
    assert "<img" not in shown
    assert shown.count("&lt;img") == 2


def test_a_tuned_model_that_is_the_base_has_no_change_to_match(trainings: dict[str, str]) -> None:
    asked = question(trainings["base"], trainings["base"], TEXT)
    found = ask_noise(asked, any_folder, unheard, Measuring(3))
    said = noise.answer_html(found)
    assert "There is no random change to measure by." in said
    assert "no change to draw another of" in said


def test_two_who_measure_one_pair_do_not_wait_for_each_other_for_ever(trainings: dict[str, str]) -> None:
    """One makes what the other needs too: pausing amid that would leave both waiting."""
    PAIRS.drop(lambda key: True)
    texts = [TEXT, " ".join(reversed(TEXT.split()))]

    found: dict[str, Noise] = {}

    def ask(text: str) -> Noise:
        asked = question(trainings["base"], trainings["tuned"], text)
        found[text] = ask_noise(asked, any_folder, unheard, Measuring(20))
        return found[text]

    visitors = [threading.Thread(target=ask, args=[text], daemon=True) for text in texts]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(20)
    assert not any(visitor.is_alive() for visitor in visitors)
    assert [len(found[text].draws) for text in texts] == [20, 20]
    draws = found[texts[0]].draws
    assert np.array_equal(ask(texts[0]).draws, draws)
