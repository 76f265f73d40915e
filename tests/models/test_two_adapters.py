"""Two adapters on one base: both are twins of one resident model, each under its own head where it saved one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from attncompare.errors import CheckpointError, PairMismatch
from attncompare.models.opening import load_pair
from attncompare.models.pair import unwrapped
from tests.models.checkpoints import (
    CONFIGS,
    HEADS,
    TARGETS,
    TASKS,
    config,
    edit_json,
    edit_weights,
    model,
    outputs,
    refused,
    save,
    save_adapter,
    tensors,
)

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")


def bert_adapter(folder: Path, base: Path, seed: int, labels: int = 2, **options: Any) -> Path:
    options = {"task_type": "SEQ_CLS", "target_modules": ["query", "value"]} | options
    kind = {"SEQ_CLS": "ForSequenceClassification", "TOKEN_CLS": "ForTokenClassification"}.get(options["task_type"], "")
    return save_adapter(model(kind, config("bert", num_labels=labels)), folder, base=str(base), seed=seed, **options)


@pytest.mark.parametrize("family", HEADS)
def test_each_side_is_what_it_is_beside_the_base(ready: Path, tmp_path: Path, family: str) -> None:
    options = {"task_type": TASKS[family], "target_modules": TARGETS[family], "fan_in_fan_out": family == "gpt2"}
    base = ready / family / "base"
    other = save_adapter(
        model(HEADS[family], CONFIGS[family]), tmp_path / "other", base=str(base), seed=7, r=2, **options
    )
    first = outputs(load_pair(tuned=ready / family / "adapter", device="cpu").tuned)
    second = outputs(load_pair(tuned=other, device="cpu").tuned)
    pair = load_pair(ready / family / "adapter", other, device="cpu")
    assert torch.equal(outputs(pair.base), first)
    assert torch.equal(outputs(pair.tuned), second)
    assert not torch.allclose(first, second, atol=1e-3)
    assert (pair.base_head, pair.output_kind) == ("own", "label" if family == "bert" else "next_token")
    assert [side.info.adapter for side in (pair.base, pair.tuned)] == [True, True]
    assert [side.info.id for side in (pair.base, pair.tuned)] == [str(ready / family / "adapter"), str(other)]
    assert pair.base.info.content_hash != pair.tuned.info.content_hash
    assert any(note.startswith(f"both adapters are put on {base} (weights ") for note in pair.notes)


def test_one_copy_of_the_base_and_no_disturbance_between_threads(ready: Path, tmp_path: Path) -> None:
    other = bert_adapter(tmp_path / "other", ready / "bert/base", 7)
    pair = load_pair(ready / "bert/adapter", other, device="cpu")
    sides = [pair.base, pair.tuned]
    shared = set(tensors(pair.base.model)) & set(tensors(pair.tuned.model))
    plain = load_pair(tuned=other, device="cpu").base.model
    assert len(shared) == len(tensors(plain))
    alone = [outputs(side) for side in sides]

    def run(number: int) -> int:
        return sum(torch.equal(outputs(sides[number]), alone[number]) for _ in range(50))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, (0, 1))) == [50, 50]


def test_heads_of_two_classifiers(ready: Path, tmp_path: Path) -> None:
    """The adapter's own head, unless it answers in other labels, or there is none."""
    base, tuned = ready / "bert/base", ready / "bert/adapter"
    head = unwrapped(load_pair(tuned=tuned, device="cpu").tuned.model).classifier.modules_to_save["default"].weight
    other = bert_adapter(tmp_path / "other", base, 7)
    pair = load_pair(other, tuned, device="cpu")
    own = unwrapped(pair.base.model).classifier.modules_to_save["default"].weight
    assert (pair.base_head, pair.notes[-1].startswith("both adapters")) == ("own", True)
    assert not torch.equal(own, head)
    three = bert_adapter(tmp_path / "three", base, 7, labels=3)
    named = bert_adapter(tmp_path / "named", base, 7)
    (named / "labels.json").write_text('{"id2label": {"0": "contradicts", "1": "follows"}}')
    (tuned_named := bert_adapter(tmp_path / "tuned", base, 1) / "labels.json").write_text(
        '{"id2label": {"0": "bad", "1": "good"}}'
    )
    token = bert_adapter(tmp_path / "token", base, 7, task_type="TOKEN_CLS")
    for first, second, note in (
        (three, tuned, "for other labels"),
        (named, tuned_named.parent, "for other labels"),
        (token, tuned, "for other labels"),
    ):
        pair = load_pair(first, second, device="cpu")
        saved = unwrapped(pair.tuned.model).classifier.modules_to_save["default"].weight
        assert (pair.base_head, pair.output_kind) == ("borrowed", "label"), first
        assert torch.equal(unwrapped(pair.base.model).classifier.modules_to_save["default"].weight, saved)
        assert any(note in found for found in pair.notes)
    assert pair.labels == ("LABEL_0", "LABEL_1")


@pytest.mark.parametrize(("kind", "origin"), [("ForCausalLM", "borrowed"), ("ForSequenceClassification", "own")])
def test_an_adapter_without_a_head_of_its_own(tmp_path: Path, kind: str, origin: str) -> None:
    """It runs under the head of the base where that has one, else under the tuned model's."""
    settings = config("llama", pad_token_id=0)
    base = save(made := model(kind, settings), tmp_path / "base")
    trained = made.score.weight.clone() if origin == "own" else None
    options = {"base": str(base), "target_modules": TARGETS["llama"]}
    words = save_adapter(model("ForCausalLM", settings), tmp_path / "words", task_type="CAUSAL_LM", seed=7, **options)
    marks = save_adapter(
        model("ForSequenceClassification", settings), tmp_path / "marks", task_type="SEQ_CLS", **options
    )
    pair = load_pair(words, marks, device="cpu")
    assert (pair.base_head, pair.output_kind) == (origin, "label")
    heads = [unwrapped(side.model).score.modules_to_save["default"].weight for side in (pair.base, pair.tuned)]
    assert torch.equal(heads[0], heads[1] if trained is None else trained)


def test_the_base_is_read_from_the_adapters(ready: Path, tmp_path: Path, folder: Callable[[str], Path]) -> None:
    base, other = ready / "bert/base", bert_adapter(tmp_path / "other", ready / "bert/base", 7)
    adapter = folder("bert/adapter")
    moved = save(model("", CONFIGS["bert"]), tmp_path / "moved")
    edit_json(adapter / "adapter_config.json", base_model_name_or_path=str(moved))
    pair = load_pair(adapter, other, device="cpu")
    assert f"the adapter {other} names the base {base}, compared with {moved}" in pair.notes
    edit_json(adapter / "adapter_config.json", base_model_name_or_path="/nowhere")
    pair = load_pair(adapter, other, device="cpu")
    assert f"the adapter {adapter} names the base /nowhere, compared with {base}" in pair.notes
    edit_json(other / "adapter_config.json", base_model_name_or_path="/nowhere-either")
    with refused(CheckpointError, "came without its base", "'/nowhere'"):
        load_pair(adapter, other, device="cpu")
    edit_json(other / "adapter_config.json", base_model_name_or_path=str(adapter))
    edit_json(adapter / "adapter_config.json", base_model_name_or_path=str(other))
    with refused(CheckpointError, "names another adapter as its base"):
        load_pair(adapter, other, device="cpu")
    with refused(CheckpointError, "is an adapter", "full checkpoint as base, or an adapter as tuned too"):
        load_pair(adapter, ready / "bert/tuned", device="cpu")


def test_a_fit_is_judged_by_shapes(ready: Path, tmp_path: Path, folder: Callable[[str], Path]) -> None:
    """The name of the base says nothing: another model of the same shapes fits, one of others does not."""
    adapter = ready / "bert/adapter"
    twin = save(model("", CONFIGS["bert"], seed=5), tmp_path / "twin")
    pair = load_pair(twin, adapter, device="cpu")
    assert pair.notes[0].endswith(f"compared with {twin}")
    wider = save(model("", config("bert", intermediate_size=64)), tmp_path / "wider")
    load_pair(wider, adapter, device="cpu")  # it only changes query and value
    narrow = save(model(HEADS["bert"], config("bert", hidden_size=48)), tmp_path / "narrow")
    feature = bert_adapter(tmp_path / "feature", narrow, 1, task_type="FEATURE_EXTRACTION")
    with refused(PairMismatch, "doesn't fit this BertModel", "query.lora_A.weight is [4, 32]", "[4, 48] is expected"):
        load_pair(narrow, feature, device="cpu")
    deep = folder("bert/adapter")
    edit_weights(deep / "adapter_model.safetensors", lambda t: {n.replace("layer.1", "layer.2"): t[n] for n in t})
    with refused(PairMismatch, "it changes bert.encoder.layer.2.attention.self.query, which this class does not have"):
        load_pair(tuned=deep, device="cpu")
    with refused(PairMismatch, "it changes encoder.layer.0.attention.self.query, which this class does not have"):
        load_pair(bert_adapter(tmp_path / "body", ready / "bert/base", 1, task_type="FEATURE_EXTRACTION"), adapter)
