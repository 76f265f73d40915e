"""What families do to their rows beyond a softmax of products, against closed forms and naive loops."""

import math

import pytest
import torch
import transformers
from torch import Tensor, nn

from attncompare.errors import UnsupportedModel
from attncompare.models import routing, rules, tap
from attncompare.models.calls import AttentionCall, DenseCall, LayerCall
from attncompare.models.layout import Place
from tests.families.configs import SPECIAL, tiny_config, tiny_model
from tests.families.measure import SOURCE, family, text, weighted_model

pytestmark = pytest.mark.filterwarnings("ignore")


def recorded(name: str, **inputs: Tensor) -> list[tuple[Place, AttentionCall]]:
    found = family(name)
    return record(found.model, found.layout, **inputs)


def record(model: nn.Module, layout: tuple[Place, ...], **inputs: Tensor) -> list[tuple[Place, AttentionCall]]:
    calls: list[tuple[Place, AttentionCall]] = []
    tap.record(model, {**text(model), **inputs}, layout, lambda place, call: calls.append((place, call)))
    return calls


def naive_logits(call: LayerCall, head: int, query: int, scaling: float) -> Tensor:
    """One row of scaled products, key by key; grouped heads share the key head of their group."""
    group = call.query.shape[1] // call.key.shape[1]
    keys = call.key[0, head // group]
    return torch.stack([(call.query[0, head, query] * key).sum() * scaling for key in keys])


def test_soft_capping() -> None:
    for place, call in recorded("gemma2"):
        assert isinstance(call, LayerCall)
        assert not place.plain
        cap = call.options["softcap"]
        seen = call.visible(0, SOURCE)
        for head, query in [(0, 5), (3, 20)]:
            logits = torch.tanh(naive_logits(call, head, query, call.scaling) / cap) * cap
            expected = logits.masked_fill(~seen[query], -torch.inf).softmax(-1)
            assert torch.allclose(call.rows([head], slice(query, query + 1))[0, 0], expected, atol=1e-6)


def test_capping_shows_only_on_large_scores_and_is_found_there() -> None:
    """A cap of 50 bends small scores by less than rounding; such a layer must not be taken for plain."""
    config = tiny_config("gemma2")
    config.attn_logit_softcapping = 50.0
    model = transformers.AutoModel.from_config(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.02)
    assert not any(place.plain for place in routing.install(model))


@pytest.mark.parametrize("name", ["gpt_oss", "flint", "mimo_v2_flash", "inkling2_text"])
def test_a_logit_sink_is_the_last_key(name: str) -> None:
    calls = recorded(name)
    for place, call in calls:
        assert place.null
        assert call.null
        rows = call.rows(list(range(call.heads)))
        assert rows.shape[2] == call.keys == SOURCE + 1
        assert torch.allclose(rows.sum(-1), torch.ones(()), atol=1e-5)
        assert call.block(3, 9)[0].shape[2] == call.keys
    assert all(call.visible(0, SOURCE)[:, -1].all() for _, call in calls)
    taken = [float(call.rows(list(range(call.heads)))[..., -1].max()) for _, call in calls]
    assert max(taken) > 0.05
    if name == "mimo_v2_flash":  # only its local layers have sinks; the first one is global
        assert taken[0] < 1e-6


def test_the_null_mass_is_the_sinks_share() -> None:
    for _, call in recorded("gpt_oss"):
        assert isinstance(call, LayerCall)
        seen = call.visible(0, SOURCE)[:, :-1]
        for head, query in [(1, 0), (2, 17)]:
            logits = naive_logits(call, head, query, call.scaling).masked_fill(~seen[query], -torch.inf)
            expected = torch.cat((logits, call.module.sinks[head : head + 1])).softmax(-1)
            assert torch.allclose(call.rows([head], slice(query, query + 1))[0, 0], expected, atol=1e-6)


def test_a_sink_that_scales_the_output_takes_nothing_from_rows() -> None:
    """Granite's eager code returns rows that sum to 1 and multiplies the output by what its sink leaves."""
    for place, call in recorded("granite_swa"):
        assert not place.null
        assert not place.plain
        assert call.keys == SOURCE


def test_null_mass_of_the_dense_way() -> None:
    for place, call in recorded("hy_v4"):
        assert isinstance(call, DenseCall)
        assert place.null
        assert call.null
        assert call.keys == SOURCE + 1
        assert call.block(3, 9)[1].tolist()[0] == [True] * 4 + [False] * (SOURCE - 4) + [True]


@pytest.mark.parametrize(
    ("name", "reach"), [("mistral", [8] * 4), ("gemma3_text", [8, SOURCE] * 2), ("gpt_oss", [8, SOURCE] * 2)]
)
def test_windows_by_layer(name: str, reach: list[int]) -> None:
    for (place, call), window in zip(recorded(name), reach, strict=True):
        visible = call.visible(0, SOURCE)[:, :SOURCE]
        for query in range(SOURCE):
            assert visible[query].tolist() == [query - window < key <= query for key in range(SOURCE)], place


def test_a_window_to_both_sides() -> None:
    local = [call.visible(0, SOURCE) for _, call in recorded("modernbert") if not call.visible(0, SOURCE).all()]
    assert local
    for visible in local:
        assert visible.tolist() == [[abs(query - key) <= 8 for key in range(SOURCE)] for query in range(SOURCE)]


def test_chunks() -> None:
    local = [call.visible(0, SOURCE) for _, call in recorded("llama4_text")]
    expected = [[query // 8 * 8 <= key <= query for key in range(SOURCE)] for query in range(SOURCE)]
    assert [visible.tolist() == expected for visible in local] == [True, True, True, False]


@pytest.mark.parametrize("name", ["bloom", "mpt"])
def test_alibi(name: str) -> None:
    """Without queries the scores are the linear bias alone: slope 2^(-2h) for four heads, times the distance."""
    model = tiny_model(name)
    for key, parameter in model.named_parameters():
        nn.init.normal_(parameter, std=0.0 if "query_key_value" in key or "Wqkv" in key else 0.3)
    for _, call in record(model, routing.install(model)):
        rows = call.rows([0, 1, 2, 3])
        for head in range(4):
            slope = 2.0 ** (-2 * (head + 1))
            for query in (3, 23):
                weights = [math.exp(-slope * (query - key)) for key in range(query + 1)]
                expected = torch.tensor(weights) / sum(weights)
                assert torch.allclose(rows[head, query, : query + 1], expected, atol=1e-5)


def test_falcon_is_read_with_its_own_mask() -> None:
    """Falcon can't be switched by transformers' own call; under SDPA's mask its eager code would look into the future."""
    found = family("falcon")
    assert found.route == "dense"
    assert routing.is_causal(found.layout)
    assert all(call.rows([0, 1, 2, 3]).triu(1).abs().max() == 0 for _, call in record(found.model, found.layout))


def test_eager_code_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Falcon's eager code adds its linear biases twice, SDPA once: its weights are not what the model runs on."""
    monkeypatch.setitem(SPECIAL, "falcon", {"alibi": True})
    found = family("falcon")
    assert "with its weights returned it computes something else than without" in found.reason


@pytest.mark.parametrize("name", ["llama", "gpt_bigcode", "deepseek_v3"])
def test_grouped_single_and_latent_keys(name: str) -> None:
    for place, call in recorded(name):
        assert isinstance(call, LayerCall)
        assert place.plain
        for head, query in [(0, 4), (1, 11), (3, 23)]:
            logits = naive_logits(call, head, query, call.scaling)
            expected = logits[: query + 1].softmax(-1)
            assert torch.allclose(call.rows([head], slice(query, query + 1))[0, 0, : query + 1], expected, atol=1e-5)
    assert call.key.shape[1] == {"llama": 2, "gpt_bigcode": 1, "deepseek_v3": 4}[name]


def bucket(distance: int, *, both_ways: bool) -> int:
    """T5's bucket of a key ``distance`` tokens behind a query, of 8 buckets up to a distance of 16."""
    first, buckets = 0, 8
    if both_ways:
        buckets = 4
        first, distance = (4, -distance) if distance < 0 else (0, distance)
    distance = max(distance, 0)
    if distance < buckets // 2:
        return first + distance
    farther = math.log(distance / (buckets // 2)) / math.log(16 / (buckets // 2)) * (buckets - buckets // 2)
    return first + min(buckets // 2 + int(farther), buckets - 1)


def test_position_bias_of_t5() -> None:
    """Without queries the scores are the bias of the distance's bucket, and cross attention is uniform."""
    model = weighted_model("t5")
    for key, parameter in model.named_parameters():
        if key.endswith((".q.weight", ".k.weight")):
            parameter.zero_()
    for place, call in record(model, routing.install(model)):
        rows = call.rows([2])[0]
        if place.attention == "cross":
            assert torch.allclose(rows, torch.full((), 1 / SOURCE))
            continue
        stack = model.encoder if place.attention == "self" else model.decoder
        table = stack.block[0].layer[0].SelfAttention.relative_attention_bias.weight[:, 2]
        causal = place.attention == "decoder"
        for query in (0, 5, 12):
            keys = range(query + 1 if causal else call.keys)
            bias = torch.stack([table[bucket(query - key, both_ways=not causal)] for key in keys])
            assert torch.allclose(rows[query, : len(keys)], bias.softmax(-1), atol=1e-5)


@pytest.mark.parametrize("name", ["bart", "t5", "fsmt"])
def test_stacks_are_told_apart_where_source_and_target_are_equally_long(name: str) -> None:
    found = family(name)
    ids = text(found.model)["input_ids"]
    inputs = {"input_ids": ids, "decoder_input_ids": ids.flip(1)}
    calls = record(found.model, found.layout, **inputs)
    assert [place for place, _ in calls] == list(found.layout)
    with torch.no_grad():
        theirs = found.reference(**inputs, use_cache=False, output_attentions=True)
    maps = {"self": theirs.encoder_attentions, "decoder": theirs.decoder_attentions, "cross": theirs.cross_attentions}
    for place, call in calls:
        assert torch.allclose(call.rows([0, 1, 2, 3]), maps[place.attention][place.layer][0], atol=1e-5)
    assert [routing.is_causal(found.layout, kind) for kind in maps] == [False, True, False]
    assert [(place.attention, place.layer) for place in found.layout] == [
        ("self", 0), ("self", 1), ("self", 2), ("decoder", 0), ("cross", 0), ("decoder", 1), ("cross", 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "layers"),
    [("albert", [0, 1, 2, 3]), ("hrm_text", list(range(32))), ("zamba", [2, 5]), ("jamba", [1, 3]), ("lfm2", [1, 3])],
)
def test_layers_have_the_models_own_numbers(name: str, layers: list[int]) -> None:
    assert [place.layer for place in family(name).layout] == layers


@pytest.mark.parametrize(("name", "kinds"), [("led", {"decoder", "cross"}), ("longt5", {"decoder", "cross"})])
def test_a_decoder_is_read_above_an_encoder_that_is_not(name: str, kinds: set[str]) -> None:
    assert {place.attention for place in family(name).layout} == kinds


def test_keys_chosen_by_a_sparse_indexer_are_read_the_dense_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule holds where the self-check can't see: on a text shorter than the number of chosen keys."""
    monkeypatch.setitem(SPECIAL, "deepseek_v32", {"index_topk": 2048})
    assert family("deepseek_v32").route == "dense"
    monkeypatch.setattr(rules, "selects_keys", lambda calls: False)
    assert family("deepseek_v32").route == "tap"


@pytest.mark.parametrize("name", ["deepseek_v32", "hy_v4", "minimax_m3_vl_text"])
def test_the_self_check_catches_a_sparse_indexer_on_the_tap(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "selects_keys", lambda calls: False)
    assert family(name).route == "dense"


@pytest.mark.parametrize("name", ["gpt_oss", "nllb-moe", "splinter", "gemma2"])
def test_the_self_check_catches_sdpa_where_a_family_does_not_support_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SDPA drops sinks, or takes a bidirectional layer for causal, without an error."""
    model = weighted_model(name) if name != "splinter" else splinter()
    assert not type(model)._supports_sdpa
    monkeypatch.setattr(type(model), "_supports_sdpa", True)
    routing.install(model)
    assert routing.route(model) == "dense"


def splinter() -> nn.Module:
    model = transformers.SplinterModel(
        transformers.SplinterConfig(
            vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
        )
    ).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.35)
    return model


def test_sparse_blocks_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECIAL, "big_bird", {"attention_type": "block_sparse"})
    model = weighted_model("big_bird")
    with pytest.raises(UnsupportedModel, match="with attention_type original_full in its config.json it can be"):
        routing.install(model)
    assert model.config.attention_type == "block_sparse"


@pytest.mark.parametrize("name", ["gpt_oss", "gemma2", "t5", "modernbert", "deepseek_v3", "hy_v4", "bloom"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rows_of_half_precision_models_are_close_and_sum_to_1(name: str, dtype: torch.dtype) -> None:
    half = weighted_model(name).to(dtype)
    layout = routing.install(half)
    assert {place.null for place in layout} == {place.null for place in family(name).layout}
    for (_, call), (_, exact) in zip(record(half, layout)[:1], recorded(name)[:1], strict=True):
        heads = list(range(call.heads))
        rows, expected = call.rows(heads), exact.rows(heads)
        assert rows.dtype == torch.float32
        assert torch.allclose(rows.sum(-1), torch.ones(()), atol=1e-5)
        assert float((rows - expected).abs().sum(-1).mean() / 2) < 0.05


def test_another_number_of_calls_than_at_load_is_an_error() -> None:
    found = family("bert")
    with pytest.raises(UnsupportedModel, match="made 4 or more attention calls on this text where it made 3"):
        record(found.model, found.layout[:-1])
    with pytest.raises(UnsupportedModel, match="made 4 attention calls on this text where it made 5"):
        record(found.model, (*found.layout, found.layout[-1]))
