"""Every kind of adapter that peft knows: run exactly as peft runs it, beside an untouched base, or refused with a reason."""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_PREFIX_MAPPING
from torch import Tensor

from attncompare.errors import AttnCompareError, CheckpointError, PairMismatch, UnsupportedModel
from attncompare.models.checkpoint import any_folder, resolve
from attncompare.models.kinds import PREFIXES, check_kind
from attncompare.models.twin import twin
from tests.models.checkpoints import CONFIGS, edit_json, edit_weights, model, refused

LORA = {"r": 4, "target_modules": ["query", "value"]}
OPTIONS: dict[str, dict[str, Any]] = {
    "ADALORA": {"total_step": 10, "init_r": 4, "target_r": 4},
    "BOFT": {"boft_block_size": 4},
    "C3A": {"block_size": 8},
    "DEFT": {"r": 4},
    "FOURIERFT": {"n_frequency": 20},
    "GRALORA": {"r": 4, "gralora_k": 2},
    "HRA": {"r": 4},
    "IA3": {"target_modules": ["query", "value", "output.dense"], "feedforward_modules": ["output.dense"]},
    "LILY": {"r": 4, "num_B": 2},
    "LN_TUNING": {"target_modules": ["LayerNorm"]},
    "MISS": {"r": 4},
    "OFT": {"oft_block_size": 4, "r": 0},
    "PSOFT": {"r": 4},
    "PVERA": {"r": 4},
    "RANDLORA": {"r": 4},
    "ROAD": {"group_size": 8},
    "SHIRA": {"r": 2},
    "TINYLORA": {"r": 2},
    "TRAINABLE_TOKENS": {"target_modules": ["word_embeddings"], "token_indices": [4, 6]},
    "VBLORA": {"num_vectors": 10, "vector_length": 8, "r": 2},
    "VERA": {"r": 4},
    "WAVEFT": {"n_frequency": 20},
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "DoRA": ("LORA", LORA | {"use_dora": True}),
    "rsLoRA": ("LORA", LORA | {"use_rslora": True}),
    "LoRA with biases": ("LORA", LORA | {"bias": "all"}),
    "LoRA with biases of its layers": ("LORA", LORA | {"bias": "lora_only", "lora_bias": True}),
    "LoRA with trained tokens": ("LORA", LORA | {"trainable_token_indices": [4, 6]}),
    "LoRA on embeddings": ("LORA", LORA | {"target_modules": ["query", "word_embeddings"]}),
    "LoRA with a pooler": ("LORA", LORA | {"modules_to_save": ["pooler"]}),
    "LoRA of several ranks": ("LORA", LORA | {"rank_pattern": {"layer.1.attention.self.query": 2}}),
    "LoRA of several strengths": ("LORA", LORA | {"alpha_pattern": {"value": 3}}),
    "VeRA without its projections": ("VERA", {"r": 4, "save_projection": False}),
    "VB-LoRA's best vectors": ("VBLORA", OPTIONS["VBLORA"] | {"save_only_topk_weights": True}),
    "BAT": ("MISS", {"r": 4, "init_weights": "bat"}),
    "orthogonal HRA": ("HRA", {"r": 4, "apply_GS": True}),
    "full LoKr": ("LOKR", {"r": 4, "decompose_both": True, "decompose_factor": 4}),
}  # fmt: skip
IDS = torch.tensor([[2, 4, 5, 6, 7, 9, 3]])


def fresh() -> Any:
    """A base with wide weights: attention that is nearly uniform, as fresh weights give, shows no change."""
    made = model("ForSequenceClassification", CONFIGS["bert"])
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
    return made


def save_kind(folder: Path, kind: str, **options: Any) -> None:
    """An adapter of a kind with random weights, as peft saves it."""
    options = {"target_modules": ["query", "value"], "task_type": "SEQ_CLS"} | options
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = peft.get_peft_model(fresh(), PEFT_TYPE_TO_CONFIG_MAPPING[kind](**options))
        for parameter in made.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.2)
        made.save_pretrained(folder, save_embedding_layers=False)


def logits(made: Any) -> Tensor:
    with torch.no_grad():
        return made(input_ids=IDS).logits


def tensors(made: Any) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in (*made.named_parameters(), *made.named_buffers())}


CASES = {kind: (kind, OPTIONS.get(kind, {})) for kind in PREFIXES} | VARIANTS


@pytest.mark.parametrize("case", CASES)
def test_a_kind_is_what_peft_makes_of_it(tmp_path: Path, case: str) -> None:
    kind, options = CASES[case]
    save_kind(tmp_path, kind, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = logits(peft.PeftModel.from_pretrained(fresh(), str(tmp_path)).eval())
    base = fresh().requires_grad_(False)
    before, alone = tensors(base), logits(base)
    adapter = resolve(tmp_path, any_folder)
    check_kind(adapter)
    tuned = twin(base, adapter, task="SEQ_CLS")
    assert torch.equal(logits(tuned), expected)
    assert (expected - alone).abs().max() > 1e-3
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda side: [logits(side) for _ in range(10)], (base, tuned, tuned)))
    assert all(torch.equal(found, alone) for found in runs[0])
    assert all(torch.equal(found, expected) for run in runs[1:] for found in run)
    after = tensors(base)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(parameter.requires_grad for side in (base, tuned) for parameter in side.parameters())


def test_every_kind_of_peft_is_compared_or_refused_with_a_reason(tmp_path: Path) -> None:
    save_kind(tmp_path, "LORA")
    for kind in peft.PeftType:
        edit_json(tmp_path / "adapter_config.json", peft_type=kind.value)
        if kind.value not in PREFIXES:
            with refused(UnsupportedModel, f"of kind {kind.value!r}, which is not compared: "):
                check_kind(resolve(tmp_path, any_folder))
            continue
        check_kind(resolve(tmp_path, any_folder))
        assert PEFT_TYPE_TO_PREFIX_MAPPING[kind] == PREFIXES[kind.value]


def test_an_adalora_that_gave_up_ranks(tmp_path: Path) -> None:
    """After training peft saves only the ranks that were kept, and which those are."""
    config = peft.AdaLoraConfig(
        init_r=4, target_r=2, total_step=10, target_modules=["query", "value"], task_type="SEQ_CLS"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = peft.get_peft_model(fresh(), config)
    layers = [name for name, module in made.named_modules() if hasattr(module, "lora_E") and "default" in module.lora_E]
    pattern = {
        f"{name.removeprefix('base_model.model.')}.lora_E": [True, False, True, i % 2 == 0]
        for i, name in enumerate(layers)
    }
    made.peft_config["default"].rank_pattern = pattern
    made.base_model.resize_modules_by_rank_pattern(pattern, "default")
    for parameter in made.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.2)
    made.save_pretrained(tmp_path, save_embedding_layers=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = logits(peft.PeftModel.from_pretrained(fresh(), str(tmp_path)).eval())
    tuned = twin(fresh(), resolve(tmp_path, any_folder), task="SEQ_CLS")
    assert torch.equal(logits(tuned), expected)
    edit_json(tmp_path / "adapter_config.json", init_r=10**9)
    with refused(PairMismatch, "whether it was kept"):
        twin(fresh(), resolve(tmp_path, any_folder), task="SEQ_CLS")


@pytest.mark.parametrize("start", ["olora", "pissa", "pissa_niter_4", "loftq", "corda", "lora_ga", ["x"]])
def test_starts_that_edit_the_base(tmp_path: Path, start: object) -> None:
    save_kind(tmp_path, "LORA")
    edit_json(tmp_path / "adapter_config.json", init_lora_weights=start)
    with refused(UnsupportedModel, "changes the base's own weights", "init_lora_weights"):
        check_kind(resolve(tmp_path, any_folder))


def test_the_reason_for_refusing_olora(tmp_path: Path) -> None:
    """peft writes into the base's weights where neither addresses nor version counters show it."""
    save_kind(tmp_path, "LORA")
    edit_json(tmp_path / "adapter_config.json", init_lora_weights="olora")
    base = fresh()
    weight = base.bert.encoder.layer[0].attention.self.query.weight
    before, seen = weight.clone(), (weight.data_ptr(), weight._version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peft.PeftModel.from_pretrained(base, str(tmp_path))
    assert not torch.equal(weight, before)
    assert (weight.data_ptr(), weight._version) == seen


@pytest.mark.parametrize(
    ("kind", "changes", "error", "part"),
    [
        ("IA3", {"modules_to_save": ["(a+)+$"]}, UnsupportedModel, "names modules by the pattern '(a+)+$'"),
        ("LOKR", {"rank_pattern": {"^.*(a+)+$": 2}}, UnsupportedModel, "names modules by the pattern"),
        ("OFT", {"num_cayley_neumann_terms": 10**9}, UnsupportedModel, "num_cayley_neumann_terms 1000000000, at most 100"),
        ("PEANUT", {"depth": 10**9}, UnsupportedModel, "depth 1000000000, at most 1000"),
        ("VERA", {"r": 10**9}, PairMismatch, "doesn't fit"),
        ("LOHA", {"r": 10**8}, PairMismatch, "hada_w1_a is [32, 8]"),
        ("FOURIERFT", {"n_frequency": 500}, PairMismatch, "fourierft_spectrum is [20]"),
        ("LORA", {"r": "four"}, PairMismatch, "doesn't fit"),
        ("LORA", {"r": -4}, PairMismatch, "positive integer"),
        ("LORA", {"lora_alpha": None, "r": []}, AttnCompareError, ""),
    ],
)  # fmt: skip
def test_a_strangers_configuration(
    tmp_path: Path, kind: str, changes: dict[str, Any], error: type[AttnCompareError], part: str
) -> None:
    save_kind(tmp_path, kind, **OPTIONS.get(kind, {}))
    edit_json(tmp_path / "adapter_config.json", **changes)
    with pytest.raises(error) as caught:
        twin(fresh(), resolve(tmp_path, any_folder), task="SEQ_CLS")
    assert part in str(caught.value)
    assert isinstance(caught.value, AttnCompareError)


def test_patterns_in_ia3_are_replaced_by_what_the_weights_say(tmp_path: Path) -> None:
    save_kind(tmp_path, "IA3", **OPTIONS["IA3"])
    honest = logits(twin(fresh(), resolve(tmp_path, any_folder), task="SEQ_CLS"))
    for pattern in (r"([\w.]+)+!", r"([\w.]+)+(dense)$"):
        edit_json(tmp_path / "adapter_config.json", feedforward_modules=pattern, target_modules=pattern)
        assert torch.equal(logits(twin(fresh(), resolve(tmp_path, any_folder), task="SEQ_CLS")), honest)


def _without(part: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda stored: {name: value for name, value in stored.items() if part not in name}


def test_files_that_are_not_whole(tmp_path: Path) -> None:
    save_kind(tmp_path, "LOHA")
    edit_weights(tmp_path / "adapter_model.safetensors", _without("layer.1.attention.self.value.hada_w1_a"))
    with refused(CheckpointError, "lacks 1 of its weights, such as", "value.hada_w1_a"):
        twin(fresh(), resolve(tmp_path, any_folder), task="SEQ_CLS")
    edit_weights(tmp_path / "adapter_model.safetensors", _without("hada_"))
    edit_json(tmp_path / "adapter_config.json", target_modules=r"([\w.]+)+(query|value)!")
    with refused(CheckpointError, "has no weights of its kind LOHA"):
        twin(fresh(), resolve(tmp_path, any_folder), task="SEQ_CLS")


def test_weights_for_modules_that_the_base_lacks(tmp_path: Path) -> None:
    save_kind(tmp_path, "LOHA")
    edit_weights(
        tmp_path / "adapter_model.safetensors",
        lambda stored: {name.replace("layer.1.", "layer.7."): value for name, value in stored.items()},
    )
    with refused(PairMismatch, "doesn't fit this BertForSequenceClassification"):
        twin(fresh(), resolve(tmp_path, any_folder), task="SEQ_CLS")
