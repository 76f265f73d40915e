"""Every head of both models at once, small enough to be sent to a page: square roots of attention as whole numbers.

Square roots, because attention is mostly small: at 8 bits the smallest weight that is told from 0 is 4e-6, not 2e-3, and
no weight is off by more than 1/255. Maps of long texts are reduced: a cell stands for a square of tokens, its keys summed
and its queries averaged, so that rows still sum to 1. Layers are coded one after the other: no float tensor over layers,
heads, queries and keys is ever held. Knows nothing about pages.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncompare.analyses.blocks import Together, blocks
from attncompare.analyses.maps import HeadMaps, kept_trace
from attncompare.attention import Token
from attncompare.errors import PairMismatch
from attncompare.metrics.block import Sight
from attncompare.models.alignment import Groups, align
from attncompare.models.question import PairText
from attncompare.models.views import AnyCall

WHOLE_BYTES = 2_500_000
"""Most bytes of both models' whole maps. A page gets them with every comparison, and 4 MB is what it may weigh: 72 heads
fit up to 93 tokens at 16 bits and up to 131 at 8."""

REDUCED_BYTES = 700_000
"""The same of reduced maps: they are a preview, beside which the open head is fetched whole (1 MB at 512 tokens)."""


@dataclass(frozen=True, slots=True)
class Form:
    """How attention is written down."""

    bits: Literal[8, 16]
    """Of a code: ``value = (code / top) ** 2``."""
    step: int = 1
    """Tokens on a side of the square that a cell stands for."""

    @property
    def top(self) -> int:
        """The code of 1."""
        return 2**self.bits - 1

    def cells(self, tokens: int) -> int:
        """How many cells stand for so many tokens; the last one may stand for fewer than ``step``."""
        return -(-tokens // self.step)

    def coded(self, values: np.ndarray) -> np.ndarray:
        """Codes of values in [0, 1], little endian, in the same shape."""
        codes = np.rint(np.sqrt(values) * self.top)
        return np.minimum(codes, self.top).astype("<u2" if self.bits == 16 else np.uint8)


def fitting(heads: int, queries: int, keys: int) -> Form:
    """The most exact form in which so many maps of both models fit; ``heads`` are those of all layers."""
    for bits in (16, 8):
        if 2 * heads * queries * keys * bits // 8 <= WHOLE_BYTES:
            return Form(bits)
    forms = (Form(8, step) for step in count(2))
    return next(form for form in forms if 2 * heads * form.cells(queries) * form.cells(keys) <= REDUCED_BYTES)


@dataclass(frozen=True, eq=False)
class EveryHead:
    """Attention of all heads of both models as codes. Arrays are read-only."""

    layers: tuple[int, ...]
    """The model's own number of each layer, the first axis of all arrays."""
    form: Form
    base: np.ndarray
    """``[layer, head, query, key]`` codes (cells, where reduced); 0 where masked."""
    tuned: np.ndarray
    visible: np.ndarray | None
    """``[layer, query, key]``: whether any query of the cell may see any key of it; None: all of them."""

    def content(self) -> bytes:
        """The codes of base and of tuned, row by row, then the bits of ``visible``, first bit highest."""
        seen = b"" if self.visible is None else np.packbits(self.visible).tobytes()
        return self.base.tobytes() + self.tuned.tobytes() + seen


def every_head(question: PairText, form: Form | None = None) -> EveryHead:
    """All heads from a trace that an earlier comparison left behind, in ``form`` (default: what is :func:`fitting`).

    Raises:
        TraceGone: the trace is no longer kept.
    """
    trace, stack = kept_trace(question), question.stack
    queries, keys = len(question.query_tokens), len(question.key_tokens)
    coder = _Coder(question, form or fitting(len(stack.layers) * stack.heads, queries, keys))
    together = Together(coder.add)
    sides = trace.base.stack(question.attention), trace.tuned.stack(question.attention)
    for (_, base), (_, tuned) in zip(*sides, strict=True):
        together.visit(*question.views(base, tuned))
    together.end()
    return coder.coded()


def coded_head(maps: HeadMaps) -> tuple[bytes, bool]:
    """One head's maps at 16 bits, as :meth:`EveryHead.content` writes them, and whether any cell is masked.

    The bits of what is visible are there only where one is.
    """
    masked = np.isnan(maps.base)
    codes = b"".join(Form(16).coded(np.nan_to_num(side)).tobytes() for side in (maps.base, maps.tuned))
    hides = bool(masked.any())
    return codes + (np.packbits(~masked).tobytes() if hides else b""), hides


@dataclass(frozen=True, eq=False)
class Words:
    """Which tokens make each word of a text."""

    units: tuple[Token, ...]
    groups: Groups
    """For each word the positions of its tokens."""


def words(question: PairText) -> Words | None:
    """The words that ``level="word"`` would merge this question's tokens into.

    None where maps over tokens can't be merged into those of words by sums and means alone: positions are no tokens,
    queries and keys differ, a token belongs to no word; and where every word is one token.
    """
    keys = question.keys
    if not keys.identity or question.key_tokens is not question.query_tokens:
        return None
    texts = (question.target_text or "",) if question.attention == "decoder" else question.texts
    try:
        found = align(keys.base_tokens, keys.tuned_tokens, texts, "word", same_ids=True)
    except PairMismatch:  # not one token stands for a part of the text
        return None
    if any(found.unaligned()) or found.base != found.tuned or len(found.units) == len(keys.units):
        return None
    return Words(found.units, found.base)


class _Coder:
    """Gathers the codes of a question's layers."""

    def __init__(self, question: PairText, form: Form) -> None:
        layers, heads = len(question.stack.layers), question.stack.heads
        self._question, self._form = question, form
        self._queries = len(question.query_tokens)
        cells = form.cells(self._queries), form.cells(len(question.key_tokens))
        self._codes = np.zeros((2, layers, heads, *cells), form.coded(np.zeros(0)).dtype)
        self._visible = np.zeros((layers, *cells), bool)
        self._done = 0

    def add(self, base: AnyCall, tuned: AnyCall, layers: int) -> None:
        """The next layers of both models, whose heads stand beside each other."""
        at = slice(self._done, self._done + layers)
        _, _, heads, queries, keys = self._codes.shape
        sums = torch.zeros(2, layers * heads, queries, keys)
        for block in blocks(base, tuned, entropy=False):
            first = block.start // self._form.step
            for total, rows in zip(sums, (block.base, block.tuned), strict=True):
                part = _summed(rows, block.start, self._form.step).cpu()
                total[block.heads, first : first + part.shape[1], : part.shape[2]] += part
            seen = self._seen(block.sight)
            self._visible[at, first : first + len(seen), : seen.shape[1]] |= seen
        mean = sums.numpy().reshape(2, layers, heads, queries, keys) / self._averaged[:, None]
        self._codes[:, at] = self._form.coded(mean)
        self._done += layers

    def coded(self) -> EveryHead:
        """All of them."""
        base, tuned = self._codes
        visible = None if self._visible.all() else self._visible
        for array in (base, tuned, self._visible):
            array.setflags(write=False)
        return EveryHead(self._question.stack.layers, self._form, base, tuned, visible)

    @cached_property
    def _averaged(self) -> np.ndarray:
        """How many queries each cell stands for."""
        step = self._form.step
        starts = np.arange(0, self._queries, step)
        found: np.ndarray = (np.minimum(starts + step, self._queries) - starts).astype(np.float32)
        return found

    def _seen(self, sight: Sight) -> np.ndarray:
        """What the queries of a block may see, in cells."""
        visible = torch.ones(sight.queries, sight.keys) if sight.visible is None else sight.visible.float()
        found: np.ndarray = (_summed(visible[None], sight.start, self._form.step)[0] > 0).cpu().numpy()
        return found


def _summed(
    rows: Float[Tensor, "head query key"], start: int, step: int
) -> Float[Tensor, "head query_cells key_cells"]:
    """Sums over cells of ``step`` x ``step`` tokens; the first of the rows is query ``start``."""
    if step == 1:
        return rows
    heads, queries, keys = rows.shape
    rows = nn.functional.pad(rows, (0, -keys % step, start % step, -(start + queries) % step))
    return rows.unflatten(1, (-1, step)).sum(2).unflatten(2, (-1, step)).sum(3)
