"""Divergences against closed forms, scipy, float64 references and invariants."""

import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from torch import Tensor

from attncompare.metrics.divergence import (
    cosine,
    hellinger,
    jsd_bits,
    jsd_terms,
    total_variation,
    wasserstein_tokens,
)

P, Q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
GOLDEN = {
    jsd_bits: 0.130658902604,
    total_variation: 0.4,
    hellinger: 0.303995227250,
    cosine: 0.684762383262,
    wasserstein_tokens: 0.7,
}


def random_rows(*shape: int, seed: int = 0, sharpness: float = 3.0) -> Tensor:
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * sharpness).softmax(-1)


@pytest.mark.parametrize(("measure", "expected"), GOLDEN.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_published_example(measure, expected) -> None:
    assert float(measure(P, Q)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("measure", "same"), [(jsd_bits, 0), (total_variation, 0), (hellinger, 0), (cosine, 1)])
def test_identical_rows_are_exactly_unchanged(measure, same) -> None:
    rows = random_rows(4, 64, 33)
    assert torch.equal(measure(rows, rows.clone()), torch.full((4, 64), float(same)))


@pytest.mark.parametrize(("measure", "apart"), [(jsd_bits, 1), (total_variation, 1), (hellinger, 1), (cosine, 0)])
def test_disjoint_rows_are_as_far_as_can_be(measure, apart) -> None:
    base, tuned = torch.tensor([0.5, 0.5, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.3, 0.7])
    assert float(measure(base, tuned)) == pytest.approx(apart, abs=1e-6)


@pytest.mark.parametrize("measure", GOLDEN)
def test_symmetric_and_bounded(measure) -> None:
    base, tuned = random_rows(8, 50, 17, seed=1), random_rows(8, 50, 17, seed=2)
    there, back = measure(base, tuned), measure(tuned, base)
    assert torch.allclose(there, back, atol=1e-6)
    high = 16 if measure is wasserstein_tokens else 1
    assert float(there.min()) >= 0
    assert float(there.max()) <= high


def test_jsd_and_wasserstein_equal_scipy() -> None:
    base, tuned = random_rows(20, 12, seed=3), random_rows(20, 12, seed=4)
    ours, far = jsd_bits(base, tuned), wasserstein_tokens(base, tuned)
    for row in range(20):
        p, q = base[row].double().numpy(), tuned[row].double().numpy()
        assert float(ours[row]) == pytest.approx(jensenshannon(p / p.sum(), q / q.sum(), base=2) ** 2, abs=5e-7)
        positions = range(12)
        assert float(far[row]) == pytest.approx(wasserstein_distance(positions, positions, p, q), abs=2e-6)


def test_small_differences_keep_their_digits() -> None:
    """Entropy differences in float32 are off by 5e-6; a divergence of 1e-8 must still be right to a percent."""
    logits = torch.randn(200, 40, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    noise = torch.randn(200, 40, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    base, tuned = logits.softmax(-1), (logits + 3e-4 * noise).softmax(-1)
    exact = jsd_bits(base, tuned)
    assert 1e-9 < float(exact.mean()) < 1e-7
    assert float(jsd_bits(base.float(), tuned.float()).mean()) == pytest.approx(float(exact.mean()), rel=0.01)


def test_terms_are_homogeneous_and_never_negative() -> None:
    """Both properties carry the split into sink, within-sink and content parts."""
    base, tuned = random_rows(6, 9, seed=8), random_rows(6, 9, seed=9)
    assert torch.allclose(jsd_terms(0.25 * base, 0.25 * tuned), 0.25 * jsd_terms(base, tuned), atol=1e-8)
    assert float(jsd_terms(base, tuned).min()) >= 0
    assert float(jsd_terms(torch.tensor(0.0), torch.tensor(0.0))) == 0
    assert float(jsd_terms(torch.tensor(1.0), torch.tensor(0.0))) == pytest.approx(0.5, abs=1e-6)
    assert math.isclose(float(jsd_terms(P, Q).sum()), GOLDEN[jsd_bits], abs_tol=1e-7)
