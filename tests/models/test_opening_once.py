"""One pair is made at a time, whatever the threads that ask for one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import transformers

from attncompare.models.opening import load_pair

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")


class Room:
    """Stands in front of the real ``from_pretrained`` and counts how many threads are inside at once; each waits a moment
    for another one to come."""

    def __init__(self) -> None:
        self.inside, self.most, self.calls = 0, 0, 0
        self.lock = threading.Lock()
        self.other_came = threading.Event()

    def __enter__(self) -> None:
        with self.lock:
            self.inside, self.calls = self.inside + 1, self.calls + 1
            self.most = max(self.most, self.inside)
        if self.most > 1:
            self.other_came.set()
        self.other_came.wait(0.05)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1


def test_models_are_made_one_at_a_time(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread asks for another pair, and waits inside for the others: none comes while the lock is held."""
    room, original = Room(), transformers.PreTrainedModel.from_pretrained.__func__

    def watched(cls: type, *args: object, **kwargs: object) -> object:
        with room:
            return original(cls, *args, **kwargs)

    monkeypatch.setattr(transformers.PreTrainedModel, "from_pretrained", classmethod(watched))
    asked = [
        (ready / "bert/base", ready / "bert/tuned"),
        (ready / "llama/base", ready / "llama/tuned"),
        (None, ready / "gpt2/adapter"),
        (ready / "gpt2/base", ready / "gpt2/tuned"),
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda sides: load_pair(*sides, device="cpu"), asked))
    assert room.calls == 7
    assert room.most == 1


def test_two_that_are_not_kept_apart_do_meet() -> None:
    """The check above can fail. No model is loaded here: two loads that overlap leave transformers without its
    ``tie_weights`` for the rest of the process, which is what the lock is for."""
    room, both = Room(), threading.Barrier(2)

    def enter(_: int) -> None:
        both.wait()
        with room:
            pass

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(enter, range(2)))
    assert room.most == 2
