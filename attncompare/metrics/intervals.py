"""How sure is a mean over texts? Percentile intervals by resampling texts, the unit, never tokens or heads."""

from typing import Any, NamedTuple

import numpy as np

RESAMPLES = 2000

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


def mean_interval(values: np.ndarray, seed: int = 0) -> Interval:
    """Mean over the first axis, texts, and its 95% percentile interval from 2000 bootstrap samples of texts.

    Texts of which nothing was measured are left out. What was not measured of a text is left out of that mean; with fewer
    than two measured texts there is no interval.
    """
    from scipy.stats import bootstrap  # takes a third of a second

    shape = values.shape[1:]
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    flat = flat[np.isfinite(flat).any(1)]
    mean, low, high = (np.full(flat.shape[1], np.nan) for _ in range(3))
    known = np.isfinite(flat).sum(0)
    for pattern in np.unique(np.isfinite(flat), axis=1).T:  # resampled together: what was measured of the same texts
        columns = (np.isfinite(flat) == pattern[:, None]).all(0)
        if not pattern.any():
            continue
        texts = flat[pattern][:, columns]
        mean[columns] = texts.mean(0)
        if len(texts) < FEWEST:
            continue
        found = bootstrap(
            (texts,), np.mean, axis=0, n_resamples=RESAMPLES, confidence_level=LEVEL, method="percentile",
            batch=max(1, 2**22 // texts.size), rng=np.random.default_rng(seed),
        )  # fmt: skip
        low[columns], high[columns] = found.confidence_interval
    return Interval(mean.reshape(shape), low.reshape(shape), high.reshape(shape), int(known.max(initial=0)))
