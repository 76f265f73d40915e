"""Attribution of both models' answer to the tokens of a text, and how far each head agrees with it."""

import math
from collections.abc import Iterator
from typing import Unpack

import numpy as np
import torch

from attncompare.analyses.asking import BORROWED, ask, require_choice, source
from attncompare.analyses.attribution import Attribution
from attncompare.analyses.looks import Looks, assumed, looks
from attncompare.analyses.scores import Baseline, Method, Scorer, Scores
from attncompare.attention import Progress, frozen, unheard
from attncompare.metrics.agreement import FEWEST, kendall_tau_b, top_overlap
from attncompare.models.erasing import Erasing
from attncompare.models.gradients import SMALLEST_DIFFERENCE, Integrated
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import Readout, SideName, require_outputs

TOP_SHARE = 4
"""The top of a ranking is a quarter of the content tokens, rounded up: by chance a quarter of two tops is the same."""


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
    tell = progress or unheard
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
        source=source(pair, question),
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
        notes=(*_notes(question, readout, scores, len(content)), *assumed(looking), *_rounded(pair, integrals)),
    )


def _rounded(pair: Pair, integrals: dict[SideName, Integrated | None]) -> list[str]:
    """What may be behind an integral that did not converge, and can be helped."""
    missed = any(found and not found.converged for found in integrals.values())
    if not missed or pair.tuned.info.dtype == "float32":
        return []
    return [f"In {pair.tuned.info.dtype} rounding alone may do that: load the pair with dtype='float32'."]


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
