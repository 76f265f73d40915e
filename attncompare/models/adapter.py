"""Adapters: the tuned side of a pair as a twin of the base that shares its weights.

The twin has modules of its own and the base's own tensors, so a pair costs little more memory than the base,
and both sides run in parallel threads without a lock. An adapter is never merged into the base and never
switched off: both would change a model that other threads are using. peft is imported where it is used: that
takes seconds.
"""

import copy
import json
import re
import threading
import warnings
from typing import Any

import torch

from attncompare.errors import CheckpointError, PairMismatch, UnsupportedModel
from attncompare.models.checkpoint import Checkpoint
from attncompare.models.loading import named_tensors
from attncompare.models.quiet import first_line, quiet

_PREFIX = "base_model.model."
_NOT_COMPARED = ("megatron_config", "layer_replication", "alora_invocation_tokens", "arrow_config")
_LABEL_WEIGHTS = (
    "score.weight",
    "classifier.weight",
    "classifier.out_proj.weight",
    "classification_head.out_proj.weight",
)

_PEFT = threading.Lock()
"""Held while peft's warnings are ignored: Python keeps warning filters per process, and two threads that swap
them at the same time could leave ours in place. What peft warns of (weights that are missing) is checked
here."""


def named_base(adapter: Checkpoint) -> str:
    """The base that an adapter was trained on, as its configuration names it (``org/name@revision`` or a
    folder).

    Raises:
        CheckpointError: if it names none.
    """
    settings = adapter.adapter or {}
    name, revision = settings.get("base_model_name_or_path"), settings.get("revision")
    if not isinstance(name, str) or not name:
        raise CheckpointError(f"The adapter {adapter.id!r} doesn't name its base: give the base too.")
    is_id = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name)
    return f"{name}@{revision}" if is_id and isinstance(revision, str) and revision else name


def check_kind(adapter: Checkpoint) -> None:
    """Refuse adapters that do more than add low-rank terms to the base's layers.

    Raises:
        UnsupportedModel: for them.
    """
    settings = adapter.adapter or {}
    kind = settings.get("peft_type")
    if kind != "LORA":
        raise UnsupportedModel(f"{adapter.id!r} is an adapter of kind {kind!r}, expected 'LORA'.")
    if used := [option for option in _NOT_COMPARED if settings.get(option)]:
        raise UnsupportedModel(f"The adapter {adapter.id!r} uses {used[0]}, which is not compared.")


def saved_weights(adapter: Checkpoint) -> dict[str, torch.Tensor]:
    """Weights that the adapter replaces as a whole (the trained output head), by their name in the base."""
    from safetensors import safe_open

    with safe_open(adapter.weights[0], framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(_PREFIX) and ".lora_" not in name]  # noqa: SIM118
        return {name.removeprefix(_PREFIX): file.get_tensor(name) for name in names}


def labels(adapter: Checkpoint, base_config: Any) -> dict[int, str]:
    """Names of the classes of the adapter's classifier, by index.

    peft stores no names: they come from ``labels.json`` beside the adapter, else from the base's
    configuration, else from a ``config.json`` beside the adapter, whichever has as many as the saved
    classifier has rows.
    """
    shapes = {name.removeprefix(_PREFIX): shape for name, (_, shape) in adapter.shapes().items()}
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


def twin(base: Any, adapter: Checkpoint) -> Any:
    """The base with the adapter, as a model of its own that shares the base's tensors; the base stays as it
    is.

    Raises:
        PairMismatch: if the adapter does not fit this base.
        UnsupportedModel: if putting it on changes the base's own weights.
    """
    from peft import PeftConfig, PeftModel

    tensors = named_tensors(base)
    config_has_biases = (adapter.adapter or {}).get("bias", "none") != "none"
    # Trained biases are loaded into the layers' own bias tensors: those must be the twin's own.
    shared = {id(t): t for name, t in tensors.items() if not (config_has_biases and name.endswith("bias"))}
    before = {name: (t.data_ptr(), t._version) for name, t in tensors.items()}
    copied = copy.deepcopy(base, dict(shared))
    try:
        with quiet(), _PEFT, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(peft|transformers)\b")
            config = PeftConfig.from_pretrained(str(adapter.folder))
            tuned = PeftModel.from_pretrained(
                copied,
                str(adapter.folder),
                config=config,
                torch_device=str(base.device),
                # One data type for both sides: peft would otherwise run half precision adapters in float32.
                autocast_adapter_dtype=False,
                use_safetensors=True,
            )
    except (torch.OutOfMemoryError, MemoryError):
        raise CheckpointError(
            f"The adapter {adapter.id!r} doesn't fit into the memory of {base.device}."
        ) from None
    except (
        Exception
    ) as error:  # targets not found, sizes that differ, options unknown: peft has no class for these
        raise PairMismatch(_misfit(adapter, base, _short(error))) from None
    if before != {name: (t.data_ptr(), t._version) for name, t in named_tensors(base).items()}:
        raise UnsupportedModel(
            f"Putting the adapter {adapter.id!r} on changes the base's own weights, so it is not compared."
        )
    _check_complete(tuned, base, adapter)
    return tuned.eval().requires_grad_(False)


def _check_complete(tuned: Any, base: Any, adapter: Checkpoint) -> None:
    """Every weight of the file has a place in the model, and every place got its weight."""
    from peft import get_peft_model_state_dict

    expected = set(get_peft_model_state_dict(tuned, save_embedding_layers=False))
    found = set(adapter.shapes())
    if absent := sorted(expected - found):
        raise CheckpointError(
            f"The adapter {adapter.id!r} lacks {len(absent)} of its weights, such as {absent[0]}."
        )
    if extra := sorted(name for name in found - expected if "embed" not in name):
        raise PairMismatch(
            _misfit(adapter, base, f"it has no place for {len(extra)} of its weights, such as {extra[0]}.")
        )


def _misfit(adapter: Checkpoint, base: Any, reason: str) -> str:
    return f"The adapter {adapter.id!r} doesn't fit this {type(base).__name__}: {reason}"


def _short(error: Exception) -> str:
    """The telling line of peft's error: for sizes that differ the first of them, which stands on the second
    line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = next((line for line in lines if line.startswith("size mismatch")), None)
    return first_line(ValueError(telling)) if telling else first_line(error)
