"""Tokenizers of each kind, trained here on a few sentences, and texts that they cut differently."""

from functools import cache
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from attncompare.models.embedded import base_folder

TEXTS = [
    "The film is not good, and the dialogue is painfully dull.",
    "An UNBELIEVABLY naïve café résumé, isn't it?",
    "你好世界 我爱电影。",
    "I 😀 it 👍🏽!! 👨\u200d👩\u200d👧",
    "E\u0301te\u0301 ﬁne ½ İstanbul",
    "שלום עולם, مرحبا بالعالم!",
    "  two  spaces,\n\n\tlines. \n",
    "한국어 हिन्दी ไทย",
]


@cache
def wordpiece() -> Any:
    """The embedded pair's: lower-casing, no accents, [CLS] and [SEP], whole words unknown."""
    return AutoTokenizer.from_pretrained(base_folder())


@cache
def byte_level(*, trim: bool = True) -> PreTrainedTokenizerFast:
    """As GPT-2's; with ``trim`` its offsets leave out spaces, as RoBERTa's do. No special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=not trim)
    trainer = trainers.BpeTrainer(
        vocab_size=330 if trim else 400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS[:2] if trim else TEXTS, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


@cache
def unigram() -> PreTrainedTokenizerFast:
    """As T5's: NFKC, spaces as ▁, runs of unknown characters as one token, </s> at the end."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS[:5], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>")


@cache
def byte_fallback() -> PreTrainedTokenizerFast:
    """As Llama 2's: letters, spaces as ▁ and one at the start, all else byte by byte, <s> first."""
    names = [
        "<unk>",
        "<s>",
        *(f"<0x{i:02X}>" for i in range(256)),
        "▁",
        *"abcdefghijklmnopqrstuvwxyzATFI.,",
        "is",
        "▁is",
    ]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={name: i for i, name in enumerate(names)},
            merges=[("i", "s"), ("▁", "is")],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


def every_kind() -> dict[str, Any]:
    """By name."""
    return {
        "wordpiece": wordpiece(),
        "byte_level": byte_level(),
        "byte_level_untrimmed": byte_level(trim=False),
        "unigram": unigram(),
        "byte_fallback": byte_fallback(),
    }
