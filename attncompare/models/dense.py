"""The dense way: every attention weight at once, as the family's own eager code returns them.

Knows nothing about the tap.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from attncompare.attention import AttentionKind
from attncompare.errors import UnsupportedModel
from attncompare.models.calls import DenseCall
from attncompare.models.layout import Place

FIELDS: dict[AttentionKind, tuple[str, ...]] = {
    "self": ("encoder_attentions", "attentions"),
    "decoder": ("decoder_attentions",),
    "cross": ("cross_attentions",),
}
"""Where a model's output keeps the weights of each kind."""

WITHOUT_ATTENTION = frozenset({"conv", "linear_attention", "moe"})
"""The words of transformers' ``layer_types`` for layers that mix tokens otherwise (state space, recurrent, convolution) or
not at all."""


def returned_maps(model: Any, output: Any) -> dict[tuple[AttentionKind, int], Tensor]:
    """The weights that a model returned, by kind and layer, in the order in which it computed them.

    Layers without attention are left out: they return None, or something else under the same name.
    """
    found: dict[AttentionKind, dict[int, Tensor]] = {}
    for kind, fields in FIELDS.items():
        maps = next((maps for field in fields if (maps := getattr(output, field, None))), ())
        numbers = _numbers(model, kind, len(maps))
        found[kind] = {
            layer: weights
            for layer, weights in zip(numbers, maps, strict=True)
            if weights is not None and _attends(model, kind, layer)
        }
    in_order: dict[tuple[AttentionKind, int], Tensor] = {("self", layer): maps for layer, maps in found["self"].items()}
    for layer in sorted(found["decoder"].keys() | found["cross"].keys()):
        for kind in ("decoder", "cross"):
            if layer in found[kind]:
                in_order[kind, layer] = found[kind][layer]
    return in_order


def dense_calls(model: Any, output: Any, layout: Sequence[Place]) -> Iterator[tuple[Place, DenseCall]]:
    """What a model on the dense way returned, place by place.

    Raises:
        UnsupportedModel: a place has no weights in it, or what is no attention.
    """
    maps = returned_maps(model, output)
    for place in layout:
        weights = maps.get((place.attention, place.layer))
        if weights is None:
            raise UnsupportedModel(
                f"{type(model).__name__} returned no {place.attention} attention for layer {place.layer} on this text."
            )
        yield place, DenseCall.of(weights, null=place.null)


def _layer_types(model: Any, kind: AttentionKind) -> Sequence[str]:
    """What the configuration says of each layer of a decoder-only model or an encoder; empty if it says nothing."""
    return () if kind != "self" else getattr(model.config.get_text_config(), "layer_types", None) or ()


def _numbers(model: Any, kind: AttentionKind, count: int) -> list[int]:
    """The layers that ``count`` returned maps belong to."""
    types = _layer_types(model, kind)
    attending = [layer for layer in range(len(types)) if _attends(model, kind, layer)]
    return attending if count == len(attending) else list(range(count))


def _attends(model: Any, kind: AttentionKind, layer: int) -> bool:
    """Whether a layer mixes its tokens by softmax attention, as far as the configuration says."""
    types = _layer_types(model, kind)
    return layer >= len(types) or types[layer] not in WITHOUT_ATTENTION
