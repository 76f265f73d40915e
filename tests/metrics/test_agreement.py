"""Rank agreement beside scipy, and overlap beside sets."""

import math

import pytest
import scipy.stats
import torch
from torch import Tensor

from attncompare.metrics import agreement
from attncompare.metrics.agreement import kendall_tau_b, top_overlap


def drawn(heads: int, tokens: int, seed: int, levels: int | None = None) -> tuple[Tensor, Tensor]:
    """Rows and a reference; with ``levels`` there are that many different values at most."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(heads + 1, tokens, generator=generator)
    values = values if levels is None else (values * levels).floor() / levels
    return values[:-1], values[-1]


@pytest.mark.parametrize(("tokens", "levels"), [(5, None), (5, 2), (12, None), (12, 3), (40, 5), (131, None), (131, 7)])
def test_tau_b_equals_scipys_ties_and_all(tokens: int, levels: int | None) -> None:
    for seed in range(5):
        rows, reference = drawn(9, tokens, seed, levels)
        expected = [scipy.stats.kendalltau(row.numpy(), reference.numpy()).statistic for row in rows]
        assert kendall_tau_b(rows, reference).tolist() == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_however_many_heads_are_taken_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, reference = drawn(10, 20, 1)
    whole = kendall_tau_b(rows, reference)
    for cells in (1, 3 * 20**2 + 1):
        monkeypatch.setattr(agreement, "CELLS", cells)
        assert torch.equal(kendall_tau_b(rows, reference), whole)


def test_tau_of_the_same_and_of_the_opposite_order() -> None:
    reference = torch.tensor([3.0, 1.0, 4.0, 1.5, 9.0])
    assert kendall_tau_b(torch.stack((reference.exp(), -reference)), reference).tolist() == [1, -1]


def test_tau_is_nan_where_it_is_not_measured() -> None:
    few, reference = drawn(3, 4, 0)
    assert kendall_tau_b(few, reference).isnan().all()
    rows, reference = drawn(3, 6, 0)
    rows[1] = 0.5
    rows[2, 3] = math.nan
    found = kendall_tau_b(rows, reference)
    assert found.isnan().tolist() == [False, True, True]
    assert kendall_tau_b(rows[:1], torch.ones(6)).isnan().all()
    reference[2] = math.nan
    assert kendall_tau_b(rows[:1], reference).isnan().all()


def test_overlap_is_a_share_of_sets() -> None:
    rows, reference = drawn(8, 13, 3)
    for top in (1, 4, 13):
        best = set(reference.tolist().index(value) for value in sorted(reference.tolist())[-top:])
        for row, found in zip(rows.tolist(), top_overlap(rows, reference, top).tolist(), strict=True):
            own = set(row.index(value) for value in sorted(row)[-top:])
            assert found == pytest.approx(len(own & best) / top)


def test_among_equals_the_earlier_token_is_taken() -> None:
    rows = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert top_overlap(rows, torch.tensor([2.0, 2.0, 0.0, 2.0]), 2).tolist() == [1]
    assert top_overlap(rows, torch.tensor([0.0, 0.0, 1.0, 1.0]), 2).tolist() == [0]
