"""Tiny checkpoints that several tests of this folder read or damage."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attncompare.models.pair import PAIRS
from tests.models.checkpoints import CONFIGS, HEADS, TARGETS, TASKS, model, save, save_adapter
from tests.models.hub_server import Hub, serving


@pytest.fixture
def no_pair_is_kept() -> Iterator[None]:
    yield
    PAIRS.drop(lambda key: True)


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For every family ``base`` (no classifier), ``tuned`` (with its head) and ``adapter``; read-only."""
    root = tmp_path_factory.mktemp("ready")
    for family, head in HEADS.items():
        save(model("" if family == "bert" else head, CONFIGS[family]), root / family / "base")
        save(model(head, CONFIGS[family], seed=1), root / family / "tuned")
        options = {"task_type": TASKS[family], "target_modules": TARGETS[family]}
        made, folder = model(head, CONFIGS[family]), root / family / "adapter"
        save_adapter(made, folder, base=str(root / family / "base"), fan_in_fan_out=family == "gpt2", **options)
    return root


@pytest.fixture
def folder(ready: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of one of them to damage, ``bert/base`` say."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(ready / name, tmp_path / name.replace("/", "-")))

    return copy


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full checkpoint; read-only."""
    return save(model("", CONFIGS["bert"]), tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter that names a base on the hub; read-only."""
    folder = tmp_path_factory.mktemp("adapter")
    return save_adapter(
        model("ForSequenceClassification", CONFIGS["bert"]), folder, base="org/base", task_type="SEQ_CLS"
    )


@pytest.fixture
def copy(bert: Path, tmp_path: Path) -> Path:
    """A full checkpoint to damage."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in bert.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving(monkeypatch, tmp_path / "hub-cache") as server:
        yield server
