"""A layer of both models as blocks of rows, small enough to stay in a processor's cache, large enough to be worth a call."""

from collections.abc import Callable, Iterator

from jaxtyping import Bool, Float
from torch import Tensor

from attncompare.errors import PairMismatch
from attncompare.metrics.block import Block, Sight
from attncompare.models.calls import LayerCall
from attncompare.models.merged import MergedCall
from attncompare.models.softmax import PlainRows, kind, stacked
from attncompare.models.views import AnyCall

BLOCK_CELLS = {"cpu": 2**18, "cuda": 2**26}
"""Attention weights of one model in a block, by device: 1 MB of float32 stays in a processor's cache (the fastest of
2**15 to 2**20 at 512 tokens); a GPU wants a block that keeps it busy."""

MIN_ROWS = 32
"""Fewer queries a block would spend the time on calls: at 2048 tokens 4 rows took 1.7 times as long as 32."""

PLAIN_ROWS = 64, 128
"""Fewest and most queries of a block whose heads need not be computed together: fewer make products slow (at 8192 tokens 32
took 1.1 times as long as 64), more compute too much of what a causal mask hides."""


class _OwnRows:
    """Rows of a call that computes all its heads at once, handed out by heads; the face of :class:`PlainRows`."""

    group = 1

    def __init__(self, call: AnyCall) -> None:
        self._call = call
        self._block: tuple[int, Tensor, Tensor | None] | None = None

    def block(
        self, start: int, stop: int, heads: slice, *, entropy: bool = False
    ) -> tuple[Float[Tensor, "head query key"], None]:
        return self._all_heads(start, stop)[0][heads], None

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"] | None:
        return self._all_heads(start, stop)[1]

    def _all_heads(self, start: int, stop: int) -> tuple[Tensor, Tensor | None]:
        if self._block is None or self._block[0] != start:
            self._block = None  # not two at a time
            self._block = (start, *self._call.block(start, stop))
        return self._block[1:]


def _rows_of(call: AnyCall) -> PlainRows | _OwnRows:
    return PlainRows(call) if isinstance(call, LayerCall) and call.plain else _OwnRows(call)


def spans(call: AnyCall, *, heads_apart: bool = False) -> Iterator[tuple[int, int]]:
    """``start, stop`` of each block of queries, of all heads unless ``heads_apart``."""
    cells = _cells(call)
    if heads_apart:
        fewest, most = PLAIN_ROWS
        rows = min(most, max(fewest, cells // call.keys))
    else:
        rows = max(MIN_ROWS, cells // (call.heads * call.keys))
    for start in range(0, call.queries, rows):
        yield start, min(start + rows, call.queries)


def _cells(call: AnyCall) -> int:
    return BLOCK_CELLS.get(call.device.type, BLOCK_CELLS["cpu"])


def blocks(base: AnyCall, tuned: AnyCall, *, entropy: bool = True, head: int | None = None) -> Iterator[Block]:
    """The layer's rows in both models, block by block. The rows of a block are gone when the next one is asked for.

    Without ``entropy`` no block brings its entropies along. With ``head`` blocks are of that head alone.

    Over merged tokens a window of tokens lets units of the two models see slightly different units: then a block's visible
    keys are those that either may see.

    Raises:
        PairMismatch: the models let a query see different keys.
    """
    sides = _rows_of(base), _rows_of(tuned)
    apart = all(isinstance(side, PlainRows) for side in sides)
    steps = _head_steps(base.heads, {side.group for side in sides})
    for start, stop in spans(base, heads_apart=apart):
        sight = _sight(
            start, stop, base.keys, *(side.visible(start, stop) for side in sides), merged=isinstance(base, MergedCall)
        )
        heads = max((step for step in steps if step * (stop - start) * sight.keys <= _cells(base)), default=1)
        parts = [slice(first, first + heads) for first in range(0, base.heads, heads)]
        for at in parts if head is None else [slice(head, head + 1)]:
            of_base, of_tuned = (side.block(start, stop, at, entropy=entropy) for side in sides)
            if of_base[0].shape != of_tuned[0].shape:
                raise _different_keys()
            yield Block(sight, of_base[0], of_tuned[0], at, (of_base[1], of_tuned[1]))


Each = Callable[[AnyCall, AnyCall, int], None]


class Together:
    """Hands on several layers of a short text as one, so that the time goes into numbers and not into calls.

    As many layers are put together as fit a block together: more than one are a single block of all queries.
    ``each`` is called as ``each(base, tuned, layers)``, with calls that have the heads of all those layers.
    """

    def __init__(self, each: Each) -> None:
        self._each = each
        self._waiting: list[tuple[LayerCall, LayerCall]] = []

    def visit(self, base: AnyCall, tuned: AnyCall) -> None:
        """The next layer of both models."""
        if not (isinstance(base, LayerCall) and base.plain and isinstance(tuned, LayerCall) and tuned.plain):
            self.end()
            self._each(base, tuned, 1)
            return
        whole = base.queries <= PLAIN_ROWS[1]
        fits = _cells(base) // (base.heads * base.queries * base.keys) if whole else 1
        if self._waiting and (len(self._waiting) >= fits or not _alike(self._waiting[0], (base, tuned))):
            self.end()
        self._waiting.append((base, tuned))
        if fits < 2:
            self.end()

    def end(self) -> None:
        """No more layers: hand on those that wait."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            self._each(*waiting[0], 1)
        elif waiting:
            base, tuned = (stacked(side) for side in zip(*waiting, strict=True))
            self._each(base, tuned, len(waiting))


def _alike(pair: tuple[LayerCall, LayerCall], other: tuple[LayerCall, LayerCall]) -> bool:
    return all(kind(one) == kind(two) for one, two in zip(pair, other, strict=True))


def _head_steps(heads: int, groups: set[int]) -> list[int]:
    """How many heads a block may have: all blocks alike, and each made of whole groups or of heads of a single one."""
    return [n for n in range(1, heads + 1) if heads % n == 0 and all(n % g == 0 or g % n == 0 for g in groups)]


def _sight(start: int, stop: int, keys: int, base: Tensor | None, tuned: Tensor | None, *, merged: bool) -> Sight:
    if base is None or tuned is None:
        known = tuned if base is None else base
        if known is not None and not known.all():
            raise _different_keys()
        return Sight(start, stop - start, keys)
    if base.shape != tuned.shape:
        raise _different_keys()
    if not base.equal(tuned):
        if not merged:
            raise _different_keys()
        base = base | tuned
    return Sight(start, stop - start, base.shape[-1], base)


def _different_keys() -> PairMismatch:
    return PairMismatch("The two models let their tokens see different keys, so their rows can't be compared.")
