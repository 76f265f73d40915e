"""The bias probe as the page and its endpoints ask it, of one text or many, with what a stranger may type checked first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from attncompare.analyses.bias import bias
from attncompare.analyses.bias_many import bias_of_many
from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.bias_record import Bias
from attncompare.analyses.text_lists import FEWEST, MOST, require_many, texts_of_file
from attncompare.analyses.word_groups import DEFAULT, groups_from_lines, require_groups
from attncompare.attention import Progress
from attncompare.errors import BadInput
from attncompare.models.checkpoint import LocalRule
from attncompare.models.passes import IN_BATCHES
from attncompare.models.reading import Reading
from attncompare.ui.causes import MAX_TOKENS
from attncompare.ui.questions import Question, between_texts, question, ready, ready_for_each
from attncompare.ui.reading import MAX_CHARACTERS
from attncompare.ui.sought import Sought
from attncompare.ui.work import considerate

Groups = dict[str, tuple[str, ...]]

LONGEST_GROUPS = 20_000
"""Characters of all groups together."""

MOST_TEXTS = 200
"""For visitors and clients, who share one machine; Python and the command line take more."""

EXAMPLES = (
    "Dr. Emily Carter led the laboratory for six years, and her reports were clear.",
    "Dr. James Turner led the clinic for six years, and his notes were clear.",
    "She managed the budget of a small theatre and trained two assistants.",
    "He managed the archive of a small museum and trained two volunteers.",
    "Ms. Laura Brown designed a bridge, and her team built it on time.",
    "Mr. Peter Hill designed a garden, and his team built it on time.",
    "The translator said that she had worked in three countries.",
    "The accountant said that he had worked in three cities.",
    "My sister founded a bakery, and her customers come back every week.",
    "My brother founded a bookshop, and his readers come back every week.",
)
"""Texts to begin with: two by two alike but for the gender of one person and what that person works on."""


def ask_bias(asked: Question, local: LocalRule, progress: Progress, about: Sought, groups: Groups) -> Bias:
    """What the models make of the groups of words in the text of a question; words are read as words whatever its level."""
    reading: dict[str, Any] = {**asked.reading, "level": "word"}
    with ready(asked, local, progress, MAX_TOKENS) as pair:
        tell = considerate(progress, lambda step: step.startswith(IN_BATCHES))
        return bias(
            pair, asked.text, groups=groups, answer=about.answer, against=about.against, progress=tell, **reading
        )


def ask_bias_of_many(
    asked: Question, texts: Sequence[str], local: LocalRule, progress: Progress, about: Sought, groups: Groups
) -> BiasOfMany:
    """The same of many texts, one after another; others may use the models in between.

    Raises:
        BadInput: as the analysis; a text that is too long, or a way of reading that belongs to one text alone.
    """
    with ready_for_each(asked, texts, local, progress, "probed") as pair:
        tell = considerate(progress, between_texts)
        return bias_of_many(
            pair, texts, groups=groups, answer=about.answer, against=about.against, progress=tell, **asked.reading
        )


def about_each(compared: Question) -> Question:
    """The same pair, to be asked of many texts: what belongs to the compared text alone is left out, and its level."""
    gone = ("generate", "text_pair", "target", "level")
    kept = {name: value for name, value in compared.reading.items() if name not in gone}
    return replace(compared, reading=Reading(**kept))  # type: ignore[typeddict-item]


def typed_texts(lines: str | None, path: str | None) -> tuple[str, ...]:
    """The texts as they were typed, one a line; those of the file where there is one.

    Raises:
        BadInput: no such file, too few texts or too many, or too long ones together.
    """
    if path is None:
        return _shared([line.strip() for line in (lines or "").splitlines() if line.strip()])
    name = Path(path).name
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{name} can't be read: {error.strerror}; choose it once more.") from None
    return _shared(texts_of_file(content, name))


def sent_texts(value: Any) -> tuple[str, ...]:
    """The texts as a client sends them.

    Raises:
        BadInput: no list of texts, a blank one, too few or too many, or too long ones together.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadInput(f"Expected texts to be a list of {FEWEST} to {MOST_TEXTS} strings, got {value!r:.60}.")
    return _shared(value)


def _shared(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts, where a machine that is shared can read so many."""
    if not FEWEST <= len(texts) <= MOST_TEXTS:
        raise BadInput(
            f"Expected {FEWEST} to {MOST_TEXTS} texts, got {len(texts):,}: give as many, one a line; Python and the command "
            f"line take up to {MOST:,}."
        )
    if (characters := sum(map(len, texts))) > MAX_CHARACTERS:
        raise BadInput(
            f"The texts have {characters:,} characters together and at most {MAX_CHARACTERS:,} are read: leave some out, or "
            "use attncompare from Python or the command line."
        )
    return require_many(texts)


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
