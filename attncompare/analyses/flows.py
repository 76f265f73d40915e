"""Rollout over each model's own tokens, fed layer by layer, or one output's row followed down.

What becomes of it (merged tokens, lift over the null) is :mod:`attncompare.analyses.routes`'s.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.analyses.blocks import spans
from attncompare.metrics.block import Block
from attncompare.metrics.rollout import advance, retreat, uniform_rows
from attncompare.models.calls import AttentionCall
from attncompare.models.question import PairText


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


class Flows:
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

    def rows(self) -> list[Float[Tensor, "query token"]]:
        """Rollout of the base and of the tuned model over their own tokens."""
        return [flow.rollout for flow in self._flows if flow.rollout is not None]

    def nulls(self) -> list[Float[Tensor, "query token"]]:
        """The same where every head attends uniformly: one where both models see the same tokens; none if not causal."""
        return [flow.rollout for flow in self._nulls if flow.rollout is not None]


def _token_rows(rows: Float[Tensor, "head query key"], null: bool) -> Float[Tensor, "query token"]:
    """Sum over heads of what rows give to tokens; what follows makes it sum to 1 again."""
    return rows.sum(0)[:, : rows.shape[2] - null]


def _uniform(rows: Tensor, visible: Tensor | None, null: bool) -> Float[Tensor, "query token"]:
    """What a head would give if it attended uniformly to the tokens that it may see."""
    if visible is None:  # a single token: no mask was needed, and it can only look at itself
        visible = torch.ones(rows.shape[1:], dtype=torch.bool, device=rows.device)
    return uniform_rows(visible[:, : visible.shape[1] - null])


def follow(calls: list[AttentionCall], tokens: Sequence[int], *, uniform: bool) -> Float[Tensor, " token"]:
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
