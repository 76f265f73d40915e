"""Where a pair runs and in which numbers: one device and one data type for both sides."""

import torch

from attncompare.errors import BadInput
from attncompare.models.checkpoint import Checkpoint

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
    here = [
        name for name, there in (("cuda", torch.cuda), ("mps", torch.backends.mps)) if there.is_available()
    ] + ["cpu"]
    try:
        chosen = torch.device(device or here[0])
    except (RuntimeError, TypeError):
        chosen = None
    count = torch.cuda.device_count() if chosen and chosen.type == "cuda" else 1
    if chosen is None or chosen.type not in here or (chosen.index or 0) >= count:
        raise BadInput(f"device must be one of {', '.join(here)} on this machine, got {device!r}.")
    return chosen


def pick_dtype(dtype: str | torch.dtype | None, device: torch.device, checkpoint: Checkpoint) -> torch.dtype:
    """The data type asked for; without one float32 on a CPU and elsewhere what most of the checkpoint is
    stored in.

    Raises:
        BadInput: if it is no floating-point type that models run in.
    """
    if dtype is None:
        if device.type == "cpu":
            return torch.float32
        stored: dict[str, int] = {}
        for kind, shape in checkpoint.shapes().values():
            stored[kind] = stored.get(kind, 0) + torch.Size(shape).numel()
        return _STORED.get(max(stored, key=lambda kind: stored[kind]), torch.float32)
    chosen = DTYPES.get(dtype.removeprefix("torch.")) if isinstance(dtype, str) else dtype
    if chosen is None or chosen not in DTYPES.values():
        raise BadInput(f"dtype must be one of {', '.join(DTYPES)}, got {str(dtype)!r}.")
    return chosen
