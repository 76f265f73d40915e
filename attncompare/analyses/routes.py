"""Where does it flow? Attention rollout of both models, and how it differs.

Rollout follows attention weights through the layers (:mod:`attncompare.metrics.rollout`). In a deep causal model it puts
nearly everything on the first tokens whatever the weights are, so causal results carry the lift over a model that attends
uniformly under the same masks, and say so where even that means nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.analyses.blocks import spans
from attncompare.attention import About, Progress, Token, frozen
from attncompare.errors import BadInput
from attncompare.metrics.block import Block
from attncompare.metrics.rollout import CROWDED_NULL, advance, log2_lift, retreat, uniform_rows
from attncompare.models.calls import AttentionCall
from attncompare.models.merged import UnitIndex, merge_map
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import TRACES, record_side, walk

FULL_TOKENS = 512
"""Up to this length the whole matrix is computed; above it, one token's row."""


@dataclass(frozen=True, eq=False)
class Routes:
    """Rollout of both models: for each output token in ``queries``, the share of each input token. Rows sum to 1."""

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

    @property
    def delta(self) -> np.ndarray:
        """Tuned minus base, ``[query, token]``."""
        return self.tuned - self.base

    def frame(self) -> pd.DataFrame:
        """One line per output and input token."""
        query, token = (axis.ravel() for axis in np.meshgrid(self.queries, range(len(self.tokens)), indexing="ij"))
        columns = {"query": query, "token": token, "base": self.base.ravel(), "tuned": self.tuned.ravel()}
        return pd.DataFrame({**columns, "delta": self.delta.ravel()})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values; a lift that means nothing is null."""
        return {
            "queries": list(self.queries),
            "base": json_rows(self.base),
            "tuned": json_rows(self.tuned),
            "delta": json_rows(self.delta),
            "log2_lift_base": None if self.log2_lift_base is None else json_rows(self.log2_lift_base),
            "log2_lift_tuned": None if self.log2_lift_tuned is None else json_rows(self.log2_lift_tuned),
            "lift_omitted": self.lift_omitted,
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


class _Flow:
    """Full rollout of one model, fed with the rows of each layer, heads summed; rows are over tokens."""

    def __init__(self, tokens: int) -> None:
        self._rows = torch.zeros(tokens, tokens)
        self.rollout: Tensor | None = None

    def add(self, start: int, rows: Float[Tensor, "query key"]) -> None:
        """Some queries and heads of the current layer; ``rows`` may stop at the last key that they can see."""
        self._rows[start : start + rows.shape[0], : rows.shape[1]] += rows.cpu()

    def end_layer(self) -> None:
        """The layer's rows are complete."""
        self.rollout = advance(self.rollout, self._rows)
        self._rows.zero_()


class RolloutWalk:
    """Full rollout of both models and of their uniform nulls, fed layer by layer by a walk.

    Rollout runs over each model's own tokens; where a comparison is over merged tokens, they are merged once, at the end.
    """

    def __init__(self, question: PairText) -> None:
        self._question = question
        sizes = [len(side) for side in (question.queries.base_tokens, question.queries.tuned_tokens)]
        self._flows = [_Flow(size) for size in sizes]
        # Where the tokens are the same so are the masks, and with them the null.
        self._nulls = (
            [_Flow(size) for size in sizes[: 1 if question.queries.identity else 2]] if question.causal else []
        )

    def add(self, block: Block, layers: int = 1) -> None:
        """Take one block over tokens; or all of several layers in one block, the last of them still to be ended."""
        for i, part in enumerate(block.split(layers)):
            if i:
                self.end_layer()
            for flow, rows in zip(self._flows, (part.base, part.tuned), strict=True):
                flow.add(block.start, _token_rows(rows, self._question.null))
            if self._nulls and not block.heads.start:  # the same for every head
                self._nulls[0].add(block.start, _uniform(part.base, block.visible, self._question.null))

    def end_layer(self) -> None:
        """The layer's blocks are complete."""
        for flow in (*self._flows, *self._nulls):
            flow.end_layer()

    def read(self, base: AttentionCall, tuned: AttentionCall) -> None:
        """Take a whole layer from the models' own calls: the way where nobody else needs its blocks, or not over tokens."""
        for side, call in enumerate((base, tuned)):
            for start, stop in spans(call):
                rows, visible = call.block(start, stop)
                self._flows[side].add(start, _token_rows(rows, call.null))
                if side < len(self._nulls):
                    self._nulls[side].add(start, _uniform(rows, visible, call.null))
        self.end_layer()

    def routes(self) -> Routes:
        """The result over all output tokens."""
        return _routes(
            self._question, None, [flow.rollout for flow in self._flows], [flow.rollout for flow in self._nulls]
        )


def _token_rows(rows: Float[Tensor, "head query key"], null: bool) -> Float[Tensor, "query token"]:
    """Sum over heads of what rows give to tokens; what follows makes it sum to 1 again."""
    return rows.sum(0)[:, : rows.shape[2] - null]


def _uniform(rows: Tensor, visible: Tensor | None, null: bool) -> Float[Tensor, "query token"]:
    """What a head would give if it attended uniformly to the tokens that it may see."""
    if visible is None:  # a single token: no mask was needed, and it can only look at itself
        visible = torch.ones(rows.shape[1:], dtype=torch.bool, device=rows.device)
    return uniform_rows(visible[:, : visible.shape[1] - null])


def rollout(
    pair: Pair, text: str, *, token: int | None = None, progress: Progress | None = None, **reading: Unpack[Reading]
) -> Routes:
    """Attention rollout of both models on ``text``, read as ``reading`` says (see :func:`attncompare.compare`).

    Up to 512 tokens every output token has its row. Longer texts give one row, of ``token``: by default the first token of
    an encoder and the last of a causal model, where the answer is read. What a logit sink takes is left out.

    Raises:
        BadInput: as compare, for a token that the text does not have, and for cross-attention, which is not rolled out.
    """
    question = prepare(pair, text, progress=progress, **reading)
    last = len(question.query_tokens) - 1
    if token is not None and not 0 <= token <= last:
        raise BadInput(f"Token {token} does not exist: this text has tokens 0 to {last}.")
    if question.attention == "cross":
        raise BadInput(f"There is no rollout of cross-attention: {omitted(question)}.")
    if omitted(question):
        return _one_row(pair, question, (last if question.causal else 0) if token is None else token, progress)
    full = RolloutWalk(question)

    walk(pair, question, lambda _, base, tuned: full.read(base, tuned), progress)
    routes = full.routes()
    return routes if token is None else _only(routes, token)


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


def _one_row(pair: Pair, question: PairText, token: int, progress: Progress | None) -> Routes:
    """One output's row, followed from the last layer down; no N x N matrix is made."""
    tell = progress or (lambda step, done, total: None)
    kept = TRACES.get_if_present(question.key)
    rows, nulls = [], []
    for i, side in enumerate((pair.base, pair.tuned)):
        if kept is not None:
            trace = (kept.base, kept.tuned)[i]
        else:
            trace = record_side(pair, question, side, tell, only=question.attention)
        calls = [call for _, call in trace.stack(question.attention)]
        members = (question.queries.base, question.queries.tuned)[i][token]
        rows.append(_follow(calls, members, uniform=False)[None])
        if question.causal and (i == 0 or question.level != "token"):
            nulls.append(_follow(calls, members, uniform=True)[None])
    return _routes(question, token, rows, nulls)


def _follow(calls: list[AttentionCall], tokens: Sequence[int], *, uniform: bool) -> Float[Tensor, " token"]:
    """The row of one output: of a token, or the mean over the tokens of a unit."""
    share = torch.zeros(calls[0].queries, dtype=torch.float64)
    share[list(tokens)] = 1 / len(tokens)
    for call in reversed(calls):
        below = torch.zeros_like(share)
        for start, stop in spans(call):
            if uniform:
                visible = call.visible(start, stop)
                rows = uniform_rows(visible[:, : visible.shape[1] - call.null])
            else:
                rows = _token_rows(call.block(start, stop)[0], call.null).cpu()
            below += retreat(share, rows, start)
        share = below
    return share


def _routes(
    question: PairText, token: int | None, rows: Sequence[Tensor | None], nulls: Sequence[Tensor | None]
) -> Routes:
    """Rollout over tokens as a result over what the comparison is about; ``token`` is the only output, if there is one."""
    tokens = question.query_tokens
    queries = tuple(range(len(tokens))) if token is None else (token,)
    base, tuned = (_merged(question, side, row, whole=token is None) for side, row in enumerate(rows))
    made = frozen(base), frozen(tuned)
    if not nulls:
        return Routes(tokens, queries, *made, None, None, "only causal models need a null", question.about)
    null = [_merged(question, side, row, whole=token is None) for side, row in enumerate(nulls)]
    crowded = float(null[0][-1, 0])
    if crowded > CROWDED_NULL:
        why = (
            f"in a model this deep uniform attention alone puts {crowded:.0%} of token {queries[-1]}'s rollout on the "
            "first token: only the difference means something"
        )
        return Routes(tokens, queries, *made, None, None, why, question.about)
    lifts = frozen(log2_lift(base, null[0])), frozen(log2_lift(tuned, null[-1]))
    return Routes(tokens, queries, *made, *lifts, None, question.about)


def _merged(question: PairText, side: int, rows: Tensor | None, *, whole: bool) -> Tensor:
    """Rollout over one model's tokens as rollout over units: keys sum, and queries average if there is a row for each."""
    assert rows is not None
    if question.level == "token":
        return rows
    groups = (question.queries.base, question.queries.tuned)[side]
    keys = UnitIndex.of(groups, rows.shape[1])
    # One row is of one unit already, the mean over its tokens.
    return merge_map(rows, keys if whole else UnitIndex.of(((0,),), 1), keys)
