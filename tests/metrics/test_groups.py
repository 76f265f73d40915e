"""Mass on groups of keys against a loop over cells, and its null against rows that are even."""

import math

import pytest
import torch
from torch import Tensor

from attncompare.metrics.block import Block, Sight
from attncompare.metrics.groups import GroupSums, content_shares, even_shares
from attncompare.metrics.kernel import MIN_CONTENT_MASS

GROUPS = torch.tensor([[0, 1, 0, 0, 1, 0, 0], [0, 0, 0, 1, 0, 0, 0]], dtype=torch.bool)
CONTENT = torch.tensor([0, 1, 1, 1, 1, 1, 0], dtype=torch.bool)


def rows(seed: int, *, causal: bool = False) -> Tensor:
    """Peaked rows of 3 heads over 7 keys."""
    scores = 3 * torch.randn(3, 7, 7, generator=torch.Generator().manual_seed(seed))
    if causal:
        scores = scores.masked_fill(~torch.ones(7, 7, dtype=torch.bool).tril(), -torch.inf)
    return scores.softmax(-1)


def test_shares_against_a_loop_and_parts_sum_to_one() -> None:
    values = rows(0)
    found = content_shares(values, GROUPS, CONTENT)
    assert torch.allclose(found.sum(0), torch.ones(3, 7, dtype=torch.float64))
    for head in range(3):
        for query in range(7):
            content = sum(float(values[head, query, key]) for key in range(1, 6))
            first = float(values[head, query, 1]) + float(values[head, query, 4])
            assert float(found[0, head, query]) == pytest.approx(first / content, abs=1e-6)
            assert float(found[1, head, query]) == pytest.approx(float(values[head, query, 3]) / content, abs=1e-6)


def test_a_key_that_is_no_content_is_in_no_group() -> None:
    groups = torch.ones(1, 7, dtype=torch.bool)
    assert torch.equal(content_shares(rows(1), groups, CONTENT)[0], torch.ones(3, 7, dtype=torch.float64))


@pytest.mark.parametrize("causal", [False, True])
def test_uniform_rows_have_exactly_their_null(causal: bool) -> None:
    seen = torch.ones(7, 7, dtype=torch.bool)
    seen = seen.tril() if causal else seen
    even = (seen / seen.sum(-1, keepdim=True)).expand(2, -1, -1).float()
    sums = GroupSums(2, GROUPS, CONTENT)
    sums.add(Block(Sight(0, 7, 7, seen if causal else None), even, even))
    found = sums.shares()
    assert torch.allclose(found.base, found.even, atol=1e-7)
    assert torch.allclose(found.tuned, found.even, atol=1e-7)
    counted = range(1, 7) if causal else range(7)  # the first row of a causal model sees its sink alone
    expected = [sum(key in (1, 4) for key in range(1, 6) if not causal or key <= query) for query in counted]
    seen_content = [min(query, 5) if causal else 5 for query in counted]
    mean = sum(one / all_ for one, all_ in zip(expected, seen_content, strict=True)) / len(expected)
    assert found.even[0].tolist() == pytest.approx([mean, mean])
    assert found.rows.tolist() == pytest.approx([len(expected) / 7] * 2)


def test_the_null_of_a_row_counts_what_it_sees() -> None:
    seen = torch.ones(7, 7, dtype=torch.bool).tril()
    found = even_shares(seen, GROUPS, CONTENT)
    assert math.isnan(float(found[0, 0]))
    assert found[0, 1:].tolist() == pytest.approx([1, 1 / 2, 1 / 3, 2 / 4, 2 / 5, 2 / 5])
    assert found[1, 1:].tolist() == pytest.approx([0, 0, 1 / 3, 1 / 4, 1 / 5, 1 / 5])


def test_rows_on_a_sink_in_either_model_are_left_out_of_both() -> None:
    base, tuned = rows(2), rows(3)
    base[0, 2] = torch.tensor([1 - MIN_CONTENT_MASS / 2, MIN_CONTENT_MASS / 2, 0, 0, 0, 0, 0])
    tuned[1, 4] = torch.tensor([0, 0, 0, 0, 0, 0, 1.0])
    sums = GroupSums(3, GROUPS, CONTENT)
    sums.add(Block(Sight(0, 7, 7), base, tuned))
    found = sums.shares()
    for head in range(3):
        kept = [
            query
            for query in range(7)
            if min(float(side[head, query, 1:6].sum()) for side in (base, tuned)) >= MIN_CONTENT_MASS
        ]
        assert float(found.rows[head]) == pytest.approx(len(kept) / 7)
        for ours, values in ((found.base, base), (found.tuned, tuned)):
            expected = content_shares(values, GROUPS, CONTENT)[:, head, kept].mean(-1)
            assert ours[:, head].tolist() == pytest.approx(expected.tolist())
    assert float(found.rows[0]) < 1
    assert float(found.rows[1]) < 1


def test_blocks_by_queries_and_by_heads_give_the_same() -> None:
    base, tuned = rows(4, causal=True), rows(5, causal=True)
    seen = torch.ones(7, 7, dtype=torch.bool).tril()
    whole, parts = GroupSums(3, GROUPS, CONTENT), GroupSums(3, GROUPS, CONTENT)
    whole.add(Block(Sight(0, 7, 7, seen), base, tuned))
    for start, stop in ((0, 4), (4, 7)):
        sight = Sight(start, stop - start, stop, seen[start:stop, :stop])
        for heads in (slice(0, 1), slice(1, 3)):
            block = (side[heads, start:stop, :stop] for side in (base, tuned))
            parts.add(Block(sight, *block, heads))
    for name in ("base", "tuned", "even", "rows"):
        assert torch.allclose(getattr(whole.shares(), name), getattr(parts.shares(), name), equal_nan=True)


def test_no_row_with_content_is_not_measured() -> None:
    values = torch.zeros(1, 2, 7)
    values[..., 0] = 1
    sums = GroupSums(1, GROUPS, CONTENT)
    sums.add(Block(Sight(0, 2, 7), values, values))
    assert sums.shares().base.isnan().all()
