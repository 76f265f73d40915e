"""What attribution found, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from attncompare.analyses.verdict import named
from attncompare.attention import head_name

if TYPE_CHECKING:
    from attncompare.analyses.attribution import Attribution

SHOWN = 3
"""Tokens that are named of a ranking."""

CAUTION = (
    "Attribution is a claim too, against what a token was compared with; that a head looks there describes the head, "
    "it does not say that attention explains the answer."
)


BORROWED = (
    "The base answers under the tuned model's head (borrowed): its sizes are not comparable with the tuned model's."
)


def answers(found: Attribution) -> tuple[str, ...]:
    """What both models' answer rests on, what changed, which heads look there, and what not to conclude."""
    return _rests(found), _changed(found), _heads(found), CAUTION


def _rests(found: Attribution) -> str:
    borrowed = " under the tuned model's head (borrowed)" if found.readout.base_head == "borrowed" else ""
    tuned, base = (
        _top(found, side, found.outputs[name]) for name, side in (("tuned", found.tuned), ("base", found.base))
    )
    return f"The tuned model's {found.readout.name} {tuned}; the base's{borrowed} {base}."


def _top(found: Attribution, scores: np.ndarray, output: float) -> str:
    """What one model's output rests on most, by the size of attribution."""
    sizes = np.nan_to_num(np.abs(scores))
    order = [i for i in np.argsort(-sizes, kind="stable")[:SHOWN].tolist() if sizes[i] > 0]
    if not order:
        return f"({output:.2f}) rests on no token more than on another"
    sign = "" if found.method == "saliency" else "+"
    parts = [f"{named(found.tokens, i)} ({scores[i]:{sign}.2g})" for i in order]
    return f"({output:.2f}) rests most on {_and(parts)}"


def _changed(found: Attribution) -> str:
    if found.readout.base_head == "borrowed":
        return (
            "What a token is worth in the base is not set against the tuned model: the base has no head of its own, "
            "only its order of tokens can be compared."
        )
    delta = np.nan_to_num(found.delta)
    most = int(np.abs(delta).argmax())
    if not delta[most]:
        return "No token is worth more or less to the tuned model than to the base."
    return (
        f"Tuning changed {named(found.tokens, most)} most: from {found.base[most]:.2g} to {found.tuned[most]:.2g} "
        f"{found.readout.unit}."
    )


def _heads(found: Attribution) -> str:
    base, tuned = found.tau["base"], found.tau["tuned"]
    both = np.isfinite(base) & np.isfinite(tuned)
    if not both.any():
        return "Whether heads look where the answer rests can't be said of so few content tokens."
    row, head = np.unravel_index(int(np.nan_to_num(tuned, nan=-2).argmax()), tuned.shape)
    name = head_name(found.layers[row], int(head))
    closer, further = int((tuned[both] > base[both]).sum()), int((tuned[both] < base[both]).sum())
    medians = np.median(base[both]), np.median(tuned[both])
    borrowed = ", where the base's head is borrowed" if found.readout.base_head == "borrowed" else ""
    looks = f"{name} looks most where the tuned answer rests (tau {tuned[row, head]:.2f})"
    if not closer + further:
        return f"{looks}; no head came closer or went away."
    more, shift = closer - further, medians[1] - medians[0]
    direction = (
        "closer to" if more > 0 < shift else "away from" if more < 0 > shift else "neither closer to nor away from"
    )
    return (
        f"{looks}. Tuning brought heads {direction} it: {closer} of {int(both.sum())} agree more, {further} less "
        f"(median tau {medians[0]:.2f} to {medians[1]:.2f}{borrowed})."
    )


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
