"""What tuning did to the weights, beside numpy's own decomposition of the difference and what adapted layers compute."""

import copy
import itertools
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from attncompare.errors import UnsupportedModel
from attncompare.models.change import CHANGES, Change, acting, changes, is_wrapped
from attncompare.models.checkpoint import any_folder, resolve
from attncompare.models.opening import load_pair
from attncompare.models.pair import PAIRS, Pair, unwrapped
from attncompare.models.twin import twin
from tests.conftest import draw_weights
from tests.families.configs import tiny_model
from tests.models.checkpoints import CONFIGS, model, refused
from tests.models.readers import side
from tests.models.test_kinds import CASES, fresh, logits, save_kind
from tests.models.test_two_adapters import bert_adapter

_COUNT = itertools.count()


def beside(base: Any, tuned: Any) -> Pair:
    """A pair of two models, for those who ask for their weights alone."""
    return Pair(
        side(base, None, "base"), side(tuned, None, "tuned"), key=f"weights {next(_COUNT)}", stacks={}, max_tokens=None,
        output_kind="none", labels=(), base_head="own", notes=(),
    )  # fmt: skip


def unheard(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def found(base: Any, tuned: Any) -> dict[str, Change]:
    """Changes by the full names of their weights."""
    listed = changes(beside(base, tuned), unheard)
    named = {f"{change.path}.{change.name}": change for change in listed}
    assert len(named) == len(listed)
    return named


def tuned_from(base: Any, seed: int = 3, by: float = 0.1) -> Any:
    """A copy all of whose weights were moved."""
    other = copy.deepcopy(base)
    torch.manual_seed(seed)
    for parameter in other.parameters():
        parameter.data += by * torch.randn_like(parameter)
    return other


@cache
def adapted(case: str) -> tuple[Any, Any]:
    """A base and its twin with an adapter of this kind, not to be modified."""
    kind, options = CASES[case]
    with tempfile.TemporaryDirectory() as folder:
        save_kind(Path(folder), kind, **options)
        base = fresh().requires_grad_(False)
        return base, twin(base, resolve(Path(folder), any_folder), task="SEQ_CLS")


def outermost(made: nn.Module) -> dict[str, nn.Module]:
    """peft's wrappers by path, but for those within another."""
    kept: dict[str, nn.Module] = {}
    for path, module in made.named_modules():
        if is_wrapped(module) and not any(path.startswith(f"{other}.") for other in kept):
            kept[path] = module
    return kept


def has_size(change: Change, difference: np.ndarray, rounding: float = 1e-5) -> None:
    """The change says the size of this difference: singular values (a stack's, matrix by matrix), or a vector's norm."""
    difference = np.asarray(difference, np.float64)
    assert change.norm == pytest.approx(np.linalg.norm(difference), rel=rounding)
    size = change.size.numpy()
    if difference.ndim == 1:
        np.testing.assert_allclose(size, [np.linalg.norm(difference)], rtol=rounding)
        assert change.rank is None
        return
    expected = np.linalg.svd(difference, compute_uv=False)
    assert change.rank == size.shape[-1]
    np.testing.assert_allclose(size, expected[..., : size.shape[-1]], atol=rounding * expected.max(), rtol=0)
    assert expected[..., size.shape[-1] :].max(initial=0) < rounding * expected.max()
    assert (np.diff(size, axis=-1) <= 0).all()


# ---- adapters


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("case", [case for case in CASES if case != "LILY"])
def test_acting_layers_compute_what_the_adapter_does(case: str) -> None:
    base, tuned = adapted(case)
    expected, alone = logits(tuned), logits(base)
    bare = copy.deepcopy(unwrapped(tuned))
    for path, wrapper in outermost(unwrapped(tuned)).items():
        bare.set_submodule(path, acting(wrapper))
    assert bare.state_dict().keys() == base.state_dict().keys(), "nothing of peft is left"
    assert torch.equal(logits(tuned), expected), "the twin itself was merged"
    assert torch.equal(logits(base), alone)
    assert (expected - alone).abs().max() > 1e-3
    torch.testing.assert_close(logits(bare), expected, atol=2e-4, rtol=1e-4)


def computed(layer: Any, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of an affine layer, from what it computes."""
    with torch.no_grad():
        bias = layer(torch.zeros(1, 1, width))[0, 0]
        weight = layer(torch.eye(width)[None])[0] - bias
    return weight.T.double().numpy(), bias.double().numpy()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("case", [case for case in CASES if case != "LILY"])
def test_the_change_of_an_adapted_layer_is_what_it_computes_otherwise(case: str) -> None:
    base, tuned = adapted(case)
    named = found(base, tuned)
    checked = 0
    for path, wrapper in outermost(unwrapped(tuned)).items():
        plain = base.get_submodule(path)
        if not isinstance(plain, nn.Linear) or path == "classifier":
            continue
        differences = [
            after - before
            for after, before in zip(
                computed(wrapper, plain.in_features), computed(plain, plain.in_features), strict=True
            )
        ]
        for name, difference in zip(("weight", "bias"), differences, strict=True):
            change = named.pop(f"{path}.{name}", None)
            if change is None:
                assert np.abs(difference).max() < 1e-5
            else:
                has_size(change, difference, rounding=1e-4)
                assert change.weight_norm == pytest.approx(float(plain.get_parameter(name).norm()))
                assert change.shape == tuple(plain.get_parameter(name).shape)
                checked += 1
    assert checked or case in ("LN_TUNING", "TRAINABLE_TOKENS")
    kinds = {type(base.get_submodule(change.path)) for change in named.values()}
    assert kinds <= {nn.Embedding, nn.LayerNorm, type(base.bert.pooler)} | ({nn.Linear} if "biases" in case else set())


def test_an_adapter_that_is_no_change_of_weights() -> None:
    base, tuned = adapted("LILY")
    pair = beside(base, tuned)
    with refused(UnsupportedModel, "kind LILY", "no random change of its size"):
        changes(pair, unheard)
    with refused(UnsupportedModel, "kind LILY"):  # and it isn't remembered as something else
        changes(pair, unheard)


@pytest.mark.parametrize(
    ("case", "rank", "low_rank"),
    [
        ("LORA", 8, True), ("rsLoRA", 4, True), ("LoRA of several strengths", 4, True), ("LoRA with biases", 4, True),
        ("LoRA with trained tokens", 4, True), ("LoRA with biases of its layers", 4, False), ("DoRA", 32, False),
        ("ADALORA", 4, False), ("VERA", 4, False), ("HRA", 4, False),
    ],
)  # fmt: skip
def test_rank_and_how_it_is_known(case: str, rank: int, low_rank: bool) -> None:
    named = found(*adapted(case))
    matrices = [change for change in named.values() if change.rank is not None]
    assert len(matrices) == 4
    assert {(change.rank, change.low_rank) for change in matrices} == {(rank, low_rank)}
    assert not any(change.low_rank for change in named.values() if change.rank is None)


def test_ranks_that_differ_from_layer_to_layer() -> None:
    named = found(*adapted("LoRA of several ranks"))
    assert {path.split(".")[3] + path.split(".")[6]: change.rank for path, change in named.items()} == {
        "0query": 4, "0value": 4, "1query": 2, "1value": 4,
    }  # fmt: skip


def test_a_lora_that_adds_the_same_direction_twice() -> None:
    """The rank is the change's, not the factors' width; a layer whose factors are zero has no change."""
    base, tuned = copy.deepcopy(adapted("rsLoRA"))
    layers = list(outermost(unwrapped(tuned).bert).values())
    for layer in layers[:2]:
        factor = layer.lora_B["default"].weight
        factor.data[:, 2:] = factor.data[:, :2] * (1.0 if layer is layers[0] else 0.0)
    layers[2].lora_B["default"].weight.data.zero_()
    layers[0].lora_A["default"].weight.data[2:] = layers[0].lora_A["default"].weight.data[:2]
    assert [change.rank for change in found(base, tuned).values()] == [2, 2, 4]


def from_files(folder: Path, scaling: float) -> dict[str, np.ndarray]:
    """A saved LoRA's changes by path, from its files alone."""
    stored = load_file(folder / "adapter_model.safetensors")
    paths = {name.split(".lora_")[0] for name in stored if ".lora_" in name}
    return {
        path.removeprefix("base_model.model."): scaling
        * (stored[f"{path}.lora_B.weight"].astype(np.float64) @ stored[f"{path}.lora_A.weight"].astype(np.float64))
        for path in paths
    }


@pytest.mark.usefixtures("no_pair_is_kept")
def test_two_adapters_on_one_base(ready: Path, tmp_path: Path) -> None:
    """The difference of both; where only one of them is, that one. The base's weights are those of its own adapter."""
    base = ready / "bert/base"
    both = [
        bert_adapter(tmp_path / "first", base, 7, r=4, lora_alpha=8, target_modules=["query", "value"]),
        bert_adapter(tmp_path / "second", base, 8, r=2, lora_alpha=6, target_modules=["query", "key"]),
    ]
    pair = load_pair(*both, device="cpu")
    named = {f"{change.path}.{change.name}": change for change in changes(pair, unheard)}
    first, second = from_files(both[0], 2.0), from_files(both[1], 3.0)
    assert {name.removesuffix(".weight") for name in named} == first.keys() | second.keys()
    plain = unwrapped(load_pair(tuned=both[0], device="cpu").base.model)
    for name, change in named.items():
        path = name.removesuffix(".weight")
        has_size(change, second.get(path, 0) - first.get(path, np.zeros((32, 32))), rounding=1e-4)
        merged = plain.get_submodule(path).weight.double().numpy() + first.get(path, 0)
        assert change.weight_norm == pytest.approx(np.linalg.norm(merged), rel=1e-5)
        # A LoRA that the tuned model lacks is taken away by merging, the others from factors.
        expected = {"query": (6, True), "key": (2, True), "value": (4, False)}[path.rpartition(".")[2]]
        assert (change.rank, change.low_rank) == expected


@pytest.mark.usefixtures("no_pair_is_kept")
def test_the_same_adapter_on_both_sides(ready: Path) -> None:
    assert changes(load_pair(ready / "bert/adapter", ready / "bert/adapter", device="cpu"), unheard) == ()


@pytest.mark.usefixtures("no_pair_is_kept")
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_lora_on_other_layers(ready: Path, family: str) -> None:
    """GPT-2 keeps its weights the other way round; llama's query and key differ in height."""
    folder = ready / family / "adapter"
    pair = load_pair(tuned=folder, device="cpu")
    named = {change.path: change for change in changes(pair, unheard)}
    expected = from_files(folder, 2.0)  # alpha 8, rank 4
    assert named.keys() == expected.keys()
    for path, change in named.items():
        has_size(change, expected[path])
        assert change.low_rank
        assert change.shape == unwrapped(pair.base.model).get_submodule(path).weight.shape


def test_a_small_change_in_half_precision(tmp_path: Path) -> None:
    """A twin adds its adapter's part to the activations, so the change is what the factors say and not what is left of it
    when it is rounded to the weight's own precision."""
    kind, options = CASES["VERA"]
    save_kind(tmp_path, kind, **options)
    base = fresh().requires_grad_(False).bfloat16()
    tuned = twin(base, resolve(tmp_path, any_folder), task="SEQ_CLS")
    layers = list(outermost(unwrapped(tuned).bert).values())
    for layer in layers:
        layer.vera_lambda_b["default"].data *= 1e-3
    wider = copy.deepcopy(unwrapped(tuned)).float()
    named = found(base, tuned)
    for path, wrapper in outermost(wider.bert).items():
        plain = copy.deepcopy(base.bert.get_submodule(path)).float()
        after, before = (computed(layer, plain.in_features)[0] for layer in (wrapper, plain))
        change = named[f"bert.{path}.weight"]
        assert change.norm == pytest.approx(np.linalg.norm(after - before), rel=0.02)
        assert change.rank == 4


# ---- full checkpoints

OUTSIDE = {
    "bert": "cls.", "gpt2": "lm_head.", "llama": "lm_head.", "t5": "lm_head.", "albert": "predictions.",
    "mixtral": "lm_head.", "gpt_oss": "lm_head.", "convbert": "generator_", "bart": "lm_head.", "opt": "lm_head.",
}  # fmt: skip
"""How the names of what is no part of the body begin."""


def wide(family: str) -> Any:
    made = tiny_model(family)
    draw_weights(made, seed=1, scale=0.2)
    return made


@pytest.mark.parametrize("family", OUTSIDE)
def test_every_weight_of_a_full_checkpoint(family: str) -> None:
    """Tied weights and shared layers once, under the name that comes first; output heads not at all."""
    base = wide(family)
    tuned = tuned_from(base)
    named = found(base, tuned)
    before, after = dict(base.named_parameters()), dict(tuned.named_parameters())
    assert list(named) == [name for name in before if name in named], "in the model's order"
    assert set(named) == {name for name in before if not name.startswith(OUTSIDE[family])}
    for name, change in named.items():
        old, new = (weights[name].double().numpy() for weights in (before, after))
        assert change.weight_norm == pytest.approx(np.linalg.norm(old), rel=1e-5)
        assert not change.low_rank
        if isinstance(base.get_submodule(change.path), nn.Embedding):
            assert change.rank is None
            assert change.size.numel() == 0
            assert torch.equal(change.tuned, after[name])
            assert change.norm == pytest.approx(np.linalg.norm(new - old), rel=1e-5)
        else:
            assert change.tuned is None
            difference = (new - old).reshape(change.shape)
            assert len(change.shape) <= (3 if "experts" in name else 2)
            has_size(change, difference)


@pytest.mark.parametrize(
    ("family", "where", "shape", "rank"),
    [
        ("mixtral", "experts.gate_up_proj", (4, 96, 32), 32),
        ("gpt_oss", "experts.down_proj", (4, 48, 32), 32),
        ("convbert", "key_conv_attn_layer.depthwise.weight", (32, 9), 9),
        ("convbert", "key_conv_attn_layer.pointwise.weight", (16, 32), 16),
        ("bert", "LayerNorm.bias", (32,), None),
        ("gpt2", "c_attn.weight", (32, 96), 32),
    ],
)
def test_weights_as_matrices(family: str, where: str, shape: tuple[int, ...], rank: int | None) -> None:
    base = wide(family)
    of = [change for name, change in found(base, tuned_from(base)).items() if name.endswith(where)]
    assert of
    assert {(change.shape, change.rank) for change in of} == {(shape, rank)}


@pytest.mark.parametrize(("family", "uses"), [("gpt2", 2), ("t5", 4), ("albert", 2)])
def test_tied_weights_are_one(family: str, uses: int) -> None:
    """The embedding is the output head too, and in T5 both stacks'; ALBERT runs one layer several times."""
    base = wide(family)
    held = base.get_input_embeddings().weight
    everywhere = [name for name, parameter in base.named_parameters(remove_duplicate=False) if parameter is held]
    assert len(everywhere) == uses
    assert sum(name in everywhere for name in found(base, tuned_from(base))) == 1


def test_a_rank_of_a_full_checkpoint() -> None:
    """A low-rank change of a dense checkpoint has its rank, and experts that did not change are zeros of the stack."""
    base = wide("mixtral")
    tuned = copy.deepcopy(base)
    generator = torch.Generator().manual_seed(0)
    layer = tuned.model.layers[1]
    layer.self_attn.q_proj.weight += torch.outer(*(torch.randn(32, generator=generator) for _ in range(2)))
    layer.mlp.experts.down_proj[2] += torch.randn(32, 3, generator=generator) @ torch.randn(3, 48, generator=generator)
    named = found(base, tuned)
    assert [(name.split("layers.1.")[1], change.rank) for name, change in named.items()] == [
        ("self_attn.q_proj.weight", 1),
        ("mlp.experts.down_proj", 3),
    ]
    size = named["model.layers.1.mlp.experts.down_proj"].size
    assert (size[[0, 1, 3]] < 1e-5).all()
    assert (size[2] > 1).all()


def test_nothing_changed() -> None:
    base = wide("bert")
    assert found(base, base) == {}
    assert found(base, copy.deepcopy(base)) == {}


def test_only_the_head_changed() -> None:
    base = fresh().requires_grad_(False)
    tuned = copy.deepcopy(base)
    tuned.classifier.weight += 1
    assert found(base, tuned) == {}


@pytest.mark.parametrize("tied", [True, False])
def test_a_head_beside_the_stacks(tied: bool) -> None:
    """T5 keeps its head beside encoder and decoder. Where it is the embedding it counts as that, else not at all."""
    base = tiny_model("t5").requires_grad_(False)
    if not tied:
        base.lm_head.weight = nn.Parameter(base.lm_head.weight.clone(), requires_grad=False)
    tuned = copy.deepcopy(base)
    tuned.lm_head.weight.data += 1
    assert list(found(base, tuned)) == (["shared.weight"] if tied else [])


def test_one_bias_changed() -> None:
    base = fresh().requires_grad_(False)
    tuned = copy.deepcopy(base)
    tuned.bert.encoder.layer[1].output.dense.bias[3] -= 0.5
    named = found(base, tuned)
    assert list(named) == ["bert.encoder.layer.1.output.dense.bias"]
    assert float(named["bert.encoder.layer.1.output.dense.bias"].size) == pytest.approx(0.5)


@pytest.mark.parametrize(("before", "after"), [(40, 45), (45, 40)])
def test_another_number_of_words(before: int, after: int) -> None:
    """Rows that both have are compared; all of the tuned rows are kept."""
    base, tuned = model("ForCausalLM", CONFIGS["gpt2"]), model("ForCausalLM", CONFIGS["gpt2"], seed=1)
    base.resize_token_embeddings(before)
    tuned.resize_token_embeddings(after)
    change = found(base.requires_grad_(False), tuned.requires_grad_(False))["transformer.wte.weight"]
    old, new = (made.transformer.wte.weight.double().numpy() for made in (base, tuned))
    assert change.tuned.shape == (after, 32)
    assert change.norm == pytest.approx(np.linalg.norm(new[:40] - old[:40]), rel=1e-5)
    assert change.weight_norm == pytest.approx(np.linalg.norm(old), rel=1e-5)


def test_new_words_alone_are_no_change() -> None:
    """There is nothing that a random change could be as large as."""
    base = fresh().requires_grad_(False)
    tuned = copy.deepcopy(base)
    tuned.resize_token_embeddings(45)
    assert torch.equal(tuned.bert.embeddings.word_embeddings.weight[:40], base.bert.embeddings.word_embeddings.weight)
    assert found(base, tuned.requires_grad_(False)) == {}


@pytest.mark.parametrize("sides", ["both", "base", "tuned"])
def test_integer_weights(sides: str) -> None:
    base = fresh().requires_grad_(False)
    tuned = tuned_from(base)
    where = "encoder.layer.1.attention.self.key"
    for made in {"both": (base, tuned), "base": (base,), "tuned": (tuned,)}[sides]:
        linear = made.bert.get_submodule(where)
        linear.weight = nn.Parameter((100 * linear.weight).to(torch.int8), requires_grad=False)
    with refused(UnsupportedModel, f"bert.{where}.weight is quantised", "can't be changed at random"):
        found(base, tuned)


def test_the_message_names_the_quantised_kind() -> None:
    """The tuned model may be the quantised one."""
    base = fresh().requires_grad_(False)
    tuned = tuned_from(base)
    linear = tuned.bert.encoder.layer[0].attention.self.key
    linear.weight = nn.Parameter((100 * linear.weight).to(torch.int8), requires_grad=False)
    with refused(UnsupportedModel, "(int8)"):
        found(base, tuned)


def test_integer_weights_that_did_not_change_are_left_alone() -> None:
    base = fresh().requires_grad_(False)
    linear = base.bert.encoder.layer[1].attention.self.key
    linear.weight = nn.Parameter((100 * linear.weight).to(torch.int8), requires_grad=False)
    tuned = copy.deepcopy(base)
    tuned.bert.encoder.layer[0].attention.self.key.weight += 1
    assert list(found(base, tuned)) == ["bert.encoder.layer.0.attention.self.key.weight"]


def test_half_precision_is_measured_in_single() -> None:
    base = wide("llama").bfloat16()
    tuned = tuned_from(base, by=0.01)
    before, after = dict(base.named_parameters()), dict(tuned.named_parameters())
    for name, change in found(base, tuned).items():
        if change.tuned is None:
            assert change.size.dtype == torch.float32
            has_size(change, after[name].double().numpy() - before[name].double().numpy())


# ---- once for a pair


class Watched:
    """Counts what progress is told, and stops the work where asked."""

    def __init__(self, stop: int | None = None) -> None:
        self.told: list[tuple[str, int, int]] = []
        self._stop = stop

    def __call__(self, step: str, done: int, total: int) -> None:
        self.told.append((step, done, total))
        if len(self.told) == self._stop:
            raise KeyboardInterrupt


@pytest.fixture
def kept() -> Iterator[Pair]:
    """A pair that the cache of pairs holds."""
    base = fresh().requires_grad_(False)
    pair = beside(base, tuned_from(base))
    yield PAIRS.get(pair.key, lambda: pair)
    PAIRS.drop(lambda key: key == pair.key)


def test_found_once_for_a_pair(kept: Pair) -> None:
    first, second = Watched(), Watched()
    assert changes(kept, first) is changes(kept, second)
    assert second.told == []
    steps = [done for _, done, _ in first.told]
    assert steps == sorted(set(steps))
    assert all(step and 0 <= done < total for step, done, total in first.told)


def test_forgotten_with_its_pair(kept: Pair) -> None:
    """Embeddings' changes hold the tuned model's weights."""
    changes(kept, unheard)
    PAIRS.drop(lambda key: key != kept.key)
    assert CHANGES.get_if_present(kept.key) is not None
    PAIRS.drop(lambda key: key == kept.key)
    assert CHANGES.get_if_present(kept.key) is None


def test_stopped_halfway(kept: Pair) -> None:
    with pytest.raises(KeyboardInterrupt):
        changes(kept, Watched(stop=5))
    assert CHANGES.get_if_present(kept.key) is None
    assert len(changes(kept, unheard)) > 5
