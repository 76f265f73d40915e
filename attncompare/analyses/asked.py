"""One number asked of both models on one text: what it is, and who answers from which tokens."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.attention import Progress
from attncompare.models.merged import UnitIndex
from attncompare.models.pair import Pair, Side
from attncompare.models.question import PairText
from attncompare.models.readout import Readout, SideName, readout
from attncompare.models.tokens import Encoding
from attncompare.models.traces import walk


class Asked(NamedTuple):
    """One model on one text."""

    name: SideName
    side: Side
    encoding: Encoding
    logits: Float[Tensor, " label"]
    """Of its answer to the whole text."""
    groups: tuple[tuple[int, ...], ...]
    """Which of its tokens make each unit that attention looks at."""
    tokens: int
    """How many tokens it looks at."""

    def over_units(self, values: Float[Tensor, "*row token"]) -> Float[Tensor, "*row unit"]:
        """Sums over the tokens of each unit; what tokens of no unit have is left out."""
        units = len(self.groups)
        unit = UnitIndex.of(self.groups, self.tokens).unit
        total = values.new_zeros(*values.shape[:-1], units + 1)
        return total.index_add_(-1, torch.where(unit < 0, units, unit).to(values.device), values)[..., :units]


def ask(
    pair: Pair, question: PairText, answer: str | None, against: str | None, progress: Progress | None
) -> tuple[Readout, tuple[Asked, Asked]]:
    """The readout, and both models' answers on the text; their outputs must be comparable.

    Raises:
        BadInput: as :func:`attncompare.models.readout.readout`.
    """
    base, tuned = walk(pair, question, lambda place, base, tuned: None, progress)
    assert base is not None
    assert tuned is not None
    keys = question.keys
    return readout(pair, tuned, answer, against), (
        Asked("base", pair.base, question.base, base, keys.base, len(keys.base_tokens)),
        Asked("tuned", pair.tuned, question.tuned, tuned, keys.tuned, len(keys.tuned_tokens)),
    )
