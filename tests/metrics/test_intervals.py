"""Intervals over texts against scipy's own on each column, and where there is none."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from attncompare.metrics.intervals import mean_interval


def values(texts: int = 12) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(texts, 2, 3)) + np.arange(3)


def test_each_column_has_the_interval_that_scipy_gives_it():
    drawn = values()
    found = mean_interval(drawn)
    assert found.texts == 12
    np.testing.assert_allclose(found.mean, drawn.mean(0))
    alone = ttest_1samp(drawn, 0).confidence_interval(0.95)
    np.testing.assert_allclose(found.low, alone.low)
    np.testing.assert_allclose(found.high, alone.high)
    assert (found.clear == (ttest_1samp(drawn, 0).pvalue < 0.05)).all()
    assert found.clear.any()
    assert not found.clear.all()


def test_what_was_not_measured_is_left_out_column_by_column():
    drawn = values()
    holes = drawn.copy()
    holes[[1, 4], 0, 1] = np.nan
    found = mean_interval(holes)
    kept = np.delete(drawn[:, 0, 1], [1, 4])
    assert found.mean[0, 1] == pytest.approx(kept.mean())
    assert found.low[0, 1] == pytest.approx(ttest_1samp(kept, 0).confidence_interval(0.95).low)
    assert found.mean[1, 2] == pytest.approx(drawn[:, 1, 2].mean())
    assert found.texts == 12


def test_one_text_has_no_interval_and_none_no_mean():
    one = mean_interval(np.array([[1.0, np.nan]]))
    assert one.mean[0] == 1
    assert np.isnan([one.low[0], one.high[0], one.mean[1]]).all()
    assert not one.clear.any()
    nothing = mean_interval(np.full((3, 2), np.nan))
    assert nothing.texts == 0
    assert np.isnan(nothing.mean).all()
    single = mean_interval(np.array([1.0, 2.0, 4.0]))
    assert single.low.shape == ()
    assert single.low < single.mean < single.high


@pytest.mark.parametrize("texts", [8, 40])
def test_an_interval_leaves_the_mean_out_about_as_often_as_it_says(texts: int):
    chance = np.random.default_rng(0)
    assert 0.04 < mean_interval(chance.normal(size=(texts, 5000))).clear.mean() < 0.06
