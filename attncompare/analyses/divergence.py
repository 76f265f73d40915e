"""How far apart are the heads? The divergence of every head and nothing else, for questions that ask it of many texts."""

from typing import Unpack

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.analyses.blocks import Together, blocks
from attncompare.attention import Progress, frozen
from attncompare.metrics.kernel import DivergenceKernel
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.merged import AnyCall
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import walk


def divergence(pair: Pair, text: str, *, progress: Progress | None = None, **reading: Unpack[Reading]) -> np.ndarray:
    """Mean Jensen-Shannon divergence of each head in bits, ``[layer, head]``, as ``jsd_bits`` of a comparison.

    NaN where no row sees two keys. ``progress`` is called between layers and may raise to stop. ``reading`` says how the
    text is read, as in :func:`attncompare.compare`.

    Raises:
        BadInput: as compare.
    """
    question = prepare(pair, text, progress=progress, **reading)
    bits: list[Float[Tensor, " head"]] = []

    def count(base: AnyCall, tuned: AnyCall, layers: int) -> None:
        kernel = DivergenceKernel(base.heads)
        for block in blocks(base, tuned, entropy=False):
            kernel.add(block)
        bits.extend(kernel.bits().chunk(layers))

    def visit(place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        together.visit(*question.views(base, tuned))

    together = Together(count)
    walk(pair, question, visit, progress)
    together.end()
    return frozen(torch.stack(bits))
