"""The class of every head in both models as a record: which changed, how clearly, and an example of each class."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from attncompare.analyses.asking import Source
from attncompare.analyses.copying import Copying
from attncompare.analyses.maps import HeadMaps
from attncompare.analyses.verdict import listing
from attncompare.attention import About, Token, head_name
from attncompare.metrics.pattern_rules import CLASSES, SCORES, PatternClass, Thresholds

SETTLED = 0.05
"""Least margin, in both models, of a change that is called clear: a head beside a threshold crosses it by a hair."""

FEWEST = 16
"""In a text of fewer positions a band of three is much of every row, and a diagonal says little."""

SINK = 0.3
"""From where the mass on the first token makes a head a sink head, epsilon of Gu et al. 2024."""

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
    """Why they were not; empty where they were, or nobody asked for them."""
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

    def more(self, name: PatternClass, example: HeadMaps) -> str:
        """What an example is more closely, and what it is in base."""
        cell = self.layers.index(example.layer), example.head
        kind, before = str(self.tuned.kinds[cell]), self.base.name(cell)
        was = "the same class in base" if before == name else f"{before} in base"
        return f"{kind} · {was}" if kind else was

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
