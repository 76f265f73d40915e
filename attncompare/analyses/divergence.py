"""How far apart are the heads? The divergence of every head and nothing else, for questions that ask it of many texts."""

from typing import Unpack

import numpy as np
import torch

from attncompare.analyses.blocks import blocks
from attncompare.attention import Progress, frozen
from attncompare.metrics.kernel import DivergenceKernel
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
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
    bits = []

    def visit(place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        kernel = DivergenceKernel(place.heads)
        for block in blocks(*question.views(base, tuned), entropy=False):
            kernel.add(block)
        bits.append(kernel.bits())

    walk(pair, question, visit, progress)
    return frozen(torch.stack(bits))
