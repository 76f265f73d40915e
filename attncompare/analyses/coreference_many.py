"""Whom do pronouns look at in many sentences? Accuracy of every head and of all together, base against tuned.

The best of many heads on the sentences that it was chosen on is right by selection, so a head is also chosen on one half of
the sentences and scored on the other.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Unpack

import numpy as np

from attncompare.analyses.candidate_looks import Looks, looks
from attncompare.analyses.coreference_accuracy import SIDES, CoreferenceMany
from attncompare.analyses.coreference_items import Item, Items
from attncompare.analyses.mentions import Mention
from attncompare.analyses.winograd import SENTENCES
from attncompare.attention import About, CheckpointInfo, Progress, frozen, head_name, part, unheard
from attncompare.errors import BadInput
from attncompare.metrics.coreference import choices, halves, held_out, maximum_attention
from attncompare.models.cache import Cache
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import SideName


def coreference_of_many(
    pair: Pair,
    items: Sequence[Item] | Items,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> CoreferenceMany:
    """Whom the pronouns of many sentences look at, in both models.

    A sentence that the models can't read, or one of whose candidates the pronoun can't see, is counted and left out.

    Args:
        pair: the models. items: sentences, as :func:`attncompare.analyses.coreference_items.read_items` gives them.
        seed: of the halves on which heads are chosen.
        progress: called between layers, may raise to stop.
        reading: as in :func:`attncompare.compare`; of one text, and its own attention.

    Raises:
        BadInput: no items, none that can be used, or a way of reading that has no place for them.
    """
    require_one_text(reading)
    tell = progress or unheard
    read = items if isinstance(items, Items) else Items(tuple(items))
    total = len(read.items)
    found: list[tuple[Item, Looks]] = []
    left_out = Counter(read.left_out)
    about, example = About(), ""
    for number, item in enumerate(read.items):
        try:
            question = prepare(pair, item.text, **reading)
            mentions = [Mention(item.text[slice(*span)], *span) for span in (item.pronoun, *item.candidates)]
            step = part(tell, f"sentence {number + 1} of {total}", number, total)
            seen = looks(pair, question, mentions[0], mentions[1:], step, kept=False)
        except BadInput as error:
            left_out["the models can't read it"] += 1
            example = example or str(error)
            continue
        if not seen.visible.all():
            left_out["the pronoun can't see a candidate"] += 1
            continue
        about = question.about
        found.append((item, seen))
    if not found:
        why = "; ".join(left_out) or "there are none"
        raise BadInput(f"None of the {total} sentences can be used: {why}. {example}".rstrip())
    return _counted(pair, found, dict(left_out), about, seed)


def _counted(
    pair: Pair, found: Sequence[tuple[Item, Looks]], left_out: dict[str, int], about: About, seed: int
) -> CoreferenceMany:
    items = tuple(item for item, _ in found)
    heads: dict[SideName, np.ndarray] = {}
    measures: dict[str, dict[SideName, np.ndarray]] = {"mean": {}, "mas": {}}
    for side in SIDES:
        scores = [getattr(seen, side) for _, seen in found]
        heads[side] = frozen([choices(one)[item.correct] for item, one in zip(items, scores, strict=True)])
        means = [np.nanmean(one, (1, 2)) for one in scores]
        measures["mean"][side] = _right(items, means)
        measures["mas"][side] = _right(items, [maximum_attention(one) for one in scores])
    chosen: dict[SideName, tuple[str, ...]] = dict.fromkeys(SIDES, ())
    layers = pair.stack("self").layers
    first = halves([item.group for item in items], seed)
    if first.any():
        measures["held_out"] = {}
        for side in SIDES:
            credit, best = held_out(heads[side].reshape(len(items), -1), first)
            measures["held_out"][side] = frozen(credit)
            cells = [divmod(at, heads[side].shape[2]) for at in best]
            chosen[side] = tuple(dict.fromkeys(head_name(layers[row], head) for row, head in cells))
    starts = [-np.array(item.candidates)[:, 0] for item in items]
    baselines = {"nearest": _right(items, _nearness(items)), "first": _right(items, starts)}
    models: dict[SideName, CheckpointInfo] = {"base": pair.base.info, "tuned": pair.tuned.info}
    return CoreferenceMany(models, about, items, left_out, layers, heads, measures, baselines, chosen, seed)


def _right(items: Sequence[Item], scores: Sequence[np.ndarray]) -> np.ndarray:
    """Credits ``[item]`` of choosing by ``scores [candidate]``."""
    return frozen([choices(np.asarray(one, float))[item.correct] for item, one in zip(items, scores, strict=True)])


def _nearness(items: Sequence[Item]) -> list[np.ndarray]:
    """Minus the characters between the pronoun and each candidate."""
    return [
        np.array([-max(item.pronoun[0] - end, start - item.pronoun[1]) for start, end in item.candidates])
        for item in items
    ]


def require_one_text(reading: Reading) -> None:
    """Raises BadInput for ways of reading in which a pronoun and its candidates need not be positions of one text."""
    if reading.get("attention", "self") != "self":
        raise BadInput(
            "Coreference is asked of the attention that reads the text, so that a pronoun and its candidates are positions "
            "of one text: leave attention at 'self'."
        )
    if reading.get("text_pair") is not None:
        raise BadInput("Coreference is asked within one text: leave out text_pair, or put both texts into one.")


_BUILT_IN: Cache[CoreferenceMany] = Cache(max_items=8)


def built_in(pair: Pair, progress: Progress | None = None) -> CoreferenceMany:
    """The sentences of :mod:`attncompare.analyses.winograd`, kept for the next question about the same pair.

    Raises:
        BadInput: the models can read none of them.
    """
    items = [sentence.item for sentence in SENTENCES]
    return _BUILT_IN.get(pair.key, lambda: coreference_of_many(pair, items, progress=progress))


def is_built_in(found: CoreferenceMany) -> bool:
    """Whether it was asked of the sentences of ours, all of them."""
    known = [sentence.item for sentence in SENTENCES]
    return len(found.items) + sum(found.left_out.values()) == len(known) and all(item in known for item in found.items)
