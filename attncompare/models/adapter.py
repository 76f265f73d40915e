"""Adapters: the tuned side of a pair as a twin of the base that shares its weights.

The twin has modules of its own and the base's own tensors, so a pair costs little more memory than the base, and both
sides run in parallel threads without a lock. An adapter is never merged into the base and never switched off: both
would change a model that other threads are using. peft is imported where it is used: that takes seconds.
"""

import copy
import json
import re
import threading
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from attncompare.errors import CheckpointError, PairMismatch, UnsupportedModel
from attncompare.models.folder import Checkpoint
from attncompare.models.loading import named_tensors
from attncompare.models.quiet import quiet, reason

_PREFIX = "base_model.model."
_NOT_COMPARED = ("megatron_config", "layer_replication", "alora_invocation_tokens", "arrow_config")
_LABEL_WEIGHTS = (
    "score.weight",
    "classifier.weight",
    "classifier.out_proj.weight",
    "classification_head.out_proj.weight",
)

_PEFT = threading.Lock()
"""Held while peft's warnings are ignored: Python keeps warning filters per process, and two threads that swap them at
the same time could leave ours in place. What peft warns of (weights that are missing) is checked here."""


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


def fill(base: Any, adapter: Checkpoint, names: set[str]) -> set[str]:
    """Copy those of the named weights that the adapter saved whole (a trained output head) into the base.

    Returns the names that were filled.

    Raises:
        PairMismatch: if one has another shape in the base.
    """
    from safetensors import safe_open

    tensors, filled = base.state_dict(), set()
    with safe_open(adapter.weights[0], framework="pt") as file:
        for name in _saved_whole(adapter) & names:
            value = file.get_tensor(_PREFIX + name)
            if value.shape != tensors[name].shape:
                sizes = f"{name} is {tuple(value.shape)}, expected {tuple(tensors[name].shape)}."
                raise PairMismatch(_misfit(adapter, base, sizes))
            tensors[name].copy_(value)
            filled.add(name)
    return filled


def _saved_whole(adapter: Checkpoint) -> set[str]:
    """Names, as in the base, of what the adapter replaces instead of adding to it."""
    return {name.removeprefix(_PREFIX) for name in adapter.shapes() if ".lora_" not in name}


def labels(adapter: Checkpoint, base_config: Any) -> dict[int, str]:
    """Names of the classes of the adapter's classifier, by index.

    peft stores no names: they come from ``labels.json`` beside the adapter, else from the base's configuration, else
    from a ``config.json`` beside the adapter, whichever has as many as the saved classifier has rows.
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
    """The base with the adapter, as a model of its own that shares the base's tensors; the base stays as it is.

    Raises:
        PairMismatch: if the adapter does not fit this base.
        CheckpointError: if the adapter lacks weights, or there is too little memory.
        UnsupportedModel: if putting it on changes the base's own weights.
    """
    from peft import PeftModel

    before = {name: (tensor.data_ptr(), tensor._version) for name, tensor in named_tensors(base).items()}
    copied = _copy_sharing(base, adapter)
    config = _plain_config(adapter, base)
    try:
        with quiet(), _PEFT, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(peft|transformers)\b")
            tuned = PeftModel.from_pretrained(
                copied,
                str(adapter.folder),
                config=config,
                torch_device=str(base.device),
                # One data type for both sides: peft would run a half precision adapter in float32.
                autocast_adapter_dtype=False,
                use_safetensors=True,
            )
    except (torch.OutOfMemoryError, MemoryError):
        raise CheckpointError(f"The adapter {adapter.id!r} doesn't fit into memory beside its base.") from None
    except KeyError as error:
        raise CheckpointError(f"The adapter {adapter.id!r} lacks {error.args[0]}, which it says it saved.") from None
    except Exception as error:  # targets not found, sizes that differ, unknown options: peft has no class for these
        raise PairMismatch(_misfit(adapter, base, reason(error, adapter))) from None
    if before != {name: (tensor.data_ptr(), tensor._version) for name, tensor in named_tensors(base).items()}:
        raise UnsupportedModel(f"The adapter {adapter.id!r} changes the base's own weights, so it isn't compared.")
    _check_complete(tuned, base, adapter)
    return tuned.eval().requires_grad_(False)


def _plain_config(adapter: Checkpoint, base: Any) -> Any:
    """The adapter's configuration with its targets spelled out.

    peft matches patterns of the configuration against module names. A stranger's regular expression could hang the whole
    process, and a stated rank takes memory before it is compared with the file: so targets come from the file's own tensor
    names, and ranks are checked first.
    """
    from peft import PeftConfig

    settings = adapter.adapter or {}
    names = [
        *(settings.get("modules_to_save") or ()),
        *(settings.get("rank_pattern") or ()),
        *(settings.get("alpha_pattern") or ()),
    ]
    if odd := [name for name in names if not re.fullmatch(r"[\w.]+", str(name))]:
        raise UnsupportedModel(
            f"The adapter {adapter.id!r} names modules by the pattern {str(odd[0])[:60]!r}: spell them out."
        )
    ranks = {
        name.removeprefix(_PREFIX).rsplit(".lora_", 1)[0]: shape[1 if "_embedding_" in name else 0]
        for name, (_, shape) in adapter.shapes().items()
        if re.search(r"\.lora_(embedding_)?A(\.weight)?$", name) and len(shape) > 1
    }
    _check_stated(settings, ranks, adapter, base)
    config = PeftConfig.from_pretrained(str(adapter.folder))
    if ranks:
        config.target_modules = set(ranks)
        config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
    return config


def _check_stated(settings: Mapping[str, Any], ranks: Mapping[str, int], adapter: Checkpoint, base: Any) -> None:
    """The file holds what the configuration says: targets where they are listed by name, and ranks."""
    targets = settings.get("target_modules")
    for target in targets if isinstance(targets, list) else ():
        if not any(f".{name}".endswith(f".{target}") for name in ranks):
            raise CheckpointError(f"The adapter {adapter.id!r} lacks the weights of its target {str(target)[:60]!r}.")
    stated = [settings.get("r"), *(settings.get("rank_pattern") or {}).values()]
    for name, rank in ranks.items():
        if isinstance(targets, list) and not any(f".{name}".endswith(f".{target}") for target in targets):
            raise PairMismatch(_misfit(adapter, base, f"it has weights for {name}, which is not among its targets."))
        if rank not in stated:
            raise PairMismatch(
                _misfit(adapter, base, f"{name} has rank {rank}, which its configuration doesn't state.")
            )
    bound = max(ranks.values(), default=0)
    if any(not isinstance(rank, int) or rank > bound for rank in stated):
        raise PairMismatch(_misfit(adapter, base, "its configuration states a rank that no weight has."))


def _copy_sharing(base: Any, adapter: Checkpoint) -> Any:
    """New modules around the base's own tensors.

    Biases and embeddings that the adapter replaces are loaded in place, so the copy gets its own of those. Modules that
    the adapter saves as a whole are copied by peft.
    """
    whole = set((adapter.adapter or {}).get("modules_to_save") or ())
    own = set()
    for name in _saved_whole(adapter):
        if ".original_module." in name or not whole.intersection(name.split(".")):
            own.add(name.replace(".base_layer.", ".").replace(".original_module.", "."))
    memo = {id(tensor): tensor for name, tensor in named_tensors(base).items() if name not in own}
    return copy.deepcopy(base, memo)


def _check_complete(tuned: Any, base: Any, adapter: Checkpoint) -> None:
    """Every weight of the file has a place in the model, and every low-rank term got its weights."""
    from peft import get_peft_model_state_dict

    places = set(get_peft_model_state_dict(tuned, save_embedding_layers=False))
    found = set(adapter.shapes())
    if absent := sorted(name for name in places - found if ".lora_" in name):
        raise CheckpointError(f"The adapter {adapter.id!r} lacks {len(absent)} of its weights, such as {absent[0]}.")
    if extra := sorted(name for name in found - places if ".lora_" in name):
        raise PairMismatch(_misfit(adapter, base, f"it has {len(extra)} weights too many, such as {extra[0]}."))


def _misfit(adapter: Checkpoint, base: Any, why: str) -> str:
    return f"The adapter {adapter.id!r} doesn't fit this {type(base).__name__}: {why}"
