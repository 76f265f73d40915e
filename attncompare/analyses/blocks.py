"""A layer of both models as blocks of rows, small enough to stay in a processor's cache, large enough to be worth a call."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.errors import PairMismatch
from attncompare.metrics.kernel import Block
from attncompare.models.merged import AnyCall

BLOCK_CELLS = {"cpu": 2**18, "cuda": 2**26}
"""Attention weights of one model in a block, by device: 1 MB of float32 stays in a processor's cache (the fastest of
2**15 to 2**20 at 512 tokens); a GPU wants a block that keeps it busy."""

MIN_ROWS = 32
"""Fewer queries a block would spend the time on calls: at 2048 tokens 4 rows took 1.7 times as long as 32."""


def spans(call: AnyCall) -> Iterator[tuple[int, int]]:
    """``start, stop`` of each block of queries."""
    cells = BLOCK_CELLS.get(call.device.type, BLOCK_CELLS["cpu"])
    rows = max(MIN_ROWS, cells // (call.heads * call.keys))
    for start in range(0, call.queries, rows):
        yield start, min(start + rows, call.queries)


def head_map(call: AnyCall, head: int) -> Float[Tensor, "query key"]:
    """One head's attention over the whole text, 0 where masked; the other heads never exist beyond a block."""
    rows = torch.zeros(call.queries, call.keys, dtype=torch.float32)
    for start, stop in spans(call):
        block = call.block(start, stop)[0][head]
        rows[start:stop, : block.shape[1]] = block
    return rows


def blocks(base: AnyCall, tuned: AnyCall) -> Iterator[Block]:
    """The layer's rows in both models, block by block.

    Raises:
        PairMismatch: the models let a query see different keys.
    """
    for start, stop in spans(base):
        base_rows, visible = base.block(start, stop)
        tuned_rows, tuned_visible = tuned.block(start, stop)
        same = base_rows.shape == tuned_rows.shape and (visible is None) == (tuned_visible is None)
        if not same or (visible is not None and tuned_visible is not None and not visible.equal(tuned_visible)):
            raise PairMismatch("The two models let their tokens see different keys, so their rows can't be compared.")
        yield Block(start, base_rows, tuned_rows, visible)
