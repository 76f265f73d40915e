"""Pairs of tiny random models that were never on disk, and tokenizers trained on a few sentences."""

import copy
from functools import cache
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from attncompare.attention import CheckpointInfo
from attncompare.models import routing
from attncompare.models.layout import Place
from attncompare.models.pair import Pair, Side, common_stacks
from tests.conftest import draw_weights

SENTENCES = [
    "The film is not good, and the dialogue is painfully dull.",
    "An unbelievably warm comedy about two brothers and their dog.",
    "Nobody in the audience laughed, but everybody stayed until the end.",
    "It was the best of times, it was the worst of times.",
]
VOCABULARY = 320
BODY = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4} | {
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "vocab_size": VOCABULARY,
}
DECODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48} | {
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
CONFIGS = {
    "gpt2": transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=1
    ),
    "llama": transformers.LlamaConfig(**DECODER),
    "mistral": transformers.MistralConfig(**DECODER, sliding_window=8),
    "gemma2": transformers.Gemma2Config(**DECODER, head_dim=8, sliding_window=8),
    "bloom": transformers.BloomConfig(
        vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=1
    ),
    "t5": transformers.T5Config(
        vocab_size=VOCABULARY, d_model=32, d_kv=8, num_layers=2, num_heads=4, d_ff=48, eos_token_id=1,
        pad_token_id=2, decoder_start_token_id=2,
    ),
    "bart": transformers.BartConfig(
        **BODY, bos_token_id=0, eos_token_id=1, pad_token_id=2, decoder_start_token_id=1, forced_eos_token_id=1
    ),
    "bert": transformers.BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
    ),
}  # fmt: skip


@cache
def byte_level(*, bos: bool = False, eos: bool = False, size: int = VOCABULARY - 20) -> Any:
    """Byte-level BPE, as GPT-2's; special tokens are added to a text where asked for."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<s>", "</s>", "<pad>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if bos or eos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{'<s> ' if bos else ''}$A{' </s>' if eos else ''}", special_tokens=[("<s>", 0), ("</s>", 1)]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
    )


@cache
def sentence_piece(size: int = VOCABULARY - 20) -> Any:
    """Unigram pieces with ``▁`` for a space and ``</s>`` behind a text, as T5's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=["<unk>", "</s>", "<pad>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES * 5, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )


def embedded_tokenizer() -> Any:
    """The embedded pair's WordPiece tokenizer, which builds sentence pairs."""
    from attncompare.models.embedded import base_folder

    return transformers.AutoTokenizer.from_pretrained(base_folder())


def model(family: str, kind: str, seed: int) -> Any:
    """A tiny model of random weights."""
    made = getattr(transformers, kind).from_config(copy.deepcopy(CONFIGS[family])).eval()
    draw_weights(made, seed)
    return made


def side(made: Any, tokenizer: Any, name: str, layout: tuple[Place, ...] = ()) -> Side:
    """A side that says it came from ``name``."""
    info = CheckpointInfo(
        id=name, revision=None, content_hash="0" * 16, model_class=type(made).__name__,
        model_type=made.config.model_type, dtype="float32", device="cpu", adapter=False, attention_path="tap",
    )  # fmt: skip
    return Side(info, made, tokenizer, layout)


_COUNT = iter(range(10**6))


def pair(
    family: str,
    tokenizer: Any = None,
    tuned_tokenizer: Any = None,
    *,
    kind: str | None = None,
    max_tokens: int | None = 256,
    **changes: Any,
) -> Pair:
    """A base and another model of the family; a key of its own, so that no cache knows it."""
    two_stacks = CONFIGS[family].is_encoder_decoder
    causal = family != "bert" and not two_stacks
    kind = kind or ("AutoModelForSeq2SeqLM" if two_stacks else "AutoModelForCausalLM" if causal else "AutoModel")
    tokenizer = tokenizer or byte_level()
    values: dict[str, Any] = {
        "key": f"pair {next(_COUNT)}",
        "max_tokens": max_tokens,
        "output_kind": "next_token" if causal else "none",
        "labels": (),
        "base_head": "own",
        "notes": (),
    }
    models = model(family, kind, 1), model(family, kind, 2)
    base, tuned = (
        side(made, own, name, routing.install(made))
        for made, own, name in zip(
            models, (tokenizer, tuned_tokenizer or tokenizer), ("org/base", "org/tuned"), strict=True
        )
    )
    return Pair(base, tuned, stacks=common_stacks(base.layout, tuned.layout), **(values | changes))


def prompt(tokens: int = 12, seed: int = 5) -> torch.Tensor:
    """Ids of no particular text."""
    return torch.randint(10, VOCABULARY - 20, (1, tokens), generator=torch.Generator().manual_seed(seed))
