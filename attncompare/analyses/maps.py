"""One head in both models: its maps, whole or through a window, and what is too costly to compute for every head."""

from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attncompare.analyses.blocks import blocks
from attncompare.analyses.routes import FULL_TOKENS, json_rows
from attncompare.attention import About, Progress, Token, frozen, head_name
from attncompare.errors import BadInput, TraceGone
from attncompare.metrics.divergence import jsd_bits, wasserstein_tokens
from attncompare.models.calls import AttentionCall
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import TRACES, PairTrace, layer_calls

Window = tuple[int, int]
"""Positions ``start:stop``."""


@dataclass(frozen=True, eq=False)
class HeadMaps:
    """Attention of one head in both models, ``[query, key]`` float32, NaN where a query may not look."""

    layer: int
    head: int
    tokens: tuple[Token, ...]
    """The queries of the whole text."""
    key_tokens: tuple[Token, ...]
    """The keys of the whole text; the same except for cross-attention and models with a logit sink."""
    queries: Window
    """Which queries the maps show."""
    keys: Window
    base: np.ndarray
    tuned: np.ndarray
    jsd_bits: float
    """Mean divergence over the whole text's rows that see at least two keys, whatever the window."""
    wasserstein_tokens: float
    """Mean over the same rows of the mass moved times the distance it moved, in tokens; NaN where there is a null key."""
    about: About = About()

    @property
    def delta(self) -> np.ndarray:
        """Tuned minus base."""
        return self.tuned - self.base

    @property
    def name(self) -> str:
        """``L5.H9``."""
        return head_name(self.layer, self.head)

    @property
    def whole(self) -> bool:
        """Whether the maps show the whole text."""
        return self.queries == (0, len(self.tokens)) and self.keys == (0, len(self.key_tokens))

    def frame(self) -> pd.DataFrame:
        """One line per visible (query, key) of the window, numbered as in the text."""
        query, key = np.nonzero(~np.isnan(self.base))
        columns = {"query": query + self.queries[0], "key": key + self.keys[0]}
        numbers = {"base": self.base[query, key], "tuned": self.tuned[query, key], "delta": self.delta[query, key]}
        return pd.DataFrame({**columns, **numbers})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values; a masked cell is null, and so are maps of more than 512 queries or keys."""
        small = max(self.base.shape) <= FULL_TOKENS
        return {
            "layer": self.layer,
            "head": self.head,
            "jsd_bits": None if np.isnan(self.jsd_bits) else self.jsd_bits,
            "wasserstein_tokens": None if np.isnan(self.wasserstein_tokens) else self.wasserstein_tokens,
            "tokens": [token.text for token in self.tokens],
            "key_tokens": [token.text for token in self.key_tokens],
            "queries": list(self.queries),
            "keys": list(self.keys),
            "base": json_rows(self.base) if small else None,
            "tuned": json_rows(self.tuned) if small else None,
            "delta": json_rows(self.delta) if small else None,
            "maps_omitted": None if small else f"above {FULL_TOKENS} tokens: ask for a window of queries and keys",
        }


def head_maps(
    pair: Pair,
    text: str,
    layer: int,
    head: int,
    *,
    queries: Window | None = None,
    keys: Window | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> HeadMaps:
    """One head's maps in both models; free of forward passes where the text's trace is kept.

    ``layer`` is the model's own number of it. ``queries`` and ``keys`` are windows ``(start, stop)`` of positions, the whole
    text if not given: no more than one block of rows and the window is ever held. ``reading`` says how the text is read,
    as in :func:`attncompare.compare`.

    Raises:
        BadInput: as compare, or no such layer, head or window.
    """
    require_head(pair, layer, head, reading)
    question = prepare(pair, text, progress=progress, **reading)
    return _maps(question, layer, head, layer_calls(pair, question, layer), queries, keys)


def kept_maps(question: PairText, layer: int, head: int, *, queries: Window | None, keys: Window | None) -> HeadMaps:
    """The same from a trace that an earlier comparison left behind.

    Raises:
        BadInput: no such head or window. TraceGone: the trace is no longer kept.
    """
    trace = kept_trace(question)
    _require(layer, head, question.stack.layers, question.stack.heads)
    return _maps(question, layer, head, trace.layer(question.attention, layer), queries, keys)


def kept_trace(question: PairText) -> PairTrace:
    """Both models' traces of a text, where they are still there.

    Raises:
        TraceGone: they are not; the message names the cure.
    """
    trace = TRACES.get_if_present(question.key)
    if trace is None:
        raise TraceGone(
            "The models' traces for this text are no longer kept: run compare(pair, text) again and ask the new result."
        )
    return trace


def require_head(pair: Pair, layer: Any, head: Any, reading: Reading) -> None:
    """Raises BadInput unless the models have this head; negative numbers are not accepted, they hide mistakes."""
    stack = pair.stack(reading.get("attention", "self"))
    _require(layer, head, stack.layers, stack.heads)


def _require(layer: Any, head: Any, layers: tuple[int, ...], heads: int) -> None:
    if any(isinstance(number, bool) or not isinstance(number, int) for number in (layer, head)):
        raise BadInput(f"Layer and head must be whole numbers, got {layer!r} and {head!r}.")
    if layer in layers and 0 <= head < heads:
        return
    known = f"{layers[0]} to {layers[-1]}" if len(layers) == layers[-1] - layers[0] + 1 else ", ".join(map(str, layers))
    raise BadInput(
        f"Head {head_name(layer, head)} does not exist: these models attend in layers {known} and "
        f"have heads 0 to {heads - 1}."
    )


def _window(name: str, window: Window | None, length: int) -> Window:
    if window is None:
        return 0, length
    whole = len(window) == 2 and all(isinstance(end, int) and not isinstance(end, bool) for end in window)
    if not whole or not 0 <= window[0] < window[1] <= length:
        raise BadInput(f"{name} must be a window (start, stop) within 0 to {length}, got {window!r}.")
    return window[0], window[1]


def _maps(
    question: PairText,
    layer: int,
    head: int,
    calls: tuple[AttentionCall, AttentionCall],
    queries: Window | None,
    keys: Window | None,
) -> HeadMaps:
    shown = _window("queries", queries, len(question.query_tokens)), _window("keys", keys, len(question.key_tokens))
    (first, last), (left, right) = shown
    window = torch.full((2, last - first, right - left), torch.nan)
    sums, counted = torch.zeros(2, dtype=torch.float64), 0
    for block in blocks(*question.views(*calls), entropy=False, head=head):
        sides, several = (block.base[0], block.tuned[0]), block.sight.several
        sums += torch.stack(
            [measure(*sides).cpu()[several].double().sum() for measure in (jsd_bits, wasserstein_tokens)]
        )
        counted += int(several.sum())
        inside = slice(max(first - block.start, 0), max(last - block.start, 0))
        at = slice(max(block.start - first, 0), None)
        for side, rows in enumerate(sides):
            part = _blanked(rows, block.visible, len(question.key_tokens))[inside, left:right]
            window[side, at][: len(part)] = part
    bits, moved = (float(value) / counted if counted else float("nan") for value in sums)
    return HeadMaps(
        layer,
        head,
        question.query_tokens,
        question.key_tokens,
        *shown,
        frozen(window[0]),
        frozen(window[1]),
        bits,
        float("nan") if question.null else moved,  # a null key has no position
        question.about,
    )


def _blanked(rows: Tensor, visible: Tensor | None, keys: int) -> Tensor:
    """The rows over all keys of the text, NaN where masked."""
    rows = rows if visible is None else rows.masked_fill(~visible, torch.nan)
    return torch.nn.functional.pad(rows, (0, keys - rows.shape[1]), value=torch.nan).cpu()
