"""Which ranking of the words is faithful? Words are erased in its order, and the answer watched (ERASER).

Comprehensiveness is how far the answer's probability falls without the top words, sufficiency how far with them alone
(DeYoung et al. 2020, ERASER, section 5; means over the bins as in its published code). Both are beside random rankings:
erasing anything does something, and a text with holes is none that the models were trained on.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from attncompare.analyses.asking import Source
from attncompare.analyses.verdict import listing, printable
from attncompare.attention import About, Token, listed
from attncompare.models.erasing import Erasing
from attncompare.models.readout import Readout

SCHEMA_VERSION = 1

FEW_WORDS = 5
"""Below so many words a ranking can hardly be told from random orders."""

BINS = (0.01, 0.05, 0.1, 0.2, 0.5)
RANKINGS = ("attention", "rollout", "gradient_x_input", "integrated_gradients")
"""By the mean attention and the rollout from where the answer is read, and by signed attribution; each model by its own."""

NAMES = {
    "attention": "attention",
    "rollout": "rollout",
    "gradient_x_input": "gradient x input",
    "integrated_gradients": "integrated gradients",
}

CAUTION = (
    "A text with words missing is none that the models were trained on: only what lies beyond random orders counts."
)


@dataclass(frozen=True, eq=False)
class Erasure:
    """Comprehensiveness and sufficiency of rankings, for both models. Arrays are read-only float32; NaN: not measured."""

    source: Source
    about: About
    readout: Readout
    erasing: Erasing
    words: tuple[Token, ...]
    erasable: tuple[int, ...]
    """The words that were ranked and erased: none that is special."""
    bins: tuple[float, ...]
    counts: tuple[int, ...]
    """How many words each bin erases: the share of the erasable words, rounded up."""
    rankings: tuple[str, ...]
    scores: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[ranking, erasable]``."""
    full: dict[str, float]
    """The answer's probability on the whole text."""
    without: dict[str, np.ndarray]
    """``[ranking, bin]``: its probability without the top words."""
    only: dict[str, np.ndarray]
    """``[ranking, bin]``: its probability with the top words alone."""
    random_without: dict[str, np.ndarray]
    """``[draw, bin]``: the same for random rankings, the same ones for both models."""
    random_only: dict[str, np.ndarray]
    seed: int
    notes: tuple[str, ...]

    @property
    def distinct(self) -> list[int]:
        """One bin for each number of words: bins of a short text that erase the same words count once."""
        first: list[int] = np.unique(self.counts, return_index=True)[1].tolist()
        return first

    def comprehensiveness(self, side: str) -> np.ndarray:
        """``[ranking]``: mean over the distinct bins of the fall without the top words. Higher is more faithful."""
        return self.full[side] - self.without[side][:, self.distinct].mean(1)

    def sufficiency(self, side: str) -> np.ndarray:
        """``[ranking]``: mean over the distinct bins of the fall with the top words alone. Lower is more faithful."""
        return self.full[side] - self.only[side][:, self.distinct].mean(1)

    def random_comprehensiveness(self, side: str) -> np.ndarray:
        """``[draw]``: what random rankings reach."""
        return self.full[side] - self.random_without[side][:, self.distinct].mean(1)

    def random_sufficiency(self, side: str) -> np.ndarray:
        """``[draw]``: what random rankings reach."""
        return self.full[side] - self.random_only[side][:, self.distinct].mean(1)

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        return _best(self, "tuned"), _best(self, "base"), _changed(self), _odds(self), CAUTION

    def frame(self) -> pd.DataFrame:
        """One line per side, ranking (random: the mean of its draws) and bin: p without the words and with them alone."""
        lines = []
        for side in ("base", "tuned"):
            without = [*self.without[side], self.random_without[side].mean(0)]
            only = [*self.only[side], self.random_only[side].mean(0)]
            for name, rest, alone in zip((*self.rankings, "random"), without, only, strict=True):
                for at, (share, count) in enumerate(zip(self.bins, self.counts, strict=True)):
                    lines.append((side, name, share, count, self.full[side], float(rest[at]), float(alone[at])))
        return pd.DataFrame(lines, columns=["side", "ranking", "bin", "count", "full", "without", "only"])

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source.to_dict(),
            "attention": self.about.attention,
            "level": self.about.level,
            "readout": self.readout.to_dict(),
            "erasing": self.erasing,
            "words": [asdict(word) for word in self.words],
            "erasable": list(self.erasable),
            "bins": list(self.bins),
            "counts": list(self.counts),
            "seed": self.seed,
            "rankings": list(self.rankings),
            "sides": {side: self._side(side) for side in ("base", "tuned")},
            "answers": list(self.answers),
            "notes": list(self.notes),
        }

    def _side(self, side: str) -> dict[str, Any]:
        by_ranking = {
            "scores": self.scores[side],
            "without": self.without[side],
            "only": self.only[side],
            "comprehensiveness": self.comprehensiveness(side),
            "sufficiency": self.sufficiency(side),
        }
        return {
            "full": self.full[side],
            **{name: dict(zip(self.rankings, listed(values), strict=True)) for name, values in by_ranking.items()},
            "random_without": listed(self.random_without[side]),
            "random_only": listed(self.random_only[side]),
            "random_comprehensiveness": listed(self.random_comprehensiveness(side)),
            "random_sufficiency": listed(self.random_sufficiency(side)),
        }


def beyond(found: Erasure, side: str) -> list[str]:
    """The rankings that do better than every random order, by comprehensiveness, the best first."""
    reached = found.comprehensiveness(side)
    chance = float(found.random_comprehensiveness(side).max())
    return [found.rankings[i] for i in np.argsort(-reached, kind="stable").tolist() if reached[i] > chance]


def _odds(found: Erasure) -> str:
    """What being beyond every random order is worth."""
    draws = len(found.random_only["tuned"])
    said = f"A ranking without any merit is beyond {draws} random orders once in {draws + 1} times."
    if len(found.erasable) < FEW_WORDS:
        return (
            f"{said} With {len(found.erasable)} words there are few orders at all, so this text is too short to tell."
        )
    return said


def _best(found: Erasure, side: str) -> str:
    reached, chance = found.comprehensiveness(side), found.random_comprehensiveness(side)
    best = int(reached.argmax())
    borrowed = (
        " (under the tuned model's head, borrowed)" if side == "base" and found.readout.base_head == "borrowed" else ""
    )
    who = "the tuned model" if side == "tuned" else f"the base{borrowed}"
    random = f"random orders: {chance.mean():.3g}, {chance.min():.3g} to {chance.max():.3g} in {len(chance)} draws"
    answer = f"p({printable(found.readout.answer)})"
    falls = f"without its first words {answer} falls by {reached[best]:.3g} on average ({random})"
    if not (better := beyond(found, side)):
        return f"In {who} no ranking is beyond every random order; the best is {NAMES[found.rankings[best]]}: {falls}."
    others = [NAMES[name] for name in better[1:]]
    also = f"; so {'does' if len(others) == 1 else 'do'} {listing(others)}" if others else "; no other ranking does"
    return (
        f"In {who} {NAMES[better[0]]} is the most faithful ranking: {falls}, which is beyond every one of them{also}."
    )


def _changed(found: Erasure) -> str:
    base, tuned = (set(beyond(found, side)) for side in ("base", "tuned"))
    gained = [NAMES[name] for name in found.rankings if name in tuned - base]
    lost = [NAMES[name] for name in found.rankings if name in base - tuned]
    if found.readout.base_head == "borrowed" and (gained or lost):
        alone = ((gained, "tuned model"), (lost, "base"))
        said = [f"{listing(names)} in the {side} alone" for names, side in alone if names]
        return (
            f"Beyond every random order: {' and '.join(said)}; but the base has no head of its own to be faithful to."
        )
    parts = [f"brought {listing(gained)} beyond every random order"] if gained else []
    parts += [f"brought {listing(lost)} back among the random orders"] if lost else []
    if parts:
        return f"Tuning {' and '.join(parts)}."
    if tuned:
        return "The same rankings are beyond every random order in both models."
    return "In neither model is any ranking beyond every random order."
