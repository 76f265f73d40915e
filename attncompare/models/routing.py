"""Which way a model's attention is read, decided and checked once, when it is loaded.

The tap where it is exact; the dense way (``output_attentions=True``, every weight at once) for families with attention code
of their own; otherwise the model is refused. Both are judged on a short text against the family's own eager attention. The
model is still private to its loader here: nothing is changed later.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from attncompare.attention import AttentionKind
from attncompare.errors import UnsupportedModel
from attncompare.models import tap
from attncompare.models.calls import DenseCall, LayerCall, is_plain, not_rows
from attncompare.models.dense import returned_maps
from attncompare.models.layout import Place, kind_of, layer_numbers
from attncompare.models.probe import Probe, last_hidden

Route = Literal["tap", "tap-own", "dense"]
Maps = Mapping[tuple[AttentionKind, int], Tensor]

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.float16: 0.03, torch.bfloat16: 0.1}
"""What the self-check accepts: total variation between tap rows and the family's own weights, mean over a layer's rows, and
relative difference of the last hidden state. Half precision rounds differently in the two passes and drifts apart from layer
to layer (measured on three-layer random models: 0.02 for bfloat16, 0.004 for float16, 1e-6 for float32); a wrong mask or
scaling moves a third of the mass and more."""

FAILURES = (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError, UnsupportedModel)
"""What a family's code raises where a pass is not meant for it."""


def install(model: Any) -> tuple[Place, ...]:
    """Load-time only: make ``model`` run the tap where that is exact for it, else leave it on its own eager attention.

    Returns:
        One place per attention call of a pass, in call order.

    Raises:
        UnsupportedModel: neither way gives its attention.
    """
    tap.register()
    for config in (model.config, model.config.get_text_config(), model.config.get_text_config(decoder=True)):
        config.use_cache = False  # a pass here reads a whole text once; a key-value cache would only cost memory
    try:
        probe = Probe.of(model)
        model.set_attn_implementation("eager")
        eager = probe.run(model, attentions=True)
        maps = returned_maps(model, eager)
        problem = _not_attention(maps, probe)
    except FAILURES as error:
        problem = f"its eager attention fails ({_first_line(error)})"
    if problem:
        raise UnsupportedModel(f"The attention of {type(model).__name__} can't be read: {problem}.")
    tapped = _tapped_layout(model, probe, maps, last_hidden(eager))
    if tapped is not None:
        return tapped
    model.set_attn_implementation("eager")
    return _dense_layout(maps)


def route(model: Any) -> Route:
    """Which way the attention of an installed model is read."""
    names: dict[str, Route] = {tap.SDPA_NAME: "tap", tap.OWN_NAME: "tap-own"}
    return names.get(model.config._attn_implementation, "dense")


def is_causal(layout: Sequence[Place], attention: AttentionKind = "self") -> bool:
    """Whether a query of this kind sees only itself and earlier keys, as observed when the model was loaded."""
    return any(place.causal for place in layout if place.attention == attention)


def _not_attention(maps: Maps, probe: Probe) -> str:
    """Why what a family calls its attentions is none, or an empty string."""
    if not maps:
        return "it returns no attention weights"
    for (kind, _layer), weights in maps.items():
        if weights.ndim != 4 or kind_of(weights.shape[2], weights.shape[3], probe.source, probe.target) != kind:
            return f"it returns weights of shape {list(weights.shape)}, which are no maps of tokens by tokens"
        if not bool(weights.isfinite().all()):
            return "it computes NaN, so its weights are damaged or the precision is too low for them"
        if problem := not_rows(weights[0], null=True):
            return problem
    return ""


def _tapped_layout(model: Any, probe: Probe, maps: Maps, eager: Tensor) -> tuple[Place, ...] | None:
    """The layout with the tap installed; None if it is anything but exact on the probe, in rows or in output."""
    name = tap.SDPA_NAME if type(model)._supports_sdpa else tap.OWN_NAME
    calls: list[LayerCall] = []
    try:
        model.set_attn_implementation(name)
        if model.config._attn_implementation != name:
            return None
        with tap.listening(calls.append):
            output = probe.run(model)
        layout = _layout(model, probe, calls)
        if layout is None or {(p.attention, p.layer) for p in layout} != maps.keys():
            return None
        moved = [_moved(call, maps[p.attention, p.layer]) for p, call in zip(layout, calls, strict=True)]
    except FAILURES:
        return None
    tapped = last_hidden(output)
    tolerance = TOLERANCE.get(eager.dtype, 1e-4)
    drift = float((tapped.float() - eager.float()).abs().mean() / eager.float().abs().mean())
    return layout if max(moved) <= tolerance and drift <= 10 * tolerance else None


def _layout(model: Any, probe: Probe, calls: list[LayerCall]) -> tuple[Place, ...] | None:
    """The places of the probe's calls; None if one of them looks at something else than the probe's tokens."""
    kinds = [kind_of(call.queries, call.keys, probe.source, probe.target) for call in calls]
    numbers = {
        kind: iter(layer_numbers(model, [call.module for call, its in zip(calls, kinds, strict=True) if its == kind]))
        for kind in set(kinds)
    }
    places = []
    for kind, call in zip(kinds, calls, strict=True):
        if kind is None:
            return None
        rows, visible = call.block(0, call.queries)
        null = call.options.get("s_aux") is not None or float(rows.sum(-1).min()) < 1 - 1e-3
        causal = visible is not None and not bool(visible[0, 1:].any())
        places.append(Place(kind, next(numbers[kind]), call.heads, null, not null and is_plain(call), causal))
    return tuple(places)


def _moved(call: LayerCall, expected: Tensor) -> float:
    """Total variation between the tap's rows and the family's own, mean over rows."""
    rows = call.rows(list(range(call.heads)))
    return float((rows - expected[0].float()).abs().sum(-1).mean() / 2)


def _dense_layout(maps: Maps) -> tuple[Place, ...]:
    """The places of what the dense way returns, in call order."""
    places = []
    for (kind, layer), weights in maps.items():
        null = not_rows(weights[0]) != ""
        places.append(Place(kind, layer, weights.shape[1], null, False, DenseCall.of(weights, null=null).causal))
    return tuple(places)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
