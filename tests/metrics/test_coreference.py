"""Scores, choices and accuracies of a coreference probe, against naive loops, scipy and worked examples."""

import numpy as np
import pytest
from scipy import stats

from attncompare.metrics.coreference import (
    accuracy,
    best_head,
    candidate_scores,
    choices,
    halves,
    held_out,
    lucky,
    maximum_attention,
    mcnemar,
    preference,
    uniform_scores,
    wilson,
)  # fmt: skip

GOLDEN = np.array([[0.6, 0.2], [0.1, 0.3]])
"""``[candidate, head]``: heads [.6, .1] and [.2, .3]."""


def rows(heads: int = 3, queries: int = 2, keys: int = 7, seed: int = 0) -> np.ndarray:
    weights = np.random.default_rng(seed).random((heads, queries, keys))
    return weights / weights.sum(-1, keepdims=True)


def test_keys_are_summed_and_queries_averaged() -> None:
    found, given = candidate_scores(rows(), [(1, 2), (5,)]), rows()
    for candidate, keys in enumerate([(1, 2), (5,)]):
        for head in range(3):
            naive = sum(sum(given[head, query, key] for key in keys) for query in range(2)) / 2
            assert found[candidate, head] == pytest.approx(naive)


def test_it_reads_the_pronouns_rows_and_not_its_column() -> None:
    whole = np.array([[[1.0, 0, 0], [0.9, 0.1, 0], [0.2, 0.7, 0.1]]])  # a causal head; the pronoun is the last query
    assert candidate_scores(whole[:, 2:], [(0,), (1,)])[:, 0].tolist() == [0.2, 0.7]
    assert whole[0, :2, 2].tolist() == [0, 0]  # the reverse knows nothing


def test_uniform_attention_gives_the_share_of_what_is_visible() -> None:
    visible = np.tri(5, 5, dtype=bool)[3:]
    assert uniform_scores(visible, [(0, 1), (2,)]) == pytest.approx([(2 / 4 + 2 / 5) / 2, (1 / 4 + 1 / 5) / 2])


def test_choices_split_ties_and_are_none_without_two_to_see() -> None:
    scores = np.array([[0.5, 0.2, 0.3, np.nan], [0.1, 0.2, np.nan, np.nan], [0.1, 0.1, 0.4, 0.2]])
    found = choices(scores)
    assert found[:, :3].T.tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]]
    assert np.isnan(found[:, 3]).all()


def test_maximum_attention_is_the_papers() -> None:
    assert maximum_attention(GOLDEN) == pytest.approx([2 / 3, 1 / 3])
    scores = np.random.default_rng(1).random((3, 4, 5))
    sums = [0.0] * 3
    for layer in range(4):
        for head in range(5):
            best = max(range(3), key=lambda candidate: scores[candidate, layer, head])
            sums[best] += scores[best, layer, head]
    assert maximum_attention(scores) == pytest.approx([one / sum(sums) for one in sums])
    assert maximum_attention(scores[[2, 0, 1]]) == pytest.approx(maximum_attention(scores)[[2, 0, 1]])
    assert np.isnan(maximum_attention(np.zeros((2, 3)))).all()


def test_preference_is_antisymmetric_and_between_the_ends() -> None:
    scores = np.random.default_rng(2).random((2, 3, 4))
    found = preference(scores)
    assert found == pytest.approx((scores[0] - scores[1]) / (scores[0] + scores[1]))
    assert preference(scores[::-1]) == pytest.approx(-found)
    assert preference(np.array([[0.3, 0.0, 0.2, np.nan], [0.0, 0.0, np.nan, 0.1]]))[:2].tolist() == [1, 0]
    assert np.isnan(preference(np.array([[0.2, np.nan], [np.nan, 0.1]]))).all()
    three = np.array([[0.2], [0.1], [0.6]])
    assert preference(three) == pytest.approx([(0.2 - 0.6) / 0.8])


@pytest.mark.parametrize(("right", "total"), [(0, 5), (5, 5), (3, 10), (211, 396)])
def test_wilson_is_scipys(right: int, total: int) -> None:
    expected = stats.binomtest(right, total).proportion_ci(0.95, "wilson")
    assert wilson(right, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_takes_halves_and_nothing() -> None:
    low, high = wilson(2.5, 5)
    assert wilson(2, 5)[0] < low < 0.5 < high < wilson(3, 5)[1]
    assert np.isnan(wilson(0, 0)).all()


@pytest.mark.parametrize(("more", "less", "same"), [(0, 0, 4), (1, 0, 0), (9, 2, 30), (30, 31, 5), (400, 300, 0)])
def test_mcnemar_is_scipys_sign_test(more: int, less: int, same: int) -> None:
    base, tuned = np.r_[np.zeros(more), np.ones(less + same)], np.r_[np.ones(more), np.zeros(less), np.ones(same)]
    found = mcnemar(base, tuned)
    assert found[:2] == (more, less)
    expected = stats.binomtest(more, more + less).pvalue if more + less else 1.0
    assert found[2] == pytest.approx(expected)
    assert mcnemar(tuned, base)[2] == found[2]


def test_halves_keep_groups_whole_and_follow_their_seed() -> None:
    groups = [f"twin {at // 2}" for at in range(20)]
    first = halves(groups, 0)
    assert first.sum() == 10
    assert (first[::2] == first[1::2]).all()
    assert (first == halves(groups, 0)).all()
    assert any((first != halves(groups, seed)).any() for seed in range(1, 5))


def test_a_head_is_scored_where_it_was_not_chosen() -> None:
    # Head 0 is right on the first half alone, head 1 on the second alone: chosen there, wrong here.
    first = np.array([True, True, False, False])
    credit = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    found, chosen = held_out(credit, first)
    assert chosen == (0, 1)
    assert found.tolist() == [0, 0, 0, 0]
    everywhere = np.c_[credit, np.ones(4)]
    assert held_out(everywhere, first)[0].tolist() == [0, 0, 0, 0]  # the earlier of two that are as good
    assert held_out(everywhere[:, ::-1], first)[0].tolist() == [1, 1, 1, 1]


def test_the_best_of_many_coins_is_right_by_selection_and_held_out_is_not() -> None:
    draws = np.random.default_rng(3)
    best, kept = [], []
    for seed in range(200):
        credit = draws.integers(0, 2, (24, 72)).astype(float)
        best.append(accuracy(credit).max())
        kept.append(held_out(credit, halves(range(24), seed))[0].mean())
    assert np.mean(best) > 0.65
    assert np.mean(kept) == pytest.approx(0.5, abs=0.025)
    assert np.median(best) * 24 == pytest.approx(lucky(24, 72), abs=0.5)


def test_heads_without_a_choice_are_never_best() -> None:
    credit = np.array([[np.nan, 0.0, np.nan], [np.nan, 0.5, 1.0]])
    assert accuracy(credit)[1:].tolist() == [0.25, 1]
    assert np.isnan(accuracy(credit)[0])
    assert best_head(credit) == 2


def test_luck_is_the_median_of_the_largest_binomial() -> None:
    for total, heads in ((10, 1), (22, 72), (24, 144)):
        cdf = stats.binom.cdf(np.arange(total + 1), total, 0.5) ** heads
        assert lucky(total, heads) == int(np.argmax(cdf >= 0.5))
    assert lucky(0, 5) == 0
