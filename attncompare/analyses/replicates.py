"""Other trainings of the same base: how far each moved a head, beside how far they differ from one another.

What differs between trainings of one recipe is noise that no random change of the weights can stand for: the gold standard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from attncompare.analyses.divergence import Divergences
from attncompare.attention import Progress, frozen, listed, part
from attncompare.errors import BadInput, PairMismatch
from attncompare.models.pair import Pair, Side, common_stacks
from attncompare.models.question import PairText
from attncompare.models.traces import Trace, record_side, walk_beside


@dataclass(frozen=True, eq=False)
class Replicates:
    """Other trainings of the same base, each tuned like the first but with another seed."""

    ids: tuple[str, ...]
    """The tuned checkpoints, the pair's own first."""
    from_base: np.ndarray
    """``[training, layer, head]``: divergence of each from the base, in bits."""
    between: np.ndarray
    """``[pair of trainings, layer, head]``: divergence between two trainings, in bits."""

    @property
    def beyond(self) -> np.ndarray:
        """``[layer, head]``: whether every training moved the head further from the base than any two differ."""
        return np.asarray(self.from_base.min(0) > self.between.max(0))

    def sentence(self) -> str:
        """What they say, in words."""
        return (
            f"{int(self.beyond.sum())} of {self.beyond.size} heads moved further from the base in each of "
            f"{len(self.ids)} trainings than any two of these differ."
        )

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "ids": list(self.ids),
            "heads_beyond": int(self.beyond.sum()),
            "from_base_bits": listed(self.from_base),
            "between_bits": listed(self.between),
        }


def check(pair: Pair, others: Any) -> None:
    """Refuse pairs whose tuned models are no other trainings of this one's base.

    Raises:
        BadInput: for the first of them.
    """
    if not isinstance(others, Sequence) or not all(isinstance(other, Pair) for other in others):
        raise BadInput(
            "Expected replicates to be a list of pairs, as load_pair gives them: the base and each training."
        )
    for other in others:
        _check_one(pair, other)
    hashes = [other.tuned.info.content_hash for other in others]
    if twice := [other.tuned.info.id for other in others if hashes.count(other.tuned.info.content_hash) > 1]:
        raise BadInput(f"{' and '.join(map(repr, twice[:2]))} have the same weights: give each training once.")


def _check_one(pair: Pair, other: Pair) -> None:
    name = repr(other.tuned.info.id)
    if other.base.info.content_hash != pair.base.info.content_hash:
        raise BadInput(f"{name} was tuned from another base than {pair.tuned.info.id!r}: replicates share theirs.")
    if other.tuned.info.content_hash == pair.tuned.info.content_hash:
        raise BadInput(f"{name} has the same weights as {pair.tuned.info.id!r}: a replicate is another training.")
    places = [(side.info.dtype, side.info.device) for side in (pair.tuned, other.tuned)]
    if places[0] != places[1]:
        raise BadInput(
            f"{name} runs in {' on '.join(places[1])} and {pair.tuned.info.id!r} in {' on '.join(places[0])}."
        )
    if other.tuned.tokenizer.get_vocab() != pair.tuned.tokenizer.get_vocab():
        raise BadInput(f"{name} has another tokenizer than {pair.tuned.info.id!r}: replicates read the same tokens.")
    try:
        common_stacks(pair.tuned.layout, other.tuned.layout)
    except PairMismatch:
        raise BadInput(f"{name} attends in other layers or heads than {pair.tuned.info.id!r}.") from None


def measured(pair: Pair, question: PairText, trace: Trace, others: Sequence[Pair], tell: Progress) -> Replicates:
    """Every training against the base and against every other."""
    sides = [pair.tuned, *(other.tuned for other in others)]
    pairs = list(combinations(range(len(sides)), 2))

    def beside(kept: Trace, side: Side, of: Divergences, within: Progress) -> np.ndarray:
        walk_beside(pair, question, kept, side, of.visit, within, question.tuned)
        return of.bits()

    from_base, between = [], []
    for done, side in enumerate(sides):
        within = part(tell, "comparing trainings", done, len(sides))
        from_base.append(beside(trace, side, Divergences(question), within))
    for done, (one, two) in enumerate(pairs):
        within = part(tell, "comparing trainings with each other", done, len(pairs))
        kept = record_side(pair, question, sides[one], within, only=question.attention, encoding=question.tuned)
        between.append(beside(kept, sides[two], Divergences(question, ("tuned", "tuned")), within))
    ids = tuple(side.info.id for side in sides)
    return Replicates(ids, frozen(np.stack(from_base)), frozen(np.stack(between)))
