"""What is fetched from the hub, what is refused before it is, and what serves without it."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from attncompare.errors import BadInput, CheckpointError
from attncompare.models.checkpoint import no_folder, resolve
from tests.models.checkpoints import refused
from tests.models.hub_server import COMMIT, Hub


def test_only_what_is_needed_is_downloaded(bert: Path, hub: Hub, tmp_path: Path) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "labels.json").write_text("{}")
    for name in ("pytorch_model.bin", "model.fp16.safetensors", "README.md", "onnx/model.onnx", "onnx/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("unwanted")
    hub.add("org/name", tmp_path)
    found = resolve("org/name@main", no_folder)
    assert (found.id, found.revision) == ("org/name", COMMIT)
    assert found.fingerprint() == f"org/name@{COMMIT}"
    assert sorted(hub.downloads) == sorted([*(file.name for file in bert.iterdir()), "labels.json"])
    assert found.folder.name == COMMIT
    resolve("org/name@main", no_folder)
    assert len(hub.downloads) == len(set(hub.downloads))


def test_an_adapter_on_the_hub(adapter: Path, hub: Hub) -> None:
    hub.add("org/adapter", adapter)
    found = resolve("org/adapter", no_folder)
    assert found.adapter is not None
    assert [path.name for path in found.weights] == ["adapter_model.safetensors"]


def test_size_is_judged_before_the_download(bert: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/large", bert, sizes={"model.safetensors": 21 * 10**9})
    with refused(CheckpointError, "'org/large' is 21 GB", "at most 20 GB", "ATTNCOMPARE_MAX_GB"):
        resolve("org/large", no_folder)
    monkeypatch.setenv("ATTNCOMPARE_MAX_GB", "0.00001")
    hub.add("org/small", bert)
    with refused(CheckpointError, "'org/small' is", "at most 1e-05 GB"):
        resolve("org/small", no_folder)
    monkeypatch.setenv("ATTNCOMPARE_MAX_GB", "plenty")
    with refused(BadInput, "ATTNCOMPARE_MAX_GB must be a number", "'plenty'"):
        resolve("org/small", no_folder)
    monkeypatch.delenv("ATTNCOMPARE_MAX_GB")
    hub.add("org/silent", bert, sizes={"model.safetensors": None})
    with refused(CheckpointError, "doesn't say how large"):
        resolve("org/silent", no_folder)
    assert hub.downloads == []


def test_pickles_on_the_hub_are_not_downloaded(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    hub.add("org/old", tmp_path)
    with refused(CheckpointError, "only as pytorch_model.bin", "safetensors"):
        resolve("org/old", no_folder)
    assert hub.downloads == []


def test_a_repository_without_configuration(bert: Path, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((bert / "model.safetensors").read_bytes())
    hub.add("org/bare", tmp_path)
    with refused(CheckpointError, "'org/bare' has no config.json"):
        resolve("org/bare", no_folder)
    assert hub.downloads == []


def test_what_the_hub_refuses(bert: Path, hub: Hub) -> None:
    with refused(CheckpointError, "no model 'org/absent'", "HF_TOKEN"):
        resolve("org/absent", no_folder)
    hub.add("org/gated", bert, gated=True)
    with refused(CheckpointError, "'org/gated' is gated", "HF_TOKEN"):
        resolve("org/gated", no_folder)
    hub.add("org/name", bert)
    with refused(CheckpointError, "no revision 'v9'"):
        resolve("org/name@v9", no_folder)


def test_a_hub_that_does_not_answer(bert: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/name", bert)
    hub.status = 503
    with refused(CheckpointError, "can't be reached (it answers with status 503)", "local folder"):
        resolve("org/name", no_folder)
    hub.status = None
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with refused(CheckpointError, "can't be reached (ConnectError)"):
        resolve("org/name", no_folder)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with refused(CheckpointError, "can't be reached (HF_HUB_OFFLINE is set)"):
        resolve("org/name", no_folder)


@pytest.mark.parametrize("spec", ["org/name", "org/name@main", f"org/name@{COMMIT}"])
def test_a_download_serves_without_the_hub(
    bert: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, spec: str, tmp_path: Path
) -> None:
    hub.add("org/name", bert)
    downloaded = resolve("org/name", no_folder)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert resolve(spec, no_folder) == downloaded
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert resolve(spec, no_folder) == downloaded
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    with refused(CheckpointError, "not on this machine"):
        resolve(spec, no_folder)


def test_an_interrupted_download_does_not_count(bert: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/name", bert)
    for weights in resolve("org/name", no_folder).weights:
        weights.unlink()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with refused(CheckpointError, "not on this machine"):
        resolve("org/name", no_folder)


def test_whose_token_is_sent(bert: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own; on a Space, where strangers choose the ids, nobody's: its owner's would open private models."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.add("org/mine", bert)
    resolve("org/mine", no_folder)
    assert hub.tokens == {"Bearer hf_secret"}
    hub.tokens.clear()
    monkeypatch.setenv("SPACE_ID", "org/space")
    hub.add("org/other", bert)
    resolve("org/other", no_folder)
    assert hub.tokens == {None}
    assert len(hub.downloads) > 2
