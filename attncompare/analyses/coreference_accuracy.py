"""How often attention falls on the right candidate, as a record: accuracies of heads and of all together, and baselines.

An accuracy describes where a model looks; it is no score of what it understands.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd

from attncompare.analyses.coreference_items import Item
from attncompare.analyses.verdict import listing
from attncompare.attention import About, CheckpointInfo, head_name, listed
from attncompare.metrics.coreference import accuracy, best_head, lucky, mcnemar, wilson
from attncompare.models.readout import SideName

SCHEMA_VERSION = 1

MEASURES = {
    "mean": "mean over heads",
    "mas": "maximum attention score",
    "held_out": "head chosen on the other half",
}
BASELINES = {"nearest": "nearest candidate", "first": "first candidate"}

SIDES: tuple[SideName, ...] = get_args(SideName)

LIMITS = (
    "Looking is not resolving: these are shares of sentences in which attention falls on the right candidate, and neither "
    "model need use it; a gap between groups describes these sentences, and is no verdict on a model."
)


class Score(NamedTuple):
    """How often something is right."""

    right: float
    """A tie counts in part."""
    total: int
    """Items on which it has a choice."""
    low: float
    """95% interval of the share, Wilson's; both ends NaN where nothing was counted."""
    high: float

    @property
    def share(self) -> float:
        """``right`` of ``total``; NaN for none."""
        return self.right / self.total if self.total else float("nan")

    @classmethod
    def of(cls, credit: np.ndarray) -> "Score":
        """Of credits ``[item]``, NaN where there is no choice."""
        known = credit[np.isfinite(credit)].astype(float)
        return cls(float(known.sum()), known.size, *wilson(float(known.sum()), known.size))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        share, low, high = (None if np.isnan(value) else value for value in (self.share, self.low, self.high))
        return {"right": self.right, "total": self.total, "accuracy": share, "low": low, "high": high}


@dataclass(frozen=True, eq=False)
class CoreferenceMany:
    """How often attention falls on the right candidate. Credits are read-only float32: 1 right, 0 wrong, parts for ties.

    Intervals and tests take the sentences for independent, which twins are not.
    """

    models: dict[SideName, CheckpointInfo]
    about: About
    items: tuple[Item, ...]
    """Those that count."""
    left_out: dict[str, int]
    """How many don't, by the reason."""
    layers: tuple[int, ...]
    heads: dict[SideName, np.ndarray]
    """``[item, layer, head]``; NaN where fewer than two candidates can be seen."""
    measures: dict[str, dict[SideName, np.ndarray]]
    """``[item]`` by :data:`MEASURES`; no ``held_out`` where all items are of one group."""
    baselines: dict[str, np.ndarray]
    """``[item]`` by :data:`BASELINES`, which no model has a part in."""
    chosen: dict[SideName, tuple[str, ...]]
    """The heads that were chosen on the two halves; empty without ``held_out``."""
    seed: int
    """Of the halves."""

    @property
    def chance(self) -> float:
        """Share of items that guessing gets right."""
        return float(np.mean([1 / len(item.candidates) for item in self.items]))

    def score(self, measure: str, side: SideName) -> Score:
        """One of :data:`MEASURES` in one model."""
        return Score.of(self.measures[measure][side])

    def best(self, side: SideName) -> tuple[int, int, Score]:
        """Row and head that is right most often on these very items: the best by selection."""
        credit = self.heads[side]
        row, head = divmod(best_head(credit.reshape(len(credit), -1)), credit.shape[2])
        return row, head, Score.of(credit[:, row, head])

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """What items are labelled by, and with which values."""
        found: dict[str, dict[str, None]] = {}
        for item in self.items:
            for name, value in item.labels:
                found.setdefault(name, {})[value] = None
        return {name: tuple(values) for name, values in found.items()}

    def labelled(self, name: str, value: str) -> np.ndarray:
        """Which items have this label, ``[item]``."""
        return np.array([(name, value) in item.labels for item in self.items])

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in a sentence each; the last one says what that does not mean."""
        said = (self._mas(), *self._others(), self._apart(), self._best(), self._baselines())
        return (*said, *self._groups(), *self._without(), LIMITS)

    def _mas(self) -> str:
        base, tuned = (self.score("mas", side) for side in SIDES)
        return (
            f"Pronouns look at whom they mean in {base.share:.0%} of {base.total} sentences in base (95% interval "
            f"{base.low:.0%} to {base.high:.0%}) and in {tuned.share:.0%} in tuned ({tuned.low:.0%} to {tuned.high:.0%}), "
            f"by maximum attention score (MAS); guessing gives {self.chance:.0%}."
        )

    def _others(self) -> list[str]:
        """The same by the mean over heads, and by the heads that were chosen on the other half."""
        base, tuned = (_share(self.score("mean", side)) for side in SIDES)
        said = [f"By the mean over heads they do in {base} in base and {tuned} in tuned."]
        if "held_out" in self.measures:
            base, tuned = (_share(self.score("held_out", side)) for side in SIDES)
            names = {side: listing(list(self.chosen[side])) for side in SIDES}
            said.append(
                f"By the best head of one half of the sentences on the other half ({names['base']} in base, "
                f"{names['tuned']} in tuned) they do in {base} and {tuned}."
            )
        return said

    def _apart(self) -> str:
        """Base against tuned."""
        told = []
        for name in self.measures:
            more, less, p = mcnemar(self.measures[name]["base"], self.measures[name]["tuned"])
            told.append(f"{MEASURES[name]}, {more} righter in tuned and {less} in base (p = {p:.2g})")
        return f"Sentences on which the two models differ, with McNemar's exact test: {'; '.join(told)}."

    def _best(self) -> str:
        told = []
        for side in SIDES:
            row, head, score = self.best(side)
            told.append(f"{head_name(self.layers[row], head)} in {side} ({score.right:g} of {score.total})")
        heads = int(np.prod(self.heads["base"].shape[1:]))
        return (
            f"Right most often on these very sentences are {listing(told)}; of {heads} tossed coins the best would have "
            f"about {lucky(len(self.items), heads)}."
        )

    def _baselines(self) -> str:
        nearest, first = (Score.of(self.baselines[name]) for name in BASELINES)
        return (
            f"Without any model the nearest candidate is right in {nearest.share:.0%}, the first in {first.share:.0%}: so "
            "often is right what keeps to a place and resolves nothing."
        )

    def _groups(self) -> list[str]:
        """Accuracies by label, and the gap between pro- and anti-stereotypical sentences where there are both."""
        said = []
        for name, values in self.labels.items():
            if len(values) < 2:
                continue
            parts = []
            for side in SIDES:
                shares = {value: self._share_of(side, name, value) for value in values}
                told = ", ".join(f"{value} {share:.0%}" for value, share in shares.items())
                if set(values) == {"pro", "anti"}:
                    told += f", a gap of {100 * (shares['pro'] - shares['anti']):+.1f} points".replace("-", "−")
                parts.append(f"{side} {told}")
            said.append(f"By {name}, MAS falls on the right one in: {'; '.join(parts)}.")
        return said

    def _share_of(self, side: SideName, name: str, value: str) -> float:
        return Score.of(self.measures["mas"][side][self.labelled(name, value)]).share

    def _without(self) -> list[str]:
        if not self.left_out:
            return []
        told = listing([f"{count} ({reason})" for reason, count in self.left_out.items()])
        return [f"{len(self.items)} sentences count; left out: {told}."]

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head, items with a choice, and for each model what is right with its 95% interval."""
        layer, head = (axis.ravel() for axis in np.indices(self.heads["base"].shape[1:]))
        columns: dict[str, Any] = {"layer": np.asarray(self.layers)[layer], "head": head}
        for side in SIDES:
            flat = self.heads[side].reshape(len(self.items), -1)
            scores = [Score.of(flat[:, at]) for at in range(flat.shape[1])]
            columns |= {f"{name}_{side}": [getattr(one, name) for one in scores] for name in ("total", "right")}
            columns |= {f"accuracy_{side}": [one.share for one in scores]}
            columns |= {f"{name}_{side}": [getattr(one, name) for one in scores] for name in ("low", "high")}
        columns["accuracy_delta"] = np.subtract(columns["accuracy_tuned"], columns["accuracy_base"])
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        scored = {
            name: {side: self.score(name, side).to_dict() for side in SIDES} | {"mcnemar": self._mcnemar(name)}
            for name in self.measures
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "base": self.models["base"].to_dict(),
            "tuned": self.models["tuned"].to_dict(),
            "level": self.about.level,
            "answers": list(self.answers),
            "items": len(self.items),
            "left_out": self.left_out,
            "seed": self.seed,
            "chance": self.chance,
            "measures": scored,
            "chosen": {side: list(names) for side, names in self.chosen.items()},
            "baselines": {name: Score.of(credit).to_dict() for name, credit in self.baselines.items()},
            "labels": {
                name: {
                    value: {
                        side: Score.of(self.measures["mas"][side][self.labelled(name, value)]).to_dict()
                        for side in SIDES
                    }
                    for value in values
                }
                for name, values in self.labels.items()
            },
            "layers": list(self.layers),
            "accuracy": {side: listed(accuracy(self.heads[side])) for side in SIDES},
        }

    def _mcnemar(self, name: str) -> dict[str, Any]:
        more, less, p = mcnemar(self.measures[name]["base"], self.measures[name]["tuned"])
        return {"tuned_righter": more, "base_righter": less, "p": p}


def _share(score: Score) -> str:
    return f"{score.share:.0%} ({score.low:.0%} to {score.high:.0%})"
