"""Which pattern is a head? Rules over the scores of :mod:`attncompare.metrics.patterns`, their thresholds in sight.

The kinds are those of Kovaleva et al. 2019 (Revealing the dark secrets of BERT, section 4.1), and one for rows that are
spread out; that paper had a network learn them from maps labelled by hand, and neither is public. Rules, their order and the
thresholds are ours. A class says little where a score stands at its threshold, so each comes with its margin: by how much
one score would have to be another for the class to be another.
"""

from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncompare.errors import BadInput
from attncompare.metrics.patterns import PatternScores

PatternClass = Literal["vertical + diagonal", "diagonal", "vertical", "block", "broad", "heterogeneous"]
CLASSES: tuple[PatternClass, ...] = get_args(PatternClass)
"""In the order in which the rules ask for them."""

BOTH, DIAGONAL, VERTICAL, BLOCK, BROAD, HETEROGENEOUS = range(len(CLASSES))

SCORES = ("band", "vertical", "block", "entropy")
"""What the rules go by."""

_HAIR = 1e-9
"""How far beside a threshold a class is looked at."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where a head belongs to a class; every one between 0 and 1, ``together`` between 0 and 2."""

    both: float = 0.25
    """Least band and least vertical of *vertical + diagonal*."""
    together: float = 0.7
    """Least sum of its two."""
    diagonal: float = 0.5
    vertical: float = 0.6
    block: float = 0.5
    broad: float = 0.8
    """Least entropy of a row, as a share of the most it could have."""
    above_null: float = 0.1
    """How far above evenly spread attention the scores of a class stand; a head below that is *broad*."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value, most = getattr(self, one.name), 2 if one.name == "together" else 1
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise BadInput(f"The threshold {one.name} is {value!r:.40}: give a number from 0 to {most}.")

    def to_dict(self) -> dict[str, float]:
        """By name."""
        return asdict(self)

    def changed(self) -> dict[str, float]:
        """Those that are not the usual ones, by name."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) != one.default}


def rule_scores(scores: PatternScores) -> Float[Tensor, "4 head"]:
    """What the rules go by, in the order of :data:`SCORES`."""
    return torch.stack([scores.band, scores.vertical, scores.block, scores.entropy])


def classify(
    scores: Float[Tensor, "4 head"], null: Float[Tensor, "4 head"], thresholds: Thresholds
) -> Int[Tensor, " head"]:
    """The class of each head, as its place in :data:`CLASSES`.

    Args:
        scores: in the order of :data:`SCORES`; NaN where there is none, which belongs to no class that asks for it.
        null: the same of evenly spread attention.
    """
    at, (band, vertical, block, entropy) = thresholds, scores
    banded, striped, blocked = (
        one >= floor + at.above_null for one, floor in zip(scores[:3], null.nan_to_num()[:3], strict=True)
    )
    mixed = (band >= at.both) & (vertical >= at.both) & (band + vertical >= at.together)
    found = torch.full_like(band, HETEROGENEOUS, dtype=torch.long)
    # From the last rule to the first, so that the first one that holds has the last word.
    for number, holds, stands in (
        (BROAD, entropy >= at.broad, True),
        (BLOCK, block >= at.block, blocked),
        (VERTICAL, vertical >= at.vertical, striped),
        (DIAGONAL, band >= at.diagonal, banded),
        (BOTH, mixed, banded & striped),
    ):
        kind = torch.where(torch.as_tensor(stands), number, BROAD)
        found = torch.where(holds, kind, found)
    return found


def margins(
    scores: Float[Tensor, "4 head"], null: Float[Tensor, "4 head"], thresholds: Thresholds
) -> Float[Tensor, " head"]:
    """By how much one score of a head would have to be another for its class to be another; infinite where none would do."""
    at, (band, vertical, _, _) = thresholds, scores
    floors = null.nan_to_num()[:3] + at.above_null
    critical: tuple[list[Tensor | float], ...] = (
        [at.both, at.diagonal, at.together - vertical, floors[0]],
        [at.both, at.vertical, at.together - band, floors[1]],
        [at.block, floors[2]],
        [at.broad],
    )
    now = classify(scores, null, thresholds)
    nearest = torch.full_like(band, torch.inf)
    for number, values in enumerate(critical):
        for value in values:
            for beside in (-_HAIR, _HAIR):
                moved = scores.clone()
                moved[number] = torch.as_tensor(value, dtype=scores.dtype) + beside
                flips = classify(moved, null, thresholds) != now
                away = (moved[number] - scores[number]).abs()
                nearest = torch.where(flips & (away < nearest), away, nearest)
    return nearest
