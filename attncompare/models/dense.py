"""The dense way: every attention weight at once, as the family's own eager code returns them.

Knows nothing about the tap.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from attncompare.attention import AttentionKind
from attncompare.errors import UnsupportedModel
from attncompare.models.calls import DenseCall, not_rows
from attncompare.models.layout import Place, kind_of
from attncompare.models.probe import Probe

Maps = Mapping[tuple[AttentionKind, int], Any]
"""Weights ``[1, head, query, key]``, or what a family returns in their place, by kind and layer in call order."""

FIELDS: dict[AttentionKind, tuple[str, ...]] = {
    "self": ("encoder_attentions", "attentions"),
    "decoder": ("decoder_attentions",),
    "cross": ("cross_attentions",),
}
"""Where a model's output keeps the weights of each kind."""

WITHOUT_ATTENTION = frozenset({"conv", "linear_attention", "mlp", "moe"})
"""The words of transformers' ``layer_types`` for layers that mix tokens otherwise (state space, recurrent, convolution) or
not at all."""


def returned_maps(model: Any, output: Any) -> Maps:
    """What a model returned as attention; layers without attention return None, or something else that is left out."""
    found: dict[AttentionKind, dict[int, Any]] = {}
    for kind, fields in FIELDS.items():
        maps = next((maps for field in fields if (maps := getattr(output, field, None))), ())
        numbers = _numbers(model, kind, len(maps))
        found[kind] = {layer: maps[at] for at, layer in numbers.items() if maps[at] is not None}
    in_order: dict[tuple[AttentionKind, int], Any] = {("self", layer): maps for layer, maps in found["self"].items()}
    for layer in sorted(found["decoder"].keys() | found["cross"].keys()):
        for kind in ("decoder", "cross"):
            if layer in found[kind]:
                in_order[kind, layer] = found[kind][layer]
    return in_order


def readable_maps(maps: Maps, probe: Probe, *, sink: bool) -> tuple[Maps, str]:
    """The kinds of attention whose maps are rows over the probe's tokens, and why the last of the others are none.

    Args:
        maps: what the model returned for the probe. sink: whether its rows may sum to less than 1.
    """
    problems: dict[AttentionKind, str] = {}
    for (kind, _layer), weights in maps.items():
        if problem := _problem(kind, weights, probe, sink):
            problems.setdefault(kind, problem)
    readable = {place: weights for place, weights in maps.items() if place[0] not in problems}
    return readable, next(iter(problems.values()), "it returns no attention weights")


def dense_layout(maps: Maps) -> tuple[Place, ...]:
    """The places of readable maps, in call order."""
    sinks = {kind for (kind, _layer), weights in maps.items() if not_rows(weights[0])}
    return tuple(
        Place(kind, layer, weights.shape[1], kind in sinks, False, DenseCall.of(weights, null=kind in sinks).causal)
        for (kind, layer), weights in maps.items()
    )


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


def _problem(kind: AttentionKind, weights: Any, probe: Probe, sink: bool) -> str:
    """Why one layer's weights are no attention over the probe's tokens, or an empty string."""
    if not isinstance(weights, Tensor):
        return "it attends in parts of its own and returns no maps of tokens by tokens"
    if weights.ndim != 4 or kind_of(weights.shape[2], weights.shape[3], probe.source, probe.target) != kind:
        return f"it returns weights of shape {list(weights.shape)}, which are no maps of tokens by tokens"
    if not bool(weights.isfinite().all()):
        return "it computes NaN, so its weights are damaged or the precision is too low for them"
    return not_rows(weights[0], null=sink)


def _numbers(model: Any, kind: AttentionKind, count: int) -> Mapping[int, int]:
    """The layer of each of ``count`` returned maps that is attention, by its place in what was returned.

    The configuration says which layers of a decoder-only model or an encoder attend. Most hybrids return a map for each of
    those; some return an entry for every layer.
    """
    types = getattr(model.config.get_text_config(), "layer_types", None) if kind == "self" and count else None
    attending = [layer for layer, type_ in enumerate(types or ()) if type_ not in WITHOUT_ATTENTION]
    if types and count == len(types):
        return {layer: layer for layer in attending}
    return dict(enumerate(attending if count == len(attending) else range(count)))
