"""Attention over units: golden values, naive loops, and what is asked of the call underneath."""

import random
from collections.abc import Sequence

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.models import merged, tap
from attncompare.models.calls import DenseCall, LayerCall
from attncompare.models.merged import LeftOut, MergedCall, UnitIndex, merge_map
from tests.conftest import installed_model

Groups = tuple[tuple[int, ...], ...]

GOLDEN = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.25] * 4, [0.7, 0.1, 0.1, 0.1]])
GOLDEN_WORDS = ((0,), (1, 2), (3,))
GOLDEN_MERGED = torch.tensor([[0.1, 0.5, 0.4], [0.325, 0.5, 0.175], [0.7, 0.2, 0.1]])
"""Clark et al. 2019, bpe_utils.get_word_word_attention(mode="mean")."""


def close(actual: Tensor, expected: Tensor, within: float = 1e-6) -> None:
    torch.testing.assert_close(actual, expected, atol=within, rtol=0)


def over(call: LayerCall | DenseCall, queries: Groups, keys: Groups | None = None) -> MergedCall:
    null = getattr(call, "null", False)
    query_units = UnitIndex.of(queries, call.queries)
    key_units = query_units if keys is None else UnitIndex.of(keys, call.keys - null)
    return MergedCall(call, query_units, key_units, LeftOut())


def random_groups(tokens: int, seed: int, *, drop: float = 0.0) -> Groups:
    """Runs of one to four tokens, some of which are left out."""
    draw = random.Random(seed)
    groups, at = [], 0
    while at < tokens:
        size = draw.randint(1, 4)
        if draw.random() >= drop:
            groups.append(tuple(range(at, min(at + size, tokens))))
        at += size
    return tuple(groups)


def random_rows(heads: int, queries: int, keys: int, seed: int) -> Float[Tensor, "head query key"]:
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(heads, queries, keys, generator=generator)).softmax(-1)


def naive(rows: Tensor, queries: Groups, keys: Groups, *, null: bool = False) -> Tensor:
    """One number at a time, in double precision."""
    shown = [[*group] for group in keys] + ([[rows.shape[-1] - 1]] if null else [])
    result = torch.zeros(len(rows), len(queries), len(shown), dtype=torch.float64)
    for head in range(len(rows)):
        for unit, tokens in enumerate(queries):
            for token in tokens:
                row = [sum(float(rows[head, token, k]) for k in group) for group in shown]
                for key, mass in enumerate(row):
                    result[head, unit, key] += mass / sum(row) / len(tokens)
    return result


def recorded(family: str, ids: Tensor) -> LayerCall:
    model, layout = installed_model(family, seed=3)
    calls: list[LayerCall] = []
    tap.record(model, {"input_ids": ids}, layout, lambda _, call: calls.append(call))
    return calls[1]


def whole(call: MergedCall, size: int) -> tuple[Tensor, Tensor]:
    """All rows and what they see, from blocks of ``size`` units."""
    rows, seen = (
        torch.zeros(call.heads, call.queries, call.keys),
        torch.zeros(call.queries, call.keys, dtype=torch.bool),
    )
    for start in range(0, call.queries, size):
        stop = min(start + size, call.queries)
        block, visible = call.block(start, stop)
        rows[:, start:stop, : block.shape[2]] = block
        seen[start:stop, : block.shape[2]] = True if visible is None else visible
    return rows, seen


def test_golden_values() -> None:
    call = over(DenseCall(GOLDEN[None], causal=False), GOLDEN_WORDS)
    rows, visible = call.block(0, 3)
    close(rows[0], GOLDEN_MERGED)
    assert visible is None
    assert call.left_out.share == 0
    units = UnitIndex.of(GOLDEN_WORDS, 4)
    close(merge_map(GOLDEN, units, units), GOLDEN_MERGED)


def test_what_goes_to_tokens_outside_is_left_out_and_told() -> None:
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.08, 0.02], [0.8, 0.1, 0.1]])
    call = over(DenseCall(rows[None], causal=False), ((1,), (2,)))
    close(call.block(0, 2)[0][0], torch.tensor([[0.8, 0.2], [0.5, 0.5]]))
    assert call.left_out.share == pytest.approx(0.85), "of the rows that are shown: that of the token outside isn't"


def test_rows_are_made_to_sum_to_one_before_they_are_averaged() -> None:
    rows = torch.tensor([[0.0, 1.0, 0.0], [0.98, 0.0, 0.02], [1 / 3, 1 / 3, 1 / 3]])
    call = over(DenseCall(rows[None], causal=False), ((0, 1), (2,)), ((1,), (2,)))
    close(call.block(0, 1)[0][0], torch.tensor([[0.5, 0.5]]))


@pytest.mark.parametrize("drop", [0.0, 0.3])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_every_family_merges_as_the_naive_sum_and_mean(family: str, ids: Tensor, size: int, drop: float) -> None:
    token_call = recorded(family, ids)
    groups = random_groups(ids.shape[1], seed=2, drop=drop)
    call = over(token_call, groups)
    tokens = token_call.rows(list(range(token_call.heads)))
    visible = token_call.visible(0, token_call.queries)
    rows, seen = whole(call, size)
    close(rows, naive(tokens, groups, groups).float(), within=5e-6)  # blocks of another size round their products anew
    assert seen.tolist() == [[bool(visible[list(q)][:, list(k)].any()) for k in groups] for q in groups]
    outside = [k for k in range(ids.shape[1]) if not any(k in group for group in groups)]
    inside = [q for group in groups for q in group]
    assert call.left_out.share == pytest.approx(float(tokens[:, inside][:, :, outside].sum(-1).mean()), abs=1e-6)
    assert bool(outside) == bool(drop)
    assert torch.equal(call.visible(1, 4), seen[1:4])
    close(call.rows([2, 0], slice(1, 3)), rows[[2, 0], 1:3], within=5e-6)


def test_both_sides_of_a_pair_have_the_same_shape_and_see_the_same(ids: Tensor) -> None:
    base, tuned = recorded("gpt2", ids), recorded("llama", ids[:, :17])
    calls = (
        over(base, ((1, 2), (3,), tuple(range(4, 20)), (20, 22, 23))),
        over(tuned, ((0,), (1, 2, 3), (4, 5, 6), (7, 9, 16))),
    )
    for start, stop in ((0, 1), (0, 4), (1, 3), (3, 4)):
        (a, sees), (b, sees_too) = (call.block(start, stop) for call in calls)
        assert a.shape == b.shape == (4, stop - start, stop), "a causal block ends at its last unit"
        assert sees is not None
        assert sees.equal(sees_too)
        assert sees.equal(torch.ones(4, 4, dtype=torch.bool).tril()[start:stop, :stop])
        for rows in (a, b):
            close(rows.sum(-1), torch.ones(4, stop - start))


@pytest.mark.parametrize("drop", [0.0, 0.4])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_merging_alone_is_exact(size: int, causal: bool, drop: float) -> None:
    rows = random_rows(3, 40, 40, seed=7)
    rows = rows.tril() / rows.tril().sum(-1, keepdim=True) if causal else rows
    groups = random_groups(40, seed=1, drop=drop)
    close(whole(over(DenseCall(rows, causal), groups), size)[0], naive(rows, groups, groups).float())


@pytest.mark.parametrize("drop", [0.0, 0.4])
def test_encoder_and_decoder_units_may_differ(drop: float) -> None:
    rows = random_rows(3, 11, 17, seed=1)
    queries, keys = random_groups(11, seed=3, drop=drop), random_groups(17, seed=4, drop=drop)
    call = over(DenseCall(rows, causal=False), queries, keys)
    assert (call.heads, call.queries, call.keys) == (3, len(queries), len(keys))
    close(whole(call, 2)[0], naive(rows, queries, keys).float())


@pytest.mark.parametrize("drop", [0.0, 0.4])
def test_a_null_key_stays_the_last_key(drop: float) -> None:
    rows = random_rows(2, 9, 10, seed=6)
    token_call = DenseCall(rows, causal=False, null=True)
    groups = random_groups(9, seed=8, drop=drop)
    call = over(token_call, groups)
    assert call.null
    assert call.keys == len(groups) + 1
    block, _ = call.block(0, call.queries)
    close(block, naive(rows, groups, groups, null=True).float())
    outside = [k for k in range(9) if not any(k in group for group in groups)]
    inside = [q for group in groups for q in group]
    assert call.left_out.share == pytest.approx(float(rows[:, inside][:, :, outside].sum(-1).mean()), abs=1e-6)
    assert call.visible(0, 1).all()
    assert call.visible(0, 1).shape == (1, call.keys)
    close(call.rows([1]), block[[1]])


def test_units_need_not_hang_together() -> None:
    rows = random_rows(2, 6, 6, seed=9)
    groups = ((0, 3), (1, 5), (4,))
    close(whole(over(DenseCall(rows, causal=False), groups), 1)[0], naive(rows, groups, groups).float())


def test_a_unit_that_gives_nothing_to_units_is_even_and_counted() -> None:
    rows = torch.tensor([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 0.5, 0.5, 0], [1.0, 0, 0, 0]])
    call = over(DenseCall(rows[None], causal=False), ((1,), (2, 3)))
    block, _ = call.block(0, 2)
    close(block[0], torch.tensor([[0.5, 0.5], [0.5, 0.5]]))
    assert call.left_out.blank_rows == 1, "the second unit has a token whose row says something"
    call = over(DenseCall(torch.tensor([[[1.0, 0, 0], [1, 0, 0], [1, 0, 0]]]), causal=True), ((1,), (2,)))
    close(whole(call, 2)[0][0], torch.tensor([[1.0, 0], [0.5, 0.5]]))


def test_a_trace_of_attention_to_units_still_counts() -> None:
    rows = torch.tensor([[1.0, 3e-30, 1e-30], [1.0, 0, 1e-38], [0.5, 0.5, 0]])
    call = over(DenseCall(rows[None], causal=False), ((0,), (1,)), ((1,), (2,)))
    close(call.block(0, 2)[0][0], torch.tensor([[0.75, 0.25], [0.5, 0.5]]))
    assert call.left_out.blank_rows == 1


class Watched(LayerCall):
    """Notes which queries it is asked for."""

    def block(self, start: int, stop: int):
        spans.append((start, stop))
        return super().block(start, stop)


spans: list[tuple[int, int]] = []


def watched(call: LayerCall) -> Watched:
    spans.clear()
    return Watched(
        call.module, call.query, call.key, call.mask, call.scaling, call.options, call.causal_without_mask
    )  # fmt: skip


def test_only_the_queries_of_a_block_are_computed(ids: Tensor) -> None:
    call = over(watched(recorded("gpt2", ids)), ((2, 3), (5,), (6, 7, 8), (10, 11)))
    call.block(1, 3)
    assert spans == [(5, 9)]


@pytest.mark.parametrize("family", ["gpt2", "bert", "mistral"])
def test_a_long_unit_is_computed_in_pieces(family: str, ids: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    token_call = recorded(family, ids)
    groups: Sequence[tuple[int, ...]] = (tuple(range(1, 18)), (18, 19), (21, 22, 23))
    expected = naive(token_call.rows(list(range(4))), tuple(groups), tuple(groups)).float()
    monkeypatch.setattr(merged, "CHUNK_CELLS", {"cpu": 1})
    monkeypatch.setattr(merged, "MIN_CHUNK", 5)
    call = over(watched(token_call), tuple(groups))
    rows, seen = whole(call, 2)
    close(rows, expected)
    assert spans == [(1, 6), (6, 11), (11, 16), (16, 20), (21, 24)]
    assert seen[2].all()


def test_maps_keep_their_precision_and_their_sum() -> None:
    rollout = random_rows(1, 12, 12, seed=4)[0].double()
    groups = random_groups(12, seed=5, drop=0.3)
    units = UnitIndex.of(groups, 12)
    over_units = merge_map(rollout, units, units)
    assert over_units.dtype == torch.float64
    torch.testing.assert_close(over_units, naive(rollout[None], groups, groups)[0], atol=1e-14, rtol=0)
    torch.testing.assert_close(over_units.sum(-1), torch.ones(len(groups), dtype=torch.float64))
    one = merge_map(rollout[3:4], UnitIndex.of(((0,),), 1), units)
    torch.testing.assert_close(one, naive(rollout[None], ((3,),), groups)[0], atol=1e-14, rtol=0)


def test_one_unit_a_token_changes_nothing(ids: Tensor) -> None:
    token_call = recorded("bert", ids)
    call = over(token_call, tuple((i,) for i in range(24)))
    assert torch.equal(call.block(3, 9)[0], token_call.block(3, 9)[0])


def test_nothing_measured_is_not_zero() -> None:
    assert LeftOut().share is None
