"""Half precision, shards, and weights that hold no numbers."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from attncompare.errors import CheckpointError, UnsupportedModel
from attncompare.models import opening
from attncompare.models.checkpoint import any_folder, resolve
from attncompare.models.opening import load_pair
from tests.models.checkpoints import CONFIGS, HEADS, edit_weights, model, outputs, refused, save
from tests.models.test_kinds import save_kind

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")
HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@pytest.mark.parametrize("half", HALVES)
def test_half_precision_weights(ready: Path, tmp_path: Path, half: str) -> None:
    """float32 on a CPU unless asked otherwise, and then close to what float32 gives."""
    full = load_pair(ready / "llama/base", ready / "llama/tuned", device="cpu")
    for side, seed in (("base", 0), ("tuned", 1)):
        made = model(HEADS["llama"], CONFIGS["llama"], seed=seed).to(HALVES[half])
        save(made, tmp_path / side)
        assert {kind for kind, _ in resolve(tmp_path / side, any_folder).shapes().values()} == {
            {"float16": "F16", "bfloat16": "BF16"}[half]
        }
    for dtype in (None, half):
        pair = load_pair(tmp_path / "base", tmp_path / "tuned", device="cpu", dtype=dtype)
        assert {side.info.dtype for side in (pair.base, pair.tuned)} == {dtype or "float32"}
        for found, exact in ((pair.base, full.base), (pair.tuned, full.tuned)):
            assert {p.dtype for p in found.model.parameters()} == {HALVES[half] if dtype else torch.float32}
            assert torch.allclose(outputs(found).float(), outputs(exact), atol=0.02)


def test_shards(ready: Path, tmp_path: Path) -> None:
    made = model(HEADS["llama"], CONFIGS["llama"], seed=1).to(torch.bfloat16)
    whole = save(made, tmp_path / "whole")
    made.save_pretrained(tmp_path / "shards", max_shard_size="5KB")
    assert len(resolve(tmp_path / "shards", any_folder).weights) > 2
    found = load_pair(ready / "llama/base", tmp_path / "shards", device="cpu").tuned
    assert torch.equal(outputs(found), outputs(load_pair(ready / "llama/base", whole, device="cpu").tuned))


@pytest.mark.parametrize("kind", ["LORA", "LOHA", "IA3", "VERA"])
@pytest.mark.parametrize("half", HALVES)
def test_adapters_in_half_precision(ready: Path, tmp_path: Path, kind: str, half: str) -> None:
    """Adapters of any precision run in that of the pair, and are compared with what float32 gives."""
    save_kind(tmp_path, kind, **({"feedforward_modules": []} if kind == "IA3" else {}))
    exact = load_pair(ready / "bert/base", tmp_path, device="cpu")
    pair = load_pair(ready / "bert/base", tmp_path, device="cpu", dtype=half)
    assert torch.allclose(outputs(pair.tuned).float(), outputs(exact.tuned), atol=0.05)
    assert {side.info.dtype for side in (pair.base, pair.tuned)} == {half}


class Whitened(nn.Module):
    """A module with an operation that torch has no half precision for on a CPU: linear algebra (or a Fourier transform)."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden @ torch.linalg.inv(torch.eye(hidden.shape[-1]).to(hidden))


@pytest.mark.parametrize("half", HALVES)
def test_what_a_cpu_cannot_run_in_half_precision(ready: Path, half: str) -> None:
    checkpoint = resolve(ready / "bert/base", any_folder)
    made = model("", CONFIGS["bert"])
    made.encoder.layer[0].output.LayerNorm = Whitened()
    opening._install(checkpoint, made, torch.float32)
    with refused(UnsupportedModel, f"{checkpoint.id!r} can't run in {half} on this cpu, give dtype='float32'"):
        opening._install(checkpoint, made.to(HALVES[half]), HALVES[half])


def set_to(value: float, name: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    def change(stored: dict[str, Tensor]) -> dict[str, Tensor]:
        stored[name].view(-1)[3] = value
        return stored

    return change


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(ready: Path, folder: Callable[[str], Path], value: float) -> None:
    tuned, name = folder("bert/tuned"), "bert.encoder.layer.1.attention.self.key.weight"
    edit_weights(tuned / "model.safetensors", set_to(value, name))
    with refused(CheckpointError, repr(str(tuned)), f"has NaN or infinity in {name} as float32"):
        load_pair(ready / "bert/base", tuned, device="cpu")
    adapter, name = folder("bert/adapter"), "base_model.model.bert.encoder.layer.1.attention.self.query.lora_B.weight"
    edit_weights(adapter / "adapter_model.safetensors", set_to(value, name))
    with refused(CheckpointError, repr(str(adapter)), f"has NaN or infinity in {name}"):
        load_pair(tuned=adapter, device="cpu")


def test_numbers_too_large_for_half_precision(ready: Path, folder: Callable[[str], Path]) -> None:
    tuned, name = folder("bert/tuned"), "bert.encoder.layer.1.output.dense.weight"
    edit_weights(tuned / "model.safetensors", set_to(70000.0, name))
    with refused(CheckpointError, f"in {name} as float16", "give dtype='float32'"):
        load_pair(ready / "bert/base", tuned, device="cpu", dtype="float16")
    load_pair(ready / "bert/base", tuned, device="cpu")


def test_a_sum_that_overflows_is_no_infinity() -> None:
    """A sum is what is looked at first; in float16 it overflows where no weight does."""
    from attncompare.models.loading import check_finite

    large = torch.full((300,), 60000.0, dtype=torch.float16)
    assert not large.sum().isfinite()
    checkpoint = opening.find(None, None, any_folder).body
    check_finite(checkpoint, [("weight", large), ("count", torch.tensor([3]))])
    with refused(CheckpointError, "has NaN or infinity in weight as float16"):
        check_finite(checkpoint, [("weight", torch.cat([large, -large, torch.tensor([float("-inf")]).half()]))])


def test_masks_may_hold_infinity(tmp_path: Path) -> None:
    """Only parameters are looked at: a buffer may hold a mask of minus infinity."""
    module = nn.Linear(2, 2)
    module.register_buffer("mask", torch.full((2,), float("-inf")))
    from attncompare.models.loading import check_finite

    check_finite(opening.find(None, None, any_folder).body, module.named_parameters())
