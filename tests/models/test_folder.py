"""Checkpoints on disk: which files are their weights, and what is said where they are damaged."""

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from attncompare.errors import CheckpointError
from attncompare.models.checkpoint import any_folder, resolve
from tests.models.checkpoints import CONFIGS, edit_json, model, refused


@pytest.mark.parametrize("size", [0, 4, 100, -100])
def test_weights_that_are_cut_short(copy: Path, size: int) -> None:
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:size])
    with refused(CheckpointError, "model.safetensors of", "damaged or incomplete"):
        resolve(copy, any_folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt"])
def test_only_pickles(copy: Path, name: str) -> None:
    (copy / "model.safetensors").rename(copy / name)
    (copy / "training_args.bin").write_bytes(b"")
    with refused(CheckpointError, f"only as {name}", "convert it to safetensors"):
        resolve(copy, any_folder)


def test_no_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with refused(CheckpointError, "has no weights", "model.safetensors"):
        resolve(copy, any_folder)


def test_an_adapter_of_pickles_is_none(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    with refused(CheckpointError, "only as adapter_model.bin"):
        resolve(tmp_path, any_folder)


def test_shards(copy: Path) -> None:
    made = model("", CONFIGS["bert"])
    (copy / "model.safetensors").unlink()
    made.save_pretrained(copy, max_shard_size="20KB")
    found = resolve(copy, any_folder)
    assert len(found.weights) > 1
    assert len(found.shapes()) == len(made.state_dict())
    found.weights[1].unlink()
    with refused(CheckpointError, "lacks", found.weights[1].name):
        resolve(copy, any_folder)


@pytest.mark.parametrize("weight_map", [{"w": "../model.safetensors"}, {"w": 3}, {}, ["w"]])
def test_an_index_that_leads_elsewhere(copy: Path, weight_map: object) -> None:
    (copy / "model.safetensors").rename(copy.parent / "model.safetensors")
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with refused(CheckpointError, "files of the same folder"):
        resolve(copy, any_folder)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "\ud800"])
def test_configurations_that_are_no_json(copy: Path, text: str) -> None:
    (copy / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with refused(CheckpointError, "config.json of", "no JSON object"):
        resolve(copy, any_folder).config()
    (copy / "config.json").unlink()
    with refused(CheckpointError, "has no config.json"):
        resolve(copy, any_folder).config()


def test_dtypes_and_shapes_come_from_the_headers(tmp_path: Path, copy: Path) -> None:
    import torch

    save_file({"w": torch.zeros(2, 3, dtype=torch.float16)}, copy / "model.safetensors")
    assert resolve(copy, any_folder).shapes() == {"w": ("F16", (2, 3))}


def test_edited_configurations_are_read_as_they_stand(copy: Path) -> None:
    edit_json(copy / "config.json", model_type="other")
    assert resolve(copy, any_folder).config()["model_type"] == "other"
