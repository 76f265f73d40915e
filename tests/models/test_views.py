"""Views of attention calls: fitted to a shorter call of the same layer, and with heads in other places."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from attncompare.models import routing, tap
from attncompare.models.calls import AttentionCall, DenseCall, LayerCall
from attncompare.models.merged import LeftOut, MergedCall, UnitIndex
from attncompare.models.views import AnyCall, Fitted, Shuffled
from tests.conftest import draw_weights
from tests.families.configs import tiny_model

TOKENS, PADDING, HEADS = 12, 5, 4
FAMILIES = {
    "bert": LayerCall, "gpt2": LayerCall, "llama": LayerCall, "mistral": LayerCall, "gemma2": LayerCall,
    "gpt_oss": LayerCall, "bloom": DenseCall,
}  # fmt: skip
BLOCKS = [(0, TOKENS), (0, 1), (3, 4), (2, 9), (TOKENS - 1, TOKENS), (5, TOKENS)]
ORDER = (2, 0, 3, 1)


@dataclass(frozen=True)
class Calls:
    """One layer of a model on a text alone, with padding behind it, and with a mask that hides nothing of it."""

    alone: AttentionCall
    padded: AttentionCall
    shown: AttentionCall


@cache
def calls(family: str) -> Calls:
    model: Any = tiny_model(family)
    draw_weights(model, seed=4, scale=0.2)
    layout = routing.install(model)
    ids = torch.randint(3, 99, (1, TOKENS), generator=torch.Generator().manual_seed(1))
    longer = torch.nn.functional.pad(ids, (0, PADDING), value=7)
    mask = (torch.arange(TOKENS + PADDING) < TOKENS).long()[None]

    def first(inputs: dict[str, Tensor]) -> AttentionCall:
        found: list[AttentionCall] = []
        tap.record(model, inputs, layout, lambda _, call: found.append(call))
        return found[1]

    shown = {"input_ids": longer, "attention_mask": torch.ones_like(longer)}
    return Calls(first({"input_ids": ids}), first({"input_ids": longer, "attention_mask": mask}), first(shown))


def seen(visible: Tensor | None, like: Tensor) -> Tensor:
    """Which keys are visible, as wide as the rows; None means all."""
    return torch.ones(like.shape[1:], dtype=torch.bool) if visible is None else visible


@pytest.mark.parametrize("family", FAMILIES)
def test_a_padded_call_is_the_call_without_padding(family: str) -> None:
    alone, padded = calls(family).alone, calls(family).padded
    assert isinstance(alone, FAMILIES[family])
    fitted = Fitted(padded, alone)
    assert (padded.queries, padded.keys - padded.null) == (TOKENS + PADDING,) * 2, "there is padding"
    for name in ("queries", "keys", "heads", "null", "device"):
        assert getattr(fitted, name) == getattr(alone, name)
    for start, stop in BLOCKS:
        (expected, hidden), (rows, visible) = alone.block(start, stop), fitted.block(start, stop)
        torch.testing.assert_close(rows, expected, atol=1e-6, rtol=0)
        assert torch.equal(seen(visible, rows), seen(hidden, expected))
        assert torch.equal(fitted.visible(start, stop), alone.visible(start, stop))
        torch.testing.assert_close(rows.sum(-1), torch.ones(HEADS, stop - start), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_causal_by_a_mask_and_by_itself(family: str) -> None:
    """Without padding a causal call has no mask and computes the keys before each block's end; with it, all keys."""
    alone, padded = calls(family).alone, calls(family).padded
    assert alone.causal_without_mask
    assert not padded.causal_without_mask
    assert alone.block(2, 5)[0].shape[-1] == 5
    assert padded.block(2, 5)[0].shape[-1] == TOKENS + PADDING
    assert Fitted(padded, alone).block(2, 5)[0].shape[-1] == 5


@pytest.mark.parametrize("family", FAMILIES)
def test_a_call_fits_itself(family: str) -> None:
    alone = calls(family).alone
    for start, stop in BLOCKS:
        (expected, hidden), (rows, visible) = alone.block(start, stop), Fitted(alone, alone).block(start, stop)
        assert torch.equal(rows, expected)
        assert (visible is None) == (hidden is None)
        assert torch.equal(seen(visible, rows), seen(hidden, rows))


def test_the_null_key_stays_the_last() -> None:
    """It takes what the sink leaves of a row, however many keys are cut away before it."""
    alone, padded = calls("gpt_oss").alone, calls("gpt_oss").padded
    assert alone.null
    fitted = Fitted(padded, alone)
    rows, visible = fitted.block(0, TOKENS)
    torch.testing.assert_close(rows[..., -1], 1 - alone.block(0, TOKENS)[0][..., :-1].sum(-1), atol=1e-5, rtol=0)
    assert rows[..., -1].mean() > 0.01, "the sink takes something"
    assert visible is not None
    assert visible[:, -1].all()
    assert fitted.visible(0, TOKENS)[:, -1].all()


def test_padding_that_is_seen_is_not_hidden_by_fitting() -> None:
    """The keys beyond are left out, not their mass: a mask that is wrong shows."""
    alone, shown = calls("bert").alone, calls("bert").shown
    rows = Fitted(shown, alone).block(0, TOKENS)[0]
    assert (rows - alone.block(0, TOKENS)[0]).abs().max() > 0.01
    assert float(rows.sum(-1).min()) < 0.99


@pytest.mark.parametrize("family", FAMILIES)
def test_shuffled_heads(family: str) -> None:
    alone = calls(family).alone
    shuffled = Shuffled(alone, ORDER)
    for name in ("queries", "keys", "heads", "null", "device"):
        assert getattr(shuffled, name) == getattr(alone, name)
    for start, stop in BLOCKS:
        (expected, hidden), (rows, visible) = alone.block(start, stop), shuffled.block(start, stop)
        for place, head in enumerate(ORDER):
            assert torch.equal(rows[place], expected[head])
            assert not torch.equal(rows[place], expected[place]) or stop == 1
        assert torch.equal(seen(visible, rows), seen(hidden, rows))
        assert torch.equal(shuffled.visible(start, stop), alone.visible(start, stop))


def test_views_of_views() -> None:
    alone, padded = calls("llama").alone, calls("llama").padded
    one, other = Shuffled(Fitted(padded, alone), ORDER), Fitted(padded, alone)
    back = Shuffled(one, [ORDER.index(head) for head in range(HEADS)])
    for start, stop in BLOCKS:
        assert torch.equal(back.block(start, stop)[0], other.block(start, stop)[0])


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_whatever_has_rows_is_a_call(family: str) -> None:
    alone, padded = calls(family).alone, calls(family).padded
    units = UnitIndex.of(tuple((at,) for at in range(TOKENS)), TOKENS)
    found = (alone, Fitted(padded, alone), Shuffled(alone, ORDER), MergedCall(alone, units, units, LeftOut()))
    assert all(isinstance(call, AnyCall) for call in found)
    assert not isinstance(units, AnyCall)


GROUPS = ((0,), (1, 2, 3), (5,), (6, 7), (8, 9), (11,))
"""Words over the tokens; 4 and 10 belong to none."""


def merged(call: AnyCall) -> MergedCall:
    units = UnitIndex.of(GROUPS, TOKENS)
    return MergedCall(call, units, units, LeftOut())


@pytest.mark.parametrize("family", FAMILIES)
def test_words_over_a_view(family: str) -> None:
    alone, padded = calls(family).alone, calls(family).padded
    plain, fitted, shuffled = merged(alone), merged(Fitted(padded, alone)), merged(Shuffled(alone, ORDER))
    for start, stop in [(0, 6), (0, 1), (1, 3), (2, 6)]:
        expected, hidden = plain.block(start, stop)
        rows, visible = fitted.block(start, stop)
        torch.testing.assert_close(rows, expected, atol=2e-6, rtol=0)
        assert torch.equal(seen(visible, rows), seen(hidden, expected))
        assert torch.equal(fitted.visible(start, stop), plain.visible(start, stop))
        assert torch.equal(shuffled.block(start, stop)[0], expected[list(ORDER)])
        assert torch.equal(shuffled.visible(start, stop), plain.visible(start, stop))
    assert fitted.left_out.share == pytest.approx(plain.left_out.share, abs=1e-6)
