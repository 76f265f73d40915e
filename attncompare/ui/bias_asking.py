"""The bias probe as the page and its endpoints ask it, with what a stranger may type checked first."""

from typing import Any

from attncompare.analyses.bias import bias
from attncompare.analyses.bias_record import Bias
from attncompare.analyses.word_groups import DEFAULT, groups_from_lines, require_groups
from attncompare.attention import Progress
from attncompare.errors import BadInput
from attncompare.models.checkpoint import LocalRule
from attncompare.models.passes import IN_BATCHES
from attncompare.models.reading import Reading
from attncompare.ui.causes import MAX_TOKENS
from attncompare.ui.questions import Question, question, ready
from attncompare.ui.sought import Sought
from attncompare.ui.work import considerate

Groups = dict[str, tuple[str, ...]]

LONGEST_GROUPS = 20_000
"""Characters of all groups together."""


def ask_bias(asked: Question, local: LocalRule, progress: Progress, about: Sought, groups: Groups) -> Bias:
    """What the models make of the groups of words in the text of a question; words are read as words whatever its level."""
    reading: dict[str, Any] = {**asked.reading, "level": "word"}
    with ready(asked, local, progress, MAX_TOKENS) as pair:
        tell = considerate(progress, lambda step: step.startswith(IN_BATCHES))
        return bias(
            pair, asked.text, groups=groups, answer=about.answer, against=about.against, progress=tell, **reading
        )


def about_text(compared: Question, text: str | None) -> Question:
    """The same pair on another text, read in the same way; on the compared one where none was typed.

    What belongs to the compared text alone, its second text or target, is left out of another; a continuation always is.

    Raises:
        BadInput: the text is too long.
    """
    other = bool(text and text.strip())
    gone = ("generate", "text_pair", "target") if other else ("generate",)
    reading = Reading(**{name: value for name, value in compared.reading.items() if name not in gone})  # type: ignore[typeddict-item]
    return question(compared.base, compared.tuned, text if other else compared.text, reading)


def typed_groups(lines: str | None) -> Groups:
    """The groups as they were typed, a line each.

    Raises:
        BadInput: too much of it, or no groups; the sentence names the line.
    """
    _require_short(len(lines or ""))
    return groups_from_lines(lines or "")


def sent_groups(value: Any) -> Groups:
    """The groups as a client sends them: an object of lists of words, or null for the English ones.

    Raises:
        BadInput: something else, or groups that overlap.
    """
    if value is None:
        return DEFAULT
    found = require_groups(value)
    _require_short(sum(len(word) for words in found.values() for word in words))
    return found


def _require_short(characters: int) -> None:
    if characters > LONGEST_GROUPS:
        raise BadInput(
            f"The groups have {characters:,} characters and at most {LONGEST_GROUPS:,} are read: leave some words out."
        )
