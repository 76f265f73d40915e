"""What is mixed into the outputs, base and tuned, in words: which input tokens gained and lost most, and how much.

Knows nothing about where the rows come from: attention multiplied through the layers, or what zeroed values change.
"""

from dataclasses import dataclass

import numpy as np

from attncompare.analyses.verdict import named
from attncompare.attention import Token

CAN = (
    "Rollout says where information can come from: it follows attention weights and leaves out values and feed-forward "
    "layers, so a token that gained need not be what the answer rests on."
)
GIVES = (
    "Value zeroing says what the tokens make of each other: it sees values and feed-forward layers, but knows no answer, "
    "so a token that gained need not be what the answer rests on."
)

SMALLEST = 5e-4
"""A share that changed by less is no gain and no loss: it would be printed as 0.0%."""


@dataclass(frozen=True, eq=False)
class Mix:
    """Rows of both models: the share of each input token in the outputs ``queries``."""

    tokens: tuple[Token, ...]
    queries: tuple[int, ...]
    base: np.ndarray
    """``[query, token]``; rows sum to 1."""
    tuned: np.ndarray
    lifts: tuple[np.ndarray, np.ndarray] | None
    """log2 of base and tuned over uniform attention, NaN where there is too little of it."""
    read_from: int | None
    """The output that an answer is read from, if it is among the tokens."""


def mix_answers(mix: Mix, *, zeroed: bool, through: int | None) -> tuple[str, ...]:
    """What changed, in a sentence each; the last one says what that does not mean.

    Args:
        zeroed: whether the rows come from zeroed values. through: the last layer that is in them, if not the last of all.
    """
    moved = np.abs(mix.tuned - mix.base).sum(1) / 2
    limits = GIVES if zeroed else CAN
    if not moved.any():
        return "Nothing changed: both models mix the same tokens into every output.", limits
    so_far = "" if through is None else f"Up to layer {through}: "
    said = []
    if (at := _told(mix)) is not None:
        said.append(_one(mix, at, float(moved[mix.queries.index(at)]), last=through is None))
    if len(mix.queries) > 1:
        said.append(_overall(mix, float(moved.mean())))
    first, *more = said
    return (f"{so_far}{first[0].lower() + first[1:] if so_far else first}", *more, limits)


def _told(mix: Mix) -> int | None:
    """The output that is told about by itself: the only one, else the one that an answer is read from."""
    if len(mix.queries) == 1:
        return mix.queries[0]
    return mix.read_from if mix.read_from in mix.queries else None


def _one(mix: Mix, at: int, moved: float, *, last: bool) -> str:
    """One output, of the last layer or of one below: its gains and losses."""
    row = mix.queries.index(at)
    why = ", where the answer is read" if last and at == mix.read_from else ""
    start = f"In the output at {named(mix.tokens, at)}{why}, {moved:.1%} of the mix comes from other tokens than before"
    if mix.lifts is not None:
        ends = _ends(*(lift[row] for lift in mix.lifts), least=0.01)
        told = [_lift(mix, *end) for end in ends]
        return f"{start}; beside what position alone explains, {'; '.join(told)}." if told else f"{start}."
    told = [_share(mix, *end) for end in _ends(mix.base[row], mix.tuned[row], least=SMALLEST)]
    return f"{start}: {'; '.join(told)}." if told else f"{start}."


def _overall(mix: Mix, moved: float) -> str:
    """All outputs: what an input token gained and lost on average."""
    start = f"On average over all {len(mix.queries)} outputs {moved:.1%} of the mix comes from other tokens than before"
    ends = _ends(mix.base.mean(0), mix.tuned.mean(0), least=SMALLEST)
    told = [_share(mix, *end) for end in ends]
    return f"{start}: {'; '.join(told)}." if told else f"{start}."


def _ends(base: np.ndarray, tuned: np.ndarray, *, least: float) -> list[tuple[int, float, float]]:
    """The token that gained most and the one that lost most, each with both values; without those that changed less than
    ``least``."""
    with np.errstate(invalid="ignore"):  # a lift may be infinite in both
        change = tuned - base
    known = np.where(np.isfinite(change), change, 0.0)
    places = [int(known.argmax())] if known.max() >= least else []
    places += [int(known.argmin())] if known.min() <= -least else []
    return [(at, float(base[at]), float(tuned[at])) for at in places]


def _share(mix: Mix, at: int, base: float, tuned: float) -> str:
    verb = "gained" if tuned > base else "lost"
    return f"{named(mix.tokens, at)} {verb} most, from {base:.1%} to {tuned:.1%}"


def _lift(mix: Mix, at: int, base: float, tuned: float) -> str:
    verb = "gained" if tuned > base else "lost"
    return f"{named(mix.tokens, at)} {verb} most, from {2**base:.2g} to {2**tuned:.2g} times its part"
