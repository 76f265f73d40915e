"""Which way a model's attention is read, decided and checked once, when it is loaded.

The tap where it is exact; the dense way (``output_attentions=True``, every weight at once) for families with attention code
of their own; otherwise the model is refused. Both are judged on a short text against the family's own eager attention. The
model is still private to its loader here: nothing is changed later.
"""

from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

from attncompare.errors import UnsupportedModel
from attncompare.models import tap
from attncompare.models.calls import AttentionCall

Route = Literal["tap", "tap-own", "dense"]

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.float16: 0.03, torch.bfloat16: 0.1}
"""What the self-check accepts: total variation between tap rows and the family's own weights, mean over a layer's rows, and
relative difference of the last hidden state. Half precision rounds differently in the two passes and drifts apart from layer
to layer (measured on three-layer random models: 0.02 for bfloat16, 0.004 for float16, 1e-6 for float32); a wrong mask or
scaling moves a third of the mass and more."""

PROBE_TOKENS = 24

SUM_TOLERANCE = 1e-2
"""How far a row that a family returns may be from summing to 1; some return scores or something else as "attentions"."""


def install(model: Any) -> None:
    """Load-time only: make ``model`` run the tap where that is exact for it, else leave it on its own eager attention.

    Raises:
        UnsupportedModel: neither way gives its attention.
    """
    tap.register()
    name = tap.SDPA_NAME if type(model)._supports_sdpa else tap.OWN_NAME
    model.config.use_cache = False  # a pass here reads a whole text once; a key-value cache would only cost memory
    try:
        model.set_attn_implementation("eager")
        with torch.no_grad():
            eager = model(input_ids=_probe_ids(model), output_attentions=True, output_hidden_states=True)
        expected = [rows for rows in eager.attentions or () if rows is not None]
        problem = _not_rows(expected, shape(model))
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        problem = f"its eager attention fails ({_first_line(error)})"
    if problem:
        raise UnsupportedModel(f"The attention of {type(model).__name__} can't be read: {problem}.")
    if _tap_differs(model, name, expected, eager.hidden_states[-1]):
        model.set_attn_implementation("eager")


def route(model: Any) -> Route:
    """Which way the attention of an installed model is read."""
    names: dict[str, Route] = {tap.SDPA_NAME: "tap", tap.OWN_NAME: "tap-own"}
    return names.get(model.config._attn_implementation, "dense")


def shape(model: Any) -> tuple[int, int]:
    """Layers and query heads, as the model's configuration states them."""
    config = model.config.get_text_config()
    return config.num_hidden_layers, config.num_attention_heads


def is_causal(model: Any) -> bool:
    """Whether a query sees only itself and earlier keys, observed on a short text."""
    calls: list[AttentionCall] = []
    tap.record(model, {"input_ids": _probe_ids(model)}, calls.append)
    return bool(calls) and not bool(calls[0].visible(0, 1)[0, 1:].any())


def _probe_ids(model: Any) -> Int[Tensor, "1 token"]:
    """A fixed arbitrary text: evenly spaced ids from the upper three quarters of the vocabulary."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.linspace(vocabulary // 4, vocabulary - 1, PROBE_TOKENS).long()
    return ids[None].to(next(model.parameters()).device)


def _not_rows(attentions: list[Tensor], expected: tuple[int, int]) -> str:
    """Why what a family calls its attentions is none, or an empty string."""
    layers, heads = expected
    if len(attentions) != layers:
        return f"{len(attentions)} of its {layers} layers return attention weights"
    if any(rows.shape != (1, heads, PROBE_TOKENS, PROBE_TOKENS) for rows in attentions):
        return f"its attention weights are no {heads} maps of tokens by tokens"
    worst = float(torch.stack([(rows.float().sum(-1) - 1).abs().max() for rows in attentions]).max())
    if worst != worst:
        return "it computes NaN, so its weights are damaged or the precision is too low for them"
    return "" if worst <= SUM_TOLERANCE else f"its attention rows sum to up to {worst:.2g} away from 1"


def _tap_differs(model: Any, name: str, expected: list[Tensor], eager: Tensor) -> bool:
    """Whether the tap under ``name`` is anything but exact on the probe, in rows or in output."""
    calls: list[AttentionCall] = []
    try:
        model.set_attn_implementation(name)
        if model.config._attn_implementation != name:
            return True
        with torch.no_grad(), tap.listening(calls.append):
            tapped = model(input_ids=_probe_ids(model), output_hidden_states=True).hidden_states[-1]
        if len(calls) != len(expected):
            return True
        every = list(range(calls[0].heads))
        moved = [
            (call.rows(every) - rows[0].float()).abs().sum(-1).mean() / 2
            for call, rows in zip(calls, expected, strict=True)
        ]
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, UnsupportedModel):
        return True
    tolerance = TOLERANCE.get(eager.dtype, 1e-4)
    drift = float((tapped.float() - eager.float()).abs().mean() / eager.float().abs().mean())
    return not (float(torch.stack(moved).max()) <= tolerance and drift <= 10 * tolerance)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
