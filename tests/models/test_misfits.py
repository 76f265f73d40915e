"""Full checkpoints that make no pair, or no model, and what is said about them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from attncompare.errors import CheckpointError, PairMismatch, UnsupportedModel
from attncompare.models.opening import load_pair
from tests.models.checkpoints import (
    config,
    edit_json,
    edit_weights,
    model,
    refused,
    save,
)

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")


def test_pairs_of_different_shape(ready: Path, tmp_path: Path) -> None:
    other = save(model("", config("bert", num_hidden_layers=3, num_attention_heads=8)), tmp_path / "other")
    (other / "model.safetensors").write_bytes((ready / "bert/base/model.safetensors").read_bytes())  # never read
    with refused(PairMismatch, "differ in layers 3 against 2, query heads 8 against 4"):
        load_pair(other, ready / "bert/tuned", device="cpu")
    with refused(PairMismatch, "model type gpt2 against bert"):
        load_pair(ready / "gpt2/base", ready / "bert/tuned", device="cpu")


@pytest.mark.parametrize("side", ["base", "tuned"])
def test_missing_body_weights(ready: Path, folder: Callable[[str], Path], side: str) -> None:
    paths = {name: ready / "bert" / name for name in ("base", "tuned")} | {side: folder(f"bert/{side}")}
    edit_weights(paths[side] / "model.safetensors", lambda t: {name: t[name] for name in t if "layer.1" not in name})
    with refused(CheckpointError, repr(str(paths[side])), "lacks 16 of its model's weights", "layer.1"):
        load_pair(paths["base"], paths["tuned"], device="cpu")


def test_weights_that_do_not_fit_their_configuration(ready: Path, folder: Callable[[str], Path]) -> None:
    base = folder("bert/base")
    edit_json(base / "config.json", vocab_size=41)
    with refused(CheckpointError, "don't fit its config.json", "(40, 32), expected (41, 32)"):
        load_pair(base, ready / "bert/tuned", device="cpu")


@pytest.mark.parametrize("changes", [{"num_hidden_layers": 10**9}, {"vocab_size": 10**12}])
def test_configurations_too_large_for_their_weights(folder: Callable[[str], Path], changes: dict[str, int]) -> None:
    base, tuned = folder("bert/base"), folder("bert/tuned")
    for path in (base, tuned):
        edit_json(path / "config.json", **changes)
    with refused(CheckpointError, "config.json of", "describes", "but its weights hold"):
        load_pair(base, tuned, device="cpu")


@pytest.mark.parametrize("changes", [{"hidden_size": "wide"}, {"num_hidden_layers": -1}, {"hidden_act": "none such"}])
def test_configurations_that_make_no_model(folder: Callable[[str], Path], changes: dict[str, Any]) -> None:
    base, tuned = folder("bert/base"), folder("bert/tuned")
    for path in (base, tuned):
        edit_json(path / "config.json", **changes)
    with refused(CheckpointError, "bert-"):
        load_pair(base, tuned, device="cpu")


def test_models_that_are_not_compared(ready: Path, tmp_path: Path, folder: Callable[[str], Path]) -> None:
    base = folder("bert/base")
    edit_json(base / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    with refused(UnsupportedModel, "quantised weights", "from before quantisation", "dtype='bfloat16'"):
        load_pair(base, ready / "bert/tuned", device="cpu")


def test_quantised_weights_without_a_word(ready: Path, folder: Callable[[str], Path]) -> None:
    """8-bit floating point would load without an error, and without the scales that belong to it."""
    base = folder("bert/base")
    name = "encoder.layer.0.output.dense.weight"
    edit_weights(base / "model.safetensors", lambda t: t | {name: t[name].to(torch.float8_e4m3fn)})
    with refused(UnsupportedModel, "quantised weights (F8_E4M3)"):
        load_pair(base, ready / "bert/tuned", device="cpu")


def test_every_misfit_is_named_at_once(ready: Path, tmp_path: Path) -> None:
    other = save(model("", config("bert", num_hidden_layers=3, hidden_size=64, vocab_size=50)), tmp_path / "other")
    with refused(
        PairMismatch, "differ in layers 3 against 2, hidden size 64 against 32, vocabulary 50 against 40: give"
    ):
        load_pair(other, ready / "bert/tuned", device="cpu")


def test_experts_by_the_million(tmp_path: Path) -> None:
    mixture = transformers.MixtralConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=48, num_local_experts=4, max_position_embeddings=64,
    )  # fmt: skip
    path = save(model("ForCausalLM", mixture), tmp_path / "mixture")
    load_pair(path, path, device="cpu")
    edit_json(path / "config.json", num_local_experts=10**9)
    with refused(CheckpointError, "describes 1000000000 experts, but its weights hold"):
        load_pair(path, path, device="cpu")


def test_code_in_a_checkpoint_is_never_run(ready: Path, folder: Callable[[str], Path]) -> None:
    tuned = folder("bert/tuned")
    (tuned / "modeling.py").write_text("raise SystemExit('this ran')")
    auto = {"AutoConfig": "modeling.C", "AutoModel": "modeling.M", "AutoModelForSequenceClassification": "modeling.M"}
    edit_json(tuned / "config.json", auto_map=auto)
    assert load_pair(ready / "bert/base", tuned, device="cpu").output_kind == "label"
    edit_json(tuned / "config.json", architectures=["ModelOfMine"])
    with refused(CheckpointError, "needs Python code", "never run"):
        load_pair(ready / "bert/base", tuned, device="cpu")
    edit_json(tuned / "config.json", model_type="mine")
    with refused(CheckpointError, "needs Python code", "never run"):
        load_pair(ready / "bert/base", tuned, device="cpu")
    edit_json(tuned / "config.json", auto_map=None)
    with refused(CheckpointError, "model type 'mine'"):
        load_pair(ready / "bert/base", tuned, device="cpu")


@pytest.mark.parametrize("architecture", ["pipeline", "GPT2Model", "__builtins__"])
def test_architectures_that_are_no_class_for_the_model(
    ready: Path, folder: Callable[[str], Path], architecture: str
) -> None:
    tuned = folder("bert/tuned")
    edit_json(tuned / "config.json", architectures=[architecture])
    if architecture == "GPT2Model":
        with refused(CheckpointError, "names the class GPT2Model", "'bert'"):
            load_pair(ready / "bert/base", tuned, device="cpu")
    else:
        assert load_pair(ready / "bert/base", tuned, device="cpu").tuned.info.model_class == "BertModel"
