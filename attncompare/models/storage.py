"""One piece of memory for the queries and keys that a trace keeps of all its layers.

Kept tensors of some megabytes between a pass's own much larger ones, which come and go, leave the heap full of holes: a
trace of 300 MB was seen to cost 500. A piece of this size is taken from the system and goes back to it whole.
"""

from dataclasses import replace

import torch
from torch import Tensor

from attncompare.models.calls import AttentionCall, LayerCall

SMALLEST_BYTES = 2**25
"""Below this an allocator may serve a request from its heap (glibc), and nothing is gained by copying."""


class Storage:
    """Memory for the trace of one model on one text."""

    def __init__(self, calls: int) -> None:
        """``calls``: how many attention calls will be kept."""
        self._calls = calls
        self._free: Tensor | None = None

    def keep(self, call: AttentionCall) -> AttentionCall:
        """The call with its queries and keys in this memory; the call as it is where they are small or don't fit."""
        if not isinstance(call, LayerCall):
            return call
        elements = call.query.numel() + call.key.numel()
        if self._free is None:
            if self._calls * elements * call.query.element_size() < SMALLEST_BYTES:
                return call
            self._free = torch.empty(self._calls * elements, dtype=call.query.dtype, device=call.device)
        if elements > len(self._free) or call.query.dtype != self._free.dtype:
            return call
        return replace(call, query=self._copied(call.query), key=self._copied(call.key))

    def _copied(self, tensor: Tensor) -> Tensor:
        assert self._free is not None
        copy = self._free[: tensor.numel()].view(tensor.shape)
        self._free = self._free[tensor.numel() :]
        return copy.copy_(tensor)
