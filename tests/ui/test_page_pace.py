"""Estimates: a pass is timed while the models read a text, and work is counted in passes."""

import pytest

from attncompare.attention import unheard
from attncompare.models.checkpoint import any_folder
from attncompare.models.traces import TRACES
from attncompare.ui import pace
from attncompare.ui.pace import Stopwatch, duration, estimate_html, pass_seconds
from attncompare.ui.questions import ask_comparison, question


def watched(monkeypatch: pytest.MonkeyPatch, times: list[float], steps: list[tuple[str, int]]) -> Stopwatch:
    """A stopwatch that was told of the steps, each at its time."""
    clock = iter([time for time in times for _ in range(2)])  # it looks before and after others are told
    monkeypatch.setattr(pace.time, "perf_counter", lambda: next(clock))
    watch = Stopwatch(unheard)
    for step, done in steps:
        watch(step, done, 9)
    return watch


def test_a_layer_takes_what_most_layers_take(monkeypatch: pytest.MonkeyPatch) -> None:
    base, tuned = pace.READING
    steps = [(base, 1), (base, 2), (base, 3), (tuned, 4), (tuned, 5), (tuned, 6), ("comparing", 7), ("comparing", 8)]
    watch = watched(monkeypatch, [0, 9, 10, 20, 21, 22.5, 30, 60], steps)  # the first layer of a fresh model is slow
    assert watch.layer_seconds() == 1.25
    assert Stopwatch(unheard).layer_seconds() is None


def test_what_others_do_meanwhile_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    base, _ = pace.READING
    clock = iter([0.0, 5.0, 6.0, 6.0])
    monkeypatch.setattr(pace.time, "perf_counter", lambda: next(clock))
    watch = Stopwatch(unheard)
    watch(base, 1, 9)
    watch(base, 2, 9)
    assert watch.layer_seconds() == 1


def test_a_text_that_was_read_before_is_estimated_from_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    base, _ = pace.READING
    watch = watched(monkeypatch, [0, 2], [(base, 1), (base, 2)])
    assert pass_seconds("pair", watch, layers=6, tokens=10) == 12
    assert pass_seconds("pair", Stopwatch(unheard), layers=6, tokens=20) == 24
    assert pass_seconds("another", Stopwatch(unheard), layers=6, tokens=20) is None
    for number in range(pace._KEPT):
        pass_seconds(f"pair {number}", watch, layers=6, tokens=10)
    assert pass_seconds("pair", Stopwatch(unheard), layers=6, tokens=20) is None


def test_a_comparison_times_its_passes() -> None:
    TRACES.drop(lambda key: True)
    asked = question("", "", "A text that is read for the first time.")
    first = ask_comparison(asked, any_folder, unheard).pass_seconds
    assert first is not None
    assert 0 < first < 10
    again = ask_comparison(asked, any_folder, unheard).pass_seconds
    assert again == pytest.approx(first)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.1, "a second"),
        (1.6, "2 seconds"),
        (7.3, "7 seconds"),
        (48, "50 seconds"),
        (100, "2 minutes"),
        (2000, "30 minutes"),
        (9000, "2 hours"),
        (10**6, "280 hours"),
    ],
)
def test_times_are_said_roughly(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_an_estimate_without_a_time_says_what_is_done() -> None:
    assert "About 300 forward passes of 1,200 tokens" in estimate_html(301, 1200, None)
    assert "Roughly 2 seconds: about 300 forward" in estimate_html(301, 12, 0.01)
