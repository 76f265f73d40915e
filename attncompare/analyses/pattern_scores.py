"""The pattern scores of every head in both models, and of evenly spread attention, layer by layer.

Scores are in :mod:`attncompare.metrics.patterns`.
"""

import torch
from torch import Tensor

from attncompare.analyses.blocks import blocks
from attncompare.attention import Progress, Token
from attncompare.errors import BadInput
from attncompare.metrics.patterns import NO_SEGMENT, PatternScores, PatternSums
from attncompare.metrics.rollout import uniform_rows
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading
from attncompare.models.traces import walk

ENDS = frozenset(".,;:!?…。！？；：，")
"""Punctuation that ends a segment."""

LayerScores = tuple[PatternScores, PatternScores, PatternScores]
"""Of one layer: the base's, the tuned model's, and those of evenly spread attention, as of a single head."""


def require_distances(reading: Reading) -> None:
    """Raises BadInput for cross-attention."""
    if reading.get("attention") == "cross":
        raise BadInput(
            "Cross-attention has no such patterns: its queries and its keys are positions of different texts."
        )


def layer_scores(
    pair: Pair, question: PairText, segments: Tensor, progress: Progress | None
) -> tuple[LayerScores, ...]:
    """Scores of every layer of the question's stack."""
    found = _Walk(question, segments)
    walk(pair, question, found.layer, progress)
    return tuple(found.scores)


class _Walk:
    """Scores of both models and of their null, layer by layer."""

    def __init__(self, question: PairText, segments: Tensor) -> None:
        self._question, self._segments = question, segments
        self._special = torch.tensor([token.special for token in question.key_tokens])
        self.scores: list[LayerScores] = []

    def layer(self, place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        views = self._question.views(base, tuned)
        queries = self._segments[: len(self._question.query_tokens)]
        sums = [PatternSums(heads, self._special, self._segments, queries) for heads in (base.heads, tuned.heads, 1)]
        for block in blocks(*views, entropy=False):
            for side, rows in enumerate((block.base, block.tuned)):
                sums[side].add(block.start, rows, block.visible, block.heads)
            if not block.heads.start:  # the same for every head
                seen = torch.ones(block.base.shape[1:], dtype=torch.bool) if block.visible is None else block.visible
                sums[2].add(block.start, uniform_rows(seen)[None], block.visible)
        found = [one.scores() for one in sums]
        self.scores.append((found[0], found[1], found[2]))


def segments_of(tokens: tuple[Token, ...]) -> Tensor:
    """Which segment each token belongs to: a text of a pair, or what punctuation sets apart; special tokens to none."""
    content = [token for token in tokens if not token.special]
    paired = len({token.segment for token in content}) > 1
    found, number = [], 0
    for token in tokens:
        found.append(NO_SEGMENT if token.special else token.segment if paired else number)
        number += not token.special and token.text.strip() != "" and token.text.strip()[-1] in ENDS
    return torch.tensor(found)
