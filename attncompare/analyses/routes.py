"""Where does it flow? Attention rollout of both models, and how it differs.

Rollout follows attention weights through the layers (:mod:`attncompare.metrics.rollout`). In a deep causal model it puts
nearly everything on the first tokens whatever the weights are, so causal results carry the lift over a model that attends
uniformly under the same masks, and say so where even that means nothing.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.analyses.blocks import blocks, spans
from attncompare.attention import Progress, Token, frozen
from attncompare.errors import BadInput
from attncompare.metrics.block import Block
from attncompare.metrics.rollout import CROWDED_NULL, advance, log2_lift, retreat, uniform_rows
from attncompare.models.calls import AttentionCall
from attncompare.models.pair import Pair
from attncompare.models.tokens import mark_sinks, sink_positions
from attncompare.models.traces import TRACES, PairText, prepare, record_side, walk

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


class RolloutWalk:
    """Full rollout of both models, fed with a walk's blocks layer by layer."""

    def __init__(self, tokens: int) -> None:
        self._mean = torch.zeros(2, tokens, tokens, dtype=torch.float32)
        self._null_rows = torch.zeros(tokens, tokens, dtype=torch.float64)
        self._rollout: list[Tensor | None] = [None, None, None]
        self._masked = False

    def add(self, block: Block, layers: int = 1) -> None:
        """Take one block of the current layer; or all of several layers in one block, the last of them still to be ended."""
        for i, of_layer in enumerate(block.split(layers)):
            if i:
                self.end_layer()
            self._add(of_layer)

    def _add(self, block: Block) -> None:
        rows, keys = block.base.shape[1:]
        at = slice(block.start, block.start + rows)
        for side, values in enumerate((block.base, block.tuned)):
            self._mean[side, at, :keys] += values.sum(0).cpu()
        if block.visible is not None:
            self._masked = True
            self._null_rows[at] = 0
            self._null_rows[at, :keys] = uniform_rows(block.visible).cpu()

    def end_layer(self) -> None:
        """The layer's blocks are complete."""
        for side in range(2):
            self._rollout[side] = advance(self._rollout[side], self._mean[side])
        self._mean.zero_()
        if self._masked:
            self._rollout[2] = advance(self._rollout[2], self._null_rows)

    def routes(self, tokens: tuple[Token, ...], causal: bool) -> Routes:
        """The result over all output tokens."""
        base, tuned, null = self._rollout
        assert base is not None
        assert tuned is not None
        if causal and null is None:  # a single token: no mask was needed, and it can only look at itself
            null = torch.ones(1, 1, dtype=torch.float64)
        return _routes(tokens, tuple(range(len(tokens))), base, tuned, null if causal else None)


def rollout(pair: Pair, text: str, *, token: int | None = None, progress: Progress | None = None) -> Routes:
    """Attention rollout of both models on ``text``.

    Up to 512 tokens every output token has its row. Longer texts give one row, of ``token``: by default the first token of
    an encoder and the last of a causal model, where the answer is read.

    Raises:
        BadInput: blank or too long text, or a token that the text does not have.
    """
    question = prepare(pair, text)
    ids = question.base.ids
    if token is not None and not 0 <= token < len(ids):
        raise BadInput(f"Token {token} does not exist: this text has tokens 0 to {len(ids) - 1}.")
    tokens = mark_sinks(question.base.tokens, sink_positions(pair.base.tokenizer, ids, causal=pair.causal))
    if len(ids) > FULL_TOKENS:
        default = len(ids) - 1 if pair.causal else 0
        return _one_row(question, tokens, default if token is None else token, progress)
    full = RolloutWalk(len(ids))

    def visit(layer: int, base: AttentionCall, tuned: AttentionCall) -> None:
        for block in blocks(base, tuned):
            full.add(block)
        full.end_layer()

    walk(question, visit, progress)
    routes = full.routes(tokens, pair.causal)
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


def _one_row(question: PairText, tokens: tuple[Token, ...], token: int, progress: Progress | None) -> Routes:
    """One output's row, followed from the last layer down; no N x N matrix is made."""
    tell = progress or (lambda step, done, total: None)
    kept = TRACES.get_if_present(question.key)
    rows = []
    null = torch.zeros(len(tokens), dtype=torch.float64)
    for side in (question.pair.base, question.pair.tuned):
        if kept is not None:
            calls = kept.base if side is question.pair.base else kept.tuned
        else:
            calls, _ = record_side(question, side, tell)
        rows.append(_follow(calls, token, uniform=False))
        if side is question.pair.base and question.pair.causal:
            null = _follow(calls, token, uniform=True)
    base, tuned = (row[None] for row in rows)
    return _routes(tokens, (token,), base, tuned, null[None] if question.pair.causal else None)


def _follow(calls: list[AttentionCall], token: int, *, uniform: bool) -> Float[Tensor, " token"]:
    share = torch.zeros(calls[0].queries, dtype=torch.float64)
    share[token] = 1
    for call in reversed(calls):
        below = torch.zeros_like(share)
        for start, stop in spans(call):
            rows = uniform_rows(call.visible(start, stop)) if uniform else call.block(start, stop)[0].mean(0).cpu()
            below += retreat(share, rows, start)
        share = below
    return share


def _routes(
    tokens: tuple[Token, ...], queries: tuple[int, ...], base: Tensor, tuned: Tensor, null: Tensor | None
) -> Routes:
    if null is None:
        return Routes(tokens, queries, frozen(base), frozen(tuned), None, None, "only causal models need a null")
    crowded = float(null[-1, 0])
    if crowded > CROWDED_NULL:
        why = (
            f"in a model this deep uniform attention alone puts {crowded:.0%} of token {queries[-1]}'s rollout on the "
            "first token: only the difference means something"
        )
        return Routes(tokens, queries, frozen(base), frozen(tuned), None, None, why)
    lift_base, lift_tuned = frozen(log2_lift(base, null)), frozen(log2_lift(tuned, null))
    return Routes(tokens, queries, frozen(base), frozen(tuned), lift_base, lift_tuned, None)
