"""Which way a model's attention is read, decided and checked once, when it is loaded.

The tap where it is exact; the dense way (``output_attentions=True``, every weight at once) for families with attention code
of their own; otherwise the model is refused. Both are judged on a short text against the family's own eager attention, and
that against what the model computes as it was loaded; what a short text can't show stands in
:mod:`attncompare.models.rules`. The model is still private to its loader here: nothing is changed later.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from attncompare.attention import AttentionKind
from attncompare.errors import UnsupportedModel
from attncompare.models import rules, tap
from attncompare.models.calls import LayerCall, is_plain
from attncompare.models.dense import Maps, dense_layout, readable_maps, returned_maps
from attncompare.models.layout import Place, kind_of, layer_numbers
from attncompare.models.probe import Probe, last_hidden
from attncompare.models.quiet import quiet

Route = Literal["tap", "tap-own", "dense"]

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.float16: 0.03, torch.bfloat16: 0.1}
"""What the self-check accepts: total variation between tap rows and the family's own weights, mean over a layer's rows, and
relative difference of the last hidden state. Half precision rounds differently in the two passes and drifts apart from layer
to layer (measured on three-layer random models: 0.02 for bfloat16, 0.004 for float16, 1e-6 for float32); a wrong mask or
scaling moves a third of the mass and more."""

FAILURES = (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError)
"""What a family's code raises where a pass is not meant for it; UnsupportedModel is a ValueError."""


def install(model: Any) -> tuple[Place, ...]:
    """Load-time only: make ``model`` run the tap where that is exact for it, else leave it on its own eager attention.

    Returns:
        One place per attention call of a pass, in call order. A kind of attention that can't be read (an encoder that
        attends in blocks, below a decoder that doesn't) has no places.

    Raises:
        UnsupportedModel: neither way gives its attention.
    """
    tap.register()
    if refusal := rules.refusal(model):
        raise _cannot_be_read(model, refusal)
    for part in model.modules():
        if (config := getattr(part, "config", None)) is not None:
            config.use_cache = False  # a pass here reads a whole text once; a key-value cache would only cost memory
    sink = rules.has_sink(model)
    with quiet():  # transformers warns of families that it can't switch; what matters in that is observed
        try:
            probe = Probe.of(model)
            production = last_hidden(probe.run(model))
            _run_eager(model)
            eager = probe.run(model, attentions=True)
            maps, problem = readable_maps(returned_maps(model, eager), probe, sink=sink)
        except FAILURES as error:
            maps, problem = {}, f"a pass on text alone fails ({_first_line(error)})"
        if not maps:
            raise _cannot_be_read(model, rules.REASONS.get(model.config.model_type, problem))
        if not _same_output(last_hidden(eager), production):
            raise _cannot_be_read(model, "with its weights returned it computes something else than without")
        layout = _tapped_layout(model, probe, maps, last_hidden(eager))
        if layout is None:
            _run_eager(model)
            layout = dense_layout(maps)
        return layout


def route(model: Any) -> Route:
    """Which way the attention of an installed model is read."""
    names: dict[str, Route] = {tap.SDPA_NAME: "tap", tap.OWN_NAME: "tap-own"}
    return names.get(tap.implementation(model), "dense")


def is_causal(layout: Sequence[Place], attention: AttentionKind = "self") -> bool:
    """Whether a query of this kind sees only itself and earlier keys, as observed when the model was loaded."""
    return any(place.causal for place in layout if place.attention == attention)


def _tapped_layout(model: Any, probe: Probe, maps: Maps, eager: Tensor) -> tuple[Place, ...] | None:
    """The layout with the tap installed; None if it is anything but exact on the probe, in rows or in output."""
    name = tap.SDPA_NAME if type(model)._supports_sdpa else tap.OWN_NAME
    calls: list[LayerCall] = []
    try:
        model.set_attn_implementation(name)
        if tap.implementation(model) != name:
            return None
        with tap.listening(calls.append):
            output = probe.run(model)
        layout = _layout(model, probe, calls)
        if layout is None or rules.selects_keys(calls):
            return None
        moved = _moved(layout, calls, maps)
    except FAILURES:
        return None
    exact = moved <= TOLERANCE.get(eager.dtype, 1e-4) and _same_output(last_hidden(output), eager)
    return layout if exact else None


def _same_output(one: Tensor, other: Tensor) -> bool:
    """Whether two implementations of one model gave the same last hidden state, up to what precision explains."""
    drift = float((one.float() - other.float()).abs().mean() / other.float().abs().mean())
    return drift <= 10 * TOLERANCE.get(other.dtype, 1e-4)


def _run_eager(model: Any) -> None:
    """Switch to the family's own eager attention."""
    model.set_attn_implementation("eager")
    # Falcon can't be switched by that call, and reads the name at each pass.
    model.config._attn_implementation = "eager"


def _layout(model: Any, probe: Probe, calls: list[LayerCall]) -> tuple[Place, ...] | None:
    """The places of the probe's calls; None if one of them looks at something else than the probe's tokens."""
    kinds = [kind_of(call.queries, call.keys, probe.source, probe.target) for call in calls]
    numbers = {
        kind: iter(layer_numbers(model, [call.module for call, its in zip(calls, kinds, strict=True) if its == kind]))
        for kind in set(kinds)
    }
    # A stack whose layers have sinks here and there (MiMo) gets a null key everywhere: its layers are one grid.
    sinks = {kind for kind, call in zip(kinds, calls, strict=True) if _loses_mass(call)}
    places = []
    for kind, call in zip(kinds, calls, strict=True):
        if kind is None:
            return None
        causal = kind != "cross" and not bool(call.visible(0, 1)[0, 1:].any())
        null = kind in sinks
        places.append(Place(kind, next(numbers[kind]), call.heads, null, not null and is_plain(call), causal))
    return tuple(places)


def _loses_mass(call: LayerCall) -> bool:
    """Whether a logit sink takes a part of a call's rows. Granite's scales the output instead and leaves them at 1."""
    return rules.has_sink(call.module) and float(call.block(0, call.queries)[0].sum(-1).min()) < 1 - 1e-4


def _moved(layout: Sequence[Place], calls: Sequence[LayerCall], maps: Maps) -> float:
    """Largest over layers of the total variation between the tap's rows and the family's own, mean over rows.

    Infinite where a kind of attention makes other calls than the family returns maps.
    """
    by_kind: Mapping[AttentionKind, list[Tensor]] = {
        kind: [weights for (of, _layer), weights in maps.items() if of == kind] for kind, _layer in maps
    }
    worst = 0.0
    for kind in {place.attention for place in layout} | by_kind.keys():
        its = [call for place, call in zip(layout, calls, strict=True) if place.attention == kind]
        if len(its) != len(by_kind.get(kind, [])):
            return float("inf")
        for call, expected in zip(its, by_kind[kind], strict=True):
            heads, cut = list(range(call.heads)), call.queries // 3
            # Two uneven slices: rows have to come out right for a part of the queries too.
            rows = torch.cat((call.rows(heads, slice(0, cut)), call.rows(heads, slice(cut, None))), 1)
            worst = max(worst, float((rows - expected[0].float()).abs().sum(-1).mean() / 2))
    return worst


def _cannot_be_read(model: Any, reason: str) -> UnsupportedModel:
    return UnsupportedModel(f"The attention of {type(model).__name__} can't be read: {reason}.")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
