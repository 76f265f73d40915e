"""Which kind of pattern is every head, in base and in tuned, and which heads changed kind?

Scores and rules are in :mod:`attncompare.metrics.patterns` and :mod:`attncompare.metrics.pattern_rules`. A head that stands
at a threshold in either model may cross it by a hair, so only a change beyond :data:`SETTLED` on both sides is called clear.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Unpack

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attncompare.analyses.asking import Source, source
from attncompare.analyses.copying import Copying, copying
from attncompare.analyses.maps import HeadMaps, head_maps
from attncompare.analyses.patterns import LayerScores, layer_scores, require_distances, segments_of, window
from attncompare.analyses.verdict import listing
from attncompare.attention import About, Progress, Token, frozen, head_name, unheard
from attncompare.metrics.pattern_rules import (
    CLASSES,
    DIAGONAL,
    SCORES,
    VERTICAL,
    PatternClass,
    Thresholds,
    classify,
    margins,
    rule_scores,
)
from attncompare.metrics.patterns import PatternScores
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare

SETTLED = 0.05
"""Least margin, in both models, of a change of class that is called clear."""

FEWEST = 16
"""In a text of fewer positions a band of three is much of every row, and a diagonal says little."""

SINK = 0.3
"""From where the mass on the first token makes a head a sink head, epsilon of Gu et al. 2024."""

NEIGHBOURS = ("previous token", "same token", "next token")

LIMITS = (
    "A class is a rule about scores on one text, with thresholds of ours: it says what a map looks like, not what the head "
    "is for."
)


@dataclass(frozen=True, eq=False)
class SideClasses:
    """What the heads of one model are; arrays are ``[layer, head]``."""

    classes: np.ndarray
    """Places in :data:`attncompare.metrics.pattern_rules.CLASSES`."""
    margins: np.ndarray
    """By how much one score would have to be another for the class to be another; infinite where none would do."""
    kinds: np.ndarray
    """More closely: which neighbour a diagonal is on, what a vertical line stands on; empty for other classes. Strings."""
    scores: dict[str, np.ndarray]
    """By name: band, vertical, block, entropy (what the rules go by), and previous, self, next, first (mass on each)."""

    def name(self, cell: tuple[int, int]) -> PatternClass:
        """The class of a head."""
        return CLASSES[self.classes[cell]]

    def count(self, name: PatternClass) -> int:
        """How many heads are of a class."""
        return int((self.classes == CLASSES.index(name)).sum())


@dataclass(frozen=True, eq=False)
class PatternClasses:
    """The class of every head in both models."""

    source: Source
    tokens: tuple[Token, ...]
    layers: tuple[int, ...]
    thresholds: Thresholds
    base: SideClasses
    tuned: SideClasses
    null: dict[str, np.ndarray]
    """The scores of evenly spread attention, ``[layer]``."""
    copying: Copying | None
    """Induction and duplicate-token scores; None where they were not measured."""
    uncopied: str
    """Why they were not; empty where they were."""
    examples: tuple[tuple[PatternClass, HeadMaps], ...]
    """Of each class that the tuned model has, the head that stands furthest inside it."""
    about: About = About()

    @cached_property
    def changed(self) -> np.ndarray:
        """Which heads are of another class in tuned, ``[layer, head]``."""
        return np.asarray(self.base.classes != self.tuned.classes)

    @cached_property
    def clear(self) -> np.ndarray:
        """Which of those stand clear of the thresholds in both models."""
        return self.changed & (np.minimum(self.base.margins, self.tuned.margins) >= SETTLED)

    @property
    def flows(self) -> dict[tuple[PatternClass, PatternClass], int]:
        """How many heads went from which class to which, in the order of the rules; those that stayed too."""
        steps = Counter(zip(self.base.classes.ravel().tolist(), self.tuned.classes.ravel().tolist(), strict=True))
        return {(CLASSES[one], CLASSES[two]): steps[one, two] for one, two in sorted(steps)}

    @property
    def answers(self) -> tuple[str, ...]:
        """How many heads changed class, and clearly; which; what the model is made of; sinks, copying, limits."""
        return tuple(
            said for said in (*self._changes(), self._composition(), self._first(), self._copies(), LIMITS) if said
        )

    def _changes(self) -> list[str]:
        changed, clear, size = int(self.changed.sum()), int(self.clear.sum()), self.changed.size
        if not changed:
            return [f"All {size} heads are of the same class in base and tuned."]
        doubtful = changed - clear
        close = f"; {doubtful} more crossed a threshold that they stand beside" if doubtful else ""
        first = f"{clear} of {size} heads clearly changed class{close}."
        cells = sorted(np.argwhere(self.clear).tolist(), key=lambda cell: -self._distance(*cell))[:4]
        named = [
            f"{head_name(self.layers[row], head)} from {self.base.name((row, head))} to {self.tuned.name((row, head))}"
            for row, head in cells
        ]
        return [first, *([f"Furthest: {listing(named)}."] if named else [])]

    def _distance(self, row: int, head: int) -> float:
        """How far the scores of a head went, the largest of them."""
        cell = row, head
        moves = [abs(float(self.tuned.scores[name][cell]) - float(self.base.scores[name][cell])) for name in SCORES]
        return float(np.nanmax(moves))

    def _composition(self) -> str:
        counts = [(name, self.base.count(name), self.tuned.count(name)) for name in CLASSES]
        parts = [f"{name} {one}" if one == two else f"{name} {one} → {two}" for name, one, two in counts if one or two]
        short = f" The text has {len(self.tokens)} positions: under {FEWEST} a diagonal says little."
        return f"Heads of each class: {listing(parts)}.{short if len(self.tokens) < FEWEST else ''}"

    def _first(self) -> str:
        sides = [int((side.scores["first"] > SINK).sum()) for side in (self.base, self.tuned)]
        return (
            f"{sides[0]} heads rest on the first token in base, {sides[1]} in tuned (more than {SINK:g} of their mass)."
        )

    def _copies(self) -> str:
        if self.copying is None:
            return f"Induction was not measured: {self.uncopied}." if self.uncopied else ""
        return self.copying.sentence(self.layers)

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head, both classes with kind and margin, every score in base and tuned, its null."""
        row, head = (axis.ravel() for axis in np.indices(self.changed.shape))
        columns: dict[str, Any] = {"layer": np.asarray(self.layers)[row], "head": head}
        for name, side in (("base", self.base), ("tuned", self.tuned)):
            columns |= {f"class_{name}": [CLASSES[number] for number in side.classes.ravel()]}
            columns |= {f"kind_{name}": side.kinds.ravel(), f"margin_{name}": side.margins.ravel()}
        columns |= {"changed": self.changed.ravel(), "clear": self.clear.ravel()}
        for name in self.base.scores:
            columns |= {
                f"{name}_base": self.base.scores[name].ravel(),
                f"{name}_tuned": self.tuned.scores[name].ravel(),
            }
            columns |= {f"{name}_null": self.null[name][row]}
        if self.copying is not None:
            columns |= self.copying.columns()
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values; a margin that is infinite is null."""
        heads = self.frame().replace([np.inf, -np.inf], np.nan).astype(object)
        return {
            **self.source.to_dict(),
            "answers": list(self.answers),
            "thresholds": self.thresholds.to_dict(),
            "settled": SETTLED,
            "tokens": [token.text for token in self.tokens],
            "flows": [{"base": one, "tuned": two, "heads": count} for (one, two), count in self.flows.items()],
            "heads": heads.where(heads.notna(), None).to_dict("records"),
            "copying": None if self.copying is None else self.copying.to_dict(),
            "uncopied": self.uncopied,
        }


def pattern_classes(
    pair: Pair,
    text: str,
    *,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> PatternClasses:
    """Classify every head of both models by what its maps look like: vertical, diagonal, both, block, broad, heterogeneous.

    The kinds are those of Kovaleva et al. 2019 (section 4.1); rules and thresholds are ours, and every class comes with its
    distance to the nearest threshold. For decoders also induction and duplicate-token scores on repeated random tokens.
    ``reading`` says how the text is read, as in :func:`attncompare.compare`.

    Raises:
        BadInput: as compare; cross-attention, whose queries and keys are positions of different texts.
    """
    require_distances(reading)
    rules = thresholds or Thresholds()
    question = prepare(pair, text, progress=progress, **reading)
    layers = layer_scores(pair, question, segments_of(question.key_tokens), progress)
    nulls = torch.stack([rule_scores(layer[2]) for layer in layers], 1)  # [score, layer, 1]
    base, tuned = (_side(question, [layer[side] for layer in layers], nulls, rules) for side in (0, 1))
    found, why = copying(pair, question, progress or unheard)
    return PatternClasses(
        source(pair, question),
        question.query_tokens,
        question.stack.layers,
        rules,
        base,
        tuned,
        {name: values[:, 0] for name, values in _tables([layer[2] for layer in layers]).items()},
        found,
        why,
        tuple(_examples(pair, text, question, tuned, layers, **reading)),
        question.about,
    )


def _tables(layers: list[PatternScores]) -> dict[str, np.ndarray]:
    """Every score by its name, ``[layer, head]``."""
    rules = torch.stack([rule_scores(layer) for layer in layers], 1)
    offsets = torch.stack([layer.offsets for layer in layers], 1)
    first = torch.stack([layer.received[:, 0] for layer in layers])
    named = dict(zip((*SCORES, "previous", "self", "next"), (*rules, *offsets), strict=True))
    return {name: frozen(values) for name, values in {**named, "first": first}.items()}


def _side(question: PairText, layers: list[PatternScores], nulls: Tensor, rules: Thresholds) -> SideClasses:
    classes, away, kinds = [], [], []
    for layer, null in zip(layers, nulls.unbind(1), strict=True):
        scores = rule_scores(layer)
        floor = null.expand_as(scores)
        classes.append(classify(scores, floor, rules))
        away.append(margins(scores, floor, rules))
        kinds.append([_kind(question, layer, head, int(number)) for head, number in enumerate(classes[-1])])
    return SideClasses(
        torch.stack(classes).numpy(), frozen(torch.stack(away)), np.array(kinds, object), _tables(layers)
    )


def _kind(question: PairText, scores: PatternScores, head: int, number: int) -> str:
    """Which neighbour the diagonal is on, or what the vertical line stands on."""
    if number == DIAGONAL:
        return NEIGHBOURS[int(scores.offsets[:, head].argmax())]
    if number != VERTICAL:
        return ""
    at = int(scores.received[head].argmax())
    if float(scores.special[head]) > float(scores.received[head, at]) + 0.1:
        return "several special tokens"
    token = question.key_tokens[at]
    if at == 0:
        return "first token"
    bare = token.text.strip()
    return "special token" if token.special else "word" if any(map(str.isalnum, bare)) else "punctuation"


def _examples(
    pair: Pair,
    text: str,
    question: PairText,
    tuned: SideClasses,
    layers: tuple[LayerScores, ...],
    **reading: Unpack[Reading],
) -> list[tuple[PatternClass, HeadMaps]]:
    found: list[tuple[PatternClass, HeadMaps]] = []
    for number, name in enumerate(CLASSES):
        inside = np.where(tuned.classes == number, np.minimum(tuned.margins, 1), -np.inf)
        row, head = (int(i) for i in np.unravel_index(int(inside.argmax()), inside.shape))
        if np.isfinite(inside[row, head]):
            at = int(layers[row][1].received[head].argmax()) if number == VERTICAL else 0
            ends = window(at, len(question.query_tokens))
            maps = head_maps(pair, text, question.stack.layers[row], head, queries=ends, keys=ends, **reading)
            found.append((name, maps))
    return found
