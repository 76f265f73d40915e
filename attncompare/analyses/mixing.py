"""Where does it flow, by what tokens give and not by where heads look? Value zeroing, rolled out."""

from typing import Unpack

from attncompare.analyses.routes import Routes
from attncompare.attention import Progress
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading


def value_zeroing(pair: Pair, text: str, *, progress: Progress | None = None, **reading: Unpack[Reading]) -> Routes:
    """Value zeroing of both models (Mohebbi et al. 2023), rolled out without a residual: a :class:`Routes` with
    ``mixer="value_zeroing"``, no lifts."""
    raise NotImplementedError
