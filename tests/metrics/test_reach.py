"""Mass by distance and far links against naive loops and closed forms."""

import pytest
import torch

from attncompare.metrics.reach import BANDS, MID, NEAR, band_masses, bands, strongest, uniform_bands


def test_bands_part_every_pair() -> None:
    inside = bands(3, 5, 100)
    for band, low, high in (("near", 0, NEAR), ("mid", NEAR + 1, MID), ("far", MID + 1, 10**6)):
        for i in range(5):
            for j in range(100):
                assert bool(inside[BANDS.index(band), i, j]) is (low <= abs(3 + i - j) <= high)


def test_masses_against_a_loop_and_sum_to_the_row() -> None:
    rows = torch.rand(2, 4, 90, generator=torch.Generator().manual_seed(0)).softmax(-1)
    found = band_masses(rows, bands(70, 4, 90))
    assert torch.allclose(found.sum(0), rows.sum(-1))
    for head in range(2):
        for i in range(4):
            far = sum(float(rows[head, i, j]) for j in range(90) if abs(70 + i - j) > 64)
            assert float(found[2, head, i]) == pytest.approx(far, abs=1e-6)


def test_uniform_bands_of_a_causal_row_in_closed_form() -> None:
    visible = torch.ones(200, 200, dtype=torch.bool).tril()
    found = uniform_bands(bands(0, 200, 200), visible)
    for i in (0, 7, 8, 64, 65, 199):
        near, mid = min(i, 8) + 1, max(min(i, 64) - 8, 0)
        assert found[:, i].tolist() == pytest.approx([near / (i + 1), mid / (i + 1), max(i - 64, 0) / (i + 1)])


def test_strongest_of_each_head_where_allowed() -> None:
    strength = torch.zeros(3, 3, 4)
    strength[0, 1, 2], strength[0, 2, 0], strength[1, 1, 2], strength[1, 0, 3] = 0.3, 0.4, 0.6, 0.9
    allowed = torch.ones(3, 4, dtype=torch.bool)
    allowed[0, 3] = False
    values, queries, keys = strongest(strength, allowed)
    assert values.tolist() == pytest.approx([0.4, 0.6, 0])
    assert (queries[:2].tolist(), keys[:2].tolist()) == ([2, 1], [0, 2])
