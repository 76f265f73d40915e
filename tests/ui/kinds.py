"""The kinds of pairs that people bring, as tiny checkpoints on disk: each goes through page, command line and client."""

import copy
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from tokenizers import processors

from tests.conftest import draw_weights
from tests.models.readers import CONFIGS, byte_level, sentence_piece

TEXT = "The film is not good, and the dialogue is painfully dull."


@dataclass(frozen=True)
class Kind:
    """One pair, how its text is read, and what the result must say."""

    base: str
    tuned: str
    reading: dict[str, Any] = field(default_factory=dict)
    """As a client sends it."""
    encoder_decoder: bool = False
    level: str = "token"
    adapter: bool = False


KINDS = ("lora", "full", "decoder", "t5", "tokenizers")


def save_kind(name: str, folder: Path) -> Kind:
    """Write both checkpoints of a kind below ``folder``."""
    base, tuned = folder / f"{name}-base", folder / f"{name}-tuned"
    if name == "lora":
        save(base, "bert", "AutoModel", paired())
        save_lora(base, tuned)
        return Kind("", str(tuned), {"text_pair": "Nobody in the audience laughed."}, adapter=True)
    if name == "full":
        for place, seed in ((base, 1), (tuned, 2)):
            save(place, "bert", "AutoModelForSequenceClassification", byte_level(), seed)
        return Kind(str(base), str(tuned), {"level": "word"}, level="word")
    if name == "decoder":
        for place, seed in ((base, 1), (tuned, 2)):
            save(place, "llama", "AutoModelForCausalLM", chatty(), seed)
        generate = {"by": "tuned", "max_new_tokens": 8, "temperature": 0.7, "seed": 3}
        return Kind(str(base), str(tuned), {"chat": True, "generate": generate})
    if name == "t5":
        for place, seed in ((base, 1), (tuned, 2)):
            save(place, "t5", "AutoModelForSeq2SeqLM", sentence_piece(), seed)
        return Kind(str(base), str(tuned), {"target": "A warm comedy.", "attention": "cross"}, encoder_decoder=True)
    save(base, "gpt2", "AutoModelForCausalLM", byte_level(), 1)
    save(tuned, "gpt2", "AutoModelForCausalLM", byte_level(bos=True, size=270), 2)
    return Kind(str(base), str(tuned), level="shared")


def save(folder: Path, family: str, kind: str, tokenizer: Any, seed: int = 1) -> None:
    """A tiny checkpoint with attention far from uniform, and its tokenizer."""
    model = getattr(transformers, kind).from_config(copy.deepcopy(CONFIGS[family])).eval()
    draw_weights(model, seed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def paired() -> Any:
    """A tokenizer that puts two texts together."""
    tokenizer = copy.deepcopy(byte_level())
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return tokenizer


def chatty() -> Any:
    """A tokenizer with a chat template."""
    tokenizer = copy.deepcopy(byte_level(bos=True))
    tokenizer.chat_template = "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}<|assistant|>"
    return tokenizer


def save_lora(base: Path, folder: Path) -> None:
    """An adapter of the base with weights that do something."""
    model = transformers.AutoModel.from_pretrained(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft looks for the base's card on the hub
        adapter = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["query", "value"]))
    torch.manual_seed(5)
    for name, parameter in adapter.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapter.save_pretrained(folder, save_embedding_layers=False)
