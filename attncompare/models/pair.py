"""A pair: a base and a checkpoint tuned from it, ready to be compared.

Knows nothing about how a pair is found or loaded; :mod:`attncompare.models.opening` does that.
"""

from dataclasses import dataclass
from typing import Any

from attncompare.attention import CheckpointInfo, HeadOrigin, OutputKind
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
    """One place per attention call of a pass, in call order."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models of the same shape and what is common to them."""

    base: Side
    tuned: Side
    key: str
    """Unique for what was loaded: checkpoints, device, data type and the state of local folders."""
    layers: int
    heads: int
    """Query heads of a layer."""
    max_tokens: int | None
    """Tokens that both models can read at most; None if there is no limit."""
    causal: bool
    output_kind: OutputKind
    labels: tuple[str, ...]
    base_head: HeadOrigin
    notes: tuple[str, ...]
    """What a reader of a result should know about how the pair was loaded."""


PAIRS: Cache[Pair] = Cache(max_items=2)
"""Loaded pairs by :attr:`Pair.key`. Append to ``PAIRS.on_evict`` to forget what was made from a pair that goes."""
