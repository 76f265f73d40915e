"""Is it real? Every head's divergence beside what arithmetic, a random change and another training run would give.

A divergence is never negative and hardly ever zero, so alone it says nothing. Here it gets four marks on its scale: what
arithmetic does (the base against itself, computed in other ways), what random changes of the weights do that are as large
as the tuning's, what other training runs do where the user has some (the gold standard), and where the scale ends (heads
that have nothing to do with each other).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from attncompare.analyses.replicates import Replicates
from attncompare.attention import About, frozen, listed
from attncompare.metrics.floor import ALPHA, FEWEST_DRAWS, Floor, floor, smallest_p
from attncompare.models.question import TraceKey

DRAWS = 39
"""Random changes by default: the smallest p is then 1/40, and a maximum over heads is held against 39."""


@dataclass(frozen=True, eq=False)
class Noise:
    """What the divergence of every head is measured by, on one text. Arrays are read-only float32; NaN: not measured."""

    about: About
    layers: tuple[int, ...]
    """The model's own number of each layer, the first axis of ``[layer, head]``."""
    jsd_bits: np.ndarray
    """``[layer, head]``: divergence between base and tuned, as in a comparison."""
    draws: np.ndarray
    """``[draw, layer, head]``: divergence between the base and the base with a random change. No draws where nothing
    could be drawn."""
    seed: int
    change: dict[str, Any] | None
    """What was changed at random, as JSON values: ``matrices``, ``relative_norm``, ``rank_low``, ``rank_high``,
    ``worst_norm_error``. None where nothing was."""
    numeric: dict[str, np.ndarray]
    """``[layer, head]`` each: divergence of the base from itself in other arithmetic (``implementation``, ``dtype``,
    ``padding``; those that could be run)."""
    unrelated: np.ndarray
    """``[layer, head]``: divergence of the base's head from another head of the tuned layer."""
    replicates: Replicates | None
    notes: tuple[str, ...]
    """What could not be measured, and why; what a reader should know."""
    question_key: TraceKey

    @cached_property
    def floor(self) -> Floor | None:
        """Each head beside its draws; None without draws."""
        return floor(self.jsd_bits, self.draws) if len(self.draws) >= FEWEST_DRAWS else None

    @cached_property
    def numeric_bits(self) -> np.ndarray:
        """``[layer, head]``: the largest of ``numeric``; NaN where none could be run."""
        return np.fmax.reduce(list(self.numeric.values()), initial=np.nan) if self.numeric else _blank(self.jsd_bits)

    @property
    def testable(self) -> bool:
        """Whether there are draws enough for :data:`~attncompare.metrics.floor.ALPHA`."""
        return self.floor is not None and smallest_p(len(self.draws)) <= ALPHA

    @cached_property
    def moved(self) -> np.ndarray:
        """``[layer, head]``: which heads moved beyond a random change of the same size, and beyond arithmetic."""
        if self.floor is None or not self.testable:
            return np.zeros(self.jsd_bits.shape, bool)
        return (self.floor.p <= ALPHA) & (self.jsd_bits > np.nan_to_num(self.numeric_bits))

    @property
    def ceiling_bits(self) -> float:
        """Mean divergence of heads that have nothing to do with each other: where the scale ends on this text."""
        measured = self.unrelated[np.isfinite(self.unrelated)]
        return float(measured.mean()) if measured.size else float("nan")

    def columns(self) -> dict[str, np.ndarray]:
        """:data:`attncompare.metrics.FLOORS`, each ``[layer, head]``."""
        blank = _blank(self.jsd_bits)
        of = self.floor
        found = (of.mean, of.sd, of.multiple, of.z, of.p if self.testable else blank) if of else (blank,) * 5
        names = ("floor_jsd_bits", "floor_sd_bits", "floor_multiple", "floor_z", "floor_p")
        return {name: frozen(values) for name, values in zip(names, found, strict=True)} | {
            "numeric_floor_bits": self.numeric_bits
        }

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in a sentence each: by random changes and by other trainings, the latter alone where no changes
        were drawn."""
        trainings = (self.replicates.sentence(),) if self.replicates else ()
        return trainings if trainings and not len(self.draws) else (self._by_draws(), *trainings)

    def sentence(self) -> str:
        """The first answer."""
        return self.answers[0]

    def _by_draws(self) -> str:
        if not len(self.draws):
            return "There is no random change to measure by."
        if not self.testable:
            needed = round(1 / ALPHA) - 1
            return f"{len(self.draws)} random changes are too few to test by: p ≤ {ALPHA:g} takes at least {needed}."
        count, by = int(self.moved.sum()), f"family-wise p ≤ {ALPHA:g}, {len(self.draws)} draws"
        heads = f"{count} of {self.moved.size} heads" if count else "No head"
        lost = int((self.floor.p <= ALPHA).sum()) - count if self.floor else 0
        but = f"; {lost} more did by no more than another precision or implementation moves them" if lost else ""
        return f"{heads} moved beyond a random change of the same size ({by}){but}."

    def frame(self) -> pd.DataFrame:
        """One line per head: divergence, floors, and whether it moved beyond them (None where that can't be tested)."""
        row, head = (axis.ravel() for axis in np.indices(self.jsd_bits.shape))
        columns = {"jsd_bits": self.jsd_bits, **self.columns(), "unrelated_bits": self.unrelated}
        numbers = {name: values.ravel() for name, values in columns.items()}
        moved = self.moved.ravel() if self.testable else None
        layer = np.asarray(self.layers)[row]
        return pd.DataFrame(
            {"attention": self.about.attention, "layer": layer, "head": head, **numbers, "moved": moved}
        )

    def summary(self) -> dict[str, Any]:
        """What holds for all heads together, as JSON values."""
        return {
            "sentence": " ".join(self.answers),
            "heads_moved": int(self.moved.sum()) if self.testable else None,
            "draws": len(self.draws),
            "seed": self.seed,
            "change": self.change,
            "ceiling_bits": _number(self.ceiling_bits),
            "numeric": sorted(self.numeric),
            "replicates": self.replicates.to_dict() if self.replicates else None,
            "notes": list(self.notes),
        }

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        frame = self.frame().astype(object)
        return {
            "schema_version": 1,
            **self.summary(),
            "attention": self.about.attention,
            "level": self.about.level,
            "heads": frame.where(frame.notna(), None).to_dict("records"),
            "draws_bits": listed(self.draws),
            "numeric_bits": {name: listed(values) for name, values in self.numeric.items()},
        }


def _blank(like: np.ndarray) -> np.ndarray:
    return frozen(np.full(like.shape, np.nan))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
