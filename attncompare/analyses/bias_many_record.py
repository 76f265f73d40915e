"""What the bias probe found on many texts: of each text, and means with intervals over texts."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from attncompare.analyses.asking import Source
from attncompare.analyses.bias_record import REST, SIDES
from attncompare.analyses.verdict import printable
from attncompare.attention import About, head_name, listed
from attncompare.metrics.intervals import LEVEL, Interval, mean_interval
from attncompare.models.readout import Readout

SCHEMA_VERSION = 1

ENOUGH = 8
"""Texts from which on an interval is said to leave 0 out."""

CAUTION = (
    "This is the outcome of a probe, not a verdict: intervals are over these texts, which somebody chose, and say nothing "
    "of other texts or of how fair a decision would be."
)

NEXT = (
    "To try next on the swap: read the texts on which the answer moves most, and see whether the swap made sense there.",
    "To try next on attention: probe texts of another kind with the same lists, and see which differences recur.",
    "To try next on leakage: run the probe of one text on some of these, where the named head is switched off.",
)


@dataclass(frozen=True, eq=False)
class BiasOfMany:
    """One pair on many texts. Arrays are read-only float32; NaN where a text has no such words."""

    source: Source
    about: About
    readout: Readout | None
    """The same for all texts; None of models without outputs that can be compared."""
    sought: bool
    """Whether somebody named the answer; else it is the tuned model's likeliest on the first text."""
    texts: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    layers: tuple[int, ...]
    shares: dict[str, np.ndarray]
    """``base``, ``tuned``, ``even``: ``[text, part, layer, head]``, as of one text."""
    leakage: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[text, layer, head]``, share of the read row on gendered words."""
    outputs: dict[str, np.ndarray]
    """``[text]``: the readout; NaN without one."""
    swapped: dict[str, np.ndarray]
    """``[text]``: the readout on the swapped text; NaN where nothing was swapped, or by an earlier text the other way."""
    leans: tuple[int, ...]
    """Of each text how many more of its swapped words are female than male."""
    notes: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The groups, and the rest."""
        return *self.groups, REST

    @property
    def leaks_enough(self) -> bool:
        """Whether texts enough have gendered words to say that the interval of a head's leakage leaves 0 out."""
        return self.leakage_delta.texts >= ENOUGH

    def gap(self, side: str) -> np.ndarray:
        """``[text]``: the readout of the version whose swapped words are mostly female minus that of the mostly male one;
        NaN where neither is."""
        female = np.sign(np.array(self.leans, float))
        gap = female * (self.outputs[side].astype(float) - self.swapped[side])
        return np.where(female == 0, np.nan, gap)

    @cached_property
    def gaps(self) -> dict[str, Interval]:
        """Of ``base`` and ``tuned``: mean of the gap over texts."""
        return {side: mean_interval(self.gap(side)) for side in SIDES}

    @cached_property
    def moves(self) -> dict[str, Interval]:
        """Of ``base`` and ``tuned``: mean size of the swap's change of the readout, whatever its sign."""
        return {side: mean_interval(np.abs(self.swapped[side].astype(float) - self.outputs[side])) for side in SIDES}

    @cached_property
    def means(self) -> dict[str, Interval]:
        """Of ``base``, ``tuned``, ``even`` and ``delta``: ``[part]``, share of each group, mean over heads."""
        of_text = {name: _over_heads(values) for name, values in self.shares.items()}
        of_text["delta"] = of_text["tuned"] - of_text["base"]
        return {name: mean_interval(values) for name, values in of_text.items()}

    @cached_property
    def head_deltas(self) -> Interval:
        """``[part, layer, head]``: change of each group's share, tuned minus base."""
        return mean_interval(self.shares["tuned"].astype(float) - self.shares["base"])

    @cached_property
    def leakage_delta(self) -> Interval:
        """``[layer, head]``: change of leakage, tuned minus base."""
        return mean_interval(self.leakage["tuned"].astype(float) - self.leakage["base"])

    def texts_with(self, group: str) -> int:
        """How many texts have words of the group."""
        at = self.parts.index(group)
        return int(np.isfinite(self.shares["tuned"][:, at]).any((1, 2)).sum())

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, what a person might try next, and last what that is not."""
        kinds = (self._gap(), self._attention(), self._leakage())
        steps = [step for said, step in zip(kinds, NEXT, strict=True) if said]
        few = [self.too_few] if self.too_few else []
        return *(sentence for said in kinds for sentence in said), *few, *steps, CAUTION

    @property
    def too_few(self) -> str:
        """Of what there are too few texts to test; empty where there is nothing."""
        if len(self.texts) < ENOUGH:
            few = f"{_texts(len(self.texts))} are too few to test ({ENOUGH} are needed)"
            return f"{few}: no interval is read as a difference."
        gendered = self.leakage_delta.texts
        if 0 < gendered < ENOUGH:
            return f"{_texts(gendered)} with gendered words: too few to test leakage ({ENOUGH} are needed)."
        return ""

    def _gap(self) -> list[str]:
        if self.readout is None or not self.moves["tuned"].texts:
            return []
        tuned, base = self.gaps["tuned"], self.gaps["base"]
        moves = ", ".join(f"{float(self.moves[side].mean):.2g} in {side}" for side in ("tuned", "base"))
        size = f"A swap moves {self.readout.name} by {moves} {self.readout.unit} on average, whatever the sign."
        if not tuned.texts:
            return [size]
        under = " (under the tuned model's head)" if self.readout.base_head == "borrowed" else ""
        return [
            f"Read with female words, {self.readout.name} of the tuned model is {_within(tuned, self.readout.unit)} from "
            f"what it is with male ones, mean of {_texts(tuned.texts)}; of the base{under} "
            f"{_within(base, self.readout.unit)}.",
            size,
        ]

    def _attention(self) -> list[str]:
        said = []
        for at, name in enumerate(self.groups):
            count = self.texts_with(name)
            if not count:
                continue
            base, tuned, even = (float(self.means[which].mean[at]) for which in ("base", "tuned", "even"))
            delta = self.means["delta"].at(at)._replace(texts=count)
            said.append(
                f"‘{printable(name)}’ draws {base:.1%} in base and {tuned:.1%} in tuned of the attention to content, mean "
                f"over heads and {_texts(count)}; evenly spread {even:.1%}. Change {_points(delta)}."
            )
        return said

    def _leakage(self) -> list[str]:
        found = self.leakage_delta
        if not np.isfinite(found.mean).any():
            return []
        row, head = np.unravel_index(int(np.nanargmax(np.abs(found.mean))), found.mean.shape)
        one = found.at((row, head))
        said = [
            f"From where the answer is read, {head_name(self.layers[int(row)], int(head))} changed most in what it gives to "
            f"gendered words: {_points(one, tested=False)} of its row, tuned minus base, mean of {_texts(found.texts)}."
        ]
        if self.leaks_enough:
            measured = int(np.isfinite(found.low).sum())
            said.append(
                f"The intervals of {int(found.clear.sum())} of {measured} heads leave 0 out; about "
                f"{measured * (1 - LEVEL):.0f} would by chance if none changed, more where few texts differ from the rest."
            )
        return said

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head, and of each group's change and of leakage's change mean and interval."""
        row, head = (axis.ravel() for axis in np.indices(self.leakage["tuned"].shape[1:]))
        columns: dict[str, Any] = {"layer": np.asarray(self.layers)[row], "head": head}
        for at, part in enumerate(self.parts):
            for name, values in zip(("delta", "low", "high"), self.head_deltas[:3], strict=True):
                columns[f"{part}_{name}"] = values[at].ravel()
        for side in SIDES:
            columns[f"leakage_{side}"] = mean_interval(self.leakage[side]).mean.ravel()
        for name, values in zip(("delta", "low", "high"), self.leakage_delta[:3], strict=True):
            columns[f"leakage_{name}"] = values.ravel()
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source.to_dict(),
            "attention": self.about.attention,
            "readout": None if self.readout is None else self.readout.to_dict(),
            "answers": list(self.answers),
            "notes": list(self.notes),
            "groups": {name: list(words) for name, words in self.groups.items()},
            "layers": list(self.layers),
            "parts": list(self.parts),
            "texts_with": {name: self.texts_with(name) for name in self.groups},
            "leans": list(self.leans),
            "outputs": {side: listed(values) for side, values in self.outputs.items()},
            "swapped": {side: listed(values) for side, values in self.swapped.items()},
            "gap": {side: _interval(found) for side, found in self.gaps.items()},
            "move": {side: _interval(found) for side, found in self.moves.items()},
            "means": {name: _interval(found) for name, found in self.means.items()},
            "head_deltas": _interval(self.head_deltas),
            "leakage_delta": _interval(self.leakage_delta),
            "intervals": {"level": LEVEL, "kind": "Student's t", "unit": "text"},
        }


def _over_heads(values: np.ndarray) -> np.ndarray:
    """``[text, part]``: mean over the heads that were measured."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum((2, 3), dtype=np.float64)
    count = known.sum((2, 3))
    return np.where(count, total / np.maximum(count, 1), np.nan)


def _interval(found: Interval) -> dict[str, Any]:
    numbers = {name: listed(np.asarray(getattr(found, name))) for name in ("mean", "low", "high")}
    return {**numbers, "texts": found.texts}


def _texts(count: int) -> str:
    return f"{count} text{'' if count == 1 else 's'}"


def _within(found: Interval, unit: str) -> str:
    """``+0.12 logits (−0.01 to +0.2, which holds 0)``; whether it does is said where there are texts enough."""
    mean, low, high = (f"{float(value):+.2g}".replace("-", "−") for value in found[:3])
    return f"{mean} {unit}{_between(found, low, high)}"


def _points(found: Interval, *, tested: bool = True) -> str:
    """The same in points of a percentage; not tested where it was chosen for being large."""
    mean, low, high = (f"{100 * float(value):+.2f}".replace("-", "−") for value in found[:3])
    return f"{mean} points{_between(found, low, high, tested)}"


def _between(found: Interval, low: str, high: str, tested: bool = True) -> str:
    if not np.isfinite(found.low):
        return ""
    said = ", which leaves 0 out" if bool(found.clear) else ", which holds 0"
    return f" ({low} to {high}{said if tested and found.texts >= ENOUGH else ''})"
