"""Where a pair runs and in which numbers: one device and one data type for both sides, where both have room."""

from collections.abc import Callable

import torch

from attncompare.errors import BadInput, CheckpointError
from attncompare.models import memory
from attncompare.models.finding import Sources
from attncompare.models.folder import Checkpoint

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}
_STORED = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}


def pick_device(device: str | None) -> torch.device:
    """The device asked for, or the best there is.

    Raises:
        BadInput: if it does not exist here.
    """
    here = ["cpu"]
    if torch.backends.mps.is_available():
        here.insert(0, "mps")
    if torch.cuda.is_available():
        here = [f"cuda:{index}" for index in range(torch.cuda.device_count())] + here
    if device is None:
        return torch.device(here[0])
    if device not in (*here, "cuda" if here[0].startswith("cuda") else "cpu"):
        raise BadInput(f"device must be one of {', '.join(here)} on this machine, got {device!r}.")
    return torch.device("cuda:0" if device == "cuda" else device)


def named_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """The data type asked for, if one is.

    Raises:
        BadInput: if it is no floating-point type that models run in.
    """
    chosen = DTYPES.get(dtype.removeprefix("torch.")) if isinstance(dtype, str) else dtype
    if dtype is not None and chosen not in DTYPES.values():
        raise BadInput(f"dtype must be one of {', '.join(DTYPES)}, got {str(dtype)!r}.")
    return chosen


def default_dtype(device: torch.device, checkpoint: Checkpoint) -> torch.dtype:
    """float32 on a CPU, and elsewhere what most numbers of the checkpoint are stored in."""
    if device.type == "cpu":
        return torch.float32
    stored: dict[str, int] = {}
    for kind, shape in checkpoint.shapes().values():
        stored[kind] = stored.get(kind, 0) + torch.Size(shape).numel()
    return _STORED.get(max(stored, key=lambda kind: stored[kind]), torch.float32)


WORKING_SHARE = 0.1
"""What running the models takes beside their weights, as a share of those."""


def check_room(
    sources: Sources,
    device: torch.device,
    dtype: torch.dtype,
    *,
    free: Callable[[torch.device], int | None] | None = None,
) -> None:
    """Refuse a pair that won't fit into memory, before anything of it is loaded.

    Args:
        sources: both sides, and what adapters are put on.
        device: where the models will run; they pass through the machine's own memory on their way to another.
        dtype: what their weights will be cast to.
        free: bytes that a device has left, :func:`attncompare.models.memory.available` if not given.

    Raises:
        CheckpointError: naming what is needed, what is free, and what would fit.
    """
    free = free or memory.available
    adapted = sources.tuned.adapter is not None
    sides = [sources.body, *(sources.adapters if adapted else [sources.tuned])]

    def needed(kind: torch.dtype) -> int:
        return int((1 + WORKING_SHARE) * sum(weight_bytes(side, kind) for side in sides))

    what = f"Comparing {sources.base.id!r} with {sources.tuned.id!r} in {_name(dtype)}"
    there = free(device)
    half = needed(torch.bfloat16)
    if dtype.itemsize > 2 and there is not None and half <= there:
        hint = f"give dtype='bfloat16', which needs {memory.gigabytes(half)}"
    else:
        hint = f"choose smaller models or a machine with more, or free some on this {device.type}"
    memory.require(needed(dtype), what, hint, free=there, error=CheckpointError)
    if device.type == "cuda":
        largest = max(weight_bytes(side, dtype) for side in sides)
        hint = "free some on this machine, through which a model passes on its way to the GPU"
        memory.require(largest, what, hint, free=free(torch.device("cpu")), error=CheckpointError)


def weight_bytes(checkpoint: Checkpoint, dtype: torch.dtype) -> int:
    """Bytes of a checkpoint's weights once loaded: floating-point numbers as ``dtype``, others as 8 bytes each."""
    entries = checkpoint.shapes().values()
    return sum(torch.Size(shape).numel() * (dtype.itemsize if kind in _STORED else 8) for kind, shape in entries)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
