"""Rollout against the published example, a naive product, and closed forms of the uniform null."""

import pytest
import torch
from torch import Tensor

from attncompare.metrics.rollout import SMALLEST_NULL, advance, log2_lift, retreat, uniform_rows

FIRST = torch.tensor([[0.9, 0.1], [0.4, 0.6]])
SECOND = torch.tensor([[0.2, 0.8], [0.5, 0.5]])


def causal_null(tokens: int, layers: int) -> Tensor:
    rows = uniform_rows(torch.ones(tokens, tokens, dtype=torch.bool).tril())
    result = None
    for _ in range(layers):
        result = advance(result, rows)
    assert result is not None
    return result


def test_published_example() -> None:
    result = advance(advance(None, FIRST), SECOND)
    assert result.flatten().tolist() == pytest.approx([0.65, 0.35, 0.3875, 0.6125], abs=1e-7)


@pytest.mark.parametrize(
    ("tokens", "layers", "first"), [(16, 6, 0.405), (16, 12, 0.796), (64, 12, 0.625), (64, 32, 0.995)]
)
def test_uniform_causal_null(tokens: int, layers: int, first: float) -> None:
    null = causal_null(tokens, layers)
    assert float(null[-1, 0]) == pytest.approx(first, abs=5e-4)
    assert float(null[-1, -1]) == pytest.approx(((1 + 1 / tokens) / 2) ** layers, rel=1e-9)
    assert null.sum(-1).tolist() == pytest.approx([1] * tokens)


def test_one_row_followed_down_equals_the_full_product() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = [(2 * torch.randn(20, 20, generator=generator)).softmax(-1) for _ in range(5)]
    full = None
    for rows in maps:
        full = advance(full, rows)
    assert full is not None
    share = torch.zeros(20, dtype=torch.float64)
    share[13] = 1
    for rows in reversed(maps):
        share = sum(
            (retreat(share, rows[start : start + 6], start) for start in range(0, 20, 6)),
            torch.zeros_like(share),
        )
    assert share.tolist() == pytest.approx(full[13].tolist(), abs=1e-12)


def test_lift_is_zero_on_the_null_and_blank_where_the_null_is_tiny() -> None:
    null = causal_null(16, 12)
    lift = log2_lift(null, null)
    assert lift[null > SMALLEST_NULL].abs().max() == 0
    assert lift[null <= SMALLEST_NULL].isnan().all()
    assert float(log2_lift(2 * null, null)[-1, 0]) == pytest.approx(1)
