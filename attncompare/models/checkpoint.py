"""From what a person types (a hub id, a folder) to a :class:`~attncompare.models.folder.Checkpoint` on this machine.

This module decides which local folders may be opened. It knows nothing about what is in them.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from attncompare.errors import BadInput, CheckpointError, NotAllowed
from attncompare.models import embedded, hub
from attncompare.models.folder import Checkpoint, open_folder

LocalRule = Callable[[Path], bool]
"""Says whether a local folder may be opened; it resolves links and ``..`` itself."""

LONGEST_SPEC = 1000
"""Characters of the longest id or path that is looked at."""

_ADDRESS = re.compile(r"https?://(?:huggingface\.co|hf\.co)/([^/]+/[^/]+?)(?:/tree/([^/]+))?/?")


def any_folder(folder: Path) -> bool:
    """The rule of Python and the command line: every local folder may be opened."""
    return True


def no_folder(folder: Path) -> bool:
    """The rule of a Space, and for what a downloaded file names: no local folder may be opened."""
    return False


def page_policy(loopback: bool, environ: Mapping[str, str]) -> LocalRule:
    """The rule of a page: on a Space none, on loopback every folder, otherwise those that the host listed.

    The person who looks at a page served on loopback is the one who started it. ``ATTNCOMPARE_LOCAL_PATHS`` lists
    folders as PATH does; what lies below them may be opened.
    """
    if "SPACE_ID" in environ:
        return no_folder
    if loopback:
        return any_folder
    listed = environ.get("ATTNCOMPARE_LOCAL_PATHS", "").split(os.pathsep)
    roots = [Path(entry).expanduser().resolve() for entry in listed if entry]
    return lambda folder: any(folder.resolve().is_relative_to(root) for root in roots)


def given(spec: str | Path | None) -> str | Path | None:
    """A spec as it was meant: blank is none, and the address of a hub page is the id on it."""
    if spec is None or isinstance(spec, Path):
        return spec
    if not isinstance(spec, str):
        raise BadInput(f"Expected a hub id or a folder as text or Path, got {type(spec).__name__}.")
    if address := _ADDRESS.fullmatch(spec.strip()):
        return "@".join(part for part in address.groups() if part)
    return spec.strip() or None


def resolve(spec: str | Path, local: LocalRule) -> Checkpoint:
    """Find the checkpoint that a person means, downloading what is missing.

    A string that is both a hub id and a folder is the folder where the rule allows it, otherwise the hub's.

    Raises:
        NotAllowed: if it is a local folder that may not be opened.
        CheckpointError: if it can't be found, reached or trusted.
    """
    text = os.fspath(spec)
    if len(text) > LONGEST_SPEC or not text.isprintable():
        raise CheckpointError(f"Expected a hub id or a folder, got {text[:40]!r}… ({len(text)} characters).")
    if isinstance(spec, str) and (shipped := embedded.shipped(spec)):
        return open_folder(shipped, spec, None)
    path = _path(text)
    looks_local = text.startswith((".", "~")) or text.partition("@")[0].count("/") > 1
    must_be_local = isinstance(spec, Path) or path.is_absolute() or looks_local
    # The rule comes first: a refusal says nothing about which folders exist.
    if (must_be_local or _is_folder(path)) and local(path):
        if not _is_folder(path):
            raise CheckpointError(f"There is no folder {text!r}: check the path, or give a hub id (org/name).")
        return open_folder(path.resolve(), text, None)
    if must_be_local:
        raise NotAllowed(
            f"Local folders such as {text!r} are not opened here: give a hub id (org/name)"
            # On a Space the list is not read, so it is no way out.
            + ("." if "SPACE_ID" in os.environ else ", or have the folder listed in ATTNCOMPARE_LOCAL_PATHS.")
        )
    return _from_hub(*hub.split_id(text))


def _from_hub(repo_id: str, revision: str | None) -> Checkpoint:
    if embedded.is_base(repo_id, revision):
        if folder := embedded.base_folder():
            return open_folder(folder, embedded.BASE_ID, embedded.BASE_REVISION)
        revision = embedded.BASE_REVISION
    snapshot = hub.fetch(repo_id, revision)
    return open_folder(snapshot.folder, repo_id, snapshot.revision)


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~ and the name of nobody
        return Path(text)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that the file system can't hold
        return False
