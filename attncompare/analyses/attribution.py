"""What does the output rest on? Attribution of both models' answer to the tokens, beside what attention looks at.

High attention is not an explanation. Attribution says by how much each token moves the answer (which is a claim too, with a
baseline of its own); where a head's attention and attribution agree, the head looks where the output rests. How far they
agree is described by a rank correlation, which is no score of how valid either is: Neely et al. 2022 (A song of
(dis)agreement, arXiv 2205.04559) ask not to evaluate explanations by it, as no method that it is taken against is true.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Unpack

import numpy as np
import pandas as pd
import torch

from attncompare.analyses.asking import ask, require_choice
from attncompare.analyses.looks import Looks, looks
from attncompare.analyses.restings import BORROWED, answers
from attncompare.analyses.scores import Baseline, Method, Scorer, Scores
from attncompare.attention import About, Progress, Token, frozen, listed
from attncompare.metrics.agreement import FEWEST, kendall_tau_b, top_overlap
from attncompare.models.erasing import Erasing
from attncompare.models.gradients import SMALLEST_DIFFERENCE
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import Readout, SideName, require_outputs

TOP_SHARE = 4
"""The top of a ranking is a quarter of the content tokens, rounded up: by chance a quarter of two tops is the same."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each token moves the answer of both models. Arrays are read-only float32; NaN: not measured."""

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
        return answers(self)

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
            "schema_version": 1,
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


def attribution(
    pair: Pair,
    text: str,
    *,
    method: Method = "integrated_gradients",
    answer: str | None = None,
    against: str | None = None,
    baseline: Baseline = "auto",
    erasing: Erasing = "delete",
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Attribution:
    """What both models' answer rests on.

    Args:
        pair: the models.
        text: what both read; ``reading`` as in :func:`attncompare.compare`. Of an encoder-decoder attribution is of the
            source, with ``attention="decoder"`` of what the decoder reads.
        method: how; gradients are each model's own with respect to its token embeddings, units are sums over their tokens.
        answer: a class or a next token; the tuned model's likeliest if not given.
        against: another, whose logit is taken off.
        baseline: of integrated gradients: ``"pad"``, ``"mask"``, ``"unk"``, ``"eos"`` (that token in place of every token
            that is not special), ``"zero"`` (zero embeddings), or ``"auto"``: the first of pad, eos, unk that both models
            have.
        erasing: of occlusion.
        progress: called between batches, may raise to stop.

    Raises:
        BadInput: as compare; an option or answer that there is not; a baseline or mask that the models don't have.
        PairMismatch: the models' outputs can't be compared.
        UnsupportedModel: a model gives no gradients, or computes something else from embeddings; occlusion remains.
    """
    for name, value, choices in (
        ("method", method, Method),
        ("baseline", baseline, Baseline),
        ("erasing", erasing, Erasing),
    ):
        require_choice(name, value, choices)
    require_outputs(pair)
    tell = progress or _unheard
    question = prepare(pair, text, progress=progress, **reading)
    readout, sides = ask(pair, question, answer, against, progress)
    scorer = Scorer(pair, question, readout, method, baseline=baseline, erasing=erasing)
    looking = looks(pair, question, readout, sides, tell)
    scores = {asked.name: scorer.score(asked, tell) for asked in sides}
    integrals = {side: found.integral for side, found in scores.items()}
    units = {side: frozen(found.units) for side, found in scores.items()}
    tokens = question.key_tokens[: len(question.keys.units)]
    content = tuple(i for i, token in enumerate(tokens) if not (token.special or token.sink))
    top = -(-len(content) // TOP_SHARE)
    agreement = {side: _agreement(looking[side], units[side], content, top) for side in units}
    return Attribution(
        about=question.about,
        readout=readout,
        method=method,
        how=scorer.how,
        tokens=tokens,
        base=units["base"],
        tuned=units["tuned"],
        outputs={asked.name: float(readout.value(asked.logits, asked.name)) for asked in sides},
        baselines={side: found.baseline if found else math.nan for side, found in integrals.items()},
        steps={side: found.steps if found else None for side, found in integrals.items()},
        errors={side: found.error if found else math.nan for side, found in integrals.items()},
        looks=looking,
        layers=question.stack.layers,
        tau={side: found[0] for side, found in agreement.items()},
        overlap={side: found[1] for side, found in agreement.items()},
        top=top,
        content=content,
        notes=tuple(_notes(question, readout, scores, len(content))),
    )


def _agreement(look: Looks, scores: np.ndarray, content: tuple[int, ...], top: int) -> tuple[np.ndarray, np.ndarray]:
    """Tau-b and overlap of each head's look with the size of attribution over the content, ``[layer, head]``."""
    shape, at = look.heads.shape[:2], list(content)
    if not at:
        blank = frozen(np.full(shape, np.nan))
        return blank, blank
    rows = torch.from_numpy(look.heads[..., at]).flatten(0, 1)
    sizes = torch.from_numpy(np.abs(scores[at]))
    found = kendall_tau_b(rows, sizes), top_overlap(rows, sizes, top)
    tau, overlap = (frozen(values.reshape(shape)) for values in found)
    return tau, overlap


def _notes(question: PairText, readout: Readout, scores: dict[SideName, Scores], content: int) -> Iterator[str]:
    yield from question.notes
    if readout.base_head == "borrowed":
        yield BORROWED
    for side, found in scores.items():
        name = "base" if side == "base" else "tuned model"
        if found.left_out and any(question.keys.unaligned()):
            yield f"Tokens that the other model doesn't share have {found.left_out:+.2g} of the {name}'s attribution."
        if found.integral is None or (found.integral.converged and not math.isnan(found.integral.error)):
            continue
        if math.isnan(found.integral.error):
            yield (
                f"The {name} answers the baseline as it answers the text (they differ by less than {SMALLEST_DIFFERENCE}), "
                f"so no share of that is missed; the attributions sum to {found.integral.missed:+.1g} more."
            )
        else:
            yield (
                f"Integrated gradients of the {name} did not converge: after {found.integral.steps} steps they miss "
                f"{found.integral.error:.0%} of the difference that they explain."
            )
    if content < FEWEST:
        yield f"With {content} content tokens ({FEWEST} are needed) no rank correlation is given."


def _numbers(values: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _unheard(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
