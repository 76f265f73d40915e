"""Whose output head each side of a pair runs under, and what a head that nobody trained leads to."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from attncompare.errors import CheckpointError
from attncompare.models.opening import load_pair
from tests.models.checkpoints import (
    CONFIGS,
    HEADS,
    TARGETS,
    TEXT,
    config,
    edit_weights,
    model,
    outputs,
    refused,
    save,
    save_adapter,
)

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")


@pytest.mark.parametrize("family", HEADS)
def test_full_checkpoints(ready: Path, family: str) -> None:
    pair = load_pair(ready / family / "base", ready / family / "tuned", device="cpu")
    assert (pair.stacks["self"].layers, pair.stacks["self"].heads, pair.max_tokens) == ((0, 1), 4, 60)
    assert pair.causal == (family != "bert")
    assert pair.output_kind == ("label" if family == "bert" else "next_token")
    assert pair.base_head == ("borrowed" if family == "bert" else "own")
    assert pair.labels == (("LABEL_0", "LABEL_1") if family == "bert" else ())
    original = getattr(transformers, f"AutoModel{HEADS[family]}").from_pretrained(ready / family / "tuned").eval()
    inputs = pair.tuned.tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        assert torch.allclose(original(**inputs).logits, outputs(pair.tuned), atol=1e-5)
    assert not torch.allclose(outputs(pair.base), outputs(pair.tuned), atol=1e-3)


@pytest.mark.parametrize("family", HEADS)
def test_adapters(ready: Path, family: str) -> None:
    pair = load_pair(tuned=str(ready / family / "adapter"), device="cpu")
    assert pair.base.info.id == str(ready / family / "base")
    assert pair.tuned.tokenizer is pair.base.tokenizer
    assert pair.base_head == ("borrowed" if family == "bert" else "own")
    head = getattr(transformers, f"AutoModel{HEADS[family]}")
    plain = head.from_pretrained(ready / family / "base").eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = head.from_pretrained(ready / family / "base")
        tuned = peft.PeftModel.from_pretrained(base, str(ready / family / "adapter")).eval()
    inputs = pair.base.tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        assert torch.allclose(tuned(**inputs).logits, outputs(pair.tuned), atol=1e-5)
        if family != "bert":
            assert torch.allclose(plain(**inputs).logits, outputs(pair.base), atol=1e-5)
    assert not torch.allclose(outputs(pair.base), outputs(pair.tuned), atol=1e-3)


def test_a_borrowed_head_is_the_tuned_one(ready: Path) -> None:
    pair = load_pair(ready / "bert/base", ready / "bert/tuned", device="cpu")
    assert pair.base.model.classifier.weight is pair.tuned.model.classifier.weight
    assert "head" in pair.notes[0]
    pair = load_pair(tuned=ready / "bert/adapter", device="cpu")
    saved = pair.tuned.model.get_base_model().classifier.modules_to_save["default"].weight
    assert torch.equal(pair.base.model.classifier.weight, saved)


def test_a_base_with_its_own_head_keeps_it(ready: Path, tmp_path: Path) -> None:
    base = save(model(HEADS["bert"], CONFIGS["bert"], seed=2), tmp_path / "base")
    for tuned in ("tuned", "adapter"):
        pair = load_pair(base, ready / "bert" / tuned, device="cpu")
        assert (pair.base_head, pair.output_kind) == ("own", "label")
        original = transformers.AutoModelForSequenceClassification.from_pretrained(base)
        assert torch.equal(pair.base.model.classifier.weight, original.classifier.weight)
    assert (
        pair.notes[0]
        == f"the adapter {ready / 'bert/adapter'} names the base {ready / 'bert/base'}, compared with {base}"
    )


@pytest.mark.parametrize("names", [("bad", "fair", "good"), ("contradicts", "follows")])
def test_a_head_for_other_labels_is_not_used(tmp_path: Path, names: tuple[str, ...]) -> None:
    other = dict(enumerate(names))
    labels = {0: "negative", 1: "positive"}
    base = save(model(HEADS["bert"], config("bert", id2label=other), seed=2), tmp_path / "base")
    tuned = save(model(HEADS["bert"], config("bert", id2label=labels), seed=3), tmp_path / "tuned")
    pair = load_pair(base, tuned, device="cpu")
    assert (pair.base_head, pair.labels) == ("borrowed", ("negative", "positive"))
    assert pair.base.model.classifier.weight is pair.tuned.model.classifier.weight
    assert "other labels" in pair.notes[0]


def test_a_base_without_pooler_borrows_it_for_labels_only(ready: Path, tmp_path: Path) -> None:
    made = transformers.BertModel(CONFIGS["bert"], add_pooling_layer=False)
    bare = save(made, tmp_path / "bare")
    pair = load_pair(bare, ready / "bert/tuned", device="cpu")
    assert (pair.base_head, pair.output_kind) == ("borrowed", "label")
    assert "pooler and head" in pair.notes[0]
    assert pair.base.model.bert.pooler.dense.weight is pair.tuned.model.bert.pooler.dense.weight
    pair = load_pair(bare, ready / "bert/base", device="cpu")
    assert (pair.base_head, pair.output_kind) == ("own", "none")
    assert "not used" in pair.notes[0]


@pytest.mark.parametrize("lost", ["classifier.weight", "bert.pooler.dense.weight"])
def test_a_random_head_is_never_shown(ready: Path, folder: Callable[[str], Path], lost: str) -> None:
    tuned = folder("bert/tuned")
    edit_weights(tuned / "model.safetensors", lambda t: {name: t[name] for name in t if name != lost})
    pair = load_pair(ready / "bert/base", tuned, device="cpu")
    assert (pair.output_kind, pair.labels, pair.base_head) == ("none", (), "own")
    assert "no trained output head" in pair.notes[0]


def test_an_adapter_that_lacks_its_head(folder: Callable[[str], Path]) -> None:
    adapter = folder("bert/adapter")
    edit_weights(adapter / "adapter_model.safetensors", lambda t: {n: t[n] for n in t if "classifier" not in n})
    with refused(CheckpointError, "lacks base_model.model.classifier.weight, which it says it saved"):
        load_pair(tuned=adapter, device="cpu")


def test_an_adapter_of_a_base_without_head_has_none(tmp_path: Path) -> None:
    untied = config("llama", tie_word_embeddings=False)
    base = save(model("", untied), tmp_path / "base")
    options = {"task_type": "CAUSAL_LM", "target_modules": TARGETS["llama"]}
    adapter = save_adapter(model("ForCausalLM", untied), tmp_path / "adapter", base=str(base), **options)
    pair = load_pair(tuned=adapter, device="cpu")
    assert (pair.output_kind, pair.base_head) == ("none", "own")
    assert "no trained output head" in pair.notes[0]


def test_an_untied_language_head_is_borrowed(tmp_path: Path) -> None:
    base = save(model("", config("llama", tie_word_embeddings=False)), tmp_path / "base")
    tuned = save(model("ForCausalLM", config("llama", tie_word_embeddings=False), seed=1), tmp_path / "tuned")
    pair = load_pair(base, tuned, device="cpu")
    assert (pair.output_kind, pair.base_head) == ("next_token", "borrowed")
    assert pair.base.model.lm_head.weight is pair.tuned.model.lm_head.weight


@pytest.mark.parametrize(
    "changes", [{"problem_type": "regression"}, {"num_labels": 1}, {"problem_type": "multi_label_classification"}]
)
def test_outputs_that_are_no_choice_of_one_label(ready: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    tuned = save(model(HEADS["bert"], config("bert", **changes)), tmp_path / "tuned")
    assert load_pair(ready / "bert/base", tuned, device="cpu").output_kind == "none"


def test_labels_beside_an_adapter(ready: Path, folder: Callable[[str], Path]) -> None:
    adapter = folder("bert/adapter")
    (adapter / "labels.json").write_text(json.dumps({"id2label": {"1": "good", "0": "bad"}}))
    assert load_pair(tuned=adapter, device="cpu").labels == ("bad", "good")
    (adapter / "labels.json").write_text(json.dumps({"id2label": {"0": "a", "1": "b", "2": "c"}}))
    assert load_pair(tuned=adapter, device="cpu").labels == ("LABEL_0", "LABEL_1")
    for text in ("{", "[]", '{"id2label": {"1": "a", "2": "b"}}', '{"id2label": {"no": "x"}}', '{"id2label": 3}'):
        (adapter / "labels.json").write_text(text)
        with refused(CheckpointError, "labels.json of", "number labels from 0"):
            load_pair(tuned=adapter, device="cpu")
