"""How far apart are the heads? The divergence of every head and nothing else, for questions that ask it of many texts."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.analyses.blocks import Stacks, blocks
from attncompare.attention import Progress, frozen
from attncompare.metrics.kernel import DivergenceKernel
from attncompare.models.calls import AttentionCall
from attncompare.models.pair import Pair
from attncompare.models.traces import prepare, walk


def divergence(pair: Pair, text: str, *, progress: Progress | None = None) -> np.ndarray:
    """Mean Jensen-Shannon divergence of each head in bits, ``[layer, head]``, as ``jsd_bits`` of a comparison.

    NaN where no row sees two keys. ``progress`` is called between layers and may raise to stop.

    Raises:
        BadInput: blank or too long text. PairMismatch: the models don't see the same tokens.
    """
    bits: list[Float[Tensor, " head"]] = []

    def visit(base: AttentionCall, tuned: AttentionCall, count: int) -> None:
        kernel = DivergenceKernel(base.heads)
        for block in blocks(base, tuned, entropy=False):
            kernel.add(block)
        bits.extend(kernel.bits().chunk(count))

    stacks = Stacks(visit)
    walk(prepare(pair, text), stacks.visit, progress)
    stacks.end()
    return frozen(torch.stack(bits))
