"""Whom does this pronoun look at? What it gives each candidate in both models, head by head, and what a swap of words does.

A head that always looks at the first of two words, or always at the same word, chooses without having resolved anything: the
same sentence with the two words exchanged tells whether its choice follows the word or the place.
"""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from attncompare.analyses.asking import source
from attncompare.analyses.candidate_looks import looks
from attncompare.analyses.coreference_accuracy import SIDES
from attncompare.analyses.coreference_many import built_in, require_one_text
from attncompare.analyses.coreference_record import Candidate, Coreference, Elsewhere, Swap
from attncompare.analyses.mentions import Mention, Wanted, exchanged, find, require_apart
from attncompare.analyses.winograd import twin_of
from attncompare.attention import Progress, frozen, head_name, part, unheard
from attncompare.errors import BadInput
from attncompare.metrics.coreference import best_head, lucky
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import SideName

MOST = 10
"""Candidates."""


def coreference(
    pair: Pair,
    text: str,
    pronoun: Wanted,
    candidates: Sequence[Wanted],
    *,
    correct: Wanted | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Coreference:
    """Whom a pronoun of ``text`` looks at, in both models: the query is the pronoun, the keys are each candidate's.

    With two candidates the same sentence is read once more with their words exchanged. The built-in sentences are read once
    for each pair, to choose the head whose choice here was not what it was chosen for.

    Args:
        pair: the models. text: what both read; ``reading`` says how, as in :func:`attncompare.compare`.
        pronoun: a word or phrase that stands once in the text (``it@2`` names the second ``it``), or its characters.
        candidates: 2 to 10 others, in the same way.
        correct: which of the candidates is right, written as there.
        progress: called between layers, may raise to stop.

    Raises:
        BadInput: as compare; words that are not in the text or stand there several times, that overlap, or that can't be
            told from their neighbours; attention across texts. PairMismatch: as compare.
    """
    require_one_text(reading)
    tell = progress or unheard
    _require_text(text)
    meant, named = mentioned(text, pronoun, candidates)
    right = which_correct(text, correct, named)
    question = prepare(pair, text, progress=progress, **reading)
    seen = looks(pair, question, meant, named, part(tell, "reading the sentence", 0, 3))
    notes: list[str] = []
    swap = None
    visible = [at for at, one in enumerate(seen.visible) if one]
    if len(named) == 2 == len(visible):
        try:
            swap = _swapped(pair, text, meant, named, part(tell, "exchanging the words", 1, 3), reading)
        except BadInput as error:
            notes.append(f"The candidates' words can't be exchanged here: {error}")
    return Coreference(
        source=source(pair, question),
        about=question.about,
        tokens=question.query_tokens,
        pronoun=meant,
        candidates=tuple(
            Candidate(one.text, one.start, one.end, bool(sees)) for one, sees in zip(named, seen.visible, strict=True)
        ),
        correct=right,
        layers=question.stack.layers,
        base=frozen(seen.base),
        tuned=frozen(seen.tuned),
        uniform=frozen(seen.uniform),
        swap=swap,
        elsewhere=_elsewhere(pair, text, part(tell, "reading the built-in sentences", 2, 3)),
        notes=(*question.notes, *notes),
    )


def _require_text(text: Any) -> None:
    if not isinstance(text, str) or not text.strip():
        raise BadInput("The text is empty: type or paste a sentence with a pronoun.")


def mentioned(text: str, pronoun: Any, candidates: Any) -> tuple[Mention, list[Mention]]:
    """Where the pronoun and its candidates stand in the text.

    Raises:
        BadInput: as :func:`coreference` does for words.
    """
    if isinstance(candidates, str) or not isinstance(candidates, Sequence) or not 2 <= len(candidates) <= MOST:
        count = "one string" if isinstance(candidates, str) else f"{candidates!r:.80}"
        raise BadInput(f"Expected 2 to {MOST} candidates, each by words of the text, got {count}: name two or more.")
    meant = find(text, pronoun, "pronoun")
    named = [find(text, one, "candidate") for one in candidates]
    require_apart([("pronoun", meant), *(("candidate", one) for one in named)])
    return meant, named


def which_correct(text: str, correct: Any, named: Sequence[Mention]) -> int | None:
    """Which of the candidates is right; None where that isn't said.

    Raises:
        BadInput: it is none of them.
    """
    if correct is None:
        return None
    mention = find(text, correct, "correct candidate")
    if mention not in named:
        told = " and ".join(one.name for one in named)
        raise BadInput(f"The correct candidate {mention.name} is none of {told}: name one of them.")
    return named.index(mention)


def _swapped(
    pair: Pair, text: str, pronoun: Mention, named: Sequence[Mention], progress: Progress, reading: Reading
) -> Swap:
    """The sentence with the words of both candidates exchanged; a continuation, which a pronoun can't see, is left out."""
    swapped, *places, others = exchanged(text, named[0].span, named[1].span, [pronoun.span])
    mentions = [Mention(swapped[slice(*span)], *span) for span in (others[0], *places)]
    question = prepare(pair, swapped, progress=progress, **{**reading, "generate": None})
    seen = looks(pair, question, mentions[0], mentions[1:], progress, kept=False)
    return Swap(swapped, frozen(seen.base), frozen(seen.tuned))


def _elsewhere(pair: Pair, text: str, progress: Progress) -> dict[SideName, Elsewhere]:
    """The best heads on sentences that are not this one and not its twin."""
    try:
        known = built_in(pair, progress)
    except BadInput:
        return {}
    twin = twin_of(text)
    rest = np.array([item.group != f"twin {twin}" for item in known.items])
    if not rest.any():
        return {}
    found: dict[SideName, Elsewhere] = {}
    for side in SIDES:
        credit = known.heads[side][rest].reshape(int(rest.sum()), -1)
        at = best_head(credit)
        row, head = divmod(at, known.heads[side].shape[2])
        own = credit[:, at][np.isfinite(credit[:, at])]
        name = head_name(known.layers[row], head)
        found[side] = Elsewhere(row, head, name, float(own.sum()), own.size, lucky(own.size, credit.shape[1]))
    return found
