"""A comparison beside an earlier one: which heads moved more now, and whether the order of the heads is the same."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attncompare.analyses.glance import Glance, rank_agreement
from attncompare.analyses.verdict import listing

NAMED = 3
"""Heads named in each direction."""

LENGTHS = 1.5
"""Texts whose lengths differ by more than this factor are not of similar length."""


@dataclass(frozen=True, eq=False)
class Beside:
    """Two comparisons, the earlier one first; of the same heads or of others."""

    then: Glance
    now: Glance

    @property
    def matched(self) -> bool:
        """Whether both have the same layers and heads, so that head by head can be compared."""
        return self.then.layers == self.now.layers and self.then.bits.shape == self.now.bits.shape

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in a sentence each."""
        if not self.matched:
            return (
                "The two comparisons are of models with other layers or heads, so no head of the one stands for a head of "
                "the other.",
                self._total(),
                *self._cautions(),
            )
        return self._total(), *self._moved(), *self._order(), *self._cautions()

    def _total(self) -> str:
        then, now = self.then.mean_bits, self.now.mean_bits
        if abs(now - then) < 0.005 * max(then, now):
            return f"The heads moved as much as in the pinned comparison: {now:.2g} bits a head."
        more = "more" if now > then else "less"
        return f"The heads moved {more} than in the pinned comparison: {now:.2g} bits a head now, {then:.2g} then."

    def _moved(self) -> list[str]:
        """The heads that moved more and less than in the earlier one."""
        change = np.nan_to_num(self.now.bits - self.then.bits)
        order = np.argsort(change, axis=None, kind="stable")
        said = []
        for ends, word in ((order[::-1][:NAMED], "more"), (order[:NAMED], "less")):
            told = [self._head(int(at)) for at in ends if (change.flat[at] > 0) == (word == "more") and change.flat[at]]
            if told:
                said.append(f"{listing(told)} moved {word} now.")
        return said

    def _head(self, at: int) -> str:
        row, head = divmod(at, self.now.bits.shape[1])
        return f"{self.now.name(row, head)} ({self.then.bits[row, head]:.2g} to {self.now.bits[row, head]:.2g} bits)"

    def _order(self) -> list[str]:
        tau = rank_agreement(self.then, self.now)
        return (
            [] if np.isnan(tau) else [f"The order of the heads agrees by {tau:.2f} (Kendall's tau-b; 1 is the same)."]
        )

    def _cautions(self) -> list[str]:
        """Why the sizes of the two should not be compared, where they should not."""
        said = []
        if self.then.about != self.now.about:
            said.append(
                "One is about other positions or another stack than the other, so their numbers share no scale."
            )
        sizes = sorted((self.then.tokens, self.now.tokens))
        if sizes[1] > LENGTHS * sizes[0]:
            said.append(
                f"The texts have {self.then.tokens} and {self.now.tokens} positions, and divergence grows with length even "
                "between heads that have nothing to do with each other: compare the order, not the sizes."
            )
        return said or ["These are two texts or two pairs and no test: what differs here may be chance."]

    def frame(self) -> pd.DataFrame:
        """One line per head and comparison: which, layer, head, bits."""
        tables = []
        for name, glance in (("pinned", self.then), ("now", self.now)):
            row, head = (axis.ravel() for axis in np.indices(glance.bits.shape))
            layer = np.asarray(glance.layers)[row]
            tables.append(pd.DataFrame({"comparison": name, "layer": layer, "head": head, "bits": glance.bits.ravel()}))
        return pd.concat(tables, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {"answers": list(self.answers), "pinned": self.then.to_dict(), "now": self.now.to_dict()}
