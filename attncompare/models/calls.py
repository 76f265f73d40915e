"""One layer's attention of one model on one text, as something to ask for rows: recorded by the tap, or kept whole.

Rows are computed block by block, so an L x H x N x N tensor never exists on the tap's way; on the dense way the model itself
returned its weights and they are only cut up. Knows nothing about tokens, metrics or pairs.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attncompare.errors import UnsupportedModel
from attncompare.models.softmax import PlainRows


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One attention call of one model on one text: what is needed to compute its rows again.

    ``query`` is ``[1, head, query, dim]`` and ``key`` ``[1, kv_head, key, dim]``, both after rotary embedding.
    """

    module: nn.Module
    query: Float[Tensor, "1 head query dim"]
    key: Float[Tensor, "1 kv_head key dim"]
    mask: Tensor | None
    scaling: float | None
    options: Mapping[str, Any]
    causal_without_mask: bool
    """True where a missing mask means causal; on the other route it means that every key is visible."""
    null: bool = False
    """Whether the last key is the model's null key, which takes what a logit sink leaves of a row: 1 minus its sum."""
    plain: bool = False
    """Whether rows are softmax(query key^T scaling + mask) and nothing else, so that they need not be the family's code."""

    @property
    def queries(self) -> int:
        """Number of query positions."""
        return self.query.shape[2]

    @property
    def keys(self) -> int:
        """Number of key positions, a null key included."""
        return self.key.shape[2] + self.null

    @property
    def heads(self) -> int:
        """Number of query heads."""
        return self.query.shape[1]

    @property
    def device(self) -> torch.device:
        """Where its rows are computed."""
        return self.query.device

    def tensors(self) -> list[Tensor]:
        """Everything it keeps in memory."""
        held = [self.query, self.key, self.mask, *self.options.values()]
        return [value for value in held if isinstance(value, Tensor)]

    def finite(self) -> bool:
        """Whether its rows can be numbers."""
        return bool(self.query.isfinite().all() and self.key.isfinite().all())

    def block(self, start: int, stop: int) -> tuple[Float[Tensor, "head query key"], Bool[Tensor, "query key"] | None]:
        """Rows of the queries ``start:stop`` in float32, with the keys they may see (None: every key).

        Where the model is causal and unmasked only the first ``stop`` keys are computed and returned; no query of the
        block can see a later one. With a null key every key is returned.
        """
        if self.plain:
            plain = PlainRows(self)
            return plain.block(start, stop, slice(0, self.heads))[0], plain.visible(start, stop)
        mask, visible = self.masking(start, stop)
        keys = self._computed(stop)
        options = {name: self._slice(value, start, stop, keys) for name, value in self.options.items()}
        key = self.key[:, :, :keys].float()
        _, rows = own_attention(self.module)(
            self.module,
            self.query[:, :, start:stop].float(),
            key,
            key[..., :0],  # the output is not wanted: a value without width makes it free
            mask,
            scaling=self.scaling,
            dropout=0.0,
            **options,
        )
        if not self.null:
            return rows[0], visible
        return with_null(rows[0]), None if visible is None else with_null_visible(visible)

    def rows(self, heads: list[int], queries: slice = slice(None)) -> Float[Tensor, "head query key"]:
        """Attention of the chosen heads, over all keys; 0 where masked."""
        start, stop, _ = queries.indices(self.queries)
        if self.plain:
            plain = PlainRows(self)
            rows = torch.cat([plain.block(start, stop, slice(head, head + 1))[0].clone() for head in heads])
        else:
            rows = self.block(start, stop)[0][heads]
        return nn.functional.pad(rows, (0, self.keys - rows.shape[2]))

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"]:
        """Which keys the queries ``start:stop`` may see, over all keys."""
        visible = self.masking(start, stop)[1]
        if visible is None:
            return torch.ones(stop - start, self.keys, dtype=torch.bool)
        visible = with_null_visible(visible) if self.null else visible
        return nn.functional.pad(visible, (0, self.keys - visible.shape[1])).cpu()

    def width(self, stop: int) -> int:
        """How many keys a block that ends at ``stop`` has, a null key included."""
        return self._computed(stop) + self.null

    def _computed(self, stop: int) -> int:
        """How many keys are computed for queries before ``stop``."""
        return stop if self.causal_without_mask and not self.null else self.key.shape[2]

    def masking(self, start: int, stop: int) -> tuple[Tensor | None, Bool[Tensor, "query key"] | None]:
        """The additive float32 mask for the family's function, and the same as visible keys."""
        if self.causal_without_mask:
            query, key = torch.arange(start, stop)[:, None], torch.arange(self._computed(stop))[None, :]
            visible = (key <= query).to(self.query.device)
        elif self.mask is None:
            return None, None
        else:
            block = self.mask[:, :, start:stop] if self.mask.shape[2] > 1 else self.mask
            block = block[..., : self.key.shape[2]]
            # Half of the smallest number of the mask's own dtype separates "masked" from any position bias.
            allowed = block if block.dtype == torch.bool else block > torch.finfo(block.dtype).min / 2
            # What one head may see a query may see: Doge masks each head by itself.
            visible = allowed[0].any(0).expand(stop - start, -1)
            return block.float() if block.dtype != torch.bool else _additive(block), visible
        return _additive(visible[None, None]), visible

    def _slice(self, value: Any, start: int, stop: int, keys: int) -> Any:
        """The part of a tensor option (position bias, a sink logit for each query) that belongs to a block of queries."""
        if not isinstance(value, Tensor):
            return value
        if value.ndim == 4 and value.shape[2] == self.queries and value.shape[3] in (self.key.shape[2], 1):
            value = value[:, :, start:stop, :keys]
        return value.float() if value.is_floating_point() else value


@dataclass(frozen=True, eq=False)
class DenseCall:
    """A layer's weights as the family's own eager code returned them, for families that the tap can't read."""

    weights: Float[Tensor, "head query key"]
    """float32, rows sum to 1."""
    causal: bool
    null: bool = False
    """As :attr:`LayerCall.null`."""

    @classmethod
    def of(cls, weights: Float[Tensor, "1 head query key"], *, null: bool = False) -> "DenseCall":
        """From a model's ``attentions``; half precision rows are off by up to 2e-3 and are made to sum to 1.

        Raises:
            UnsupportedModel: these are no attention rows.
        """
        rows = weights[0].detach().float()
        if problem := not_rows(rows, null=null):
            raise UnsupportedModel(f"What the model returned as its attention is none: {problem}.")
        square = rows.shape[1] == rows.shape[2]
        causal = square and not bool(rows.triu(1).any())
        if null:
            rows = with_null(rows)
        return cls(rows / rows.sum(-1, keepdim=True), causal, null)

    @property
    def queries(self) -> int:
        """Number of query positions."""
        return self.weights.shape[1]

    @property
    def keys(self) -> int:
        """Number of key positions."""
        return self.weights.shape[2]

    @property
    def heads(self) -> int:
        """Number of query heads."""
        return self.weights.shape[0]

    @property
    def device(self) -> torch.device:
        """Where its rows are."""
        return self.weights.device

    def tensors(self) -> list[Tensor]:
        """Everything it keeps in memory."""
        return [self.weights]

    def finite(self) -> bool:
        """Whether its rows are numbers."""
        return bool(self.weights.isfinite().all())

    def block(self, start: int, stop: int) -> tuple[Float[Tensor, "head query key"], Bool[Tensor, "query key"] | None]:
        """As :meth:`LayerCall.block`."""
        if not self.causal:
            return self.weights[:, start:stop], None
        keys = self.keys if self.null else stop
        return self.weights[:, start:stop, :keys], self.visible(start, stop)[:, :keys].to(self.weights.device)

    def width(self, stop: int) -> int:
        """As :meth:`LayerCall.width`."""
        return stop if self.causal and not self.null else self.keys

    def rows(self, heads: list[int], queries: slice = slice(None)) -> Float[Tensor, "head query key"]:
        """As :meth:`LayerCall.rows`."""
        return self.weights[heads][:, queries]

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"]:
        """As :meth:`LayerCall.visible`; a model that never looks ahead is taken for causal."""
        visible = torch.ones(stop - start, self.keys, dtype=torch.bool)
        visible = visible.tril(start) if self.causal else visible
        if self.null:
            visible[:, -1] = True
        return visible


AttentionCall = LayerCall | DenseCall

SUM_TOLERANCE = 1e-2
"""How far a row that a family returns may be from summing to 1; some return scores or something else as "attentions"."""


def with_null(rows: Float[Tensor, "head query key"]) -> Float[Tensor, "head query key_and_null"]:
    """Rows with what they lack to 1 as the mass of one more key."""
    return torch.cat((rows, (1 - rows.sum(-1, keepdim=True)).clamp_min(0)), -1)


def with_null_visible(visible: Bool[Tensor, "query key"]) -> Bool[Tensor, "query key_and_null"]:
    """Every query sees the null key."""
    return nn.functional.pad(visible, (0, 1), value=True)


def not_rows(rows: Float[Tensor, "head query key"], *, null: bool = False) -> str:
    """Why these are no attention rows, or an empty string; with ``null`` a row may sum to less than 1. NaN passes."""
    sums = rows.float().sum(-1)
    lowest, highest, smallest = float(sums.min()), float(sums.max()), float(rows.min())
    if smallest < 0 or highest > 1 + SUM_TOLERANCE or (not null and lowest < 1 - SUM_TOLERANCE):
        return f"what it returns as attention are no rows that sum to 1 (sums {lowest:.2g} to {highest:.2g})"
    return ""


def _additive(visible: Bool[Tensor, "1 head query key"]) -> Float[Tensor, "1 head query key"]:
    """0 where a key is visible, the lowest number elsewhere."""
    hidden = torch.finfo(torch.float32).min
    return torch.zeros_like(visible, dtype=torch.float32).masked_fill_(~visible, hidden)


def own_attention(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor]]:
    """The eager attention function of the family that ``module`` belongs to.

    Raises:
        UnsupportedModel: the family has none.
    """
    own = inspect.unwrap(type(module).forward).__globals__.get("eager_attention_forward")
    if own is None:
        raise UnsupportedModel(f"{type(module).__name__} has no eager attention function to compute its rows with.")
    return own
