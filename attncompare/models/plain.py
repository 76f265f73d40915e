"""Which attention calls are a plain softmax, so that :mod:`attncompare.models.softmax` may compute their rows.

Decided on the probe of a model that is being loaded. Knows nothing about routes.
"""

from dataclasses import replace

from attncompare.models.calls import LayerCall

HARMLESS = frozenset(
    {
        "cache_position",
        "deterministic",
        "is_causal",
        "logits_to_keep",
        "output_attentions",
        "output_hidden_states",
        "output_router_logits",
        "position_ids",
        "sliding_window",
        "use_cache",
    }
)
"""Options of an attention call that change no row: masks already say what they say."""

REVEALING_LOGIT = 100.0
"""Queries are enlarged until their largest logit is this: soft-capping (50 in Gemma 2) shows only on large ones."""


def is_plain(call: LayerCall) -> bool:
    """Whether a call's rows are softmax(query key^T scaling + mask): observed, also on enlarged queries."""
    if any(value is not None for name, value in call.options.items() if name not in HARMLESS):
        return False
    query, key = call.query.float(), call.key.float()
    key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    scaling = query.shape[-1] ** -0.5 if call.scaling is None else call.scaling
    logits = (query @ key.transpose(2, 3) * scaling)[0]
    mask, _ = call.masking(0, call.queries)
    for gain in (1.0, max(1.0, REVEALING_LOGIT / float(logits.abs().max().clamp_min(1e-6)))):
        masked = logits * gain if mask is None else logits * gain + mask[0]
        rows, _ = replace(call, query=call.query * gain).block(0, call.queries)
        if float((rows - masked.softmax(-1)).abs().sum(-1).mean()) > 1e-3:
            return False
    return True
