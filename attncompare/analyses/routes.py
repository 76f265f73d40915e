"""Where does it flow? Attention rollout of both models, and how it differs.

Rollout follows attention weights through the layers (:mod:`attncompare.metrics.rollout`). In a deep causal model it puts
nearly everything on the first tokens whatever the weights are, so causal results carry the lift over a model that attends
uniformly under the same masks, and say so where even that means nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd
from torch import Tensor

from attncompare.analyses.flows import Flows, follow
from attncompare.analyses.mixes import Mix, mix_answers
from attncompare.attention import About, Progress, Token, frozen
from attncompare.errors import BadInput
from attncompare.metrics.rollout import CROWDED_NULL, log2_lift
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.merged import UnitIndex, merge_map
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import TRACES, record_side, walk

Mixer = Literal["rollout", "value_zeroing"]

FULL_TOKENS = 512
"""Up to this length the whole matrix is computed; above it, one token's row."""


@dataclass(frozen=True, eq=False)
class Routes:
    """What is mixed into each output of both models: for each output token in ``queries``, the share of each input token.

    Rows sum to 1.
    """

    tokens: tuple[Token, ...]
    queries: tuple[int, ...]
    base: np.ndarray
    """``[query, token]`` float32."""
    tuned: np.ndarray
    log2_lift_base: np.ndarray | None
    """log2 of rollout over the uniform null, NaN where the null is too small; causal models only."""
    log2_lift_tuned: np.ndarray | None
    lift_omitted: str | None
    """Why there is no lift; None where there is one."""
    about: About = About()
    mixer: Mixer = "rollout"
    """What was multiplied through the layers: attention (``rollout``), or what zeroed values change (``value_zeroing``)."""
    layers: tuple[int, ...] = ()
    """The model's own numbers of the layers that were multiplied, from the input up."""
    partial: bool = False
    """Whether layers above them were left out."""
    read_from: int | None = None
    """The output that an answer is read from: the first token of an encoder, if it is a special one, and the last of a
    causal model."""

    @property
    def through(self) -> int | None:
        """The model's own number of the last layer that was multiplied."""
        return self.layers[-1] if self.layers else None

    @property
    def delta(self) -> np.ndarray:
        """Tuned minus base, ``[query, token]``."""
        return self.tuned - self.base

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in a sentence each: in the output that an answer is read from, over all outputs, how large; and
        what this does not say."""
        lifts = None
        if self.log2_lift_base is not None and self.log2_lift_tuned is not None:
            lifts = self.log2_lift_base, self.log2_lift_tuned
        mix = Mix(self.tokens, self.queries, self.base, self.tuned, lifts, self.read_from)
        return mix_answers(mix, zeroed=self.mixer == "value_zeroing", through=self.through if self.partial else None)

    def frame(self) -> pd.DataFrame:
        """One line per output and input token."""
        query, token = (axis.ravel() for axis in np.meshgrid(self.queries, range(len(self.tokens)), indexing="ij"))
        columns = {"query": query, "token": token, "base": self.base.ravel(), "tuned": self.tuned.ravel()}
        return pd.DataFrame({**columns, "delta": self.delta.ravel()})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values; a lift that means nothing is null."""
        return {
            "answers": list(self.answers),
            "queries": list(self.queries),
            "base": json_rows(self.base),
            "tuned": json_rows(self.tuned),
            "delta": json_rows(self.delta),
            "log2_lift_base": None if self.log2_lift_base is None else json_rows(self.log2_lift_base),
            "log2_lift_tuned": None if self.log2_lift_tuned is None else json_rows(self.log2_lift_tuned),
            "lift_omitted": self.lift_omitted,
            "mixer": self.mixer,
            "layers": list(self.layers),
            "partial": self.partial,
        }


def json_rows(array: np.ndarray) -> list[Any]:
    """Nested lists with eight decimals (float32 has no more); NaN and infinity become None."""
    rounded = array.astype(np.float64).round(8)
    blank = ~np.isfinite(rounded)
    if not blank.any():
        return rounded.tolist()
    values = rounded.astype(object)
    values[blank] = None
    return values.tolist()


def omitted(question: PairText) -> str | None:
    """Why there is no full rollout of this question; None where there is one."""
    if question.attention == "cross":
        return "rollout follows attention from layer to layer, and cross-attention never feeds itself"
    if max(len(side) for side in (question.queries.base_tokens, question.queries.tuned_tokens)) > FULL_TOKENS:
        return f"above {FULL_TOKENS} tokens: ask rollout(pair, text, token=…) for one row"
    return None


def rollout(
    pair: Pair,
    text: str,
    *,
    token: int | None = None,
    layers: int | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Routes:
    """Attention rollout of both models on ``text``, read as ``reading`` says (see :func:`attncompare.compare`).

    Up to 512 tokens every output token has its row. Longer texts give one row, of ``token``: by default the first token of
    an encoder and the last of a causal model, where the answer is read. What a logit sink takes is left out. ``layers`` is
    how many of the layers that attend are multiplied, counted from the input; default all.

    Raises:
        BadInput: as compare, for a token or layers that there are not, and for cross-attention, which is not rolled out.
    """
    question = prepare(pair, text, progress=progress, **reading)
    last = len(question.query_tokens) - 1
    if token is not None and not 0 <= token <= last:
        raise BadInput(f"Token {token} does not exist: this text has tokens 0 to {last}.")
    if question.attention == "cross":
        raise BadInput(f"There is no rollout of cross-attention: {omitted(question)}.")
    deep = _depth(question, layers)
    if omitted(question):
        return _one_row(pair, question, (last if question.causal else 0) if token is None else token, deep, progress)
    full = Flows(question)

    def visit(place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        if place.layer in deep:
            full.read(base, tuned)

    walk(pair, question, visit, progress)
    routes = _routes(question, None, deep, full.rows(), full.nulls())
    return routes if token is None else _only(routes, token)


def _depth(question: PairText, layers: int | None) -> tuple[int, ...]:
    """The numbers of the layers to be multiplied."""
    there = question.stack.layers
    if layers is not None and not 1 <= layers <= len(there):
        raise BadInput(f"Expected layers to be 1 to {len(there)}, counted from the input, got {layers!r:.20}.")
    return there[:layers]


def full_routes(question: PairText, flows: Flows) -> Routes:
    """The result over all output tokens, once every layer has been fed."""
    return _routes(question, None, question.stack.layers, flows.rows(), flows.nulls())


def _only(routes: Routes, token: int) -> Routes:
    """The row of one output token."""
    at = slice(token, token + 1)

    def cut(rows: np.ndarray | None) -> np.ndarray | None:
        return None if rows is None else frozen(rows[at])

    return replace(
        routes,
        queries=(token,),
        base=frozen(routes.base[at]),
        tuned=frozen(routes.tuned[at]),
        log2_lift_base=cut(routes.log2_lift_base),
        log2_lift_tuned=cut(routes.log2_lift_tuned),
    )


def _one_row(pair: Pair, question: PairText, token: int, layers: tuple[int, ...], progress: Progress | None) -> Routes:
    """One output's row, followed from the last layer down; no N x N matrix is made."""
    tell = progress or (lambda step, done, total: None)
    kept = TRACES.get_if_present(question.key)
    rows, nulls = [], []
    for i, side in enumerate((pair.base, pair.tuned)):
        if kept is not None:
            trace = (kept.base, kept.tuned)[i]
        else:
            trace = record_side(pair, question, side, tell, only=question.attention)
        calls = [call for place, call in trace.stack(question.attention) if place.layer in layers]
        members = (question.queries.base, question.queries.tuned)[i][token]
        rows.append(follow(calls, members, uniform=False)[None])
        if question.causal and (i == 0 or question.level != "token"):
            nulls.append(follow(calls, members, uniform=True)[None])
    return _routes(question, token, layers, rows, nulls)


def _routes(
    question: PairText, token: int | None, layers: tuple[int, ...], rows: Sequence[Tensor], nulls: Sequence[Tensor]
) -> Routes:
    """Rollout over tokens as a result over what the comparison is about; ``token`` is the only output, if there is one."""
    tokens = question.query_tokens
    queries = tuple(range(len(tokens))) if token is None else (token,)
    base, tuned = (merged(question, side, row, whole=token is None) for side, row in enumerate(rows))
    null = [merged(question, side, row, whole=token is None) for side, row in enumerate(nulls)]
    lifts: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    if not null:
        why: str | None = "only causal models need a null"
    elif (crowded := float(null[0][-1, 0])) > CROWDED_NULL:
        why = (
            f"in a model this deep uniform attention alone puts {crowded:.0%} of token {queries[-1]}'s rollout on the "
            "first token: only the difference means something"
        )
    else:
        lifts, why = (frozen(log2_lift(base, null[0])), frozen(log2_lift(tuned, null[-1]))), None
    return Routes(
        tokens,
        queries,
        frozen(base),
        frozen(tuned),
        *lifts,
        why,
        question.about,
        layers=layers,
        partial=layers != question.stack.layers,
        read_from=read_from(question),
    )


def read_from(question: PairText) -> int | None:
    """The output that an answer is read from: of an encoder its first token, where that is a special one, and of a causal
    model the last; None where answers are read elsewhere."""
    if question.causal:
        return len(question.query_tokens) - 1
    encodes = question.attention == "self" and not question.about.encoder_decoder
    return 0 if encodes and question.query_tokens[0].special else None


def merged(question: PairText, side: int, rows: Tensor, *, whole: bool) -> Tensor:
    """Rollout over one model's tokens as rollout over units: keys sum, and queries average if there is a row for each."""
    if question.level == "token":
        return rows
    groups = (question.queries.base, question.queries.tuned)[side]
    keys = UnitIndex.of(groups, rows.shape[1])
    # One row is of one unit already, the mean over its tokens.
    return merge_map(rows, keys if whole else UnitIndex.of(((0,),), 1), keys)
