"""What a pronoun gives each of its candidates, as a record: scores, choices, shares, and what a swap of words does."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attncompare.analyses.asking import Source
from attncompare.analyses.coreference_accuracy import SIDES
from attncompare.analyses.coreference_findings import sentences
from attncompare.analyses.mentions import Mention
from attncompare.attention import About, Token, listed
from attncompare.metrics.coreference import choices, maximum_attention, preference
from attncompare.models.readout import SideName

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """Words that the pronoun may mean."""

    text: str
    start: int
    end: int
    visible: bool
    """Whether the pronoun can see them; in a causal model it can't see what stands after it."""

    @property
    def name(self) -> str:
        """In quotes, short and printable."""
        return Mention(self.text, self.start, self.end).name

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"text": self.text, "start": self.start, "end": self.end, "visible": self.visible}


@dataclass(frozen=True, eq=False)
class Swap:
    """The same sentence with the two candidates' words exchanged. Candidates are numbered by their words, as before."""

    text: str
    base: np.ndarray
    """``[candidate, layer, head]`` float32, as in the sentence itself."""
    tuned: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"text": self.text, "base": listed(self.base), "tuned": listed(self.tuned)}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The head that is right most often on the built-in sentences other than this one and its twin."""

    row: int
    """Of its layer."""
    head: int
    name: str
    """``L5.H9``."""
    right: float
    total: int
    luck: int
    """What the best of as many tossed coins would have right, in the middle case."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"head": self.name, "right": self.right, "total": self.total, "luck": self.luck}


@dataclass(frozen=True, eq=False)
class Coreference:
    """What a pronoun gives each of its candidates. Arrays are read-only float32, ``[candidate, layer, head]``."""

    source: Source
    about: About
    tokens: tuple[Token, ...]
    pronoun: Mention
    candidates: tuple[Candidate, ...]
    correct: int | None
    """Which candidate is right, if that was said."""
    layers: tuple[int, ...]
    """The model's own numbers of the layers that attend."""
    base: np.ndarray
    """Mean over the pronoun's pieces of the sum over the candidate's, in [0, 1]; NaN where it is not visible."""
    tuned: np.ndarray
    uniform: np.ndarray
    """``[candidate, layer]``: of a head that attends uniformly to what the pronoun may see."""
    swap: Swap | None
    """None for more or fewer than two candidates that are visible, or words that can't be exchanged."""
    elsewhere: dict[SideName, Elsewhere]
    """By model; empty where the models can't read the built-in sentences."""
    notes: tuple[str, ...]

    def scores(self, side: SideName) -> np.ndarray:
        """``base`` or ``tuned``."""
        found: np.ndarray = getattr(self, side)
        return found

    def choice(self, side: SideName) -> np.ndarray:
        """``[candidate, layer, head]``: 1 for the candidate that a head looks at most, equal parts for ties."""
        return choices(self.scores(side))

    def mean(self, side: SideName) -> np.ndarray:
        """``[candidate]``: mean over the heads that can see it; NaN for none."""
        return _mean(self.scores(side))

    @property
    def uniform_mean(self) -> np.ndarray:
        """``[candidate]``: the same of uniform attention."""
        return _mean(self.uniform)

    def mas(self, side: SideName) -> np.ndarray:
        """``[candidate]``: share of what all heads give the candidate that they look at most; sums to 1."""
        return maximum_attention(self.scores(side))

    def preference(self, side: SideName) -> np.ndarray:
        """``[layer, head]`` in [-1, 1]: the first visible candidate minus the largest other, over their sum."""
        return preference(self.scores(side)[self.seen])

    @property
    def seen(self) -> list[int]:
        """The candidates that are visible."""
        return [at for at, candidate in enumerate(self.candidates) if candidate.visible]

    @property
    def changed(self) -> np.ndarray:
        """``[layer, head]``: whether a head looks most at another candidate after tuning."""
        base, tuned = self.choice("base"), self.choice("tuned")
        changed: np.ndarray = (np.nan_to_num(base) != np.nan_to_num(tuned)).any(0)
        return changed

    def follows(self, side: SideName) -> tuple[np.ndarray, np.ndarray]:
        """``[layer, head]``: heads whose choice stays with the word when the two are exchanged, and with the place.

        Raises:
            ValueError: nothing was exchanged.
        """
        if self.swap is None:
            raise ValueError("No words were exchanged.")
        seen = self.seen
        before = self.choice(side)[seen]
        after = choices(getattr(self.swap, side)[seen])
        clear = (np.nan_to_num(before).max(0) == 1) & (np.nan_to_num(after).max(0) == 1)
        same = (before == after).all(0)
        return clear & same, clear & ~same

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in a sentence each; the last one says what that does not mean."""
        return sentences(self)

    def frame(self) -> pd.DataFrame:
        """One line per candidate and head: what the pronoun gives it in both models, and who is chosen."""
        candidate, row, head = (axis.ravel() for axis in np.indices(self.base.shape))
        columns: dict[str, Any] = {
            "candidate": [self.candidates[at].text for at in candidate],
            "layer": np.asarray(self.layers)[row],
            "head": head,
            "base": self.base.ravel(),
            "tuned": self.tuned.ravel(),
            "delta": (self.tuned - self.base).ravel(),
            "uniform": self.uniform[candidate, row],
            "choice_base": self.choice("base").ravel(),
            "choice_tuned": self.choice("tuned").ravel(),
        }
        if self.swap is not None:
            columns |= {"swapped_base": self.swap.base.ravel(), "swapped_tuned": self.swap.tuned.ravel()}
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source.to_dict(),
            "level": self.about.level,
            "answers": list(self.answers),
            "notes": list(self.notes),
            "tokens": [token.text for token in self.tokens],
            "pronoun": {"text": self.pronoun.text, "start": self.pronoun.start, "end": self.pronoun.end},
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "correct": self.correct,
            "layers": list(self.layers),
            "scores": {side: listed(self.scores(side)) for side in SIDES},
            "choices": {side: listed(self.choice(side)) for side in SIDES},
            "mean": {side: listed(self.mean(side)) for side in SIDES} | {"uniform": listed(self.uniform_mean)},
            "mas": {side: listed(self.mas(side)) for side in SIDES},
            "uniform": listed(self.uniform),
            "swap": None if self.swap is None else self.swap.to_dict() | {"heads": self._follow_counts()},
            "elsewhere": {side: one.to_dict() for side, one in self.elsewhere.items()},
        }

    def _follow_counts(self) -> dict[str, dict[str, int]]:
        counts = {side: [int(cells.sum()) for cells in self.follows(side)] for side in SIDES}
        return {side: {"follow_word": word, "follow_place": place} for side, (word, place) in counts.items()}


def _mean(scores: np.ndarray) -> np.ndarray:
    """Mean over all axes but the first, of what is known."""
    flat = scores.reshape(len(scores), -1)
    count = np.isfinite(flat).sum(1)
    return np.divide(np.nansum(flat, 1), count, out=np.full(len(flat), np.nan), where=count > 0)
