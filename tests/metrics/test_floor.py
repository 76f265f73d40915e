"""The statistic of the noise floor: naive loops, closed forms, and the error rate where nothing but chance is at work."""

import math
import statistics

import numpy as np
import pytest

from attncompare.metrics.floor import ALPHA, FEWEST_DRAWS, Floor, floor, smallest_p

FIELDS = ("mean", "sd", "multiple", "z", "p")


def made(draws: int, layers: int, heads: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Skewed divergences, each head with a scale of its own; the first head's change is large, the second's small."""
    chance = np.random.default_rng(seed)
    scale = chance.uniform(0.01, 1, (layers, heads))
    bits, drawn = (scale * chance.gamma(2.0, size=(*count, layers, heads)) for count in ((), (draws,)))
    bits[0, 0], bits[0, 1] = 9 * scale[0, 0], 0.01 * scale[0, 1]
    return bits, drawn


def naive_z(value: float, others: list[float]) -> float:
    mean = sum(others) / len(others)
    return (value - mean) / math.sqrt(sum((other - mean) ** 2 for other in others) / (len(others) - 1))


def naive(bits: np.ndarray, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Every number by itself, as the method says it."""
    count, cells = len(draws), list(np.ndindex(bits.shape))
    largest = []
    for k in range(count):
        left = [j for j in range(count) if j != k]
        largest.append(max(naive_z(draws[k][cell], [draws[j][cell] for j in left]) for cell in cells))
    found = {name: np.empty(bits.shape) for name in FIELDS}
    for cell in cells:
        of = [float(draws[k][cell]) for k in range(count)]
        found["mean"][cell], found["sd"][cell] = statistics.fmean(of), statistics.stdev(of)
        found["multiple"][cell] = bits[cell] / statistics.fmean(of)
        found["z"][cell] = naive_z(bits[cell], of)
        found["p"][cell] = (1 + sum(high >= found["z"][cell] for high in largest)) / (count + 1)
    return found


@pytest.mark.parametrize(("draws", "layers", "heads"), [(3, 1, 2), (7, 2, 3), (39, 3, 4)])
def test_the_definition(draws: int, layers: int, heads: int) -> None:
    bits, drawn = made(draws, layers, heads, seed=draws)
    found, expected = floor(bits, drawn), naive(bits, drawn)
    for name in FIELDS:
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-10, err_msg=name)
    assert len(np.unique(found.p)) > 1


def test_single_precision_is_computed_in_double() -> None:
    bits, drawn = (values.astype(np.float32) for values in made(20, 2, 2, seed=4))
    found, expected = floor(bits, drawn), naive(bits.astype(float), drawn.astype(float))
    for name in FIELDS:
        assert getattr(found, name).dtype == np.float64
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-12, err_msg=name)


def test_closed_form_of_one_head() -> None:
    """Draws 1, 2, 3: mean 2, sd 1. Left out, 3 stands (3 - 1.5) / sqrt(1/2) above the others, 1 as far below, 2 on their
    mean."""
    draws = np.array([1.0, 2, 3]).reshape(3, 1, 1)
    highest = 1.5 / math.sqrt(0.5)

    def p(z: float) -> float:
        return float(floor(np.array([[2 + z]]), draws).p[0, 0])

    found = floor(np.array([[4.0]]), draws)
    assert [float(getattr(found, name)[0, 0]) for name in FIELDS[:4]] == [2, 1, 2, 2]
    assert (p(highest + 1e-9), p(highest - 1e-9)) == (1 / 4, 2 / 4)
    assert (p(1e-9), p(0.0), p(-1e-9)) == (2 / 4, 3 / 4, 3 / 4)
    assert (p(-highest + 1e-9), p(-highest - 1e-9)) == (3 / 4, 1)


def test_the_maximum_is_over_heads_of_one_draw() -> None:
    """Two heads of the same z, one steady and one that a single draw moves far: both are held against that draw."""
    chance = np.random.default_rng(0)
    draws = chance.normal(10, 1, (39, 1, 2))
    draws[5, 0, 1] += 30
    mean, sd = draws.mean(0), draws.std(0, ddof=1)
    found = floor(mean + 5 * sd, draws)
    np.testing.assert_allclose(found.z, 5)
    np.testing.assert_array_equal(found.p, [[2 / 40, 2 / 40]])
    alone = floor((mean + 5 * sd)[:, :1], draws[..., :1])
    assert alone.p[0, 0] == 1 / 40


@pytest.mark.parametrize("draws", [3, 19, 39])
def test_p_is_never_below_its_smallest(draws: int) -> None:
    bits, drawn = made(draws, 2, 3, seed=1)
    for value in (1e-3, 1.0, 1e3, 1e12):
        found = floor(np.full_like(bits, value), drawn).p
        assert found.min() >= smallest_p(draws) == 1 / (draws + 1)
        assert found.max() <= 1
    assert (found == smallest_p(draws)).all()
    assert (floor(np.zeros_like(bits), drawn).p > 0.5).all()


def test_a_higher_divergence_never_has_a_higher_p() -> None:
    bits, drawn = made(39, 2, 3, seed=2)
    steps = np.linspace(0, 20, 200)
    p = np.stack([floor(drawn.mean(0) + step * drawn.std(0), drawn).p for step in steps])
    assert (np.diff(p, axis=0) <= 0).all()
    assert len(np.unique(p)) > 10


def test_scale_of_a_head_does_not_matter() -> None:
    bits, drawn = made(39, 2, 3, seed=3)
    scale = np.array([[1e-9, 1, 1e3], [7, 1e-4, 50]])
    plain, scaled = floor(bits, drawn), floor(bits * scale, drawn * scale)
    for name in ("multiple", "z", "p"):
        np.testing.assert_allclose(getattr(scaled, name), getattr(plain, name), rtol=1e-9)
    np.testing.assert_allclose(scaled.mean, plain.mean * scale)
    np.testing.assert_allclose(scaled.sd, plain.sd * scale)


def same(found: Floor, expected: Floor, where: np.ndarray) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name)[where], getattr(expected, name)[where])


def test_heads_that_were_not_measured() -> None:
    """They have nothing, and the others are tested among themselves: a missing head is no head."""
    bits, drawn = made(39, 2, 3, seed=5)
    bits[1, 2], drawn[:, 1, 2] = np.nan, np.nan
    found = floor(bits, drawn)
    for name in FIELDS:
        assert np.isnan(getattr(found, name)[1, 2])
    flat = np.arange(6).reshape(2, 3) != 5
    rest = naive(bits[flat][None], drawn[:, flat][:, None])
    for name in FIELDS:
        np.testing.assert_allclose(getattr(found, name)[flat], rest[name][0], rtol=1e-10)


def test_a_head_whose_own_change_was_not_measured() -> None:
    """Its draws are known, so they count for the maximum; it has no z and no p."""
    bits, drawn = made(39, 1, 3, seed=6)
    whole = floor(bits, drawn)
    bits = bits.copy()
    bits[0, 2] = np.nan
    found = floor(bits, drawn)
    same(found, whole, np.array([[True, True, False]]))
    assert np.isnan([found.multiple[0, 2], found.z[0, 2], found.p[0, 2]]).all()
    assert found.mean[0, 2] == whole.mean[0, 2]


def test_no_head_was_measured() -> None:
    found = floor(np.full((1, 2), np.nan), np.full((5, 1, 2), np.nan))
    assert all(np.isnan(getattr(found, name)).all() for name in FIELDS)


def test_a_head_that_no_draw_moves() -> None:
    """sd 0. Equal to its draws: nothing moved. Above them: further than chance can say, with no number for how far."""
    drawn = np.zeros((39, 1, 3))
    drawn[..., 2] = np.random.default_rng(0).gamma(2.0, size=39)[:, None]
    found = floor(np.array([[0.0, 0.5, 0.0]]), drawn)
    assert (found.z[0, 0], found.p[0, 0]) == (0, naive_p_of(0.0, drawn[:, 0, 2]))
    assert np.isnan(found.z[0, 1])
    assert found.p[0, 1] == smallest_p(39)
    assert np.isnan(found.multiple[0, :2]).all()
    assert found.sd[0, 0] == found.mean[0, 1] == 0


def naive_p_of(z: float, draws: np.ndarray) -> float:
    """The p of a z where only this head and heads that do not vary (0, always) make the maximum."""
    listed = [float(value) for value in draws]
    high = [max(0.0, naive_z(value, listed[:k] + listed[k + 1 :])) for k, value in enumerate(listed)]
    return (1 + sum(value >= z for value in high)) / (len(listed) + 1)


def test_no_head_varies() -> None:
    """Below its draws a head is not moved beyond them either."""
    found = floor(np.array([[0.25, 0.5, 0.125]]), np.full((19, 1, 3), 0.25))
    np.testing.assert_array_equal(found.p, [[1, 1 / 20, 1]])
    np.testing.assert_array_equal(found.multiple, [[1, 2, 0.5]])
    assert found.z[0, 0] == 0


def test_a_draw_without_spread_among_the_others() -> None:
    """One draw alone moves the head: held against the rest, which do not vary, it stands infinitely above."""
    drawn = np.zeros((19, 1, 1))
    drawn[4] = 1
    assert floor(np.array([[50.0]]), drawn).p[0, 0] == 2 / 20


@pytest.mark.parametrize("draws", [(2, 2, 3), (0, 2, 3), (39, 3, 2), (39, 6), (2, 3)])
def test_too_few_draws_or_other_shapes(draws: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"at least {FEWEST_DRAWS} draws of shape \(2, 3\)"):
        floor(np.ones((2, 3)), np.ones(draws))


RUNS, DRAWS, HEADS = 2000, 39, 12


def chance_runs(seed: int) -> np.ndarray:
    """``[run, draw, 1, head]``: exchangeable, skewed, a common factor in all heads of a draw; draw 0 plays the change."""
    chance = np.random.default_rng(seed)
    common = chance.gamma(1.5, size=(RUNS, DRAWS + 1, 1, 1))
    own = chance.gamma(0.7, size=(RUNS, DRAWS + 1, 1, HEADS))
    return (common + own) * np.geomspace(1e-4, 1e-1, HEADS)


def within_sampling(rate: float) -> float:
    """The highest rate that may be seen where the true one is this."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / RUNS)


def test_chance_alone_is_called_moved_in_one_of_twenty_runs() -> None:
    """One run is one text and pair; any head called moved is an error of it. By each head's own draws alone, without the
    maximum, errors are several times as many: this can fail."""
    runs = chance_runs(seed=11)
    called = alone = 0
    for run in runs:
        found = floor(run[0], run[1:])
        called += bool((found.p <= ALPHA).any())
        alone += bool(((1 + (run[1:] >= run[0]).sum(0)) / (DRAWS + 1) <= ALPHA).any())
    assert called / RUNS <= within_sampling(ALPHA)
    assert called / RUNS > ALPHA / 3, "a test that never errs finds nothing"
    assert alone / RUNS > 2 * within_sampling(ALPHA)


def test_a_strong_head_is_found_and_the_others_keep_the_rate() -> None:
    found = others = 0
    for run in chance_runs(seed=12):
        real = run[0].copy()
        real[0, 3] = 30 * run[1:, 0, 3].mean()
        p = floor(real, run[1:]).p[0]
        found += bool(p[3] <= ALPHA)
        others += bool((np.delete(p, 3) <= ALPHA).any())
    assert found / RUNS > 0.99
    assert others / RUNS <= within_sampling(ALPHA)
