"""The questions that the page and its endpoints ask of probes: patterns of heads, and whom a pronoun looks at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attncompare.analyses.coreference import coreference
from attncompare.analyses.coreference_accuracy import CoreferenceMany
from attncompare.analyses.coreference_items import Format, read_items
from attncompare.analyses.coreference_many import built_in, coreference_of_many
from attncompare.analyses.coreference_record import Coreference
from attncompare.analyses.mentions import Wanted
from attncompare.analyses.pattern_classes import classes_alone, pattern_classes
from attncompare.analyses.pattern_record import PatternClasses
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
"""In files, for visitors who share one machine; Python and the command line have no such limit."""

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
        with ready(asked, local, progress) as pair:
            # Made for a cache, so nobody gets the models in between.
            return built_in(pair, progress)
    found = read_items([Path(path) for path in paths], chosen("format", format, Format))
    if len(found.items) > MOST_SENTENCES:
        raise BadInput(
            f"The files hold {len(found.items):,} sentences and the page asks about at most {MOST_SENTENCES:,}: "
            "take a part of them, or use attncompare from Python or the command line."
        )
    with ready(asked, local, progress) as pair:
        tell = considerate(progress, lambda step: step.startswith("sentence "))
        return coreference_of_many(pair, found, progress=tell, **within(asked.reading))


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
