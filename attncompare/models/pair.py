"""A pair: a base and a checkpoint tuned from it, ready to be compared.

Knows nothing about how a pair is found or loaded; :mod:`attncompare.models.opening` does that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attncompare.attention import AttentionKind, CheckpointInfo, HeadOrigin, OutputKind
from attncompare.errors import BadInput, PairMismatch, UnsupportedModel
from attncompare.models.cache import Cache
from attncompare.models.layout import Place


@dataclass(frozen=True, eq=False)
class Side:
    """One model of a pair, in evaluation mode, running the tap; threads share it, so nobody may modify it."""

    info: CheckpointInfo
    model: Any
    """A transformers model, or peft's wrapper of one."""
    tokenizer: Any
    layout: tuple[Place, ...]
    """Where each of the model's attention calls belongs, in call order."""


def unwrapped(model: Any) -> Any:
    """The transformers model inside peft's wrapper, adapter and all; any other model as it is.

    peft's own ``generate`` writes to the model; the inner model's does not, and runs the adapter just as well.
    """
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@dataclass(frozen=True, slots=True)
class Stack:
    """The layers of a model that attend in one way: an encoder, a decoder, or a decoder over its encoder."""

    layers: tuple[int, ...]
    """The model's own numbers of them; a hybrid has layers without attention in between."""
    heads: int
    """Query heads of a layer."""
    causal: bool
    """Whether a query sees only itself and earlier keys."""
    null: bool
    """Whether rows have a null key, which takes what a logit sink leaves of them."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models of the same shape and what is common to them."""

    base: Side
    tuned: Side
    key: str
    """Unique for what was loaded: checkpoints, device, data type and the state of local folders."""
    stacks: Mapping[AttentionKind, Stack]
    """``self``, and for an encoder-decoder ``decoder`` and ``cross`` too, each where its attention can be read; the same in
    both models."""
    max_tokens: int | None
    """Tokens that both models can read at most; None if there is no limit."""
    output_kind: OutputKind
    labels: tuple[str, ...]
    base_head: HeadOrigin
    notes: tuple[str, ...]
    """What a reader of a result should know about how the pair was loaded."""

    @property
    def causal(self) -> bool:
        """Whether the models are decoders only, in which a token sees nothing that comes after it."""
        return "self" in self.stacks and self.stacks["self"].causal

    @property
    def encoder_decoder(self) -> bool:
        """Whether the models have an encoder and a decoder."""
        return bool(unwrapped(self.base.model).config.is_encoder_decoder)

    def stack(self, attention: AttentionKind) -> Stack:
        """The layers that attend in this way.

        Raises:
            BadInput: the models have none.
        """
        if attention not in self.stacks:
            known = ", ".join(repr(kind) for kind in self.stacks)
            raise BadInput(f"These models have no {attention!r} attention: choose {known}.")
        return self.stacks[attention]


def common_stacks(base: tuple[Place, ...], tuned: tuple[Place, ...]) -> dict[AttentionKind, Stack]:
    """The stacks of two models whose layouts must agree.

    Raises:
        PairMismatch: they don't. UnsupportedModel: the layers of a stack differ in heads or in having a logit sink.
    """
    sides = [[(place.attention, place.layer, place.heads, place.null) for place in side] for side in (base, tuned)]
    if sides[0] != sides[1]:
        raise PairMismatch(
            "Base and tuned attend in different layers or heads: give a model and the one tuned from it."
        )
    stacks = {}
    for kind in dict.fromkeys(place.attention for place in base):
        places = [place for place in base if place.attention == kind]
        if len({(place.heads, place.null) for place in places}) > 1:
            raise UnsupportedModel(
                "The layers of these models differ in heads or logit sinks, so they are no one grid."
            )
        first = places[0]
        causal = any(place.causal for place in places)
        stacks[kind] = Stack(tuple(place.layer for place in places), first.heads, causal, first.null)
    return stacks


PAIRS: Cache[Pair] = Cache(max_items=4)
"""Loaded pairs by :attr:`Pair.key`: one and three other trainings.

Append to ``PAIRS.on_evict`` to forget what was made from a pair that goes."""
