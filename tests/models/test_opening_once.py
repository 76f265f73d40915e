"""One pair is made at a time, whatever the threads that ask for one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import transformers

from attncompare.models.opening import load_pair

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")


class Stepper:
    """Stands in the real ``from_pretrained`` and counts how many threads are inside at once."""

    def __init__(self) -> None:
        self.inside, self.most, self.calls = 0, 0, 0
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.inside, self.calls = self.inside + 1, self.calls + 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1


def test_models_are_made_one_at_a_time(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread asks for another pair, and waits inside for the others: none comes while the lock is held."""
    stepper, original = Stepper(), transformers.PreTrainedModel.from_pretrained.__func__
    other_came = threading.Event()

    def watched(cls: type, *args: object, **kwargs: object) -> object:
        with stepper:
            if stepper.inside > 1:
                other_came.set()
            other_came.wait(0.05)
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
    assert stepper.calls == 7
    assert stepper.most == 1
    with ThreadPoolExecutor(2) as pool:  # the check itself: without our lock two do meet
        folders = (ready / "bert/base", ready / "llama/base")
        list(pool.map(lambda folder: transformers.AutoModel.from_pretrained(folder), folders))
    assert stepper.most == 2
