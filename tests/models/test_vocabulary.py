"""Vocabularies that changed in training: tokens added, embeddings resized, in full checkpoints and in adapters."""

import warnings
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from attncompare.errors import AttnCompareError, PairMismatch
from attncompare.models.opening import load_pair
from tests.models.checkpoints import (
    CONFIGS,
    HEADS,
    TARGETS,
    config,
    edit_json,
    edit_weights,
    model,
    refused,
    save,
    save_tokenizer,
)

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")
ADDED = ["<think>", "</think>", "attention", "heads", "rollout"]


def add_tokens(folder: Path) -> None:
    """Write the tokenizer with five more words than the base's 14 of 40 places."""
    save_tokenizer(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(ADDED)
    tokenizer.save_pretrained(folder)


def resized_adapter(folder: Path, base: Path, settings: Any, size: int = 45, **options: Any) -> Path:
    """A LoRA trained after ``resize_token_embeddings``, as peft saves it: embeddings included."""
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = transformers.AutoModelForCausalLM.from_pretrained(base)
        made.resize_token_embeddings(size, mean_resizing=False)
        options = {"r": 4, "target_modules": TARGETS["llama"], "task_type": "CAUSAL_LM"} | options
        adapter = peft.get_peft_model(made, peft.LoraConfig(**options))
        for name, parameter in adapter.named_parameters():
            if parameter.requires_grad or "embed_tokens" in name or "lm_head" in name:
                torch.nn.init.normal_(parameter, std=0.2)
        adapter.save_pretrained(folder, save_embedding_layers=True)
    edit_json(folder / "adapter_config.json", base_model_name_or_path=str(base))
    add_tokens(folder)
    return folder


def test_added_tokens_of_a_full_checkpoint(ready: Path, tmp_path: Path) -> None:
    tuned = save(model(HEADS["llama"], config("llama", vocab_size=45), seed=1), tmp_path / "tuned")
    add_tokens(tuned)
    pair = load_pair(ready / "llama/base", tuned, device="cpu")
    assert len(pair.tuned.tokenizer) == len(pair.base.tokenizer) + len(ADDED)
    assert pair.tuned.tokenizer.tokenize("a <think> film") == ["a", "<think>", "film"]
    assert pair.output_kind == "none"  # probabilities over other words
    assert pair.notes == ()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("saved", [None, ["embed_tokens", "lm_head"]])
def test_an_adapter_with_resized_embeddings(tmp_path: Path, tied: bool, saved: list[str] | None) -> None:
    settings = config("llama", tie_word_embeddings=tied)
    base = save(made := model(HEADS["llama"], settings), tmp_path / "base")
    modules = saved[:1] if saved and tied else saved
    adapter = resized_adapter(tmp_path / "adapter", base, settings, modules_to_save=modules)
    pair = load_pair(tuned=adapter, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resized = transformers.AutoModelForCausalLM.from_pretrained(base)
        resized.resize_token_embeddings(45)
        expected = peft.PeftModel.from_pretrained(resized, str(adapter)).eval()
    ids = torch.tensor([[2, 4, 41, 44, 7]])
    with torch.no_grad():
        assert torch.equal(pair.tuned.model(input_ids=ids).logits, expected(input_ids=ids).logits)
        text = torch.tensor([[2, 4, 5, 7]])
        assert torch.allclose(pair.base.model(input_ids=text).logits, made(input_ids=text).logits, atol=1e-6)
    assert pair.base.model.get_input_embeddings().weight.shape[0] == 40
    assert pair.base.model.config.vocab_size == 40
    for (name, mine), theirs in zip(pair.base.model.named_parameters(), made.parameters(), strict=True):
        assert torch.equal(mine, theirs), name
    assert (pair.output_kind, len(pair.tuned.tokenizer)) == ("none", len(pair.base.tokenizer) + 5)


def test_embeddings_resized_by_halves(tmp_path: Path) -> None:
    settings = config("llama", tie_word_embeddings=False)
    base = save(model(HEADS["llama"], settings), tmp_path / "base")
    adapter = resized_adapter(tmp_path / "adapter", base, settings)
    edit_weights(adapter / "adapter_model.safetensors", lambda t: {n: t[n] for n in t if "lm_head" not in n})
    with refused(PairMismatch, "it has 45 rows in model.embed_tokens.weight alone"):
        load_pair(tuned=adapter, device="cpu")


def test_embeddings_of_another_width(tmp_path: Path) -> None:
    base = save(model(HEADS["llama"], CONFIGS["llama"]), tmp_path / "base")
    adapter = resized_adapter(tmp_path / "adapter", base, CONFIGS["llama"])
    edit_weights(
        adapter / "adapter_model.safetensors",
        lambda t: {name: torch.zeros(45, 16) if t[name].shape == (45, 32) else t[name] for name in t},
    )
    with pytest.raises(
        AttnCompareError,
        match=r"embed_tokens.weight is \[45, 16\], .* \[40, 32\] is expected",
    ):
        load_pair(tuned=adapter, device="cpu")


def test_a_tokenizer_that_knows_more_than_its_model(ready: Path, tmp_path: Path) -> None:
    """A padding token that was added for training, say: it loads, and is said."""
    tuned = save(model(HEADS["llama"], config("llama", vocab_size=16), seed=1), tmp_path / "tuned")
    add_tokens(tuned)
    pair = load_pair(ready / "llama/base", tuned, device="cpu")
    assert pair.notes == ("the tuned model's tokenizer knows 19 tokens, 16 of them its model",)
