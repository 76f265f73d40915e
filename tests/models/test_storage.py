"""Calls in one piece of memory: the same numbers, one storage, and nothing moved that is small."""

import pytest
import torch
from torch import nn

from attncompare.models import storage
from attncompare.models.calls import DenseCall, LayerCall
from attncompare.models.storage import Storage


def call(seed: int, tokens: int = 10, dtype: torch.dtype = torch.float32) -> LayerCall:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(1, tokens, 4, 8, generator=generator).to(dtype).transpose(1, 2)  # as models hand it over
    key = torch.randn(1, 2, tokens, 8, generator=generator).to(dtype)
    return LayerCall(nn.Identity(), query, key, None, None, {}, causal_without_mask=False)


@pytest.fixture
def all_is_large(monkeypatch) -> None:
    monkeypatch.setattr(storage, "SMALLEST_BYTES", 1)


@pytest.mark.usefixtures("all_is_large")
def test_everything_lies_in_one_piece() -> None:
    calls = [call(seed) for seed in range(3)]
    kept = Storage(3)
    moved = [kept.keep(of_layer) for of_layer in calls]
    pieces = {tensor.untyped_storage().data_ptr() for of_layer in moved for tensor in of_layer.tensors()}
    assert len(pieces) == 1
    assert moved[0].query.untyped_storage().nbytes() == sum(t.nbytes for of_layer in calls for t in of_layer.tensors())
    for before, after in zip(calls, moved, strict=True):
        assert torch.equal(before.query, after.query)
        assert torch.equal(before.key, after.key)


@pytest.mark.usefixtures("all_is_large")
def test_what_does_not_fit_is_left_where_it_is() -> None:
    kept = Storage(2)
    kept.keep(call(0))
    for other in (call(1, tokens=30), call(2, dtype=torch.bfloat16)):
        assert kept.keep(other) is other
    assert kept.keep(call(3)).query.untyped_storage().data_ptr() != call(3).query.data_ptr()


def test_small_calls_and_whole_weights_are_left_where_they_are() -> None:
    small = call(0)
    assert Storage(3).keep(small) is small
    dense = DenseCall(torch.full((2, 4, 4), 0.25), causal=False)
    assert Storage(3).keep(dense) is dense
