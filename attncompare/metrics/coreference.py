"""Which candidate a pronoun looks at: scores, choices, shares, and how often choices are right.

The query is always the pronoun and the keys are a candidate's, never the reverse: in a causal model the reverse is 0 for
every candidate that stands before its pronoun. Knows no token and no model.
"""

from collections.abc import Hashable, Sequence
from math import comb, sqrt
from statistics import NormalDist

import numpy as np


def candidate_scores(rows: np.ndarray, keys: Sequence[Sequence[int]]) -> np.ndarray:
    """What the pronoun gives each candidate: mean over the pronoun's queries of the sum over the candidate's keys.

    The convention of Clark et al. 2019 (What does BERT look at?) for words of several pieces.

    Args:
        rows: ``[head, query, key]``, the rows of the pronoun's pieces alone. keys: each candidate's keys.

    Returns:
        ``[candidate, head]``, each in [0, 1].
    """
    return np.stack([rows[:, :, list(own)].sum(-1).mean(-1) for own in keys])


def uniform_scores(visible: np.ndarray, keys: Sequence[Sequence[int]]) -> np.ndarray:
    """The same for a head that attends uniformly to what the pronoun may see; ``visible`` is ``[query, key]``."""
    share = visible / visible.sum(-1, keepdims=True)
    return candidate_scores(share[None], keys)[:, 0]


def choices(scores: np.ndarray) -> np.ndarray:
    """Credit of each candidate: 1 for the one with the largest score, equal parts where several have it.

    ``scores`` are ``[candidate, *head]``, NaN for a candidate that can't be seen. Where fewer than two can, there is nothing
    to choose: NaN for all.
    """
    known = np.isfinite(scores)
    filled = np.where(known, scores, -np.inf)
    best = (filled == filled.max(0)) & known
    credit = best / np.maximum(best.sum(0), 1)
    return np.where(known.sum(0) > 1, credit, np.nan)


def maximum_attention(scores: np.ndarray) -> np.ndarray:
    """Maximum attention score: each candidate's share of what all heads give the candidate that they look at most.

    Klein & Nabi 2019 (Attention is (not) all you need for commonsense reasoning), over all axes of ``scores`` but the
    first. A head that ties counts for each of its candidates in part. Shares sum to 1; NaN where nothing is given. The
    formula is theirs and what goes into it is not: their code reads from candidate to pronoun and takes the largest of a
    word's pieces, here the pronoun looks and pieces are summed, so accuracies are not to be compared with theirs.
    """
    given = np.nan_to_num(scores) * np.nan_to_num(choices(scores))
    sums = given.reshape(len(given), -1).sum(1)
    return np.divide(sums, sums.sum(), out=np.full(len(sums), np.nan), where=sums.sum() > 0)


def preference(scores: np.ndarray) -> np.ndarray:
    """The first candidate's score minus the largest other's, over their sum: 1 only the first, -1 only another.

    0 where neither gets anything, NaN where either can't be seen.
    """
    first, rest = scores[0], scores[1:]
    known = np.isfinite(first) & np.isfinite(rest).any(0)
    other = np.where(np.isfinite(rest), rest, -np.inf).max(0)
    other = np.where(np.isfinite(other), other, 0)
    first = np.nan_to_num(first)
    total = first + other
    found = np.divide(first - other, total, out=np.zeros_like(total), where=total > 0)
    return np.where(known, found, np.nan)


def wilson(right: float | int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a share of ``total`` by Wilson's score (1927); ``right`` may hold halves, from ties. NaN for none."""
    if not total:
        return float("nan"), float("nan")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = right / total, 1 + z * z / total
    middle = share + z * z / (2 * total)
    reach = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max((middle - reach) / weight, 0.0), min((middle + reach) / weight, 1.0)


def mcnemar(base: np.ndarray, tuned: np.ndarray) -> tuple[int, int, float]:
    """Items on which tuned is righter, on which base is, and the exact two-sided p of so uneven a split by chance.

    McNemar 1947 in its exact form: a sign test over the items on which the two differ. Both are credits ``[item]``.
    """
    more, less = int((tuned > base).sum()), int((tuned < base).sum())
    differ = more + less
    tail = sum(comb(differ, k) for k in range(min(more, less) + 1))
    return more, less, min(2 * tail / 2**differ, 1.0)


def halves(groups: Sequence[Hashable], seed: int) -> np.ndarray:
    """Which items are in the first half, ``[item]``: half of the groups, drawn with ``seed``; a group is never split.

    Sentences that differ in a word belong in one group: split, one would tell about the other.
    """
    names = list(dict.fromkeys(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    first = {names[at] for at in order[: len(names) // 2]}
    return np.array([group in first for group in groups], dtype=bool)


def held_out(credit: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Each item's credit by the head that was best on the other half, and the heads chosen on the two halves.

    The best of many heads on the items that it was chosen on is right by selection; this is not.

    Args:
        credit: ``[item, head]``, NaN where a head has no choice. first: which items are in the first half; neither is empty.

    Returns:
        Credits ``[item]``, and the heads chosen on the first and on the second half (the earlier one where two are as good).
    """
    chosen = best_head(credit[first]), best_head(credit[~first])
    return np.where(first, credit[:, chosen[1]], credit[:, chosen[0]]), chosen


def best_head(credit: np.ndarray) -> int:
    """The head of ``credit [item, head]`` with the largest mean over the items on which it has a choice."""
    return int(np.argmax(np.nan_to_num(accuracy(credit), nan=-1.0)))


def accuracy(credit: np.ndarray) -> np.ndarray:
    """Mean credit over the items (first axis) that have one; NaN where none has."""
    count = np.isfinite(credit).sum(0)
    return np.divide(np.nansum(credit, 0), count, out=np.full(credit.shape[1:], np.nan), where=count > 0)


def lucky(total: int, heads: int) -> int:
    """How many of ``total`` items the best of so many heads has right in the middle case if each tosses a coin.

    The median of the largest of ``heads`` independent binomials; real heads are not independent, so it is a guide.
    """
    below = 0
    for right in range(total + 1):
        below += comb(total, right)
        if (below / 2**total) ** heads >= 0.5:
            return right
    return total
