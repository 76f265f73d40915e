"""Rows of plain calls against the family's own function, and their entropies against the definition."""

from dataclasses import replace

import pytest
import torch
import transformers
from torch import Tensor

from attncompare.models import routing, tap
from attncompare.models.calls import LayerCall
from attncompare.models.softmax import PlainRows
from tests.conftest import VOCABULARY, eager_attentions, installed_model, mean_normalised_entropy

PLAIN = ("bert", "gpt2", "llama", "mistral")
SCALE = 0.25


def recorded(family: str, ids: Tensor, mask: Tensor | None = None) -> list[LayerCall]:
    calls: list[LayerCall] = []
    inputs = {"input_ids": ids} if mask is None else {"input_ids": ids, "attention_mask": mask}
    # Wider weights give scores of 35, where the family's own float32 rows are off by 1e-6 too.
    model, layout = installed_model(family, seed=1, scale=SCALE)
    assert all(place.plain for place in layout)
    tap.record(model, inputs, [replace(place, plain=False) for place in layout], lambda _, call: calls.append(call))
    return [replace(call, plain=False) for call in calls]  # the reference is the own function


@pytest.mark.parametrize("family", PLAIN)
@pytest.mark.parametrize("padded", [None, "left", "right"])
def test_rows_are_the_familys_own(family: str, padded: str | None, ids: Tensor) -> None:
    mask = None
    if padded:
        mask = torch.ones_like(ids)
        mask[0, slice(5) if padded == "left" else slice(-5, None)] = 0
    real = slice(0, 24) if mask is None else slice(*((5, 24) if padded == "left" else (0, 19)))
    for call in recorded(family, ids, mask):
        plain = PlainRows(call)
        for start in range(real.start, real.stop, 7):  # the memory of a block is used again for the next
            stop = min(start + 7, real.stop)
            expected, visible = call.block(start, stop)
            for heads in (slice(0, 4), slice(0, 2), slice(2, 3), slice(3, 4)):
                rows, _ = plain.block(start, stop, heads)
                assert torch.allclose(rows, expected[heads], atol=1e-6, rtol=0)
                hidden = torch.zeros_like(rows, dtype=torch.bool) if visible is None else ~visible.expand_as(rows)
                assert rows[hidden].eq(0).all()
            seen = plain.visible(start, stop)
            assert seen is visible or (seen is not None and visible is not None and seen.equal(visible))


@pytest.mark.parametrize("family", PLAIN)
def test_blocks_and_rows_of_a_plain_call(family: str, ids: Tensor) -> None:
    model, _ = installed_model(family, seed=1, scale=SCALE)
    expected = eager_attentions(model, ids)
    assert mean_normalised_entropy(expected) < 0.8
    for call, rows in zip(recorded(family, ids), expected, strict=True):
        fast = replace(call, plain=True)
        block, visible = fast.block(3, 9)
        own, own_visible = call.block(3, 9)
        assert torch.allclose(block, own, atol=1e-6, rtol=0)
        assert (visible is None) == (own_visible is None)
        assert torch.allclose(fast.rows([3, 1], slice(4, 20)), rows[[3, 1], 4:20], atol=1e-5)


@pytest.mark.parametrize("family", PLAIN)
def test_entropies_come_with_the_rows(family: str, ids: Tensor) -> None:
    for call in recorded(family, ids):
        rows, entropy = PlainRows(call).block(2, 20, slice(0, 4), entropy=True)
        assert entropy is not None
        assert torch.allclose(entropy.double(), torch.special.entr(rows.double()).sum(-1), atol=2e-6)


def test_entropies_of_large_scores_keep_their_digits() -> None:
    """Scores of several hundred, as unnormalised queries and keys give: nothing may be lost to their size."""
    generator = torch.Generator().manual_seed(0)
    query, key = (40 * torch.randn(1, 2, 50, 8, generator=generator) for _ in range(2))
    key[..., 0], query[..., 0] = 1.0, 700.0  # every score moved by the same amount, which softmax does not see
    call = LayerCall(torch.nn.Identity(), query, key, None, 1.0, {}, causal_without_mask=True)
    rows, entropy = PlainRows(call).block(0, 50, slice(0, 2), entropy=True)
    scores = (query.double() @ key.double().mT)[0].masked_fill(~torch.ones(50, 50, dtype=torch.bool).tril(), -torch.inf)
    assert float(scores[..., 0].abs().max()) > 1000
    assert entropy is not None
    assert float(entropy.min()) >= 0
    assert torch.allclose(entropy.double(), torch.special.entr(rows.double()).sum(-1), atol=2e-6)
    assert torch.allclose(rows.double(), scores.softmax(-1), atol=1e-3)


def test_a_bias_of_each_head_is_added() -> None:
    """A float mask may carry a position bias, and one for each head."""
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(1, 4, 12, 8, generator=generator) for _ in range(2))
    bias = torch.randn(1, 4, 12, 12, generator=generator)
    bias[..., 7:] = torch.finfo(torch.float32).min
    call = LayerCall(torch.nn.Identity(), query, key, bias, 0.3, {}, causal_without_mask=False)
    expected = (query @ key.mT * 0.3 + bias).softmax(-1)[0]
    for heads in (slice(0, 4), slice(2, 3)):
        assert torch.allclose(PlainRows(call).block(5, 11, heads)[0], expected[heads, 5:11], atol=1e-6)


def test_half_precision_is_computed_in_float32(ids: Tensor) -> None:
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=1,
        intermediate_size=48,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config, dtype=torch.bfloat16).eval()
    layout = [replace(place, plain=False) for place in routing.install(model)]
    calls: list[LayerCall] = []
    tap.record(model, {"input_ids": ids}, layout, lambda _, call: calls.append(call))
    rows, _ = PlainRows(calls[0]).block(0, 24, slice(0, 4))
    assert rows.dtype == torch.float32
    assert float((rows.sum(-1) - 1).abs().max()) < 1e-6
    assert torch.allclose(rows, calls[0].block(0, 24)[0], atol=1e-6)
