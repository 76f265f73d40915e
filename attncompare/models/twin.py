"""The twin: a base with an adapter, as a model of its own that shares the base's weights.

The twin has modules of its own and the base's own tensors, so a pair costs little more memory than the base, and both
sides run in parallel threads without a lock. An adapter is never merged into the base and never switched off: both
would change a model that other threads are using. Before anything is allocated the adapter is laid out on a copy without
numbers, and what that asks for is compared with what the file holds. peft is imported where it is used: that takes seconds.
"""

import copy
import itertools
import re
import threading
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from attncompare.errors import AttnCompareError, CheckpointError, PairMismatch, UnsupportedModel
from attncompare.models import memory
from attncompare.models.adapter import misfit, saved_whole
from attncompare.models.folder import Checkpoint
from attncompare.models.kinds import MODEL, has_layout, is_whole, plain_config, targets
from attncompare.models.loading import check_finite, named_tensors
from attncompare.models.quiet import quiet, reason

_PEFT = threading.Lock()
"""Held while peft's warnings are ignored: Python keeps warning filters per process, and two threads that swap them at
the same time could leave ours in place. What peft warns of (weights that are missing) is checked here."""

_MISMATCH = re.compile(r"size mismatch for (\S+): .*?torch\.Size\((\[.*?\])\).*?torch\.Size\((\[.*?\])\)")


def twin(base: Any, adapter: Checkpoint, *, task: str | None, head: Mapping[str, Tensor] | None = None) -> Any:
    """The base with the adapter; the base stays as it is.

    Args:
        base: the model that stays resident.
        adapter: of a kind that :func:`~attncompare.models.kinds.check_kind` accepts.
        task: peft's name for what the class of the base is for; it decides which modules count as the head.
        head: output head to use instead of the adapter's own, by names in the base.

    Raises:
        PairMismatch: if the adapter does not fit this base.
        CheckpointError: if the adapter lacks weights, or there is too little memory.
        UnsupportedModel: if the adapter can't be put on without changing the base's own weights.
    """
    before = {name: (tensor.data_ptr(), tensor._version) for name, tensor in named_tensors(base).items()}
    modules = {name for name, _ in base.named_modules(remove_duplicate=False)}
    if absent := sorted(targets(adapter) - modules):
        why = f"it changes {absent[0]}, which this class does not have: it was made for another class, or another base."
        raise PairMismatch(misfit(adapter, base, why))
    try:
        with quiet(), _PEFT, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(peft|transformers|torch)\b")
            config = plain_config(adapter)
            config.task_type = task
            if has_layout(adapter):
                _check_layout(base, adapter, config, head or {})
            tuned = _put_on(_copy_sharing(base, adapter), adapter, config, head or {})
    except AttnCompareError:
        raise
    except (torch.OutOfMemoryError, MemoryError):
        raise CheckpointError(f"The adapter {adapter.id!r} doesn't fit into memory beside its base.") from None
    except KeyError as error:
        raise CheckpointError(f"The adapter {adapter.id!r} lacks {error.args[0]}, which it says it saved.") from None
    except Exception as error:  # targets not found, sizes that differ, unknown options: peft has no class for these
        raise PairMismatch(misfit(adapter, base, _sizes(error) or reason(error, adapter))) from None
    if before != {name: (tensor.data_ptr(), tensor._version) for name, tensor in named_tensors(base).items()}:
        raise UnsupportedModel(f"The adapter {adapter.id!r} changes the base's own weights, so it isn't compared.")
    return tuned.eval().requires_grad_(False)


def _sizes(error: Exception) -> str | None:
    """Which weight torch could not load because of its shape."""
    if found := _MISMATCH.search(str(error)):
        name, held, wanted = found.groups()
        name = name.removeprefix(MODEL).replace(".default", "")
        return f"{name} is {held}, by its configuration and this base {wanted} is expected."
    return None


def _check_layout(base: Any, adapter: Checkpoint, config: Any, head: Mapping[str, Tensor]) -> None:
    """Put the adapter on a copy without numbers, where a stated rank of a million costs nothing; what then differs from the
    file is said, and the memory that the rest takes is asked for."""
    shell = _shell(base)
    own = set(map(id, (*shell.parameters(), *shell.buffers())))
    _resize(shell, base, adapter)
    with torch.device("meta"):
        laid = _wrap(shell, copy.deepcopy(config), low_cpu_mem_usage=True)
        described = {name: torch.empty(shape) for name, (_, shape) in adapter.shapes().items()}
        _fill(
            laid, adapter, described, {name: value.to("meta") for name, value in head.items()}, low_cpu_mem_usage=True
        )
    _check_complete(laid, base, adapter)
    added = (tensor for tensor in named_tensors(laid).values() if id(tensor) not in own)
    needed = sum(tensor.numel() for tensor in added) * base.dtype.itemsize
    memory.require(
        needed,
        f"The adapter {adapter.id!r}",
        "choose a smaller one",
        free=memory.available(base.device),
        error=CheckpointError,
    )


def _put_on(copied: Any, adapter: Checkpoint, config: Any, head: Mapping[str, Tensor]) -> Any:
    from peft.utils.save_and_load import load_peft_weights

    tuned = _wrap(copied, config)
    stored = load_peft_weights(str(adapter.folder), device=str(copied.device))
    check_finite(adapter, stored.items())
    _fill(tuned, adapter, stored, head)
    _check_complete(tuned, copied, adapter)
    return tuned


def _wrap(model: Any, config: Any, **options: Any) -> Any:
    from peft import PeftModel
    from peft.mapping_func import MODEL_TYPE_TO_PEFT_MODEL_MAPPING  # type: ignore[attr-defined]

    kind = MODEL_TYPE_TO_PEFT_MODEL_MAPPING.get(config.task_type, PeftModel)
    # One data type for both sides: peft would run a half precision adapter in float32.
    return kind(model, config, autocast_adapter_dtype=False, **options)


def _fill(
    tuned: Any, adapter: Checkpoint, stored: dict[str, Tensor], head: Mapping[str, Tensor], **options: Any
) -> None:
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    places = get_peft_model_state_dict(tuned, save_embedding_layers=False)
    # Only where the wrapper has a place for it: elsewhere it would be written into the base's own head.
    given = {name: head[name.removeprefix(MODEL)] for name in places if name.removeprefix(MODEL) in head}
    taken = {name: value for name, value in stored.items() if name.removeprefix(MODEL) not in head}
    set_peft_model_state_dict(tuned, taken | given, **options)


def _shell(base: Any) -> Any:
    """A copy of a model without its numbers."""
    tensors = itertools.chain(base.parameters(), base.buffers())
    return copy.deepcopy(base, {id(tensor): _without_numbers(tensor) for tensor in tensors})


def _without_numbers(tensor: Tensor) -> Tensor:
    empty = torch.empty_like(tensor, device="meta")
    return nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty


def _copy_sharing(base: Any, adapter: Checkpoint) -> Any:
    """New modules around the base's own tensors.

    Biases and embeddings that the adapter replaces are loaded in place, so the copy gets its own of those. Modules that
    the adapter saves as a whole are copied by peft.
    """
    whole = set((adapter.adapter or {}).get("modules_to_save") or ())
    own = set(_resized(base, adapter))
    for name in saved_whole(adapter):
        if ".original_module." in name or not whole.intersection(name.split(".")):
            own.add(_place(name))
    memo = {id(tensor): tensor for name, tensor in named_tensors(base).items() if name not in own}
    copied = copy.deepcopy(base, memo)
    _resize(copied, base, adapter)
    return copied


def _place(name: str) -> str:
    """Where in the base a weight belongs that was saved whole from inside one of peft's wrappers."""
    return name.replace(".base_layer.", ".").replace(".original_module.", ".")


def _resized(base: Any, adapter: Checkpoint) -> dict[str, int]:
    """Names of the base's embeddings, input and output, that the adapter saved with another number of tokens, and that."""
    found, tensors = {}, base.state_dict()
    saved = {_place(name): shape for name, shape in saved_whole(adapter).items()}
    layers = [base.get_input_embeddings(), base.get_output_embeddings()]
    for name, module in base.named_modules():
        shape = saved.get(f"{name}.weight", ())
        if any(module is layer for layer in layers) and len(shape) == 2:
            there = tensors[f"{name}.weight"].shape
            if shape[0] != there[0] and shape[1] == there[1]:
                found[f"{name}.weight"] = shape[0]
    return found


def _resize(model: Any, base: Any, adapter: Checkpoint) -> None:
    """Give a copy of the base as many tokens as the adapter saved; every row is then filled from the adapter.

    Raises:
        PairMismatch: if the adapter saved only one of two embeddings that are separate in the base.
    """
    if not (found := _resized(base, adapter)):
        return
    output = base.get_output_embeddings()
    separate = output is not None and output.weight is not base.get_input_embeddings().weight
    if len(set(found.values())) > 1 or len(found) < 1 + separate:
        name, rows = next(iter(found.items()))
        raise PairMismatch(misfit(adapter, base, f"it has {rows} rows in {name} alone, and not in all embeddings."))
    with torch.device(next(model.parameters()).device):
        model.resize_token_embeddings(next(iter(found.values())), mean_resizing=False)


def _check_complete(tuned: Any, base: Any, adapter: Checkpoint) -> None:
    """Every weight of the file has a place in the model, and every one that the adapter adds got its weights."""
    from peft import get_peft_model_state_dict

    places = set(get_peft_model_state_dict(tuned, save_embedding_layers=False))
    found = set(adapter.shapes())
    if absent := sorted(name for name in places - found if not is_whole(adapter, name)):
        raise CheckpointError(f"The adapter {adapter.id!r} lacks {len(absent)} of its weights, such as {absent[0]}.")
    if extra := sorted(name for name in found - places if not is_whole(adapter, name)):
        raise PairMismatch(misfit(adapter, base, f"it has {len(extra)} weights too many, such as {extra[0]}."))
