"""Attention rows of calls that are a plain softmax of scaled scores plus a mask, computed straight into reused memory.

Most families compute softmax(query key^T scaling + mask) and nothing else. Their own function would copy grouped keys once
per query head, and allocate scores, rows and casts anew for every block; here a block costs one product and one softmax, and
the rows' entropy comes with it. Whether a call is plain is decided when its model is loaded; this module takes it for
granted. Knows nothing about tokens, metrics or pairs.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

if TYPE_CHECKING:
    from attncompare.models.calls import LayerCall

_LOG2_E = math.log2(math.e)
_LOWEST = torch.finfo(torch.float32).min


def stacked(calls: "Sequence[LayerCall]") -> "LayerCall":
    """Plain calls of several layers as one call with the heads of all of them; they must agree in :func:`kind`."""
    query, key = (torch.cat(parts, dim=1) for parts in zip(*((call.query, call.key) for call in calls), strict=True))
    return replace(calls[0], query=query, key=key)


def kind(call: "LayerCall") -> tuple[object, ...]:
    """What plain calls must have in common to be stacked: shapes, scaling, and the very same mask."""
    return call.query.shape, call.key.shape, call.scaling, call.causal_without_mask, id(call.mask)


class PlainRows:
    """Blocks of rows of one plain call. The memory of a block is used again for the next."""

    def __init__(self, call: "LayerCall") -> None:
        self._call = call
        self._key = call.key[0].float().mT
        scaling = call.query.shape[-1] ** -0.5 if call.scaling is None else call.scaling
        self._factor = scaling * _LOG2_E  # everything is in powers of 2, three times as fast as powers of e
        self._mask: tuple[int, int, Tensor | None] = (-1, -1, None)
        self._held = torch.empty(0)

    @property
    def group(self) -> int:
        """Query heads that share a key head. A block holds whole groups, or heads of a single one."""
        return self._call.heads // len(self._key)

    def block(
        self, start: int, stop: int, heads: slice, *, entropy: bool = False
    ) -> tuple[Float[Tensor, "head query key"], Float[Tensor, "head query"] | None]:
        """Rows of the queries ``start:stop`` for the heads ``heads``; with ``entropy`` their entropies in nats too.

        As in :meth:`LayerCall.block` keys end at ``stop`` where the model is causal and unmasked.
        """
        keys = stop if self._call.causal_without_mask else self._call.keys
        query = self._call.query[0, heads, start:stop].float() * self._factor
        scores, rows = self._memory(len(query), stop - start, keys)
        key = self._key[heads.start // self.group : (heads.stop - 1) // self.group + 1, :, :keys]
        torch.matmul(query.reshape(len(key), -1, query.shape[-1]), key, out=scores.view(len(key), -1, keys))
        self._hide(scores, start, stop, heads)
        mass = _softmax(scores, rows)
        return rows, _entropy_nats(scores, rows, mass) if entropy else None

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"] | None:
        """Which keys the queries may see (None: every key), as wide as their rows."""
        if self._call.causal_without_mask:
            return torch.ones(stop - start, stop, dtype=torch.bool, device=self._call.device).tril_(start)
        return None if self._call.mask is None else self._call.visible(start, stop).to(self._call.device)

    def _hide(self, scores: Float[Tensor, "head query key"], start: int, stop: int, heads: slice) -> None:
        """Add the mask, in place."""
        if self._mask[:2] != (start, stop):
            self._mask = (start, stop, self._additive(start, stop))
        mask = self._mask[2]
        if mask is None:
            return
        if self._call.causal_without_mask:
            scores = scores[..., start:]
        scores.add_(mask if len(mask) == 1 else mask[heads])

    def _additive(self, start: int, stop: int) -> Tensor | None:
        """The mask of a block, ``[1 or head, query, key]``; of a causal model only the keys from ``start`` on."""
        call = self._call
        if call.causal_without_mask:
            hidden = torch.ones(stop - start, stop - start, dtype=torch.bool, device=call.device).triu_(1)
            return hidden[None].float().mul_(_LOWEST)
        if call.mask is None:
            return None
        mask = call.mask[0, :, start:stop] if call.mask.shape[2] > 1 else call.mask[0]
        mask = mask[..., : call.keys]
        if mask.dtype == torch.bool:
            return (~mask).float().mul_(_LOWEST)
        return mask.float().mul(_LOG2_E).clamp_min_(_LOWEST)  # not minus infinity: 0 times it is no number

    def _memory(self, *shape: int) -> tuple[Tensor, Tensor]:
        """Two tensors of the shape, the same memory at every call."""
        needed = 2 * math.prod(shape)
        if self._held.numel() < needed:
            self._held = torch.empty(needed, dtype=torch.float32, device=self._call.device)
        scores, rows = self._held[:needed].view(2, *shape)
        return scores, rows


def _softmax(
    scores: Float[Tensor, "head query key"], rows: Float[Tensor, "head query key"]
) -> Float[Tensor, "head query"]:
    """Softmax to base 2 of ``scores`` into ``rows``; returns the denominators. Each row's maximum is taken off."""
    scores.sub_(scores.amax(-1, keepdim=True))
    mass = torch.exp2(scores, out=rows).sum(-1, keepdim=True)
    rows.div_(mass)
    return mass[..., 0]


def _entropy_nats(
    scores: Float[Tensor, "head query key"], rows: Float[Tensor, "head query key"], mass: Float[Tensor, "head query"]
) -> Float[Tensor, "head query"]:
    """Entropy of rows from what :func:`_softmax` left; overwrites ``scores``.

    It is log2 of the denominator minus the row's mean score: where a row has mass its score is close to the maximum, 0, so
    nothing large is subtracted, and no logarithm of a row is taken.
    """
    return (mass.log2() - scores.mul_(rows).sum(-1)).mul_(math.log(2))
