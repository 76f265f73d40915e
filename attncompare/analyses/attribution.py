"""What does the output rest on? Attribution of both models' answer to the tokens, beside what attention looks at.

High attention is not an explanation. Attribution says by how much each token moves the answer (which is a claim too, with a
baseline of its own); where a head's attention and attribution agree, the head looks where the output rests. How far they
agree is described by a rank correlation, which is no score of how valid either is: Neely et al. 2022 (A song of
(dis)agreement, arXiv 2205.04559) ask not to evaluate explanations by it, as no method that it is taken against is true.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from attncompare.analyses.asking import Source
from attncompare.analyses.looks import Looks
from attncompare.analyses.scores import Method
from attncompare.analyses.verdict import listing, named
from attncompare.attention import About, Token, head_name, listed
from attncompare.models.readout import Readout

SCHEMA_VERSION = 1

SHOWN = 3
"""Tokens that are named of a ranking."""

CAUTION = (
    "Attribution is a claim too, against what a token was compared with; that a head looks there describes the head, "
    "it does not say that attention explains the answer."
)


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each token moves the answer of both models. Arrays are read-only float32; NaN: not measured."""

    source: Source
    about: About
    readout: Readout
    method: Method
    how: str
    """One sentence: what a token was compared with (the baseline, or how it was taken away)."""
    tokens: tuple[Token, ...]
    """What attribution is of: tokens of the text, or units (words, what two tokenizers share)."""
    base: np.ndarray
    """``[token]``, signed, in the readout's unit; saliency is never negative and has the unit per embedding length."""
    tuned: np.ndarray
    outputs: dict[str, float]
    """The readout on the text: ``base``, ``tuned``."""
    baselines: dict[str, float]
    """The readout on the baseline, NaN without one."""
    steps: dict[str, int | None]
    """Integration steps that were taken on each side; None without integration."""
    errors: dict[str, float]
    """Relative completeness: |sum of attributions - (output - baseline)| / |output - baseline|; NaN without a baseline."""
    looks: dict[str, Looks]
    """``base`` and ``tuned``: what attention looks at from where the answer is read."""
    layers: tuple[int, ...]
    tau: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[layer, head]``, Kendall's tau-b between a head's look and the size of the attribution over the
    content tokens; NaN for fewer than 5 of them, or where either is constant."""
    overlap: dict[str, np.ndarray]
    """``[layer, head]``: share of the ``top`` tokens by the size of attribution that are among the head's ``top``."""
    top: int
    content: tuple[int, ...]
    """The tokens that tau and overlap are over: no special tokens, no sinks."""
    notes: tuple[str, ...]
    """What a reader should know: not converged, borrowed head, too few tokens …"""

    @property
    def delta(self) -> np.ndarray:
        """Tuned minus base, ``[token]``."""
        return self.tuned - self.base

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in sentences: the answer first, then what it does not say."""
        return _rests(self), _changed(self), _heads(self), CAUTION

    def frame(self) -> pd.DataFrame:
        """One line per token: text, base, tuned, delta, and what attention (mean) and rollout give it in both models."""
        columns = {"base": self.base, "tuned": self.tuned, "delta": self.delta}
        blank = np.full(len(self.tokens), np.nan)
        for side, look in self.looks.items():
            columns |= {f"attention_{side}": look.mean}
            columns |= {f"rollout_{side}": blank if look.rollout is None else look.rollout}
        texts = [token.text for token in self.tokens]
        return pd.DataFrame({"token": range(len(texts)), "text": texts, **columns})

    def head_frame(self) -> pd.DataFrame:
        """One line per head: layer, head, tau and overlap of both models and their deltas."""
        row, head = (axis.ravel() for axis in np.indices(self.tau["base"].shape))
        columns: dict[str, Any] = {"layer": np.asarray(self.layers)[row], "head": head}
        for name, found in (("tau", self.tau), ("overlap", self.overlap)):
            base, tuned = found["base"].ravel(), found["tuned"].ravel()
            columns |= {f"{name}_base": base, f"{name}_tuned": tuned, f"{name}_delta": tuned - base}
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        heads = self.head_frame().astype(object)
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source.to_dict(),
            "attention": self.about.attention,
            "level": self.about.level,
            "readout": self.readout.to_dict(),
            "method": self.method,
            "how": self.how,
            "tokens": [asdict(token) for token in self.tokens],
            "base": listed(self.base),
            "tuned": listed(self.tuned),
            "delta": listed(self.delta),
            "outputs": self.outputs,
            "baselines": _numbers(self.baselines),
            "steps": self.steps,
            "errors": _numbers(self.errors),
            "looks": {side: look.to_dict() for side, look in self.looks.items()},
            "heads": heads.where(heads.notna(), None).to_dict("records"),
            "top": self.top,
            "content": list(self.content),
            "answers": list(self.answers),
            "notes": list(self.notes),
        }


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
    return f"({output:.2f}) rests most on {listing(parts)}"


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


def _numbers(values: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}
