"""Pairs to measure: the embedded one, and GPT-2's shape with random weights, loaded from disk as a user's would be."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

import attncompare

WORDS = 500


@contextmanager
def gpt2_shape(layers: int, tokens: int) -> Iterator[Path]:
    """A folder with ``base`` and ``tuned``: ``layers`` layers of 12 heads of 64, random weights, ``tokens`` positions."""
    # The usual spread of 0.02 would make every head attend uniformly.
    config = transformers.GPT2Config(
        vocab_size=WORDS, n_layer=layers, n_positions=tokens, bos_token_id=0, eos_token_id=0, initializer_range=0.06
    )
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(WORDS)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0")
    with tempfile.TemporaryDirectory() as folder:
        for seed, side in enumerate(("base", "tuned")):
            torch.manual_seed(seed)
            transformers.GPT2LMHeadModel(config).save_pretrained(Path(folder, side))
            tokenizer.save_pretrained(Path(folder, side))
        yield Path(folder)


def load(folder: Path | None) -> attncompare.Pair:
    """The pair of a folder, or the embedded one."""
    if folder is None:
        return attncompare.load_pair(device="cpu")
    return attncompare.load_pair(folder / "base", folder / "tuned", device="cpu")
