"""How far apart are the heads? The divergence of every head and nothing else, for questions that ask it of many texts."""

from typing import Unpack

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.analyses.blocks import Together, blocks
from attncompare.attention import Progress, frozen
from attncompare.metrics.kernel import DivergenceKernel
from attncompare.models.layout import Place
from attncompare.models.pair import Pair
from attncompare.models.question import PairText, ReadBy
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import walk
from attncompare.models.views import AnyCall


def divergence(pair: Pair, text: str, *, progress: Progress | None = None, **reading: Unpack[Reading]) -> np.ndarray:
    """Mean Jensen-Shannon divergence of each head in bits, ``[layer, head]``, as ``jsd_bits`` of a comparison.

    NaN where no row sees two keys. ``progress`` is called between layers and may raise to stop. ``reading`` says how the
    text is read, as in :func:`attncompare.compare`.

    Raises:
        BadInput: as compare.
    """
    question = prepare(pair, text, progress=progress, **reading)
    found = Divergences(question)
    walk(pair, question, found.visit, progress)
    return found.bits()


class Divergences:
    """The divergences of a walk's layers; :meth:`visit` takes one layer after the other."""

    def __init__(self, question: PairText, readers: tuple[ReadBy, ReadBy] = ("base", "tuned")) -> None:
        """``readers``: whose tokens the two models of the walk read."""
        self._question = question
        self._readers = readers
        self._together = Together(self._count)
        self._bits: list[Float[Tensor, " head"]] = []

    def visit(self, place: Place, base: AnyCall, tuned: AnyCall) -> None:
        """One layer in both models."""
        self._together.visit(*self._question.views(base, tuned, readers=self._readers))

    def bits(self) -> np.ndarray:
        """Of all layers so far, ``[layer, head]``, read-only float32."""
        self._together.end()
        return frozen(torch.stack(self._bits))

    def _count(self, base: AnyCall, tuned: AnyCall, layers: int) -> None:
        kernel = DivergenceKernel(base.heads)
        for block in blocks(base, tuned, entropy=False):
            kernel.add(block)
        self._bits.extend(kernel.bits().chunk(layers))
