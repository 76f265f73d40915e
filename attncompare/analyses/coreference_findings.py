"""What a pronoun's looks say, in sentences: each a finding with its numbers, the last one what it does not mean."""

from typing import TYPE_CHECKING

import numpy as np

from attncompare.analyses.coreference_accuracy import SIDES
from attncompare.analyses.verdict import listing
from attncompare.attention import head_name
from attncompare.models.readout import SideName

if TYPE_CHECKING:
    from attncompare.analyses.coreference_record import Candidate, Coreference

NAMED = 3
"""Heads that are named of those that changed."""

LIMITS = (
    "Looking is not resolving: a head may look at a word and pass nothing on, and a model may know whom a pronoun means "
    "without looking there; this is one sentence."
)


def sentences(found: "Coreference") -> tuple[str, ...]:
    """The findings, most important first."""
    if len(found.seen) < 2:
        return (*_hidden(found), LIMITS)
    said = (_mean(found), _mas(found), *_correct(found), _heads(found), _changed(found))
    return (*said, *_elsewhere(found), *_swap(found), *_hidden(found), LIMITS)


def _hidden(found: "Coreference") -> list[str]:
    """Candidates that the pronoun can't see."""
    hidden = [candidate for candidate in found.candidates if not candidate.visible]
    if not hidden:
        return []
    names = listing([candidate.name for candidate in hidden])
    later = all(candidate.start > found.pronoun.start for candidate in hidden)
    why = "what stands after it" if later else "as far as that"
    rest = "" if len(found.seen) > 1 else "; so there is nothing to choose between"
    return [
        f"{names} {'is' if len(hidden) == 1 else 'are'} not visible to {found.pronoun.name}, which can't see {why}{rest}."
    ]


def _mean(found: "Coreference") -> str:
    base, tuned = found.mean("base"), found.mean("tuned")
    tops = _top(found, base), _top(found, tuned)
    where = f"{_called(tops[0])} in base and at {_called(tops[1])} in tuned"
    if tops[0] is not None and tops[0] is tops[1]:
        where = f"{tops[0].name} in both models"
    given = [
        f"{found.candidates[at].name} gets {base[at]:.1%} in base and {tuned[at]:.1%} in tuned" for at in found.seen
    ]
    return f"{found.pronoun.name} looks most at {where}: {', '.join(given)}, mean over heads."


def _top(found: "Coreference", values: np.ndarray) -> "Candidate | None":
    """The candidate with most; None where two have it."""
    best = np.flatnonzero(values == np.nanmax(values))
    return found.candidates[best[0]] if len(best) == 1 else None


def _called(candidate: "Candidate | None") -> str:
    return "several alike" if candidate is None else candidate.name


def _mas(found: "Coreference") -> str:
    base, tuned = found.mas("base"), found.mas("tuned")
    told = [f"{found.candidates[at].name} {base[at]:.0%} in base and {tuned[at]:.0%} in tuned" for at in found.seen]
    if len(told) == 2:
        told = [f"{told[0]}, {found.candidates[found.seen[1]].name} the rest"]
    uniform = listing([f"{found.uniform_mean[at]:.1%}" for at in found.seen])
    return (
        f"Uniform attention would give {uniform}. The maximum attention score (MAS), where a head counts only its "
        f"favourite, gives {'; '.join(told)}."
    )


def _heads(found: "Coreference") -> str:
    total = found.base[0].size
    base, tuned = _counts(found, "base"), _counts(found, "tuned")
    told = [
        f"{found.candidates[at].name} is looked at most by {base[at]} in base and {tuned[at]} in tuned"
        for at in found.seen
    ]
    return f"Of {total} heads, {', '.join(told)}; {int(found.changed.sum())} look most at another one after tuning."


def _counts(found: "Coreference", side: SideName) -> list[int]:
    """How many heads look most at each candidate, and at no other as much."""
    return [int((credit == 1).sum()) for credit in found.choice(side)]


def _correct(found: "Coreference") -> list[str]:
    if found.correct is None:
        return []
    candidate = found.candidates[found.correct]
    if not candidate.visible:
        return [f"The right one is {candidate.name}, which is not visible."]
    right = [side for side in SIDES if _top(found, found.mas(side)) is candidate]
    where = {0: "by neither model", 1: f"by the {right[0]} model alone" if right else "", 2: "by both models"}[
        len(right)
    ]
    return [f"The right one is {candidate.name}: by MAS it is looked at most {where}."]


def _changed(found: "Coreference") -> str:
    base, tuned = found.preference("base"), found.preference("tuned")
    seen = found.seen
    given = np.maximum(np.nansum(found.base[seen], 0), np.nansum(found.tuned[seen], 0))
    enough = given >= np.nansum(found.uniform[seen], 0)[:, None]
    change = np.where(enough, np.abs(np.nan_to_num(tuned - base)), 0)
    order = [at for at in np.argsort(-change, axis=None, kind="stable")[:NAMED].tolist() if change.flat[at] > 0]
    among = f"the {int(enough.sum())} heads that give the candidates at least what uniform attention would"
    if not order:
        return f"No preference changed among {among}."
    told = [
        f"{_name(found, at)} from {_signed(float(base.flat[at]))} to {_signed(float(tuned.flat[at]))}" for at in order
    ]
    first = found.candidates[seen[0]].name
    return f"Among {among}, the preference for {first} (from −1 to +1) changed most in {listing(told)}."


def _elsewhere(found: "Coreference") -> list[str]:
    if not found.elsewhere:
        return []
    told = []
    for side, best in found.elsewhere.items():
        credit = found.choice(side)[:, best.row, best.head]
        chosen = np.flatnonzero(credit == 1)
        choice = f"looks most at {found.candidates[chosen[0]].name}" if len(chosen) else "has no favourite"
        followed = f" {_followed(found, side, best.row, best.head)}" if found.swap is not None else ""
        told.append(f"{best.name} in {side} ({best.right:g} of {best.total}) {choice} here{followed}")
    luck = next(iter(found.elsewhere.values())).luck
    return [
        f"The heads that are right most often on other, built-in sentences: {'; '.join(told)}; of {found.base[0].size} "
        f"tossed coins the best would have about {luck} right."
    ]


def _followed(found: "Coreference", side: SideName, row: int, head: int) -> str:
    word, place = (bool(cells[row, head]) for cells in found.follows(side))
    return "and follows the word when the two are exchanged" if word else "and keeps to the place" if place else ""


def _swap(found: "Coreference") -> list[str]:
    if found.swap is None:
        return []
    counts = {side: [int(cells.sum()) for cells in found.follows(side)] for side in SIDES}
    (word, place), (tuned_word, tuned_place) = counts["base"], counts["tuned"]
    return [
        f"With the two words exchanged in the sentence, {word} heads follow the word and {place} keep to the place in base, "
        f"{tuned_word} and {tuned_place} in tuned."
    ]


def _name(found: "Coreference", at: int) -> str:
    row, head = divmod(at, found.base.shape[2])
    return head_name(found.layers[row], head)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
