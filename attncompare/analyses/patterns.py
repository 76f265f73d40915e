"""Which of the user's own heads show a pattern best: a diagonal, a vertical line, blocks? Examples, and no classification.

Scores and thresholds are in :mod:`attncompare.metrics.patterns`; an example counts as clear only above its threshold and
well above what evenly spread attention would give under the same masks.
"""

from dataclasses import dataclass
from typing import Any, Literal, Unpack, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attncompare.analyses.blocks import blocks
from attncompare.analyses.maps import HeadMaps, head_maps
from attncompare.analyses.verdict import named
from attncompare.attention import About, Progress, Token, frozen, listed
from attncompare.errors import BadInput
from attncompare.metrics.pattern_rules import Thresholds
from attncompare.metrics.patterns import NO_SEGMENT, PatternScores, PatternSums
from attncompare.metrics.rollout import uniform_rows
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import walk

Pattern = Literal["diagonal", "vertical", "block"]

_RULES = Thresholds()

THRESHOLDS: dict[Pattern, float] = {
    "diagonal": _RULES.diagonal,
    "vertical": _RULES.vertical,
    "block": _RULES.block,
}
"""From where a head is said to show a pattern; ours."""

WINDOW = 32
"""Most tokens of an example's maps."""

ENDS = frozenset(".,;:!?…。！？；：，")
"""Punctuation that ends a segment."""

_NEIGHBOURS = ("the token before", "the token itself", "the next token")


@dataclass(frozen=True, eq=False)
class Example:
    """The head of the tuned model that shows a pattern most."""

    pattern: Pattern
    score: float
    """In the tuned model."""
    base: float
    null: float
    """The score of evenly spread attention under the masks of the head's layer."""
    where: str
    """What the pattern is made of here: which neighbour, which key, how many segments."""
    maps: HeadMaps
    """Both models' maps, of a part of the text where it is long."""

    @property
    def clear(self) -> bool:
        """Whether the head shows the pattern, and not only more of it than the others."""
        return self.score >= max(THRESHOLDS[self.pattern], self.null + _RULES.above_null)

    def sentence(self) -> str:
        """What the example shows."""
        null = max(self.null, 0.0)
        numbers = f"{self.score:.2f} in tuned, {self.base:.2f} in base; evenly spread attention {null:.2f}"
        name = self.pattern.capitalize()
        if self.clear:
            return f"{name}: {self.maps.name} shows it most, {self.where} ({numbers})."
        return (
            f"{name}: no head shows it clearly. {self.maps.name} comes nearest, {self.where} ({numbers}), and "
            f"{THRESHOLDS[self.pattern]:g} is asked for."
        )

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "pattern": self.pattern,
            "layer": self.maps.layer,
            "head": self.maps.head,
            "score": self.score,
            "base": self.base,
            "null": self.null,
            "threshold": THRESHOLDS[self.pattern],
            "clear": self.clear,
            "where": self.where,
        }


@dataclass(frozen=True, eq=False)
class Patterns:
    """Scores of every head and an example of each pattern. Arrays are ``[layer, head]`` float32."""

    tokens: tuple[Token, ...]
    layers: tuple[int, ...]
    base: dict[Pattern, np.ndarray]
    tuned: dict[Pattern, np.ndarray]
    null: dict[Pattern, np.ndarray]
    """The scores of evenly spread attention, ``[layer]``."""
    examples: tuple[Example, ...]
    """Of each pattern that the text can show, in the order of :data:`THRESHOLDS`."""
    about: About = About()

    @property
    def answers(self) -> tuple[str, ...]:
        """What each example shows, and what can't be shown."""
        said = [example.sentence() for example in self.examples]
        if not any(example.pattern == "block" for example in self.examples):
            single = np.isnan(self.tuned["block"]).all()
            why = (
                "this text is a single segment" if single else "every head already shows a diagonal or a vertical line"
            )
            said.append(f"Block: {why}, so there is no example.")
        return tuple(said)

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head, and each score in base and tuned with its null."""
        row, head = (axis.ravel() for axis in np.indices(self.tuned["diagonal"].shape))
        columns: dict[str, Any] = {"layer": np.asarray(self.layers)[row], "head": head}
        for name in THRESHOLDS:
            columns |= {f"{name}_base": self.base[name].ravel(), f"{name}_tuned": self.tuned[name].ravel()}
            columns |= {f"{name}_null": self.null[name][row]}
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "answers": list(self.answers),
            "tokens": [token.text for token in self.tokens],
            "layers": list(self.layers),
            "base": {name: listed(values) for name, values in self.base.items()},
            "tuned": {name: listed(values) for name, values in self.tuned.items()},
            "null": {name: listed(values) for name, values in self.null.items()},
            "examples": [example.to_dict() for example in self.examples],
        }


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


def patterns(pair: Pair, text: str, *, progress: Progress | None = None, **reading: Unpack[Reading]) -> Patterns:
    """Pattern scores of every head in both models, and the head of the tuned model that shows each pattern most.

    diagonal: mean mass on the token itself and its neighbours. vertical: mean mass on special tokens or on the one token
    that has most. block: mass within the own segment (a text of a pair, else what punctuation sets apart) beyond what even
    attention gives. A head with a diagonal is no example of the later ones, and so on. ``reading`` says how the text is
    read, as in :func:`attncompare.compare`.

    Raises:
        BadInput: as compare, and for cross-attention, whose queries and keys are positions of different texts.
    """
    require_distances(reading)
    question = prepare(pair, text, progress=progress, **reading)
    segments = segments_of(question.key_tokens)
    scores = layer_scores(pair, question, segments, progress)
    base, tuned, null = (_table([layer[side] for layer in scores]) for side in range(3))
    near = torch.stack([layer[1].near for layer in scores]).numpy()
    examples = []
    for pattern, cell in _most(tuned, near).items():
        layer, head = question.stack.layers[cell[0]], cell[1]
        where, at = _where(question, pattern, scores[cell[0]][1], head, segments)
        ends = window(at, len(question.query_tokens))
        maps = head_maps(pair, text, layer, head, queries=ends, keys=ends, **reading)
        numbers = float(tuned[pattern][cell]), float(base[pattern][cell]), float(null[pattern][cell[0], 0])
        examples.append(Example(pattern, *numbers, where, maps))
    return Patterns(
        question.query_tokens,
        question.stack.layers,
        base,
        tuned,
        {name: values[:, 0] for name, values in null.items()},
        tuple(examples),
        question.about,
    )


def segments_of(tokens: tuple[Token, ...]) -> Tensor:
    """Which segment each token belongs to: a text of a pair, or what punctuation sets apart; special tokens to none."""
    content = [token for token in tokens if not token.special]
    paired = len({token.segment for token in content}) > 1
    found, number = [], 0
    for token in tokens:
        found.append(NO_SEGMENT if token.special else token.segment if paired else number)
        number += not token.special and token.text.strip() != "" and token.text.strip()[-1] in ENDS
    return torch.tensor(found)


def _table(layers: list[PatternScores]) -> dict[Pattern, np.ndarray]:
    """By pattern, ``[layer, head]``."""
    return {
        "diagonal": frozen(torch.stack([layer.band for layer in layers])),
        "vertical": frozen(torch.stack([layer.vertical for layer in layers])),
        "block": frozen(torch.stack([layer.block for layer in layers])),
    }


def _most(tuned: dict[Pattern, np.ndarray], near: np.ndarray) -> dict[Pattern, tuple[int, int]]:
    """Row and head with the largest score of each pattern, among those that show none of the patterns before it.

    A head that looks at neighbours stays within short segments too: with a diagonal in ``near`` it is no example of blocks.
    """
    free = np.ones(tuned["diagonal"].shape, bool)
    found: dict[Pattern, tuple[int, int]] = {}
    for pattern in get_args(Pattern):
        if pattern == "block":
            free &= ~(near >= THRESHOLDS["diagonal"])
        scores = np.where(free & np.isfinite(tuned[pattern]), tuned[pattern], -np.inf)
        if np.isfinite(scores).any():
            row, head = np.unravel_index(int(scores.argmax()), scores.shape)
            found[pattern] = int(row), int(head)
        free &= ~(tuned[pattern] >= THRESHOLDS[pattern])
    return found


def _where(question: PairText, pattern: Pattern, scores: PatternScores, head: int, segments: Tensor) -> tuple[str, int]:
    """What the pattern of a head is made of, and around which position to look."""
    if pattern == "diagonal":
        return f"mostly on {_NEIGHBOURS[int(scores.offsets[:, head].argmax())]}", 0
    if pattern == "vertical":
        at = int(scores.received[head].argmax())
        share = f"{float(scores.received[head, at]):.0%} of its attention goes to {named(question.key_tokens, at)}"
        together = float(scores.special[head])
        several = together > float(scores.received[head, at]) + 0.01
        return (f"{share}, {together:.0%} to all special tokens" if several else share), at
    count = len(set(segments.tolist()) - {NO_SEGMENT})
    return f"within {count} segments", 0


def window(at: int, length: int) -> tuple[int, int]:
    """The whole of a short text, else a part of it with this position."""
    start = max(0, min(at - WINDOW // 2, length - WINDOW))
    return start, min(start + WINDOW, length)
