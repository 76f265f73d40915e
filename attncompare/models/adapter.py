"""What an adapter's files say: the base it was made for, the weights it saved whole, the names of its classes.

Nothing is put on a model here; :mod:`attncompare.models.twin` does that.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import torch

from attncompare.errors import CheckpointError, PairMismatch
from attncompare.models.folder import Checkpoint
from attncompare.models.kinds import MODEL, is_whole

_LABEL_WEIGHTS = (
    "score.weight",
    "classifier.weight",
    "classifier.out_proj.weight",
    "classification_head.out_proj.weight",
)


def named_base(adapter: Checkpoint) -> str:
    """The base that an adapter was trained on, as its configuration names it: ``org/name@revision`` or a folder.

    Raises:
        CheckpointError: if it names none.
    """
    settings = adapter.adapter or {}
    name, revision = settings.get("base_model_name_or_path"), settings.get("revision")
    if not isinstance(name, str) or not name:
        raise CheckpointError(f"The adapter {adapter.id!r} doesn't name its base: give the base too.")
    is_id = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name)
    return f"{name}@{revision}" if is_id and isinstance(revision, str) and revision else name


def saved_whole(adapter: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Shapes, by their names in the base, of what the adapter replaces instead of adding to it."""
    entries = adapter.shapes().items()
    return {name.removeprefix(MODEL): shape for name, (_, shape) in entries if is_whole(adapter, name)}


def read(adapter: Checkpoint, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Those of the named weights of the base that the adapter saved whole."""
    from safetensors import safe_open

    saved = saved_whole(adapter)
    with safe_open(adapter.weights[0], framework="pt") as file:
        return {name: file.get_tensor(MODEL + name) for name in names if name in saved}


def fill(base: Any, adapter: Checkpoint, names: set[str]) -> set[str]:
    """Copy those of the named weights that the adapter saved whole (a trained output head) into the base.

    Returns the names that were filled.

    Raises:
        PairMismatch: if one has another shape in the base.
    """
    tensors, found = base.state_dict(), read(adapter, names)
    for name, value in found.items():
        if value.shape != tensors[name].shape:
            sizes = f"{name} is {tuple(value.shape)}, expected {tuple(tensors[name].shape)}."
            raise PairMismatch(misfit(adapter, base, sizes))
        tensors[name].copy_(value)
    return set(found)


def labels(adapter: Checkpoint, base_config: Any) -> dict[int, str]:
    """Names of the classes of the adapter's classifier, by index.

    peft stores no names: they come from ``labels.json`` beside the adapter, else from the base's configuration, else
    from a ``config.json`` beside the adapter, whichever has as many as the saved classifier has rows.
    """
    shapes = saved_whole(adapter)
    rows = next((shapes[name][0] for name in _LABEL_WEIGHTS if len(shapes.get(name, ())) == 2), None)
    for found in (
        _read_labels(adapter, "labels.json"),
        dict(base_config.id2label),
        _read_labels(adapter, "config.json"),
    ):
        if found and len(found) == (rows or len(found)):
            return found
    return {index: f"LABEL_{index}" for index in range(rows or 0)}


def _read_labels(adapter: Checkpoint, name: str) -> dict[int, str]:
    """``id2label`` of a JSON file beside the adapter; empty if there is none.

    Raises:
        CheckpointError: if it is there and is no numbering of labels from 0.
    """
    path = adapter.folder / name
    try:
        found = json.loads(path.read_text("utf-8")).get("id2label", {}) if path.is_file() else {}
        numbered = {int(index): str(label) for index, label in found.items()}
    except (ValueError, AttributeError):
        numbered = {-1: ""}
    if sorted(numbered) != list(range(len(numbered))):
        raise CheckpointError(
            f'{name} of {adapter.id!r} must number labels from 0: {{"id2label": {{"0": …, "1": …}}}}.'
        )
    return dict(sorted(numbered.items()))


def misfit(adapter: Checkpoint, base: Any, why: str) -> str:
    """The sentence of an adapter that does not fit a base."""
    return f"The adapter {adapter.id!r} doesn't fit this {type(base).__name__}: {why}"
