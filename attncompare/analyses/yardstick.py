"""Measuring the noise: random changes, other arithmetic, other trainings and shuffled heads, on one text of a pair."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from attncompare.analyses.divergence import Divergences
from attncompare.analyses.noise import DRAWS, Noise
from attncompare.analyses.replicates import check, measured
from attncompare.attention import Progress, frozen, part, unheard
from attncompare.errors import BadInput, UnsupportedModel
from attncompare.metrics.floor import ALPHA, FEWEST_DRAWS, smallest_p
from attncompare.models.calls import AttentionCall
from attncompare.models.change import Change, changes
from attncompare.models.draws import DrawnModel
from attncompare.models.layout import Place
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.routing import FAILURES
from attncompare.models.traces import Trace, base_trace, walk, walk_beside
from attncompare.models.variants import VARIANTS, Variant
from attncompare.models.views import Fitted, Shuffled

MOST_DRAWS = 999

DRAWING = "drawing random changes"
"""The step that takes longest. Nothing is made for a cache during it."""

ROUNDED = 0.01
"""An error of a drawn change's size that a reader should know of."""


def noise(
    pair: Pair,
    text: str,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    replicates: Sequence[Pair] = (),
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Noise:
    """What the divergence of every head is measured by: is the change on this text more than noise?

    Args:
        pair: the models.
        text: what both read; ``reading`` says how, as in :func:`attncompare.compare`.
        draws: random changes of the base's weights, each as large as the tuning's; 0 for none.
        seed: of the draws; the same seed, the same floor on the same kind of device (a GPU draws other numbers).
        replicates: other trainings of the same base, as pairs of that base and each of them.
        progress: called between layers, may raise to stop.

    Raises:
        BadInput: as compare; or draws, seed or replicates that can't be used.
    """
    judge(pair, draws, seed, replicates)
    question = prepare(pair, text, progress=progress, **reading)
    return measure(pair, question, draws, seed, replicates, progress)


def measure(
    pair: Pair,
    question: PairText,
    draws: int,
    seed: int,
    replicates: Sequence[Pair],
    progress: Progress | None,
) -> Noise:
    """:func:`noise` of a text that has been read, with options that have been judged."""
    tell = progress or unheard
    bits, unrelated = _real(pair, question, seed, tell)
    trace = base_trace(pair, question, tell)
    found, reason = _changes(pair, tell) if draws else ((), None)
    drawn, error = _draws(pair, question, trace, found, draws, seed, tell)
    numeric, notes = _numeric(pair, question, trace, tell)  # its smaller copy fits where the other one was
    return Noise(
        about=question.about,
        layers=question.stack.layers,
        jsd_bits=bits,
        draws=drawn,
        seed=seed,
        change=_size(found, error) if found else None,
        numeric=numeric,
        unrelated=unrelated,
        replicates=measured(pair, question, trace, replicates, tell) if replicates else None,
        notes=(*notes, *([reason] if reason else []), *_remarks(pair, found, len(drawn), error)),
        question_key=question.key,
    )


def judge(pair: Pair, draws: Any, seed: Any, replicates: Any) -> None:
    """Refuse options that can't be used, before anything runs.

    Raises:
        BadInput: for them.
    """
    check(pair, replicates)
    for name, value in (("draws", draws), ("seed", seed)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
            raise BadInput(f"Expected {name} to be a whole number from 0 up, got {value!r:.40}.")
    if 0 < draws < FEWEST_DRAWS or draws > MOST_DRAWS:
        raise BadInput(
            f"{draws} draws make no floor: give {FEWEST_DRAWS} to {MOST_DRAWS} ({round(1 / ALPHA) - 1} or more to test by), "
            "or 0 for none."
        )


def _real(pair: Pair, question: PairText, seed: int, tell: Progress) -> tuple[np.ndarray, np.ndarray]:
    """The pair's own divergences, and those with the tuned heads shuffled within each layer, none in its place."""
    real, unrelated = Divergences(question), Divergences(question)
    chance = np.random.default_rng(seed)

    def visit(place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        real.visit(place, base, tuned)
        shift = int(chance.integers(1, place.heads)) if place.heads > 1 else 0
        order = [(head + shift) % place.heads for head in range(place.heads)]
        unrelated.visit(place, base, Shuffled(tuned, order))

    walk(pair, question, visit, tell)
    return real.bits(), unrelated.bits() if question.stack.heads > 1 else frozen(np.full_like(real.bits(), np.nan))


def _numeric(
    pair: Pair, question: PairText, trace: Trace, tell: Progress
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The base against itself in other arithmetic, and why some of that could not be run."""
    found, notes = {}, []
    for done, (name, variant) in enumerate(VARIANTS.items()):
        within = part(tell, "repeating the base in other arithmetic", done, len(VARIANTS))
        bits, failure = _beside_itself(pair, question, trace, variant, within)
        if failure is None:
            found[name] = bits
        else:
            why = str(failure).rstrip(".") or type(failure).__name__
            notes.append(f"The numeric floor is without another {name}: {why}.")
    return found, tuple(notes)


def _beside_itself(
    pair: Pair, question: PairText, trace: Trace, variant: Variant, tell: Progress
) -> tuple[np.ndarray, Exception | None]:
    """The base beside a variant of itself, or why the model can't run that; what ``tell`` raises is no such reason."""
    of, stopped = Divergences(question, ("base", "base")), list[BaseException]()

    def watched(*step: Any) -> None:
        try:
            tell(*step)
        except BaseException as error:
            stopped.append(error)
            raise

    def visit(place: Place, base: AttentionCall, other: AttentionCall) -> None:
        of.visit(place, base, Fitted(other, base))

    try:
        side, encoding = variant(pair.base, question.base, pair.max_tokens)
        walk_beside(pair, question, trace, side, visit, watched, encoding)
    except FAILURES as error:
        if stopped:
            raise
        return np.empty(0), error
    return of.bits(), None


def _changes(pair: Pair, tell: Progress) -> tuple[tuple[Change, ...], str | None]:
    """What the tuning changed, and why nothing can be drawn if nothing can."""
    try:
        found = changes(pair, tell)
    except UnsupportedModel as error:
        return (), str(error)
    unchanged = "The tuned model's weights are the base's, so there is no change to draw another of."
    return found, None if found else unchanged


def _draws(
    pair: Pair,
    question: PairText,
    trace: Trace,
    found: Sequence[Change],
    draws: int,
    seed: int,
    tell: Progress,
) -> tuple[np.ndarray, float]:
    """Divergence of the base under each random change, ``[draw, layer, head]``, and the worst error of their size."""
    if not found:
        return frozen(np.empty((0, len(question.stack.layers), question.stack.heads))), 0.0
    copy = DrawnModel(pair.base.model, found, question.base)
    side, worst, bits = replace(pair.base, model=copy.model), 0.0, []
    for index in range(draws):
        within = part(tell, DRAWING, index, draws)
        copy.draw(seed, index)
        worst = worst or copy.worst_error()
        of = Divergences(question, ("base", "base"))
        walk_beside(pair, question, trace, side, of.visit, within)
        bits.append(of.bits())
    return frozen(np.stack(bits)), worst


def _size(found: Sequence[Change], error: float) -> dict[str, Any]:
    """The size of what the tuning changed, as JSON values."""
    ranks = [change.rank for change in found if change.rank is not None]
    before = math.hypot(*(change.weight_norm for change in found))
    return {
        "weights": len(found),
        "matrices": len(ranks),
        "low_rank": all(change.low_rank for change in found),
        "rank_low": min(ranks, default=None),
        "rank_high": max(ranks, default=None),
        "relative_norm": math.hypot(*(c.norm for c in found)) / before if before else None,
        "worst_norm_error": error,
    }


def _remarks(pair: Pair, found: Sequence[Change], drawn: int, error: float) -> list[str]:
    """What a reader of the floor should know."""
    said = []
    if pair.tuned.info.adapter and found and not all(change.low_rank for change in found):
        said.append(
            "The adapter is more than low-rank updates of linear layers: of the other layers, merged weights minus the "
            "base's were matched."
        )
    if error > ROUNDED:
        said.append(
            f"Rounding to {pair.base.info.dtype} makes a drawn change up to {error:.0%} larger or smaller than the tuning's."
        )
    if drawn and smallest_p(drawn) > ALPHA:
        said.append(f"With {drawn} draws no p is below {smallest_p(drawn):.2g}, so none is given.")
    return said
