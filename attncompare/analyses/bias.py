"""What do the models make of words about gender, titles, names and experience? A probe of one text.

It describes where heads look among groups of words, what the place that the answer is read from takes of gendered words,
and what becomes of the answer when those are switched off, erased or swapped. It measures no harm and passes no verdict.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, Unpack

import numpy as np
import torch

from attncompare.analyses.asking import BORROWED, Asked, ask, source
from attncompare.analyses.bias_record import Bias, Counterfactual, HeadOff, Leakage, Sides
from attncompare.analyses.bias_steps import Flags, Looking, by_word, content_of, flagged, group_shares, leakage, look
from attncompare.analyses.bias_swap import Counterpart, bits, counterpart
from attncompare.analyses.looks import assumed, looks
from attncompare.analyses.scores import Scorer
from attncompare.analyses.word_groups import DEFAULT, GENDERED, require_groups
from attncompare.attention import Progress, frozen, unheard
from attncompare.errors import BadInput, UnsupportedModel
from attncompare.models import edits
from attncompare.models.erasing import Eraser, Positions
from attncompare.models.interventions import Interventions
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import Readout

NO_OUTPUTS = (
    "What these models answer can't be compared, so there is no attribution here, nothing is switched off or erased, and a "
    "swap is followed through attention alone."
)

NO_ANSWER = "What these models answer can't be compared: leave the answer out."


def bias(
    pair: Pair,
    text: str,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    answer: str | None = None,
    against: str | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Bias:
    """Attention and attribution on groups of words, leakage of gendered words to the answer, and a counterfactual swap.

    Mass is of rows without special tokens and sinks, beside the null of evenly spread attention. Leakage is the share of the
    whole row from where the answer is read, sinks kept: it says how much of the row can carry gender there.

    Args:
        pair: the models.
        text: what both read; ``reading`` as in :func:`attncompare.compare`, at level ``word``, without ``generate``.
        groups: words by the name of their group; English lists if not given. The words of ``female`` and ``male`` are the
            gendered ones. What is swapped is English, whatever the groups.
        answer: a class or a next token; the tuned model's likeliest if not given.
        against: another, whose logit is taken off.
        progress: called between layers and batches, may raise to stop.

    Raises:
        BadInput: as compare; groups that overlap; a text with none of their words.
    """
    lists = require_groups(DEFAULT if groups is None else groups)
    tell = progress or unheard
    how = by_word(reading)
    question = prepare(pair, text, progress=progress, **how)
    flags = flagged(question, lists)
    here, readout = _first_look(pair, question, answer, against, tell)
    shares = group_shares(pair, question, flags, tell)
    leaks = leakage(question, here.looks, flags)
    notes = [*question.notes, *flags.notes, *assumed(here.looks)]
    other, why = counterpart(pair, question, how, tell)
    there = look(pair, other.question, readout, tell) if other else None
    notes += [why] if why else []
    scores, outputs = _Scores({}, {}), {}
    off: dict[str, HeadOff] = {}
    erased: dict[str, Sides] = {}
    if readout is None:
        notes.append(NO_OUTPUTS)
    else:
        outputs = _values(readout, here.sides)
        notes += [BORROWED] if readout.base_head == "borrowed" else []
        asked = [(question, here)] + ([(other.question, there)] if other and there else [])
        scores = _scores(pair, readout, asked, notes, tell)
        off = _off(pair, question, readout, leaks, notes, tell)
        erased = _erased(pair, question, readout, here.sides, flags, notes, tell)
    return Bias(
        source=source(pair, question),
        about=question.about,
        readout=readout,
        sought=answer is not None,
        outputs=outputs,
        words=question.key_tokens,
        groups=lists,
        found={name: flags.units(name) for name in lists},
        layers=question.stack.layers,
        shares={side: shares[side] for side in ("base", "tuned")},
        even=shares["even"],
        attribution={side: _parts(values, flags, question) for side, values in scores.here.items()},
        leakage=leaks,
        off=off,
        erased=erased,
        swap=None
        if other is None or there is None
        else _swap(pair, question, readout, (here, there), other, scores, tell),
        notes=tuple(notes),
    )


class _Scores(NamedTuple):
    """Attribution to each word, by side: of the text, and of its counterfactual."""

    here: dict[str, np.ndarray]
    there: dict[str, np.ndarray]


def _swap(
    pair: Pair,
    question: PairText,
    readout: Readout | None,
    looking: tuple[Looking, Looking],
    other: Counterpart,
    scores: _Scores,
    tell: Progress,
) -> Counterfactual:
    """What the swap changes: ``looking`` is of the text and of its counterfactual."""
    here, there = looking
    return Counterfactual(
        text=other.question.text,
        changes=other.changes,
        outputs={} if readout is None else _values(readout, there.sides),
        bits={side.name: bits(pair, question, other, side, tell) for side in here.sides},
        read_before={side: _on(found.heads, other.before) for side, found in here.looks.items()},
        read_after={side: _on(found.heads, other.after) for side, found in there.looks.items()},
        attribution={
            side: (
                _share(scores.here[side], other.before, question),
                _share(scores.there[side], other.after, other.question),
            )
            for side in scores.there
        },
    )


def _first_look(
    pair: Pair, question: PairText, answer: str | None, against: str | None, tell: Progress
) -> tuple[Looking, Readout | None]:
    """Both models on the text, and what is read out of them; None where they have no outputs."""
    if pair.output_kind == "none":
        if answer is not None:
            raise BadInput(NO_ANSWER)
        return look(pair, question, None, tell), None
    readout, sides = ask(pair, question, answer, against, tell)
    return Looking(sides, looks(pair, question, readout, sides, tell)), readout


def _values(readout: Readout, sides: Sequence[Asked]) -> Sides:
    return {side.name: float(readout.value(side.logits, side.name)) for side in sides}


def _scores(
    pair: Pair,
    readout: Readout,
    asked: Sequence[tuple[PairText, Looking]],
    notes: list[str],
    tell: Progress,
) -> _Scores:
    """Integrated gradients of both models; none, and a note why, where a model gives none."""
    found: list[dict[str, np.ndarray]] = [{}, {}]
    try:
        for at, (question, looking) in enumerate(asked):
            scorer = Scorer(pair, question, readout, "integrated_gradients", baseline="auto", erasing="delete")
            for side in looking.sides:
                score = scorer.score(side, tell)
                found[at][side.name] = np.asarray(score.units, dtype=np.float64)
                if score.integral and not score.integral.converged:
                    notes.append(f"Integrated gradients of the {side.name} model did not converge on this text.")
    except (UnsupportedModel, BadInput) as error:
        notes.append(f"Without attribution: {error}")
        return _Scores({}, {})
    return _Scores(*found)


def _share(scores: np.ndarray, units: Sequence[int], question: PairText) -> float:
    """The units' share of the size of all attribution to content; NaN where there is none."""
    sizes = np.abs(scores) * content_of(question)[: len(scores)]
    total = float(sizes.sum())
    return float(sizes[list(units)].sum()) / total if total else float("nan")


def _parts(scores: np.ndarray, flags: Flags, question: PairText) -> np.ndarray:
    """Of each group and of the rest."""
    shares = [_share(scores, flags.units(name), question) for name in flags.names]
    return frozen([*shares, 1 - sum(shares)])


def _on(heads: np.ndarray, units: Sequence[int]) -> np.ndarray:
    """``[layer, head]``: what the read row gives to these words."""
    return frozen(heads[..., list(units)].sum(-1))


def _off(
    pair: Pair, question: PairText, readout: Readout, leaks: Leakage | None, notes: list[str], tell: Progress
) -> dict[str, HeadOff]:
    """Each model without the head that looks most at the gendered words from where its answer is read."""
    found: dict[str, HeadOff] = {}
    if leaks is None:
        return found
    try:
        for side in (pair.base, pair.tuned):
            model = Interventions(pair, question, side, readout)
            row, head = leaks.most(model.name)
            wanted = torch.zeros(1, *leaks.share[model.name].shape, dtype=torch.bool)
            wanted[0, row, head] = True
            found[model.name] = HeadOff(row, head, float(model.effects(wanted, edits.zero, tell)[0]))
    except UnsupportedModel as error:
        notes.append(f"No head was switched off: {error}")
        return {}
    return found


def _erased(
    pair: Pair,
    question: PairText,
    readout: Readout,
    sides: Sequence[Asked],
    flags: Flags,
    notes: list[str],
    tell: Progress,
) -> dict[str, Sides]:
    """The readout without the words of each group, and without all gendered ones, minus with them; words are deleted."""
    units = {name: flags.units(name) for name in flags.names if flags.units(name)}
    both = tuple(np.flatnonzero(flags.gendered).tolist())
    if all(name in units for name in GENDERED):
        units["gendered"] = both
    eraser = Eraser(pair, "delete", decoder=question.attention == "decoder")
    found: dict[str, Sides] = {name: {} for name in units}
    try:
        for side in sides:
            versions: list[Positions] = [
                (),
                *(tuple(token for at in words for token in side.groups[at]) for words in units.values()),
            ]
            values = eraser.numbers(side.side, side.encoding, versions, partial(readout.value, side=side.name), tell)
            for name, value in zip(units, (values[1:] - values[0]).tolist(), strict=True):
                found[name][side.name] = value
    except BadInput as error:
        notes.append(f"No word was erased: {error}")
        return {}
    return found
