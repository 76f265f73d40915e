"""What is free, what a pair needs, and the refusal where the two don't meet."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from attncompare.errors import BadInput, CheckpointError
from attncompare.models import memory
from attncompare.models.checkpoint import any_folder
from attncompare.models.finding import find
from attncompare.models.opening import load_pair
from attncompare.models.pair import PAIRS, unwrapped
from attncompare.models.placement import check_room, weight_bytes
from tests.models.checkpoints import CONFIGS, model, refused, save, save_adapter, tensors

pytestmark = pytest.mark.usefixtures("no_pair_is_kept")
CPU = torch.device("cpu")


def test_what_fits_is_not_refused() -> None:
    memory.require(5, "It", "shrink it", free=5)
    memory.require(10**30, "It", "shrink it", free=None)
    with refused(BadInput, "It needs 6.9 GB of memory and 2.15 GB are free: shrink it."):
        memory.require(6_900_000_000, "It", "shrink it", free=2 * 2**30)
    with refused(CheckpointError, "It needs"):
        memory.require(6, "It", "shrink it", free=5, error=CheckpointError)


def test_this_machine_says_what_is_free() -> None:
    free = memory.available(CPU)
    assert free is not None
    assert 2**20 < free < 2**50


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_limits_of_a_container(tmp_path: Path) -> None:
    """Version 2: the tightest of the groups that we are in; what files take in memory can be had back."""
    membership = tmp_path / "membership"
    membership.write_text("0::/a/b\n")
    root = tmp_path / "v2"
    write(root, memory__stat="anon 1\n")
    assert memory._container_limits(root, membership) == []
    write(root / "a", memory__max="1000\n", memory__current="700\n", memory__stat="anon 600\ninactive_file 100\n")
    write(root / "a" / "b", memory__max="max\n", memory__current="300\n", memory__stat="inactive_file 5\n")
    assert memory._container_limits(root, membership) == [400]
    write(root / "a" / "b", memory__max="350\n")
    assert sorted(memory._container_limits(root, membership)) == [55, 400]
    write(root, memory__max="90\n", memory__current="100\n")  # a container sees its own group as the root
    assert min(memory._container_limits(root, tmp_path / "nowhere")) == 0


def test_limits_of_a_container_of_version_1(tmp_path: Path) -> None:
    write(
        tmp_path / "memory",
        memory__limit_in_bytes="500\n",
        memory__usage_in_bytes="300\n",
        memory__stat="total_inactive_file 40\n",
    )
    assert memory._container_limits(tmp_path, tmp_path / "nowhere") == [240]


def test_a_full_pair_counts_both_sides_as_they_will_be_loaded(ready: Path) -> None:
    sources = find(ready / "bert/base", ready / "bert/tuned", any_folder)
    sides = weight_bytes(sources.base, torch.float32), weight_bytes(sources.tuned, torch.float32)
    pair = load_pair(ready / "bert/base", ready / "bert/tuned", device="cpu")
    for side, size in zip((pair.base, pair.tuned), sides, strict=True):
        held = sum(p.numel() * 4 for p in side.model.bert.parameters())
        assert held <= size <= 1.01 * held
    needed = int(1.1 * sum(sides))
    check_room(sources, CPU, torch.float32, free=lambda device: needed)
    for free, hint in ((needed - 1, "give dtype='bfloat16', which needs"), (needed // 3, "choose smaller models")):
        with refused(CheckpointError, f"Comparing {sources.base.id!r} with {sources.tuned.id!r} in float32", hint):
            check_room(sources, CPU, torch.float32, free=lambda device, free=free: free)
    check_room(sources, CPU, torch.bfloat16, free=lambda device: needed // 2 + 1)
    with refused(CheckpointError, "in bfloat16 needs", "choose smaller models"):
        check_room(sources, CPU, torch.bfloat16, free=lambda device: needed // 2 - 1000)


def test_adapters_count_their_base_once(ready: Path) -> None:
    one = find(None, ready / "bert/adapter", any_folder)
    two = find(ready / "bert/adapter", ready / "bert/adapter", any_folder)
    body, added = weight_bytes(one.body, torch.float32), weight_bytes(one.tuned, torch.float32)
    check_room(one, CPU, torch.float32, free=lambda device: int(1.1 * (body + added)) + 1)
    check_room(two, CPU, torch.float32, free=lambda device: int(1.1 * (body + 2 * added)) + 1)
    with refused(CheckpointError, "needs"):
        check_room(two, CPU, torch.float32, free=lambda device: int(1.1 * (body + added)))


def test_a_gpu_is_reached_through_the_machine(ready: Path) -> None:
    sources = find(None, ready / "bert/adapter", any_folder)
    with refused(CheckpointError, "through which a model passes on its way to the GPU"):
        check_room(sources, torch.device("cuda:0"), torch.float32, free=lambda device: 10**9 * (device.type == "cuda"))
    with refused(CheckpointError, "free some on this cuda"):
        check_room(sources, torch.device("cuda:0"), torch.float16, free=lambda device: 10**9 * (device.type == "cpu"))


def test_kept_pairs_make_room(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_pair(ready / "bert/base", ready / "bert/tuned", device="cpu")
    monkeypatch.setattr(memory, "available", lambda device: 10**9 * (len(PAIRS) == 0))
    load_pair(tuned=ready / "bert/adapter", device="cpu")
    assert len(PAIRS) == 1
    monkeypatch.setattr(memory, "available", lambda device: 1000)
    with refused(CheckpointError, "1e-06 GB are free"):
        load_pair(tuned=ready / "gpt2/adapter", device="cpu")


def bytes_ratio(base: torch.nn.Module, tuned: torch.nn.Module) -> float:
    """Bytes of every storage of both, each once, to those of the base alone."""
    return sum(tensors(base, tuned).values()) / sum(tensors(base).values())


def test_an_adapter_pair_takes_little_more_than_its_base(tmp_path: Path) -> None:
    """Counted in storages: the embedded pair, and rank 8 on the queries and values of a wider model."""
    pair = load_pair(device="cpu")
    assert 1 < bytes_ratio(pair.base.model, pair.tuned.model) <= 1.05
    wide = type(CONFIGS["llama"])(
        vocab_size=40, hidden_size=512, num_hidden_layers=2, num_attention_heads=8, intermediate_size=1536
    )
    base = save(model("ForCausalLM", wide), tmp_path / "base")
    options = {"base": str(base), "target_modules": ["q_proj", "v_proj"], "r": 8, "task_type": "CAUSAL_LM"}
    first = save_adapter(model("ForCausalLM", wide), tmp_path / "first", **options)
    second = save_adapter(model("ForCausalLM", wide), tmp_path / "second", seed=2, **options)
    pair = load_pair(tuned=first, device="cpu")
    assert 1 < bytes_ratio(pair.base.model, pair.tuned.model) <= 1.05
    plain = pair.base.model
    pair = load_pair(first, second, device="cpu")
    both = sum(tensors(pair.base.model, pair.tuned.model).values())
    assert both <= 1.05 * sum(tensors(plain).values())
    assert set(map(id, plain.parameters())).isdisjoint(map(id, unwrapped(pair.base.model).parameters()))


def test_memory_for_what_an_adapter_does_not_store(
    ready: Path, folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout of the adapter says what putting it on takes, also where the file holds less."""
    calls = iter([10**9, 100])
    monkeypatch.setattr(memory, "available", lambda device: next(calls))
    with refused(CheckpointError, "The adapter", "needs", "choose a smaller one"):
        load_pair(tuned=folder("bert/adapter"), device="cpu")
