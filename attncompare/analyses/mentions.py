"""Words of a text that a question is about: found by their writing or their place, and the units that they are made of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from attncompare.analyses.verdict import printable
from attncompare.attention import Token
from attncompare.errors import BadInput
from attncompare.models.question import PairText
from attncompare.models.words import word_starts

Span = tuple[int, int]
"""Characters ``start:end`` of a text."""

Wanted = str | Span
"""A word or phrase of a text (``it``, or ``it@2`` for its second occurrence), or its characters."""

_NUMBERED = re.compile(r"(.+)@([1-9]\d{0,5})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mention:
    """A word or phrase where it stands."""

    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Its characters."""
        return self.start, self.end

    @property
    def name(self) -> str:
        """In quotes, short and printable."""
        return f"‘{printable(self.text)}’"


def find(text: str, wanted: Any, what: str) -> Mention:
    """The one place where ``wanted`` stands in ``text`` as whole words; ``what`` is what to call it in an error.

    As written if it is found so, else whatever the case of its letters.

    Raises:
        BadInput: it isn't there, or several times; no characters of the text, or blank ones.
    """
    if isinstance(wanted, str):
        return _by_words(text, wanted.strip(), what)
    if not (isinstance(wanted, tuple | list) and len(wanted) == 2 and all(type(end) is int for end in wanted)):
        raise BadInput(
            f"Expected the {what} to be words of the text or their characters (start, end), got {wanted!r:.80}."
        )
    start, end = wanted
    if not 0 <= start < end <= len(text) or not text[start:end].strip():
        raise BadInput(
            f"The {what} {(start, end)} holds no word: give characters (start, end) within 0 to {len(text)} of the text."
        )
    return Mention(text[start:end], start, end)


def _by_words(text: str, words: str, what: str) -> Mention:
    if not words:
        raise BadInput(f"The {what} is empty: give words of the text.")
    found = _places(text, words)
    numbered = _NUMBERED.fullmatch(words)
    if not found and numbered:
        words, number = numbered[1].strip(), int(numbered[2])
        every = _places(text, words)
        if number > len(every):
            raise BadInput(
                f"The {what} {printable(words)!r} stands {len(every)} times in the text as whole words, so there is no "
                f"number {number}."
            )
        found = every[number - 1 : number]
    if not found:
        raise BadInput(
            f"The {what} {printable(words)!r} is not in the text as whole words: give words as they are written there."
        )
    if len(found) > 1:
        raise BadInput(
            f"The {what} {printable(words)!r} stands {len(found)} times in the text: name one of them, such as "
            f"{printable(words)}@2 for the second, or give its characters (start, end)."
        )
    start, end = found[0]
    return Mention(text[start:end], start, end)


def numbered(text: str, words: str, start: int) -> str:
    """How :func:`find` would be asked for the words that start there: as they are, or ``it@2`` where there are several."""
    starts = [at for at, _ in _places(text, words)]
    return words if starts == [start] or start not in starts else f"{words}@{starts.index(start) + 1}"


def _places(text: str, words: str) -> list[Span]:
    """Where the words stand as whole words; in other cases only where they don't stand as they are written."""
    starts = word_starts(text)

    def cut(at: int) -> bool:
        """Whether a word may begin or end here."""
        return at in (0, len(text)) or starts[at] or not (text[at - 1].isalnum() and text[at].isalnum())

    for flags in (re.NOFLAG, re.IGNORECASE):
        spans = [match.span() for match in re.finditer(re.escape(words), text, flags)]
        if whole := [span for span in spans if cut(span[0]) and cut(span[1])]:
            return whole
    return []


def require_apart(mentions: Sequence[tuple[str, Mention]]) -> None:
    """Raises BadInput where two mentions share characters; each comes with what to call it."""
    ordered = sorted(mentions, key=lambda one: one[1].span)
    for (what, mention), (other, after) in zip(ordered, ordered[1:], strict=False):
        if after.start < mention.end:
            raise BadInput(
                f"The {what} {mention.name} and the {other} {after.name} overlap in the text: give words that stand apart."
            )


def exchanged(text: str, first: Span, second: Span, others: Sequence[Span]) -> tuple[str, Span, Span, list[Span]]:
    """The text with the words of two spans in each other's place: it, where these words stand now, and ``others``."""
    left, right = sorted((first, second))
    words = text[slice(*left)], text[slice(*right)]
    swapped = text[: left[0]] + words[1] + text[left[1] : right[0]] + words[0] + text[right[1] :]
    longer = len(words[1]) - len(words[0])
    here, there = (left[0], left[0] + len(words[1])), (right[0] + longer, right[0] + longer + len(words[0]))
    moved = [(start + longer, end + longer) if left[1] <= start < right[0] else (start, end) for start, end in others]
    return (swapped, there, here, moved) if first == left else (swapped, here, there, moved)


def units(question: PairText, mention: Mention, what: str) -> tuple[int, ...]:
    """Positions of what the mention is made of, among the units that are compared, in the order of the text.

    Raises:
        BadInput: it is cut or merged, so that its attention can't be told from its neighbours'.
    """
    whole = question.texts[0]
    ahead = whole.find(question.text)
    if ahead < 0:
        raise BadInput("The chat template changes this text, so its words can't be found again: ask without chat.")
    start, end = mention.start + ahead, mention.end + ahead
    found: list[int] = []
    covered: set[int] = set()
    for at, token in enumerate(question.query_tokens):
        place = _within(whole, token)
        if place is None or place[1] <= start or end <= place[0]:
            continue
        if place[0] < start or end < place[1]:
            raise BadInput(
                f"The {what} {mention.name} is read as a part of ‘{printable(token.text)}’, so its attention can't be told "
                "from its neighbour's: name the whole of it, or other words."
            )
        found.append(at)
        covered.update(range(*place))
    if any(whole[at].isalnum() and at not in covered for at in range(start, end)):
        raise BadInput(
            f"The {what} {mention.name} is cut: these models have no token for a part of it that both share; choose level "
            "'word', or other words."
        )
    if not found:
        raise BadInput(f"The {what} {mention.name} is in nothing that both models read: choose other words.")
    return tuple(found)


def _within(text: str, token: Token) -> Span | None:
    """The token's characters without the white space around them; None for one that has no others."""
    if token.start is None or token.end is None or token.segment:
        return None
    piece = text[token.start : token.end]
    if not piece.strip():
        return None
    start = token.start + len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())
