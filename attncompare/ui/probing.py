"""The questions that the page and its endpoints ask of probes: patterns of heads, and whom a pronoun looks at."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from attncompare.analyses.coreference import coreference
from attncompare.analyses.coreference_accuracy import CoreferenceMany
from attncompare.analyses.coreference_items import Format, Item, Items, read_items
from attncompare.analyses.coreference_many import built_in, coreference_of_many
from attncompare.analyses.coreference_record import Coreference
from attncompare.analyses.coreference_written import items_of
from attncompare.analyses.mentions import Wanted
from attncompare.analyses.pattern_classes import classes_alone, pattern_classes
from attncompare.analyses.pattern_record import PatternClasses
from attncompare.analyses.verdict import printable
from attncompare.analyses.winograd import SENTENCES
from attncompare.attention import Progress
from attncompare.errors import BadInput
from attncompare.metrics.pattern_rules import Thresholds
from attncompare.models.checkpoint import LocalRule
from attncompare.models.reading import Reading
from attncompare.ui.causes import MAX_TOKENS
from attncompare.ui.questions import Question, question, ready
from attncompare.ui.sought import chosen
from attncompare.ui.work import considerate


def ask_pattern_classes(
    asked: Question, local: LocalRule, progress: Progress, thresholds: Thresholds
) -> PatternClasses:
    """The class of every head, by these thresholds."""
    with ready(asked, local, progress) as pair:
        how: dict[str, Any] = {"thresholds": thresholds, "progress": progress}
        return pattern_classes(pair, asked.text, **how, **asked.reading)


def ask_class_examples(asked: Question, local: LocalRule, progress: Progress) -> PatternClasses:
    """The same by the usual thresholds, from the text alone."""
    with ready(asked, local, progress) as pair:
        return classes_alone(pair, asked.text, progress=progress, **asked.reading)


MOST_SENTENCES = 1000
"""For visitors and clients, who share one machine; Python and the command line have no such limit."""

LONGEST_SENTENCE = 5_000
"""Characters of one of them."""

BUILT_IN = "built-in"
"""Instead of a format: the sentences that come with the package."""

_LONGEST = 200
"""Characters of a pronoun or a candidate."""


def ask_coreference(
    asked: Question,
    local: LocalRule,
    progress: Progress,
    pronoun: Any,
    candidates: Sequence[Any],
    correct: Any = None,
) -> Coreference:
    """Whom the pronoun of the question's text looks at."""
    meant, named = worded("pronoun", pronoun), [worded("candidate", one) for one in candidates]
    right = None if correct is None else worded("correct candidate", correct)
    with ready(asked, local, progress, MAX_TOKENS) as pair:
        return coreference(pair, asked.text, meant, named, correct=right, progress=progress, **asked.reading)


def ask_coreference_of_many(
    asked: Question, local: LocalRule, progress: Progress, format: Any, paths: Sequence[str]
) -> CoreferenceMany:
    """The same of many sentences: those of files, or the built-in ones; the question's own text is not among them.

    Raises:
        BadInput: as the analysis; no format, no file, or too many sentences.
    """
    if format == BUILT_IN:
        alone = replace(asked, reading=Reading())
        return ask_coreference_of_items(alone, local, progress, None)
    found = read_items([Path(path) for path in paths], chosen("format", format, Format))
    _require_few("The files hold", len(found.items))
    _require_short(found.items)
    return ask_coreference_of_items(replace(asked, reading=within(asked.reading)), local, progress, found)


def ask_coreference_of_items(
    asked: Question, local: LocalRule, progress: Progress, items: Items | Sequence[Item] | None
) -> CoreferenceMany:
    """The same of items, the built-in ones where there are none; how they are read is the question's, its text is not asked.

    Raises:
        BadInput: as the analysis.
    """
    with ready(asked, local, progress) as pair:
        if items is None and not asked.reading:
            # Made for a cache, so nobody gets the models in between.
            return built_in(pair, progress)
        tell = considerate(progress, lambda step: step.startswith("sentence "))
        given = [sentence.item for sentence in SENTENCES] if items is None else items
        return coreference_of_many(pair, given, progress=tell, **asked.reading)


def about_sentences(base: Any, tuned: Any, reading: Reading) -> Question:
    """A question about many sentences, each of which is read alone.

    Raises:
        BadInput: an id that is no string, or a way of reading that has no place for sentences of their own.
    """
    if other := reading.keys() - within(reading).keys():
        raise BadInput(f"Each sentence is read alone here: reading may have level and chat, got {sorted(other)[0]!r}.")
    return question(base, tuned, SENTENCES[0].text, reading)


def sent_items(value: Any) -> tuple[Item, ...] | None:
    """Items as a client sends them; None for the built-in ones.

    Raises:
        BadInput: no list of such objects, too many of them, or one that is too long; the sentence says which.
    """
    if value is None:
        return None
    if isinstance(value, list):
        _require_few("There are", len(value))
    found = items_of(value)
    _require_short(found)
    return found


def _require_few(said: str, count: int) -> None:
    if count > MOST_SENTENCES:
        raise BadInput(
            f"{said} {count:,} sentences and the page asks about at most {MOST_SENTENCES:,}: "
            "take a part of them, or use attncompare from Python or the command line."
        )


def _require_short(items: Sequence[Item]) -> None:
    for number, item in enumerate(items, 1):
        if len(item.text) > LONGEST_SENTENCE:
            raise BadInput(
                f"Sentence {number} (‘{printable(item.text)}’) has {len(item.text):,} characters and the page asks about at "
                f"most {LONGEST_SENTENCE:,}: shorten it, or use attncompare from Python or the command line."
            )


def about_sentence(asked: Question, sentence: Any) -> Question:
    """The question about another text of the same pair; about its own where none is given.

    Raises:
        BadInput: no string, or a long one.
    """
    if isinstance(sentence, str) and not sentence.strip():
        return asked
    return question(asked.base, asked.tuned, sentence, within(asked.reading))


def within(reading: Reading) -> Reading:
    """What of a way of reading one text is good for another: its level and its chat template."""
    return Reading(**{name: value for name, value in reading.items() if name in ("level", "chat")})  # type: ignore[typeddict-item]


def worded(name: str, value: Any) -> Wanted:
    """Words of a text, or characters ``[start, end]`` of it, as typed or sent.

    Raises:
        BadInput: neither. Whether they are in the text is found later.
    """
    if isinstance(value, str):
        if len(value) > _LONGEST:
            raise BadInput(f"Expected the {name} to be a few words, got {len(value):,} characters: shorten it.")
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(end) is int for end in value):
        return value[0], value[1]
    raise BadInput(f"Expected the {name} to be words of the text, or their characters [start, end], got {value!r:.80}.")
