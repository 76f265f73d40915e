"""Long work that can be watched and stopped: a thread that reports between layers, and a generator that follows it.

Gradio can stop a generator and nothing else, so every long handler of the page follows its work with :func:`follow`. When
the visitor cancels or leaves, the generator is closed and the work ends at its next report. Knows nothing about models.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from attncompare.attention import Progress

T = TypeVar("T")
Shown = TypeVar("Shown")

BEAT_SECONDS = 0.15
"""How often a watched work reports; also how long a cancelled one goes unnoticed."""

_MODELS = threading.Semaphore(1)
"""Held while models run: one question at a time gets the machine, the others wait and say so."""

_GAP_SECONDS = 0.001
"""Long enough for one who waits to notice that the models are free."""

_LOADS = threading.Semaphore(2)
"""Taken while checkpoints are fetched and loaded."""


class Stopped(Exception):
    """Raised inside the work by its own report once nobody follows it any more."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the work is doing; ``total`` is 0 where the end can't be seen."""

    name: str
    done: int = 0
    total: int = 0


def follow(work: Callable[[Progress], T], show: Callable[[Step], Shown]) -> Generator[Shown, None, T]:
    """Run ``work(progress)`` in a thread, yielding ``show(step)`` meanwhile; returns or raises what the work did.

    For ``result = yield from follow(...)`` in a generator: closing that closes this, which stops the work.
    """
    stop, done = threading.Event(), threading.Event()
    latest, results, errors = [Step("starting")], list[T](), list[BaseException]()

    def tell(name: str, at: int, total: int) -> None:
        if stop.is_set():
            raise Stopped
        latest[0] = Step(name, at, total)

    def body() -> None:
        try:
            results.append(work(tell))
        except BaseException as error:  # whatever it is belongs to the thread that follows
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=body, name="attncompare-work", daemon=True).start()
    try:
        while not done.wait(BEAT_SECONDS):
            yield show(latest[0])
    finally:
        stop.set()
    if errors:
        raise errors[0]
    return results[0]


def loading(progress: Progress) -> AbstractContextManager[None]:
    """Wait until few enough others are loading: a load can't be stopped half-way, only kept from starting."""
    return _held(_LOADS, progress, "waiting for other models to be loaded")


def turn(progress: Progress) -> AbstractContextManager[None]:
    """Wait for the models to be free, and keep others waiting meanwhile."""
    return _held(_MODELS, progress, "waiting for another comparison to end")


def considerate(progress: Progress, pauses: Callable[[str], bool]) -> Progress:
    """Progress of long work inside :func:`turn` that lets whoever waits for the models go first at every part of some steps.

    Work of many parts may take minutes, and a visitor who opens a head meanwhile asks for milliseconds. While a step is
    reported that ``pauses`` the work must not be making anything for a cache: others could wait for that with the models in
    their hands.
    """
    latest = ("", -1)

    def tell(step: str, done: int, total: int) -> None:
        nonlocal latest
        progress(step, done, total)
        if pauses(step) and (step, done) != latest:
            latest = step, done
            _MODELS.release()
            time.sleep(_GAP_SECONDS)
            _MODELS.acquire()  # whatever happens: turn() gives back what it took

    return tell


@contextmanager
def _held(place: threading.Semaphore, progress: Progress, waiting: str) -> Iterator[None]:
    while not place.acquire(timeout=BEAT_SECONDS):
        progress(waiting, 0, 0)
    try:
        yield
    finally:
        place.release()
