"""Groups of words whose attention is looked at: the lists, how they are written down, and where their words stand in a text.

The lists that come with this are English and short, made to be edited. A gendered title stands with the gendered words only:
a word in two groups would be counted twice, so that is refused.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attncompare.analyses.verdict import printable
from attncompare.attention import Token
from attncompare.errors import BadInput

Groups = Mapping[str, Sequence[str]]
"""Words of each group, by the group's name."""

GENDERED = ("female", "male")
"""The groups whose words are the gendered ones; in lists of another language they keep these names."""

DEFAULT: dict[str, tuple[str, ...]] = {
    "female": (
        "she", "her", "hers", "herself", "woman", "women", "girl", "girls", "female", "mother", "mom", "daughter", "sister",
        "wife", "aunt", "grandmother", "lady", "ladies", "Mrs", "Ms", "Madam",
    ),
    "male": (
        "he", "him", "his", "himself", "man", "men", "boy", "boys", "male", "father", "dad", "son", "brother", "husband",
        "uncle", "grandfather", "gentleman", "gentlemen", "Mr", "Sir",
    ),
    "titles": ("Dr", "Doctor", "Prof", "Professor", "Rev", "Judge", "Captain", "President"),
    "names": (
        "Mary", "Emily", "Anna", "Sarah", "Laura", "Emma", "Susan", "Julia",
        "James", "John", "Robert", "Michael", "David", "Thomas", "Daniel", "Peter",
    ),
    "experience": (
        "experience", "experienced", "expertise", "year", "years", "led", "leads", "managed", "manages", "built", "designed",
        "developed", "founded", "degree", "university", "college", "certified", "trained", "skill", "skills", "skilled",
        "qualified", "senior", "junior", "career", "team",
    ),
}  # fmt: skip

RESERVED = ("rest", "gendered")
"""What a result calls all other words, and the words of both gendered groups."""

MOST_GROUPS, MOST_WORDS = 12, 500

_FORM = "a line is a name, a colon and words: ‘female: she, her’"


@dataclass(frozen=True, slots=True)
class Hit:
    """A word of a group in a text."""

    segment: int
    """Which of the texts, counted from 0."""
    start: int
    end: int
    group: str


def require_groups(groups: Any) -> dict[str, tuple[str, ...]]:
    """The groups as they are kept: each word once, as it was written.

    Raises:
        BadInput: no groups of words by name, too many, an empty one, or a word that is in two of them.
    """
    if not isinstance(groups, Mapping) or not groups:
        raise BadInput(f"Expected groups to be words by the name of their group, got {groups!r:.60}.")
    kept: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for name, words in groups.items():
        if not isinstance(name, str) or not name.strip():
            raise BadInput(f"Expected the name of a group to be a word, got {name!r:.40}.")
        if name.strip() in RESERVED:
            raise BadInput(
                f"A group can't be called ‘{name.strip()}’, which says something else here: give another name."
            )
        if isinstance(words, str) or not isinstance(words, Sequence) or not all(isinstance(one, str) for one in words):
            raise BadInput(f"Expected group ‘{printable(name)}’ to be a list of words, got {words!r:.60}.")
        own = {" ".join(word.split()).casefold(): " ".join(word.split()) for word in words if word.strip()}
        if not own:
            raise BadInput(f"Group ‘{printable(name)}’ has no words: give some, or leave it out.")
        for key, word in own.items():
            if key in owner:
                raise BadInput(
                    f"‘{printable(word)}’ is in two groups, ‘{printable(owner[key])}’ and ‘{printable(name)}’: leave it out "
                    "of one of them, or it would be counted twice."
                )
            owner[key] = name
        kept[name.strip()] = tuple(own.values())
    if len(kept) > MOST_GROUPS or len(owner) > MOST_WORDS:
        raise BadInput(
            f"{len(kept)} groups of {len(owner)} words: give at most {MOST_GROUPS} groups and {MOST_WORDS} words."
        )
    return kept


def groups_from_lines(lines: str) -> dict[str, tuple[str, ...]]:
    """The groups as they are typed, ``female: she, her`` a line.

    Raises:
        BadInput: a line that is none, or groups as :func:`require_groups` refuses them.
    """
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines.splitlines(), 1):
        if not line.strip():
            continue
        name, colon, words = (part.strip() for part in line.partition(":"))
        if not colon or not name or not words.strip(" ,"):
            raise BadInput(f"Line {number} of the groups is no group (‘{printable(line.strip())}’): {_FORM}.")
        if name in found:
            raise BadInput(f"Line {number} names the group ‘{printable(name)}’ again: put its words in one line.")
        found[name] = words.split(",")
    if not found:
        raise BadInput(f"There are no groups: {_FORM}.")
    return require_groups(found)


def lines_of(groups: Groups) -> str:
    """The groups as :func:`groups_from_lines` reads them."""
    return "\n".join(f"{name}: {', '.join(words)}" for name, words in groups.items())


def groups_from_json(content: str, name: str) -> dict[str, tuple[str, ...]]:
    """The groups of a JSON file called ``name``: an object of lists of words.

    Raises:
        BadInput: it is no JSON, or groups as :func:`require_groups` refuses them.
    """
    try:
        found = json.loads(content)
    except json.JSONDecodeError as error:
        raise BadInput(
            f'{name} is no JSON (line {error.lineno}: {error.msg}): write groups as {{"female": ["she", "her"]}}.'
        ) from None
    return require_groups(found)


def hits(texts: Sequence[str], groups: Groups) -> tuple[Hit, ...]:
    """Where words of the groups stand in the texts: whole words, in whatever case, in the order of the texts.

    Raises:
        BadInput: there is none.
    """
    owner = {word.casefold(): name for name, words in groups.items() for word in words}
    longest = sorted(owner, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)
    found = [
        Hit(segment, match.start(), match.end(), owner[match[0].casefold()])
        for segment, text in enumerate(texts)
        for match in pattern.finditer(text)
        if match[0].casefold() in owner
    ]
    if not found:
        names = ", ".join(printable(name) for name in groups)
        raise BadInput(
            f"No word of any group ({names}) is in this text: the lists that come with this are English, so for another "
            "language or topic give lists of your own."
        )
    return tuple(found)


def members(units: Sequence[Token], found: Sequence[Hit], names: Sequence[str]) -> np.ndarray:
    """Which units each group's words are made of, flags ``[group, unit]``; special tokens and sinks are in none.

    A word is matched by its characters, so it does not matter into how many pieces a tokenizer cuts it.

    Raises:
        BadInput: the models read words of two groups as one unit.
    """
    flags = np.zeros((len(names), len(units)), bool)
    for hit in found:
        for at, unit in enumerate(units):
            if unit.start is None or unit.end is None or unit.segment != hit.segment or unit.special or unit.sink:
                continue
            if unit.start < hit.end and hit.start < unit.end:
                flags[list(names).index(hit.group), at] = True
    if flags.sum(0).max(initial=0) > 1:
        unit = units[int(flags.sum(0).argmax())]
        raise BadInput(
            f"The models read ‘{printable(unit.text)}’ as one piece that holds words of two groups: leave one of these "
            "words out of the groups."
        )
    return flags
