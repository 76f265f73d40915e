"""One head in both models: its maps, and what is too costly to compute for every head."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from attncompare.analyses.blocks import head_map
from attncompare.analyses.routes import FULL_TOKENS, json_rows
from attncompare.attention import Token, frozen, head_name
from attncompare.errors import BadInput, TraceGone
from attncompare.metrics.divergence import jsd_bits, wasserstein_tokens
from attncompare.models.calls import AttentionCall
from attncompare.models.pair import Pair
from attncompare.models.tokens import mark_sinks, sink_positions
from attncompare.models.traces import TRACES, TraceKey, layer_calls, prepare


@dataclass(frozen=True, eq=False)
class HeadMaps:
    """Attention of one head in both models, ``[query, key]`` float32, NaN where a query may not look."""

    layer: int
    head: int
    tokens: tuple[Token, ...]
    base: np.ndarray
    tuned: np.ndarray
    jsd_bits: float
    """Mean divergence over the rows that see at least two keys."""
    wasserstein_tokens: float
    """Mean over the same rows of the mass moved times the distance it moved, in tokens."""

    @property
    def delta(self) -> np.ndarray:
        """Tuned minus base."""
        return self.tuned - self.base

    @property
    def name(self) -> str:
        """``L5.H9``."""
        return head_name(self.layer, self.head)

    def frame(self) -> pd.DataFrame:
        """One line per visible (query, key)."""
        query, key = np.nonzero(~np.isnan(self.base))
        columns = {"query": query, "key": key, "base": self.base[query, key], "tuned": self.tuned[query, key]}
        return pd.DataFrame({**columns, "delta": self.delta[query, key]})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values; a masked cell is null, and so are the maps of a text of more than 512 tokens."""
        whole = len(self.tokens) <= FULL_TOKENS
        return {
            "layer": self.layer,
            "head": self.head,
            "jsd_bits": None if np.isnan(self.jsd_bits) else self.jsd_bits,
            "wasserstein_tokens": None if np.isnan(self.wasserstein_tokens) else self.wasserstein_tokens,
            "tokens": [token.text for token in self.tokens],
            "base": json_rows(self.base) if whole else None,
            "tuned": json_rows(self.tuned) if whole else None,
            "delta": json_rows(self.delta) if whole else None,
            "maps_omitted": None if whole else f"above {FULL_TOKENS} tokens",
        }


def head_maps(pair: Pair, text: str, layer: int, head: int) -> HeadMaps:
    """One head's maps in both models; free of forward passes where the text's trace is kept.

    Raises:
        BadInput: blank or too long text, or no such layer or head.
    """
    require_head(layer, head, pair.layers, pair.heads)
    question = prepare(pair, text)
    sinks = sink_positions(pair.base.tokenizer, question.base.ids, causal=pair.causal)
    return _maps(layer, head, mark_sinks(question.base.tokens, sinks), *layer_calls(question, layer))


def kept_maps(key: TraceKey, layer: int, head: int, tokens: tuple[Token, ...]) -> HeadMaps:
    """The same from a trace that an earlier comparison left behind.

    Raises:
        TraceGone: the trace is no longer kept.
    """
    trace = TRACES.get_if_present(key)
    if trace is None:
        raise TraceGone(
            "The models' traces for this text are no longer kept: run compare(pair, text) again and ask the new result."
        )
    require_head(layer, head, len(trace.base), trace.base[0].heads)
    return _maps(layer, head, tokens, trace.base[layer], trace.tuned[layer])


def require_head(layer: Any, head: Any, layers: int, heads: int) -> None:
    """Raises BadInput unless the model has this head; negative numbers are not accepted, they hide mistakes."""
    if any(isinstance(number, bool) or not isinstance(number, int) for number in (layer, head)):
        raise BadInput(f"Layer and head must be whole numbers, got {layer!r} and {head!r}.")
    if not (0 <= layer < layers and 0 <= head < heads):
        raise BadInput(
            f"Head {head_name(layer, head)} does not exist: these models have layers 0 to {layers - 1} "
            f"and heads 0 to {heads - 1}."
        )


def _maps(layer: int, head: int, tokens: tuple[Token, ...], base: AttentionCall, tuned: AttentionCall) -> HeadMaps:
    visible = base.visible(0, base.queries)
    rows = [head_map(call, head) for call in (base, tuned)]
    several = visible.sum(-1) > 1
    return HeadMaps(
        layer,
        head,
        tokens,
        base=frozen(rows[0].masked_fill(~visible, torch.nan)),
        tuned=frozen(rows[1].masked_fill(~visible, torch.nan)),
        jsd_bits=float(jsd_bits(rows[0], rows[1])[several].double().mean()),
        wasserstein_tokens=float(wasserstein_tokens(rows[0], rows[1])[several].double().mean()),
    )
