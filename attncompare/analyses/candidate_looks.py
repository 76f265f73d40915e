"""What a pronoun gives each of its candidates, head by head, in both models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from attncompare.analyses.mentions import Mention, units
from attncompare.attention import Progress, unheard
from attncompare.metrics.coreference import candidate_scores, uniform_scores
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.traces import record_side, walk, walk_beside
from attncompare.models.views import AnyCall


@dataclass(frozen=True, eq=False)
class Looks:
    """Scores of the candidates; NaN where the pronoun can't see one."""

    base: np.ndarray
    """``[candidate, layer, head]``, each in [0, 1]."""
    tuned: np.ndarray
    uniform: np.ndarray
    """``[candidate, layer]``: of a head that attends uniformly to what the pronoun may see."""

    @property
    def visible(self) -> np.ndarray:
        """Which candidates the pronoun can see in some layer, ``[candidate]``."""
        return np.isfinite(self.uniform).any(1)


class _Gathering:
    """Scores of one pass over the layers."""

    def __init__(self, question: PairText, pronoun: Mention, candidates: Sequence[Mention]) -> None:
        self._question = question
        self._queries = units(question, pronoun, "pronoun")
        self._keys = [units(question, candidate, "candidate") for candidate in candidates]
        self._found: dict[str, list[np.ndarray]] = {"base": [], "tuned": [], "uniform": []}

    def layer(self, place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        """Take a layer of both models."""
        sides = self._question.views(base, tuned)
        start, stop = self._queries[0], self._queries[-1] + 1
        rows = [at - start for at in self._queries]
        # Over merged tokens a window of tokens lets the two models see slightly different units.
        visible = (sides[0].visible(start, stop) | sides[1].visible(start, stop)).numpy()[rows]
        seen = np.array([visible[:, list(keys)].any() for keys in self._keys])
        for name, call in zip(("base", "tuned"), sides, strict=True):
            scores = candidate_scores(_rows(call, start, stop)[:, rows], self._keys)
            self._found[name].append(np.where(seen[:, None], scores, np.nan))
        self._found["uniform"].append(np.where(seen, uniform_scores(visible, self._keys), np.nan))

    def looks(self) -> Looks:
        """What was found."""
        return Looks(**{name: np.stack(layers, 1) for name, layers in self._found.items()})


def _rows(call: AnyCall, start: int, stop: int) -> np.ndarray:
    """All heads' rows over all keys, float64."""
    rows = call.block(start, stop)[0]
    found: np.ndarray = nn.functional.pad(rows, (0, call.keys - rows.shape[2])).double().cpu().numpy()
    return found


def looks(
    pair: Pair,
    question: PairText,
    pronoun: Mention,
    candidates: Sequence[Mention],
    progress: Progress | None = None,
    *,
    kept: bool = True,
) -> Looks:
    """What the pronoun gives each candidate. ``kept``: the text's traces are looked for in the cache, and stay there.

    Raises:
        BadInput: a word can't be told from its neighbours.
    """
    found = _Gathering(question, pronoun, candidates)
    if kept:
        walk(pair, question, found.layer, progress)
        return found.looks()
    # Many texts that are read once must not drive out those that are asked about again.
    tell = progress or unheard
    base = record_side(pair, question, pair.base, tell, only=question.attention)
    walk_beside(pair, question, base, pair.tuned, found.layer, tell)
    return found.looks()
