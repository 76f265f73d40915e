"""Adapters that share their base's weights: what stays apart, what does not fit, and what a stranger's file can't do."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from attncompare.errors import CheckpointError, NotAllowed, PairMismatch, UnsupportedModel
from attncompare.models.checkpoint import any_folder, no_folder
from attncompare.models.opening import load_pair, open_pair
from tests.models.checkpoints import (
    CONFIGS,
    HEADS,
    config,
    edit_json,
    model,
    refused,
    save,
    save_adapter,
)
from tests.models.hub_server import COMMIT, serving

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")


def test_trained_biases_stay_out_of_the_base(ready: Path, tmp_path: Path) -> None:
    made = model(HEADS["bert"], CONFIGS["bert"])
    base = str(ready / "bert/base")
    adapter = save_adapter(made, tmp_path / "adapter", base=base, task_type="SEQ_CLS", bias="all")
    pair = load_pair(tuned=adapter, device="cpu")
    plain = transformers.AutoModel.from_pretrained(base)
    for name, tensor in plain.named_parameters():
        assert torch.equal(tensor, pair.base.model.bert.get_parameter(name)), name
    own, twin = (side.model.get_parameter(name) for side, name in (
        (pair.base, "bert.encoder.layer.0.output.dense.bias"),
        (pair.tuned, "base_model.model.bert.encoder.layer.0.output.dense.bias"),
    ))  # fmt: skip
    assert not torch.equal(own, twin)


def test_an_adapter_that_edits_the_base_is_refused(ready: Path, folder: Callable[[str], Path]) -> None:
    adapter = folder("bert/adapter")
    edit_json(adapter / "adapter_config.json", init_lora_weights="pissa_niter_1")
    with refused(UnsupportedModel, "changes the base's own weights"):
        load_pair(tuned=adapter, device="cpu")


def test_one_data_type_for_both_sides(ready: Path) -> None:
    for dtype in ("bfloat16", "torch.bfloat16", torch.bfloat16):
        pair = load_pair(tuned=ready / "bert/adapter", device="cpu", dtype=dtype)
        found = {p.dtype for side in (pair.base, pair.tuned) for p in side.model.parameters()}
        assert found == {torch.bfloat16}
        assert {side.info.dtype for side in (pair.base, pair.tuned)} == {"bfloat16"}


def test_adapters_that_do_not_fit(ready: Path, folder: Callable[[str], Path], tmp_path: Path) -> None:
    wide = save(model("", config("bert", hidden_size=48)), tmp_path / "wide")
    with refused(
        PairMismatch, "doesn't fit this BertForSequenceClassification", "classifier.weight is (2, 32), expected (2, 48)"
    ):
        load_pair(wide, ready / "bert/adapter", device="cpu")
    wide = save(
        model("ForSequenceClassification", config("bert", num_hidden_layers=2, intermediate_size=64)), tmp_path / "own"
    )
    adapter = folder("bert/adapter")
    edit_json(adapter / "adapter_config.json", r=8)
    with refused(
        PairMismatch, "query.lora_A.weight is [4, 32], by its configuration and this base [8, 32] is expected"
    ):
        load_pair(wide, adapter, device="cpu")
    edit_json(adapter / "adapter_config.json", r=4, target_modules=["q_proj"])
    with refused(CheckpointError, "lacks the weights of its target 'q_proj'"):
        load_pair(tuned=adapter, device="cpu")
    edit_json(adapter / "adapter_config.json", target_modules=["query"])
    with refused(PairMismatch, "self.value, which is not among its targets"):
        load_pair(tuned=adapter, device="cpu")
    edit_json(adapter / "adapter_config.json", target_modules=["query", "value", "key"])
    with refused(CheckpointError, "lacks the weights of its target 'key'"):
        load_pair(tuned=adapter, device="cpu")


def test_a_strangers_patterns_and_ranks_are_not_run(ready: Path, folder: Callable[[str], Path]) -> None:
    """peft would match the first for hours without letting any other thread run, and allocate the second."""
    adapter = folder("bert/adapter")
    edit_json(adapter / "adapter_config.json", target_modules=r"([\w.]+)+(query|value)!")
    honest = load_pair(tuned=ready / "bert/adapter", device="cpu")
    hostile = load_pair(tuned=adapter, device="cpu")
    names = [name for name, _ in hostile.tuned.model.named_parameters()]
    assert names == [name for name, _ in honest.tuned.model.named_parameters()]
    edit_json(adapter / "adapter_config.json", target_modules=["query", "value"], r=4_000_000)
    with refused(PairMismatch, "query.lora_A.weight is [4, 32]", "[4000000, 32] is expected"):
        load_pair(tuned=adapter, device="cpu")
    edit_json(adapter / "adapter_config.json", r=4, rank_pattern={"query": 4_000_000})
    with refused(PairMismatch, "query.lora_A.weight is [4, 32]", "[4000000, 32] is expected"):
        load_pair(tuned=adapter, device="cpu")
    edit_json(adapter / "adapter_config.json", rank_pattern={"(a+)+$": 4})
    with refused(UnsupportedModel, "names modules by the pattern '(a+)+$'"):
        load_pair(tuned=adapter, device="cpu")


def test_adapters_of_other_kinds(folder: Callable[[str], Path]) -> None:
    adapter = folder("bert/adapter")
    for changes, part in (
        ({"layer_replication": [[0, 1], [0, 1]]}, "uses layer_replication"),
        ({"task_type": "IMAGE_CLS"}, "'IMAGE_CLS', expected SEQ_CLS"),
        ({"task_type": "SEQ_2_SEQ_LM"}, "is for SEQ_2_SEQ_LM, which 'bert' models can't do"),
        ({"peft_type": "PREFIX_TUNING"}, "of kind 'PREFIX_TUNING', which is not compared: it learns a prompt"),
        ({"peft_type": "POLY"}, "of kind 'POLY', which is not compared: it needs the number of a task"),
        ({"peft_type": ["LORA"]}, "of kind ['LORA'], which is not compared"),
        ({"peft_type": None}, "of kind None"),
        ({"use_what_comes_next": True}, "uses 'use_what_comes_next', which this peft doesn't know"),
    ):
        edit_json(adapter / "adapter_config.json", **changes)
        with refused(UnsupportedModel, repr(str(adapter)), part):
            load_pair(tuned=adapter, device="cpu")
        edit_json(
            adapter / "adapter_config.json", **dict.fromkeys(changes) | {"task_type": "SEQ_CLS", "peft_type": "LORA"}
        )


def test_adapters_and_the_bases_that_they_name(folder: Callable[[str], Path]) -> None:
    adapter = folder("bert/adapter")
    edit_json(adapter / "adapter_config.json", base_model_name_or_path="/nowhere/base")
    with refused(CheckpointError, "came without its base", "give the base too", "no folder '/nowhere/base'"):
        load_pair(tuned=adapter)
    with refused(NotAllowed, "names a local folder as its base"):
        open_pair("", str(adapter), None, None, local=lambda path: path == adapter)
    with refused(NotAllowed, "not opened here"):
        open_pair("", str(adapter), None, None, local=no_folder)
    edit_json(adapter / "adapter_config.json", base_model_name_or_path=None)
    with refused(CheckpointError, "doesn't name its base"):
        load_pair(tuned=adapter)


def test_an_adapter_from_the_hub(
    ready: Path, folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = folder("bert/adapter")
    with serving(monkeypatch, tmp_path / "hub-cache") as hub:
        hub.add("org/adapter", adapter)
        with refused(NotAllowed, "'org/adapter' names a local folder as its base"):
            open_pair("", "org/adapter", None, None, local=any_folder)
        edit_json(adapter / "adapter_config.json", base_model_name_or_path="org/base", revision=COMMIT)
        hub.add("org/base", ready / "bert/base")
        hub.add("org/adapter2", adapter)
        pair = open_pair("", "org/adapter2", "cpu", None, local=no_folder)
        assert [(side.info.id, side.info.revision) for side in (pair.base, pair.tuned)] == [
            ("org/base", COMMIT),
            ("org/adapter2", COMMIT),
        ]
