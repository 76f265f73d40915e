"""Tiny checkpoints on disk, built from configurations: models, adapters and a tokenizer that knows a few words."""

import copy
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn

from attncompare.errors import AttnCompareError
from attncompare.models.pair import Side

WORDS = "[PAD] [UNK] [CLS] [SEP] a the film is not good dull painfully and dialogue".split()
TEXT = "the film is not good and the dialogue is painfully dull"

CONFIGS = {
    "bert": transformers.BertConfig(
        vocab_size=40,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=64,
    ),
    "gpt2": transformers.GPT2Config(
        vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=0
    ),
    "llama": transformers.LlamaConfig(
        vocab_size=40,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
    ),
}
HEADS = {"bert": "ForSequenceClassification", "gpt2": "ForCausalLM", "llama": "ForCausalLM"}
TASKS = {"bert": "SEQ_CLS", "gpt2": "CAUSAL_LM", "llama": "CAUSAL_LM"}
TARGETS = {"bert": ["query", "value"], "gpt2": ["c_attn"], "llama": ["q_proj", "k_proj"]}


def config(family: str, **changes: Any) -> Any:
    """A family's tiny configuration with some settings changed."""
    return type(CONFIGS[family])(**{**CONFIGS[family].to_dict(), **changes})


def model(kind: str, configuration: Any, seed: int = 0) -> Any:
    """A model of the class ``AutoModel<kind>`` with random weights, on a copy of the configuration: saving edits it."""
    torch.manual_seed(seed)
    return getattr(transformers, f"AutoModel{kind}").from_config(copy.deepcopy(configuration)).eval()


def save(made: Any, folder: Path, *, tokenizer: bool = True) -> Path:
    """Write a model, and a tokenizer beside it."""
    made.save_pretrained(folder)
    if tokenizer:
        save_tokenizer(folder)
    return folder


def save_tokenizer(folder: Path) -> None:
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    words.enable_truncation(16)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=60,
    ).save_pretrained(folder)


def save_adapter(made: Any, folder: Path, *, base: str, seed: int = 1, **options: Any) -> Path:
    """Put a LoRA with random weights on a model (which it changes) and write the adapter, its base named ``base``."""
    torch.manual_seed(seed)
    options = {"r": 4, "target_modules": ["query", "value"]} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapter = peft.get_peft_model(made, peft.LoraConfig(**options))
        for parameter in adapter.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.2)
        adapter.save_pretrained(folder, save_embedding_layers=False)
    edit_json(folder / "adapter_config.json", base_model_name_or_path=base)
    return folder


def edit_json(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; a value of None removes the key."""
    value = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: entry for key, entry in value.items() if entry is not None}))


def edit_weights(path: Path, change: Any) -> None:
    """Replace the tensors of a safetensors file by what ``change`` makes of them."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    save_file(change(tensors), path, metadata={"format": "pt"})


@contextmanager
def refused(error: type[AttnCompareError], *parts: str) -> Iterator[None]:
    """The block raises exactly this class, in one line that has all the parts, without a chain of other errors."""
    with pytest.raises(error) as caught:
        yield
    text = str(caught.value)
    assert type(caught.value) is error
    assert [part for part in parts if part not in text] == [], text
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 400
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def outputs(side: Side, text: str = TEXT) -> Tensor:
    """Logits where there are some, else the last hidden state."""
    with torch.no_grad():
        found = side.model(**side.tokenizer(text, return_tensors="pt"))
    return found.logits if hasattr(found, "logits") else found.last_hidden_state


def tensors(*models: nn.Module) -> dict[int, int]:
    """Bytes by address of the storages of all parameters and buffers."""
    found = [tensor for made in models for tensor in (*made.parameters(), *made.buffers())]
    return {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in found}
