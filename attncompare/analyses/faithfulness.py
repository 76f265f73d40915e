"""What erasure found, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attncompare.analyses.verdict import printable

if TYPE_CHECKING:
    from attncompare.analyses.erasure import Erasure

NAMES = {
    "attention": "attention",
    "rollout": "rollout",
    "gradient_x_input": "gradient x input",
    "integrated_gradients": "integrated gradients",
}

CAUTION = (
    "A text with words missing is none that the models were trained on: only what lies beyond random orders counts."
)


def answers(found: Erasure) -> tuple[str, ...]:
    """Which ranking is most faithful in each model beyond random orders, what tuning changed, and what not to conclude."""
    return *(_best(found, side) for side in ("tuned", "base")), _changed(found), CAUTION


def beyond(found: Erasure, side: str) -> list[str]:
    """The rankings that do better than every random order, by comprehensiveness, the best first."""
    reached = found.comprehensiveness(side)
    chance = float(found.random_comprehensiveness(side).max())
    return [found.rankings[i] for i in np.argsort(-reached, kind="stable").tolist() if reached[i] > chance]


def _best(found: Erasure, side: str) -> str:
    reached, chance = found.comprehensiveness(side), found.random_comprehensiveness(side)
    best = int(reached.argmax())
    borrowed = (
        " (under the tuned model's head, borrowed)" if side == "base" and found.readout.base_head == "borrowed" else ""
    )
    who = "the tuned model" if side == "tuned" else f"the base{borrowed}"
    random = f"random orders: {chance.mean():.2g}, {chance.min():.2g} to {chance.max():.2g} in {len(chance)} draws"
    answer = f"p({printable(found.readout.answer)})"
    falls = f"without its first words {answer} falls by {reached[best]:.2g} on average ({random})"
    if not (better := beyond(found, side)):
        return f"In {who} no ranking is more faithful than chance; the best is {NAMES[found.rankings[best]]}: {falls}."
    others = [NAMES[name] for name in better[1:]]
    also = f"; so {'does' if len(others) == 1 else 'do'} {_and(others)}" if others else "; no other ranking does"
    return (
        f"In {who} {NAMES[better[0]]} is the most faithful ranking: {falls}, which is beyond every one of them{also}."
    )


def _changed(found: Erasure) -> str:
    base, tuned = (set(beyond(found, side)) for side in ("base", "tuned"))
    gained = [NAMES[name] for name in found.rankings if name in tuned - base]
    lost = [NAMES[name] for name in found.rankings if name in base - tuned]
    parts = [f"made {_and(gained)} faithful beyond chance"] if gained else []
    parts += [f"made {_and(lost)} no better than chance"] if lost else []
    if parts:
        return f"Tuning {' and '.join(parts)}."
    if tuned:
        return "The same rankings are faithful beyond chance in both models."
    return "In neither model is any ranking faithful beyond chance."


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
