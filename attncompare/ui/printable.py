"""Tokens as text of a page: a reader sees every character, and none changes the text around it."""

import unicodedata

from attncompare.models.words import JOINER

MOST_CHARACTERS = 400
"""Of one token or word; no word of a language is as long."""

_VISIBLE = {" ": "␣", "\u00a0": "␣", "\n": "⏎", "\r": "⏎", "\t": "⇥"}


def printable(text: str) -> str:
    """The text with control and direction marks written as ``U+202E``, and spaces shown where there is nothing else.

    >>> printable("not"), printable(" "), printable("a\\u202eb"), printable("two words"), printable("\\u0301")
    ('not', '␣', 'aU+202Eb', 'two words', 'U+0301')
    """
    blank = not text.strip()
    shown = [_shown(text, place, blank=blank) for place in range(min(len(text), MOST_CHARACTERS))] or ["␣"]
    return "".join(shown) + ("…" if len(text) > MOST_CHARACTERS else "")


def _shown(text: str, place: int, *, blank: bool) -> str:
    character = text[place]
    if character in "\n\r\t" or (blank and character in _VISIBLE):
        return _VISIBLE[character]
    category = unicodedata.category(character)
    if character == JOINER and place:  # it holds an emoji together
        return character
    # C: control, direction marks, unassigned. Zl, Zp: line and paragraph separators. M: needs something to stand on.
    hidden = category[0] == "C" or category in ("Zl", "Zp") or (category[0] == "M" and not place)
    return f"U+{ord(character):04X}" if hidden else character
