"""Several texts: the same pair compared on one after another, and what their heads have in common.

A list of texts that somebody chose is no sample, so nothing is tested here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Unpack

import numpy as np
import pandas as pd

from attncompare.analyses.comparison import compare
from attncompare.analyses.glance import Glance, rank_agreement
from attncompare.analyses.outputs import Outputs
from attncompare.analyses.text_lists import which
from attncompare.analyses.verdict import listing
from attncompare.attention import Progress, head_name, unheard
from attncompare.errors import BadInput
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading

FEWEST, MOST = 2, 8
"""How many texts."""

TOP = 5
"""Heads of a text that count as the most moved."""

CAUTION = (
    "A list of texts is no test: they were chosen and not drawn. What recurs here is worth testing on many texts, and what "
    "does not recur is no finding."
)


@dataclass(frozen=True, eq=False)
class Several:
    """One pair on several texts."""

    glances: tuple[Glance, ...]
    """One a text, in the order of the texts."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts."""
        return tuple(glance.text for glance in self.glances)

    @property
    def layers(self) -> tuple[int, ...]:
        """The model's own number of each layer."""
        return self.glances[0].layers

    @property
    def bits(self) -> np.ndarray:
        """Divergence ``[text, layer, head]``; NaN where it was not measured."""
        return np.stack([glance.bits for glance in self.glances])

    @property
    def tokens(self) -> tuple[int, ...]:
        """How many positions each text has."""
        return tuple(glance.tokens for glance in self.glances)

    @property
    def outputs(self) -> tuple[Outputs, ...]:
        """What both models answer to each text."""
        return tuple(glance.outputs for glance in self.glances)

    @property
    def tops(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Of each text the row and head of the heads that moved most, largest first."""
        return tuple(tuple(glance.most(TOP)) for glance in self.glances)

    @property
    def agreements(self) -> np.ndarray:
        """Kendall's tau-b of the heads by divergence, of each pair of texts; NaN where it is not defined."""
        return np.array([rank_agreement(*two) for two in combinations(self.glances, 2)])

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in a sentence each; the last one says what that does not mean."""
        return tuple(part for part in (self._recurring(), self._order(), self._sizes(), self._same(), CAUTION) if part)

    def _recurring(self) -> str:
        """The heads that are among the most moved on most texts."""
        size, heads = len(self.glances), self.bits.shape[2]
        counts = np.zeros(self.bits.shape[1:], int)
        for tops in self.tops:
            for cell in tops:
                counts[cell] += 1
        common = [at for at in np.argsort(-counts, axis=None, kind="stable").tolist() if counts.flat[at] > size / 2]
        if not common:
            return f"No head is among the {TOP} most moved on more than half of the {size} texts."
        told = []
        for count in sorted({int(counts.flat[at]) for at in common}, reverse=True):
            names = [head_name(self.layers[at // heads], at % heads) for at in common if counts.flat[at] == count]
            told.append(f"{listing(names)} on {f'all {size}' if count == size else f'{count} of {size}'} texts")
        return f"Among the {TOP} most moved heads: {'; '.join(told)}."

    def _order(self) -> str:
        """How far the orders of the heads agree."""
        known = self.agreements[np.isfinite(self.agreements)]
        if not known.size:
            return ""
        among = "two texts" if len(self.glances) == 2 else f"{known.size} pairs of texts"
        spread = f" ({known.min():.2f} to {known.max():.2f})" if known.size > 1 else ""
        mean = "is" if known.size == 1 else "is on average"
        return (
            f"The order of the heads by divergence agrees between the {among} as Kendall's tau-b says: it {mean} "
            f"{known.mean():.2f}{spread}, where 1 is the same order and 0 is none."
        )

    def _sizes(self) -> str:
        """Where the heads moved most and least."""
        means = [glance.mean_bits for glance in self.glances]
        if np.isnan(means).any():
            return ""
        most, least = int(np.argmax(means)), int(np.argmin(means))
        return (
            f"The heads moved most on text {most + 1} ({means[most]:.2g} bits a head) and least on text {least + 1} "
            f"({means[least]:.2g})."
        )

    def _same(self) -> str:
        """On how many texts both models answer alike."""
        known = [outputs.same for outputs in self.outputs if outputs.same is not None]
        if not known:
            return ""
        return f"Both models give the same answer to {sum(known)} of {len(known)} texts."

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head, mean divergence and the divergence on each text, largest mean first."""
        row, head = (axis.ravel() for axis in np.indices(self.bits.shape[1:]))
        columns = {f"bits_{i}": glance.bits.ravel() for i, glance in enumerate(self.glances, 1)}
        mean = self.bits.mean(0).ravel()
        table = {"layer": np.asarray(self.layers)[row], "head": head, "mean_bits": mean, **columns}
        return pd.DataFrame(table).sort_values("mean_bits", ascending=False, kind="stable", ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "answers": list(self.answers),
            "texts": [glance.to_dict() for glance in self.glances],
            "tops": [
                [glance.name(*cell) for cell in tops] for glance, tops in zip(self.glances, self.tops, strict=True)
            ],
            "tau_b": [None if np.isnan(value) else float(value) for value in self.agreements],
        }


def several(
    pair: Pair, texts: Sequence[str], *, progress: Progress | None = None, **reading: Unpack[Reading]
) -> Several:
    """Compare both models of ``pair`` on 2 to 8 texts, one after another, all read in the same way.

    ``reading`` says how, as in :func:`attncompare.compare`. ``progress`` is called between layers and may raise to stop.

    Raises:
        BadInput: too few or too many texts, or one that can't be read; the sentence says which.
    """
    require_texts(texts)
    tell = progress or unheard
    found: list[Glance] = []
    for number, text in enumerate(texts, 1):
        step = f"text {number} of {len(texts)}"
        tell(step, number - 1, len(texts))

        def told(inner: str, done: int, total: int, step: str = step) -> None:
            tell(f"{step}: {inner}", done, total)

        try:
            found.append(Glance.of(compare(pair, text, progress=told, **reading)))
        except BadInput as error:
            raise BadInput(which(number, text, "compared", error)) from None
    return Several(tuple(found))


def require_texts(texts: Sequence[str]) -> None:
    """Raises BadInput unless there are texts enough, and none of them is blank."""
    if not FEWEST <= len(texts) <= MOST:
        raise BadInput(f"Expected {FEWEST} to {MOST} texts, got {len(texts)}: give as many, one a line.")
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise BadInput(f"Text {number} is empty: type it or leave it out.")
