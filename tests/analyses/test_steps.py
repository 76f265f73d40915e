"""What long work calls its steps: a page lends the models to others in some, and must not while a cache is filled."""

import pytest

import attncompare
from attncompare.models.generation import CONTINUATIONS
from attncompare.models.passes import IN_BATCHES
from attncompare.models.traces import TRACES
from tests.conftest import TEXT, tiny_pair


@pytest.mark.parametrize("ask", ["attribution", "erasure", "patching", "ablation", "value_zeroing"])
def test_steps_in_batches_are_told_and_nothing_is_made_for_a_cache_in_them(ask: str, tmp_path_factory) -> None:
    pair = tiny_pair(tmp_path_factory.mktemp("steps"), "gpt2")
    writing = attncompare.Generation(by="tuned", max_new_tokens=4)
    TRACES.drop(lambda key: True)
    told: list[str] = []

    def tell(step: str, done: int, total: int) -> None:
        told.append(step)
        if step.startswith(IN_BATCHES):
            assert not TRACES._flights
            assert not CONTINUATIONS._flights

    getattr(attncompare, ask)(pair, TEXT, generate=writing, progress=tell)
    assert any(step.startswith(IN_BATCHES) for step in told)
    before = [step for step in told if not step.startswith(IN_BATCHES)]
    assert "the tuned model writes" in before
