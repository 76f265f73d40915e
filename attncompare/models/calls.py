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
    plain: bool = False
    """Whether rows are softmax(query key^T scaling + mask) and nothing else, so that they need not be the family's code."""

    @property
    def queries(self) -> int:
        """Number of query positions."""
        return self.query.shape[2]

    @property
    def keys(self) -> int:
        """Number of key positions."""
        return self.key.shape[2]

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
        block can see a later one.
        """
        if self.plain:
            plain = PlainRows(self)
            return plain.block(start, stop, slice(0, self.heads))[0], plain.visible(start, stop)
        mask, visible = self._mask(start, stop)
        keys = stop if self.causal_without_mask else self.key.shape[2]
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
        return rows[0], visible

    def rows(self, heads: list[int], queries: slice = slice(None)) -> Float[Tensor, "head query key"]:
        """Attention of the chosen heads, over all keys; 0 where masked."""
        start, stop, _ = queries.indices(self.queries)
        if self.plain:
            plain = PlainRows(self)
            rows = torch.cat([plain.block(start, stop, slice(head, head + 1))[0].clone() for head in heads])
        else:
            rows = self.block(start, stop)[0][heads]
        return nn.functional.pad(rows, (0, self.key.shape[2] - rows.shape[2]))

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"]:
        """Which keys the queries ``start:stop`` may see, over all keys."""
        keys = self.key.shape[2]
        visible = self._mask(start, stop)[1]
        if visible is None:
            return torch.ones(stop - start, keys, dtype=torch.bool)
        return nn.functional.pad(visible, (0, keys - visible.shape[1])).cpu()

    def _mask(self, start: int, stop: int) -> tuple[Tensor | None, Bool[Tensor, "query key"] | None]:
        """The additive float32 mask for the family's function, and the same as visible keys."""
        if self.causal_without_mask:
            query, key = torch.arange(start, stop)[:, None], torch.arange(stop)[None, :]
            visible = (key <= query).to(self.query.device)
        elif self.mask is None:
            return None, None
        else:
            block = self.mask[:, :, start:stop] if self.mask.shape[2] > 1 else self.mask
            block = block[..., : self.key.shape[2]]
            if block.dtype != torch.bool:
                # Half of the smallest number of the mask's own dtype separates "masked" from any position bias.
                return block.float(), (block[0, 0] > torch.finfo(block.dtype).min / 2).expand(stop - start, -1)
            visible = block[0, 0].expand(stop - start, -1)
        lowest = torch.finfo(torch.float32).min
        return torch.zeros_like(visible, dtype=torch.float32).masked_fill_(~visible, lowest)[None, None], visible

    def _slice(self, value: Any, start: int, stop: int, keys: int) -> Any:
        """The part of a tensor option (position bias …) that belongs to a block of queries."""
        if not isinstance(value, Tensor):
            return value
        if value.shape[-2:] == (self.queries, self.key.shape[2]):
            value = value[..., start:stop, :keys]
        return value.float() if value.is_floating_point() else value


@dataclass(frozen=True, eq=False)
class DenseCall:
    """A layer's weights as the family's own eager code returned them, for families that the tap can't read."""

    weights: Float[Tensor, "head query key"]
    """float32, rows sum to 1."""
    causal: bool

    @classmethod
    def of(cls, weights: Float[Tensor, "1 head query key"]) -> "DenseCall":
        """From a model's ``attentions``; half precision rows are off by up to 2e-3 and are made to sum to 1."""
        rows = weights[0].detach().float()
        rows = rows / rows.sum(-1, keepdim=True)
        return cls(rows, causal=not bool(rows.triu(1).any()))

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
        return self.weights[:, start:stop, :stop], self.visible(start, stop)[:, :stop].to(self.weights.device)

    def rows(self, heads: list[int], queries: slice = slice(None)) -> Float[Tensor, "head query key"]:
        """As :meth:`LayerCall.rows`."""
        return self.weights[heads][:, queries]

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"]:
        """As :meth:`LayerCall.visible`; a model that never looks ahead is taken for causal."""
        visible = torch.ones(stop - start, self.keys, dtype=torch.bool)
        return visible.tril(start) if self.causal else visible


AttentionCall = LayerCall | DenseCall


def own_attention(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor]]:
    """The eager attention function of the family that ``module`` belongs to.

    Raises:
        UnsupportedModel: the family has none.
    """
    own = inspect.unwrap(type(module).forward).__globals__.get("eager_attention_forward")
    if own is None:
        raise UnsupportedModel(f"{type(module).__name__} has no eager attention function to compute its rows with.")
    return own
