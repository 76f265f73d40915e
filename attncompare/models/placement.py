"""Where a pair runs and in which numbers: one device and one data type for both sides."""

import torch

from attncompare.errors import BadInput
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
