"""Which way attention is read: the tap where it is exact, the dense way for code of its own, neither for what is no rows."""

import pytest
import torch
import transformers
from torch import nn

import attncompare
from attncompare.errors import BadInput, UnsupportedModel
from attncompare.models import routing, tap, traces
from attncompare.models.calls import AttentionCall, DenseCall
from tests.conftest import (
    CONFIGS,
    TEXT,
    VOCABULARY,
    draw_weights,
    eager_attentions,
    mean_normalised_entropy,
    tiny_tokenizer,
)

DENSE = {
    "bloom": transformers.BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=3, n_head=4),
    "gptj": transformers.GPTJConfig(
        vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, rotary_dim=4, bos_token_id=0, eos_token_id=0
    ),
    "deberta-v2": transformers.DebertaV2Config(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48,
        relative_attention=True, pos_att_type=["p2c", "c2p"],
    ),
    "xlm": transformers.XLMConfig(
        vocab_size=VOCABULARY, emb_dim=32, n_layers=3, n_heads=4, max_position_embeddings=64, pad_index=0
    ),
}  # fmt: skip


def drawn(config: transformers.PreTrainedConfig, dtype: torch.dtype = torch.float32) -> nn.Module:
    model = transformers.AutoModel.from_config(config).eval()
    draw_weights(model, seed=8)
    return model.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_tap_is_taken_in_every_precision(family: str, dtype: torch.dtype) -> None:
    """Half precision rounds differently in the two passes of the check; that is no reason to leave the tap."""
    model = drawn(CONFIGS[family], dtype)
    routing.install(model)
    assert routing.route(model) == ("tap-own" if family == "gemma2" else "tap")


@pytest.mark.parametrize("name", DENSE)
def test_families_with_code_of_their_own_take_the_dense_way(name: str, ids) -> None:
    model = drawn(DENSE[name])
    layout = routing.install(model)
    assert routing.route(model) == "dense"
    expected = eager_attentions(model, ids)
    assert mean_normalised_entropy(expected) < 0.8
    calls: list[AttentionCall] = []
    tap.record(model, {"input_ids": ids}, layout, lambda place, call: calls.append(call))
    assert routing.is_causal(layout) is (name in ("bloom", "gptj"))
    for call, rows in zip(calls, expected, strict=True):
        assert torch.allclose(call.rows([0, 1, 2, 3]), rows, atol=1e-6)
        assert torch.equal(call.visible(0, 24), rows.gt(0).any(0))
        block, visible = call.block(5, 9)
        assert torch.allclose(block, rows[:, 5:9, : block.shape[2]], atol=1e-6)
        assert (visible is None) is (name not in ("bloom", "gptj"))


def wrong_scaling(module, query, key, mask, options, own) -> None:
    HONEST(module, query, key, mask, {**options, "scaling": 1.0}, own)


def no_mask(module, query, key, mask, options, own) -> None:
    HONEST(module, query, key, None, {**options, "is_causal": False}, own)


HONEST = tap._report


@pytest.mark.parametrize(("report", "family"), [(wrong_scaling, "bert"), (no_mask, "llama")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_tap_that_is_not_exact_is_not_used(monkeypatch, report, family: str, dtype: torch.dtype) -> None:
    monkeypatch.setattr(tap, "_report", report)
    model = drawn(CONFIGS[family], dtype)
    routing.install(model)
    assert routing.route(model) == "dense"


@pytest.mark.parametrize(
    "config",
    [
        transformers.MambaConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2),
        transformers.SqueezeBertConfig(  # returns scores before the softmax
            vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
            embedding_size=32, q_groups=1, k_groups=1, v_groups=1, post_attention_groups=1, intermediate_groups=1,
            output_groups=1,
        ),
    ],
    ids=["mamba", "squeezebert"],
)  # fmt: skip
def test_what_is_no_attention_is_refused(config) -> None:
    with pytest.raises(UnsupportedModel, match="can't be read") as caught:
        routing.install(drawn(config))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def bloom_pair(tmp_path_factory) -> attncompare.Pair:
    folders = []
    for name, noise in (("base", 0.0), ("tuned", 0.1)):
        model = transformers.AutoModelForCausalLM.from_config(DENSE["bloom"]).eval()
        draw_weights(model, seed=5)
        torch.manual_seed(6)
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=noise)
        folders.append(tmp_path_factory.mktemp("bloom") / name)
        model.save_pretrained(folders[-1])
        tiny_tokenizer(causal=True).save_pretrained(folders[-1])
    return attncompare.load_pair(*folders, device="cpu")


def test_a_dense_pair_is_compared_like_any_other(bloom_pair) -> None:
    result = attncompare.compare(bloom_pair, TEXT)
    assert result.base.attention_path == "dense"
    assert all(check.passed for check in result.checks)
    assert result.outputs.kind == "next_token"
    top = result.movers[0]
    maps = result.head(top.layer, top.head)
    assert maps.jsd_bits == pytest.approx(float(result.heads["jsd_bits"][top.layer, top.head]), abs=1e-6)
    ids = bloom_pair.base.tokenizer(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        weights = bloom_pair.base.model(input_ids=ids, output_attentions=True).attentions[top.layer][0, top.head]
    assert torch.allclose(torch.tensor(maps.base).nan_to_num(0), weights, atol=1e-6)


def test_a_text_too_long_for_the_dense_way_says_what_fits(bloom_pair, monkeypatch) -> None:
    traces.TRACES.drop(lambda key: True)  # what is kept needs no more memory
    monkeypatch.setattr(traces, "available", lambda device: 2 * 4 * 3 * 4 * 10**2)
    with pytest.raises(BadInput, match="returns only as a whole.*shorten the text from 22 to 10 tokens"):
        attncompare.compare(bloom_pair, TEXT)


def test_rows_of_half_precision_are_made_to_sum_to_1() -> None:
    weights = torch.tensor([[[[1.0, 0.0], [0.25, 0.745]]]], dtype=torch.bfloat16)
    call = DenseCall.of(weights)
    assert call.causal
    assert call.rows([0]).sum(-1).flatten().tolist() == pytest.approx([1, 1])
