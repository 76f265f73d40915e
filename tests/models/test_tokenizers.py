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
    save_tokenizer,
)

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")


def test_a_missing_tokenizer_is_the_other_sides(ready: Path, folder: Callable[[str], Path]) -> None:
    base, tuned = folder("bert/base"), folder("bert/tuned")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tuned / name).unlink()
    pair = load_pair(base, tuned, device="cpu")
    assert pair.tuned.tokenizer is pair.base.tokenizer
    assert "the tuned model has no tokenizer of its own, it reads with the base's" in pair.notes
    both = load_pair(tuned, base, device="cpu")
    assert both.tuned.tokenizer is both.base.tokenizer
    assert "the base has no tokenizer of its own, it reads with the tuned model's" in both.notes
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
    with refused(CheckpointError, "(CTRLTokenizer) is a tokenizer without offsets", "save a fast one (tokenizer.json)"):
        load_pair(base, ready / "bert/tuned", device="cpu")


def test_an_adapters_own_tokenizer(ready: Path, folder: Callable[[str], Path]) -> None:
    adapter = folder("bert/adapter")
    pair = load_pair(tuned=adapter, device="cpu")
    assert pair.notes[-1] == "the tuned model has no tokenizer of its own, it reads with the base's"
    save_tokenizer(adapter)
    pair = load_pair(tuned=adapter, device="cpu")
    assert pair.tuned.tokenizer is not pair.base.tokenizer
    assert not any("tokenizer" in note for note in pair.notes)
    pair = load_pair(adapter, ready / "bert/adapter", device="cpu")
    assert f"the tuned model has no tokenizer of its own, it reads with that of {ready / 'bert/base'}" in pair.notes


def test_files_of_a_slow_tokenizer_are_converted(ready: Path, folder: Callable[[str], Path]) -> None:
    base = folder("bert/base")
    (base / "tokenizer.json").unlink()
    (base / "vocab.txt").write_text("\n".join(WORDS))
    (base / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    pair = load_pair(base, ready / "bert/tuned", device="cpu")
    encoded = pair.base.tokenizer("a film", return_offsets_mapping=True)
    assert encoded["offset_mapping"] == [(0, 0), (0, 1), (2, 6), (0, 0)]


def test_a_tokenizer_does_not_cut_texts(ready: Path) -> None:
    pair = load_pair(ready / "bert/base", ready / "bert/tuned", device="cpu")
    assert pair.base.tokenizer.backend_tokenizer.truncation is None
    assert len(pair.base.tokenizer("film " * 30)["input_ids"]) == 32
