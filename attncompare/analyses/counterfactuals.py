"""The same text about somebody of the other gender: pronouns, words, titles and names swapped, and nothing else.

``her`` is two words in one: what a possessive stands before (her work) is told from an object (told her) by the word that
follows. Before a word that is no function word it is a possessive and becomes ``his``, else it becomes ``him``. In the same
way ``his`` becomes ``her`` before such a word and ``hers`` elsewhere. A rule of thumb: ``gave her money`` becomes ``gave his
money``. ``Mrs`` becomes ``Mr``, which becomes ``Ms``: that one is not undone by swapping again.
"""

import re
from dataclasses import dataclass

PAIRS = (
    ("she", "he"), ("herself", "himself"), ("woman", "man"), ("women", "men"), ("girl", "boy"), ("girls", "boys"),
    ("female", "male"), ("mother", "father"), ("mom", "dad"), ("daughter", "son"), ("sister", "brother"),
    ("wife", "husband"), ("aunt", "uncle"), ("grandmother", "grandfather"), ("lady", "gentleman"),
    ("ladies", "gentlemen"), ("ms", "mr"), ("madam", "sir"), ("mary", "james"), ("emily", "michael"),
    ("anna", "david"), ("sarah", "thomas"), ("laura", "daniel"), ("emma", "peter"), ("susan", "robert"), ("julia", "john"),
)  # fmt: skip
"""Words that become each other, so that swapping twice gives the text back."""

_OTHER = {**dict(PAIRS), **{male: female for female, male in PAIRS}, "mrs": "mr", "him": "her", "hers": "his"}

FUNCTION_WORDS = frozenset(
    "a about after again against all also always am an and any are around as at away back be because been before being "
    "below between both but by can could did do does down during each either for from had has have here how if in into is "
    "it its just may might more most must never no nor not now of off often on once only or our out over rather shall "
    "should since so some soon still such than that the their them then there these they this those through to today "
    "together too toward towards under until up us very was we were what when where which while who whom why will with "
    "without would yesterday yet you your i he she him".split()
)
"""Words before which ``her`` is taken for an object, and ``his`` for a pronoun that stands alone."""

_WORDS = re.compile(
    rf"(?<!\w)(?:{'|'.join(sorted([*_OTHER, 'her', 'his'], key=len, reverse=True))})(?!\w)", re.IGNORECASE
)
_FOLLOWING = re.compile(r"\s+([^\W\d_]+)")


@dataclass(frozen=True, slots=True)
class Change:
    """A word that was swapped: where it stands in the text, and where its counterpart in the swapped one."""

    start: int
    end: int
    new_start: int
    new_end: int
    before: str
    after: str

    @property
    def shift(self) -> int:
        """By how many characters what follows has moved, of this change alone."""
        return len(self.after) - len(self.before)


@dataclass(frozen=True, slots=True)
class Swapped:
    """A text and what was changed in it, in the order of the text; no changes where it names no gender."""

    text: str
    changes: tuple[Change, ...]

    def moved(self, place: int) -> int:
        """Where a character of the text stands in the swapped one; of a changed word its ends alone mean something."""
        return place + sum(change.shift for change in self.changes if change.end <= place)


def swapped(text: str) -> Swapped:
    """The text with the gender of its pronouns, words, titles and first names swapped; capitals stay as they were.

    >>> swapped("She said his plan is hers, Mr. Jones.").text
    'He said her plan is his, Ms. Jones.'
    """
    parts: list[str] = []
    changes: list[Change] = []
    at = shift = 0
    for match in _WORDS.finditer(text):
        before, (start, end) = match[0], match.span()
        if before in ("ms", "mr", "mrs"):  # milliseconds, and no titles
            continue
        after = _cased(_counterpart(before.lower(), text[end:]), before)
        parts += [text[at:start], after]
        changes.append(Change(start, end, start + shift, start + shift + len(after), before, after))
        shift += len(after) - len(before)
        at = end
    return Swapped("".join((*parts, text[at:])), tuple(changes))


def _counterpart(word: str, rest: str) -> str:
    if word not in ("her", "his"):
        return _OTHER[word]
    following = _FOLLOWING.match(rest)
    possessive = following is not None and following[1].lower() not in FUNCTION_WORDS
    if word == "her":
        return "his" if possessive else "him"
    return "her" if possessive else "hers"


def _cased(word: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word[0].upper() + word[1:] if like[0].isupper() else word


def lean(changes: tuple[Change, ...]) -> int:
    """How many more of the changed words are female than male, before the swap; names count as their list says."""
    female = {one for one, _ in PAIRS} | {"her", "hers", "mrs"}
    return sum(1 if change.before.lower() in female else -1 for change in changes)
