"""Is a head's divergence more than a random change of the same size gives? The draws are the unit of the test.

Every head has its divergence under the real change, and under each of K random changes. Heads are judged by how many
standard deviations they stand above their own draws, and all of them together by the largest such z of any head: each draw
is held against the others in the same way, which gives K values of "the largest z that chance alone makes" (the maximum
statistic of Westfall & Young 1993, Resampling-based multiple testing, chapter 2; the p of a Monte Carlo test,
(1 + #>=) / (K + 1), of Davison & Hinkley 1997, eq 4.11). A draw is judged by one draw fewer than the real change, whose
maximum is a little larger for it: the test errs on the quiet side.

Knows no token and no model.
"""

from dataclasses import dataclass

import numpy as np

ALPHA = 0.05
"""The family-wise p at which a head counts as moved."""

FEWEST_DRAWS = 3
"""Fewer leave no standard deviation of the others when one is held against them."""


@dataclass(frozen=True, eq=False)
class Floor:
    """Each head's divergence beside its draws; arrays are ``[layer, head]``, float64, NaN where it can't be said."""

    mean: np.ndarray
    """Mean divergence of the draws, in bits."""
    sd: np.ndarray
    """Standard deviation of the draws, in bits (K - 1 in the denominator)."""
    multiple: np.ndarray
    """Divergence divided by the draws' mean; 1 is what a random change gives."""
    z: np.ndarray
    """Standard deviations above the draws' mean."""
    p: np.ndarray
    """Family-wise: how often chance alone makes a largest z of all heads as high as this head's. In [1/(K+1), 1]."""


def floor(bits: np.ndarray, draws: np.ndarray) -> Floor:
    """Hold each head's divergence against its draws.

    Args:
        bits: ``[layer, head]``, under the real change; NaN where it wasn't measured.
        draws: ``[draw, layer, head]``, under each random change, at least :data:`FEWEST_DRAWS` of them.

    Raises:
        ValueError: too few draws, or shapes that do not fit.
    """
    bits, draws = np.asarray(bits, float), np.asarray(draws, float)
    if draws.ndim != 3 or draws.shape[1:] != bits.shape or len(draws) < FEWEST_DRAWS:
        raise ValueError(f"Expected at least {FEWEST_DRAWS} draws of shape {bits.shape}, got {draws.shape}.")
    mean, sd = draws.mean(0), draws.std(0, ddof=1)
    z = _above(bits, mean, sd)
    chance = np.array([_largest(_left_out(draws, k)) for k in range(len(draws))])
    p = (1 + (chance[:, None, None] >= z).sum(0)) / (len(draws) + 1)
    return Floor(
        mean=mean,
        sd=sd,
        multiple=np.divide(bits, mean, out=np.full_like(bits, np.nan), where=mean > 0),
        z=np.where(np.isfinite(z), z, np.nan),
        p=np.where(np.isnan(z), np.nan, p),
    )


def smallest_p(draws: int) -> float:
    """The smallest p that so many draws can give.

    >>> smallest_p(39)
    0.025
    """
    return 1 / (draws + 1)


def _left_out(draws: np.ndarray, k: int) -> np.ndarray:
    """z of every head of one draw, held against the others."""
    others = np.delete(draws, k, axis=0)
    return _above(draws[k], others.mean(0), others.std(0, ddof=1))


def _above(bits: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """z; where nothing varies, 0 for what equals the mean and infinity for what lies above or below it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (bits - mean) / sd
    return np.where(bits == mean, 0.0, z)


def _largest(z: np.ndarray) -> float:
    return -np.inf if np.isnan(z).all() else float(np.nanmax(z))
