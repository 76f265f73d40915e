"""Where a model's attention sits: one :class:`Place` per attention call of a pass, in call order.

Kinds are observed, not guessed from names: on a probe whose source and target differ in length, a call's numbers of
queries and keys say which stack it belongs to. Numbers are read from the modules' own names, so that a hybrid model keeps
holes where its layers have no attention. This module knows nothing about how attention is read.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from attncompare.attention import AttentionKind


@dataclass(frozen=True, slots=True)
class Place:
    """One attention call of a model's pass."""

    attention: AttentionKind
    layer: int
    """The layer's number in its stack, 0-based, as the model numbers it: layers without attention leave holes."""
    heads: int
    """Query heads."""
    null: bool
    """Whether its rows sum to 1 minus what a logit sink takes."""
    plain: bool
    """Whether its rows are softmax(query key^T scaling + mask) and nothing else: a fast path may compute them."""
    causal: bool = False
    """Whether a query sees only itself and earlier keys; observed on the probe."""


def kind_of(queries: int, keys: int, source: int, target: int | None) -> AttentionKind | None:
    """The stack that a probe's call belongs to; None if its keys are not the probe's tokens.

    Args:
        queries: query positions of the call. keys: its key positions.
        source: tokens of the probe. target: tokens of its decoder's text, another number; None without a decoder.
    """
    kinds: dict[tuple[int, int], AttentionKind] = {(source, source): "self"}
    if target is not None:
        kinds |= {(target, target): "decoder", (target, source): "cross"}
    return kinds.get((queries, keys))


def layer_numbers(model: nn.Module, modules: Sequence[nn.Module]) -> list[int]:
    """The layer numbers of one stack's attention calls, given the modules that made them in call order.

    A module's first number is its layer's (``model.layers.3.self_attn``). A module that stands in the model under several
    names (Zamba's shared block) is called under one after the other. Where names give no rising numbers (ALBERT calls one
    module for every layer) the calls are counted.
    """
    names: dict[int, list[str]] = defaultdict(list)
    for name, module in model.named_modules(remove_duplicate=False):
        names[id(module)].append(name)
    seen: Counter[int] = Counter()
    numbers: list[int] = []
    for module in modules:
        known = names[id(module)]
        name = known[min(seen[id(module)], len(known) - 1)] if known else ""
        seen[id(module)] += 1
        found = re.search(r"(?:^|\.)(\d+)(?:\.|$)", name)
        numbers.append(int(found[1]) if found else -1)
    rising = all(a < b for a, b in zip([-1, *numbers], numbers, strict=False))
    return numbers if rising else list(range(len(modules)))
