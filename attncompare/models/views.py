"""What can be asked for attention rows, and ways of seeing it: fitted to another call, or with its heads shuffled.

Knows nothing about models or tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attncompare.models.calls import AttentionCall


@runtime_checkable
class AnyCall(Protocol):
    """What can be asked for the rows of one layer: of tokens or of units, as they are or seen in another way."""

    @property
    def queries(self) -> int:
        """Number of positions that look."""

    @property
    def keys(self) -> int:
        """Number of positions looked at, a null key included."""

    @property
    def heads(self) -> int:
        """Number of query heads."""

    @property
    def null(self) -> bool:
        """Whether the last key is the model's null key."""

    @property
    def device(self) -> torch.device:
        """Where its rows are computed."""

    def block(self, start: int, stop: int) -> tuple[Float[Tensor, "head query key"], Bool[Tensor, "query key"] | None]:
        """As :meth:`LayerCall.block`."""

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"]:
        """As :meth:`LayerCall.visible`."""


@dataclass(frozen=True, eq=False)
class _View:
    """A call seen in another way; what is not said otherwise is the call's own."""

    call: AnyCall

    @property
    def queries(self) -> int:
        """Number of positions that look."""
        return self.call.queries

    @property
    def keys(self) -> int:
        """Number of positions looked at, a null key included."""
        return self.call.keys

    @property
    def heads(self) -> int:
        """Number of query heads."""
        return self.call.heads

    @property
    def null(self) -> bool:
        """Whether the last key is the model's null key."""
        return self.call.null

    @property
    def device(self) -> torch.device:
        """Where its rows are computed."""
        return self.call.device

    def block(self, start: int, stop: int) -> tuple[Float[Tensor, "head query key"], Bool[Tensor, "query key"] | None]:
        """As :meth:`LayerCall.block`."""
        return self.call.block(start, stop)

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"]:
        """As :meth:`LayerCall.visible`."""
        return self.call.visible(start, stop)


@dataclass(frozen=True, eq=False)
class Fitted(_View):
    """A call in the shape of another of the same layer: queries and keys beyond the other's are left out.

    They are padding, which no other query sees; or the one call is told by a mask what the other knows by being causal.
    """

    like: AttentionCall

    @property
    def queries(self) -> int:
        """The other's."""
        return self.like.queries

    @property
    def keys(self) -> int:
        """The other's."""
        return self.like.keys

    def block(self, start: int, stop: int) -> tuple[Float[Tensor, "head query key"], Bool[Tensor, "query key"] | None]:
        """As :meth:`LayerCall.block`, of as many keys as the other call's block has."""
        rows, visible = self.call.block(start, stop)
        keys = self._columns(rows.shape[-1], self.like.width(stop))
        return rows[..., keys], None if visible is None else visible[..., keys]

    def visible(self, start: int, stop: int) -> Bool[Tensor, "query key"]:
        """As :meth:`LayerCall.visible`, over the other call's keys."""
        visible = self.call.visible(start, stop)
        return visible[:, self._columns(visible.shape[1], self.keys)]

    def _columns(self, there: int, wanted: int) -> list[int]:
        """The first keys, and the null key, which stays the last."""
        return [*range(wanted - self.null), *range(there - self.null, there)]


@dataclass(frozen=True, eq=False)
class Shuffled(_View):
    """A call whose heads have changed places."""

    order: Sequence[int]
    """Which head stands where."""

    def block(self, start: int, stop: int) -> tuple[Float[Tensor, "head query key"], Bool[Tensor, "query key"] | None]:
        """As :meth:`LayerCall.block`."""
        rows, visible = self.call.block(start, stop)
        return rows[list(self.order)], visible
