"""The tokenizers of a pair: whose they are, and those that are of no use."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from attncompare.errors import CheckpointError
from attncompare.models.opening import load_pair
from tests.models.checkpoints import (
    WORDS,
    refused,
)

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")


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
