"""The tap against each family's own eager attention, in threads, and with nothing listening."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from attncompare.models import routing, tap
from attncompare.models.calls import LayerCall
from attncompare.models.layout import Place
from tests.conftest import (
    eager_attentions,
    installed_model,
    mean_normalised_entropy,
)


def recorded(model: nn.Module, layout: tuple[Place, ...], **inputs: Tensor) -> list[LayerCall]:
    calls: list[LayerCall] = []
    tap.record(model, inputs, layout, lambda place, call: calls.append(call))
    return calls


def test_rows_equal_output_attentions(family: str, ids: Tensor) -> None:
    model, layout = installed_model(family, seed=1)
    expected = eager_attentions(model, ids)
    assert mean_normalised_entropy(expected) < 0.8
    calls = recorded(model, layout, input_ids=ids)
    assert len(calls) == len(expected)
    for call, rows in zip(calls, expected, strict=True):
        heads = list(range(call.heads))
        for start in range(0, 24, 5):  # a block size that does not divide the text
            at = slice(start, min(start + 5, 24))
            assert torch.allclose(call.rows(heads, at), rows[:, at], atol=1e-5)


def test_rows_never_see_what_the_model_could_not(family: str, ids: Tensor) -> None:
    model, layout = installed_model(family, seed=1)
    for call, rows in zip(recorded(model, layout, input_ids=ids), eager_attentions(model, ids), strict=True):
        assert torch.equal(call.visible(0, 24), rows.gt(0).any(0))
        assert call.rows([0, 1, 2, 3]).masked_fill(call.visible(0, 24), 0).abs().max() == 0


def test_padding_is_never_attended(ids: Tensor) -> None:
    """A boolean mask arrives where a text is padded; read as numbers it would show the future and the padding."""
    for family in ("bert", "llama"):
        mask = torch.ones_like(ids)
        mask[0, :5] = 0
        for call in recorded(*installed_model(family, seed=1), input_ids=ids, attention_mask=mask):
            assert call.rows([0, 1, 2, 3], slice(5, 24))[..., :5].abs().max() == 0


def test_recording_changes_no_output(family: str, ids: Tensor) -> None:
    model, layout = installed_model(family, seed=2)
    with torch.no_grad():
        plain = model(input_ids=ids).last_hidden_state
    output = tap.record(model, {"input_ids": ids}, layout, lambda place, call: None).last_hidden_state
    assert torch.equal(output, plain)


def test_causality_is_observed(family: str) -> None:
    assert routing.is_causal(installed_model(family, seed=3)[1]) is (family != "bert")


def test_two_threads_do_not_hear_each_other(ids: Tensor) -> None:
    model, layout = installed_model("llama", seed=4)
    texts = [torch.roll(ids, shift, dims=1) for shift in range(8)]
    serial = [[call.query for call in recorded(model, layout, input_ids=text)] for text in texts]
    together = threading.Barrier(4)

    def work(number: int) -> list[Tensor]:
        if number < 4:
            together.wait(timeout=30)
        return [call.query for call in recorded(model, layout, input_ids=texts[number % 8])]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(64)))
    for number, queries in enumerate(results):
        assert all(torch.equal(a, b) for a, b in zip(queries, serial[number % 8], strict=True))


def test_a_listener_ends_with_its_pass_and_can_stop_it(ids: Tensor) -> None:
    model, layout = installed_model("bert", seed=5)
    seen: list[LayerCall] = []

    def stop(place: Place, call: LayerCall) -> None:
        seen.append(call)
        if len(seen) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        tap.record(model, {"input_ids": ids}, layout, stop)
    model(input_ids=ids)
    assert len(seen) == 2


def test_a_view_into_a_larger_tensor_is_not_kept(ids: Tensor) -> None:
    """GPT-2 cuts its query out of a fused projection three times the size."""
    for call in recorded(*installed_model("gpt2", seed=6), input_ids=ids):
        assert call.query.untyped_storage().nbytes() == call.query.nbytes
