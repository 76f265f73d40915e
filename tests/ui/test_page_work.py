"""Work that is followed: it reports, returns, raises, waits its turn, and stops when nobody follows it any more."""

import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from attncompare.attention import unheard
from attncompare.ui.work import Step, considerate, follow, turn


def test_returns_what_the_work_returned_and_shows_its_steps() -> None:
    seen = threading.Event()

    def work(progress) -> str:
        progress("reading", 1, 2)
        seen.wait(10)
        return "done"

    steps = follow(work, lambda step: step)
    shown = next(steps)
    while shown == Step("starting"):
        shown = next(steps)
    assert shown == Step("reading", 1, 2)
    seen.set()
    assert list(returned(steps))[-1] == "done"


def returned(steps: Generator[Any, None, Any]) -> Iterator[Any]:
    """Everything that a generator yields, then what it returns."""
    yield (yield from steps)


def test_raises_what_the_work_raised() -> None:
    def work(progress) -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        list(follow(work, str))


def test_work_ends_at_its_next_report_once_the_generator_is_closed() -> None:
    ended, go = threading.Event(), threading.Event()

    def work(progress) -> None:
        try:
            go.wait(10)
            for layer in range(1000):
                progress("reading", layer, 1000)
            raise AssertionError("was never stopped")
        finally:
            ended.set()

    steps = follow(work, str)
    next(steps)
    steps.close()
    go.set()
    assert ended.wait(10)


def test_a_turn_is_waited_for_and_given_back_after_an_error() -> None:
    told = threading.Event()

    def second() -> None:
        with turn(lambda name, done, total: told.set()):
            pass

    with pytest.raises(ZeroDivisionError), turn(unheard):  # noqa: PT012
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
        raise ZeroDivisionError
    thread.join(10)
    assert not thread.is_alive()


def test_long_work_lets_others_use_the_models_between_its_parts() -> None:
    waiting, served = threading.Event(), threading.Event()

    def visitor() -> None:
        with turn(lambda name, done, total: waiting.set()):
            served.set()

    told: list[tuple[str, int, int]] = []
    with turn(unheard):
        tell = considerate(lambda *step: told.append(step), lambda step: step == "drawing")
        tell("drawing", 0, 500)
        thread = threading.Thread(target=visitor)
        thread.start()
        assert waiting.wait(10)
        for part in range(50):  # the same part goes on, or another step
            tell("drawing", 0, 500)
            tell("measuring", part, 50)
        assert not served.is_set()
        for part in range(1, 500):
            tell("drawing", part, 500)
            if served.is_set():
                break
        assert served.is_set()
    thread.join(10)
    assert len(told) == 101 + part
    with turn(unheard):  # given back as often as taken: one at a time, as before
        late = threading.Thread(target=visitor)
        served.clear()
        late.start()
        assert not served.wait(0.5)
    late.join(10)
    assert served.is_set()
