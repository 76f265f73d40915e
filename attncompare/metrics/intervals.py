"""How sure is a mean over texts? Student's intervals, with texts as the unit, never tokens or heads.

Resampling texts was tried and is no better here: of eight normal values around 0 the percentile interval leaves 0 out in 12%
of cases, Student's in 5%; of skewed (lognormal) ones in 22% and 17%.
"""

from typing import Any, NamedTuple

import numpy as np

LEVEL = 0.95

FEWEST = 2
"""Texts that an interval needs."""


class Interval(NamedTuple):
    """A mean over texts and its interval; arrays of the shape of one text's values, NaN where it can't be given."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    texts: int
    """How many texts it is over."""

    @property
    def clear(self) -> np.ndarray:
        """Where the interval leaves 0 out; meant for signed numbers, a divergence is never below 0."""
        return np.asarray((self.low > 0) | (self.high < 0))

    def at(self, place: Any) -> "Interval":
        """One of several numbers, or some of them."""
        mean, low, high = (np.asarray(part[place]) for part in (self.mean, self.low, self.high))
        return Interval(mean, low, high, self.texts)


def mean_interval(values: np.ndarray) -> Interval:
    """Mean over the first axis, texts, and its 95% interval: ``mean ± t(n - 1) · s / √n`` (Student 1908).

    What was not measured of a text (NaN) is left out of that mean; with fewer than two measured texts there is no interval.
    """
    from scipy.stats import t  # takes a third of a second

    drawn = np.asarray(values, np.float64)
    known = np.isfinite(drawn)
    count = np.asarray(known.sum(0))
    mean = _ratio(np.where(known, drawn, 0).sum(0), count, count > 0)
    apart = np.where(known, drawn - mean, 0)
    spread = np.sqrt(_ratio((apart**2).sum(0), count * (count - 1), count >= FEWEST))
    half = t.ppf((1 + LEVEL) / 2, np.maximum(count - 1, 1)) * spread
    return Interval(mean, mean - half, mean + half, int(count.max(initial=0)))


def _ratio(above: Any, below: Any, known: Any) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=known)
