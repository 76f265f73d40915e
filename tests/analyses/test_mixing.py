"""Value zeroing against the definition, written out by hand: no model runs in it, and it shares no code with ours."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import attncompare
from attncompare import Pair, value_zeroing
from attncompare.errors import BadInput, UnsupportedModel
from attncompare.metrics.mixing import cosine_distance, mixing_rows
from attncompare.models.pair import unwrapped
from attncompare.models.reading import prepare
from tests.conftest import TEXT, tiny_pair
from tests.models import readers

FILM = "The film is not good, and the dialogue is painfully dull."


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, zeroed: int | None, *, causal: bool) -> Tensor:
    """Plain attention of ``[token, heads * dim]``, with the values of one token 0 in every head."""
    query, key, value = (x.unflatten(1, (-1, query.shape[1] // heads)).transpose(0, 1) for x in (query, key, value))
    key, value = (x.repeat_interleave(heads // len(x), dim=0) for x in (key, value.clone()))
    if zeroed is not None:
        value[:, zeroed] = 0
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if causal:
        scores = scores + torch.full(scores.shape[1:], -torch.inf, dtype=scores.dtype).triu(1)
    return (scores.softmax(-1) @ value).transpose(0, 1).flatten(1)


def normed(x: Tensor, norm: Any) -> Tensor:
    """LayerNorm."""
    spread = (x.var(-1, keepdim=True, unbiased=False) + norm.eps).sqrt()
    return (x - x.mean(-1, keepdim=True)) / spread * norm.weight + norm.bias


def linear(x: Tensor, layer: Any) -> Tensor:
    """A linear layer, or GPT-2's, whose weight lies the other way round."""
    weight = layer.weight if type(layer).__name__ == "Conv1D" else layer.weight.T
    return x @ weight + (0 if layer.bias is None else layer.bias)


def bert(block: Any, x: Tensor, heads: int, zeroed: int | None) -> Tensor:
    own, made = block.attention.self, block.attention.output
    given = attend(*(linear(x, part) for part in (own.query, own.key, own.value)), heads, zeroed, causal=False)
    middle = normed(linear(given, made.dense) + x, made.LayerNorm)
    wide = linear(middle, block.intermediate.dense)
    wide = wide * (1 + torch.erf(wide / math.sqrt(2))) / 2
    return normed(linear(wide, block.output.dense) + middle, block.output.LayerNorm)


def gpt2(block: Any, x: Tensor, heads: int, zeroed: int | None) -> Tensor:
    parts = linear(normed(x, block.ln_1), block.attn.c_attn).chunk(3, dim=1)
    middle = x + linear(attend(*parts, heads, zeroed, causal=True), block.attn.c_proj)
    wide = linear(normed(middle, block.ln_2), block.mlp.c_fc)
    wide = wide / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
    return middle + linear(wide, block.mlp.c_proj)


def llama(block: Any, x: Tensor, heads: int, zeroed: int | None) -> Tensor:
    def scaled(x: Tensor, norm: Any) -> Tensor:
        return x / (x.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon).sqrt() * norm.weight

    def turned(x: Tensor) -> Tensor:
        parts = x.unflatten(1, (-1, x_dim))
        half = x_dim // 2
        angles = torch.arange(len(x))[:, None, None] * 10000.0 ** (-torch.arange(half, dtype=x.dtype) / half)
        left, right = parts[..., :half], parts[..., half:]
        turned = left * angles.cos() - right * angles.sin(), right * angles.cos() + left * angles.sin()
        return torch.cat(turned, -1).flatten(1)

    own, x_dim = block.self_attn, x.shape[1] // heads
    query, key, value = (linear(scaled(x, block.input_layernorm), p) for p in (own.q_proj, own.k_proj, own.v_proj))
    middle = x + linear(attend(turned(query), turned(key), value, heads, zeroed, causal=True), own.o_proj)
    wide = scaled(middle, block.post_attention_layernorm)
    gate = linear(wide, block.mlp.gate_proj)
    return middle + linear(gate * torch.sigmoid(gate) * linear(wide, block.mlp.up_proj), block.mlp.down_proj)


BY_HAND: dict[str, tuple[Callable[..., Tensor], Callable[[Any], Any]]] = {
    "bert": (bert, lambda body: body.encoder.layer),
    "gpt2": (gpt2, lambda body: body.h),
    "llama": (llama, lambda body: body.layers),
}


def by_definition(model: Any, ids: Tensor, family: str) -> np.ndarray:
    """Mohebbi et al. 2023, section 3: ``[token, token]`` of all layers, in float64."""
    run, blocks = BY_HAND[family]
    body = copy.deepcopy(model).double().base_model
    with torch.no_grad():
        x = body(input_ids=ids, output_hidden_states=True).hidden_states[0][0]
        rolled = np.eye(len(x))
        for block in blocks(body):
            heads = body.config.num_attention_heads
            clean = run(block, x, heads, None)
            lost = [1 - torch.cosine_similarity(run(block, x, heads, j), clean, dim=1) for j in range(len(x))]
            distances = torch.stack(lost, dim=1).numpy()  # [output, zeroed]
            rolled = distances / distances.sum(1, keepdims=True) @ rolled
            x = clean
        if family == "bert":  # the others have a norm behind their layers
            assert x.numpy() == pytest.approx(body(input_ids=ids).last_hidden_state[0].numpy(), abs=1e-9)
    return rolled


@pytest.fixture(scope="module", params=BY_HAND)
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Pair]:
    family = str(request.param)
    return family, tiny_pair(tmp_path_factory.mktemp(family), family)


def test_it_is_what_the_definition_says(tiny: tuple[str, Pair]) -> None:
    family, pair = tiny
    found = value_zeroing(pair, TEXT)
    ids = pair.base.tokenizer(TEXT, return_tensors="pt")["input_ids"]
    for rows, side in ((found.base, pair.base), (found.tuned, pair.tuned)):
        expected = by_definition(side.model, ids, family)
        assert rows == pytest.approx(expected, abs=2e-5)
        assert rows.sum(1) == pytest.approx(1, abs=1e-6)
        assert np.abs(rows - rows.mean(1, keepdims=True)).max() > 0.1  # not uniform, where every way agrees
    assert np.abs(found.delta).max() > 0.01
    assert found.queries == tuple(range(len(found.tokens))) == tuple(range(ids.shape[1]))
    if pair.causal:
        assert found.base[np.triu_indices(len(found.base), 1)].max() < 1e-9  # a token's values reach no earlier one


def test_an_adapters_values_are_the_adapters(embedded_pair: Pair) -> None:
    found = value_zeroing(embedded_pair, FILM)
    ids = embedded_pair.base.tokenizer(FILM, return_tensors="pt")["input_ids"]
    merged = copy.deepcopy(embedded_pair.tuned.model).merge_and_unload()
    assert found.tuned == pytest.approx(by_definition(merged, ids, "bert"), abs=2e-5)
    assert found.base == pytest.approx(by_definition(unwrapped(embedded_pair.base.model), ids, "bert"), abs=2e-5)


def test_it_says_what_it_is(tiny: tuple[str, Pair]) -> None:
    found = value_zeroing(tiny[1], TEXT)
    plain = attncompare.rollout(tiny[1], TEXT)
    assert (found.mixer, plain.mixer) == ("value_zeroing", "rollout")
    assert found.to_dict()["mixer"] == "value_zeroing"
    assert found.log2_lift_base is found.log2_lift_tuned is None
    assert found.tokens == plain.tokens
    assert np.abs(found.base - plain.base).max() > 0.05


def test_words_are_merged_at_the_end() -> None:
    """Keys sum, queries average."""
    made = readers.pair("llama", readers.byte_level())
    tokens, words = value_zeroing(made, FILM), value_zeroing(made, FILM, level="word")
    spans = prepare(made, FILM, level="word").keys.base
    assert 1 < len(words.tokens) < len(tokens.tokens)
    expected = np.array([[tokens.base[np.ix_(rows, keys)].sum(1).mean() for keys in spans] for rows in spans])
    assert words.base == pytest.approx(expected, abs=1e-6)
    assert words.base.sum(1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("attention", ["self", "decoder"])
def test_both_stacks_of_an_encoder_decoder(attention: Any) -> None:
    pair = readers.pair("t5", readers.sentence_piece())
    found = value_zeroing(pair, FILM, target="Der Film ist nicht gut.", attention=attention)
    plain = attncompare.rollout(pair, FILM, target="Der Film ist nicht gut.", attention=attention)
    assert found.tokens == plain.tokens
    assert found.base.sum(1) == pytest.approx(1, abs=1e-6)
    above = found.base[np.triu_indices(len(found.base), 1)]
    assert bool(above.max() < 1e-9) is (attention == "decoder")


def test_what_it_is_not_for() -> None:
    pair = readers.pair("t5", readers.sentence_piece())
    with pytest.raises(BadInput, match="no value zeroing of cross-attention"):
        value_zeroing(pair, FILM, target="Der Film.", attention="cross")
    long = readers.pair("llama", readers.byte_level(), max_tokens=None)
    with pytest.raises(BadInput, match="ends at 512 of them and this text has"):
        value_zeroing(long, FILM * 40)


def test_attention_that_can_only_be_read_is_refused(tiny: tuple[str, Pair]) -> None:
    pair = tiny[1]
    dense = replace(pair, base=replace(pair.base, info=replace(pair.base.info, attention_path="dense")))
    with pytest.raises(UnsupportedModel, match="can be read but not changed.*rollout"):
        value_zeroing(dense, TEXT)


def test_it_can_be_stopped_and_leaves_the_models_as_they_were(tiny: tuple[str, Pair]) -> None:
    pair = tiny[1]
    before = value_zeroing(pair, TEXT)
    told: list[tuple[str, int, int]] = []

    def stop(step: str, done: int, total: int) -> None:
        told.append((step, done, total))
        if "tuned" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        value_zeroing(pair, TEXT, progress=stop)
    counts = [done for step, done, _ in told if step == "zeroing values in the base"]
    assert counts == sorted(counts)
    assert counts[-1] == 3 * len(before.tokens)
    assert np.array_equal(value_zeroing(pair, TEXT).tuned, before.tuned)
    hooks = [m for side in (pair.base, pair.tuned) for m in side.model.modules() if m._forward_pre_hooks]
    assert hooks == []


def test_an_output_that_no_values_change_is_made_of_itself() -> None:
    clean = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    distances = cosine_distance(clean.expand(6, -1, -1), clean)
    assert not distances.any(), "rounding is no change"
    assert torch.equal(mixing_rows(distances), torch.eye(6, dtype=torch.float64))
