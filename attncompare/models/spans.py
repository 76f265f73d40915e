"""Tokens of one tokenizer as stretches of the text that can be compared with another tokenizer's.

Tokenizers disagree about where a word's leading space goes, and give no or the same offsets to the bytes of one character.
Here a token is reduced to what it stands for: the characters between its outer spaces, white space of its own, or a mere
mark (``Ġ``, ``▁``) of the space before a word, which belongs to that word. Knows one tokenizer at a time.
"""

import unicodedata
from dataclasses import dataclass

from attncompare.attention import Token

SPACE_MARKS = "\u0120\u2581"
"""How byte-level (Ġ) and sentence-piece (▁) tokenizers write a leading space."""


@dataclass(frozen=True, slots=True)
class Span:
    """What one token stands for: characters ``start:stop`` without outer spaces."""

    token: int
    start: int
    stop: int
    """Equal to ``start`` for the mark of the space before a word; the token then belongs to what starts there."""
    blank: bool
    """White space that is a token of its own: a line break, an indent."""
    outer: tuple[int, int]
    """The same with the spaces that the token takes in."""


def spans(text: str, tokens: list[tuple[int, Token]]) -> list[Span]:
    """The tokens of one text as spans, in their order; tokens that stand for nothing in it are left out.

    ``tokens`` are (position, token) pairs without the special tokens that a tokenizer adds.
    """
    found: list[Span] = []
    following = len(text)
    ends = _ends(tokens)
    for (position, token), before in zip(reversed(tokens), reversed(ends), strict=True):
        if token.start is not None and token.end is not None:
            start, stop = token.start, token.end
            span: Span | None = _span(text, position, start, stop)
        else:
            start, span = _placed(text, position, token.raw, before, following)
        if span is not None:
            found.append(span)
            following = start
    return found[::-1]


def _ends(tokens: list[tuple[int, Token]]) -> list[int]:
    """For each token where the text before it ends."""
    ends, reached = [], 0
    for _, token in tokens:
        ends.append(reached)
        reached = max(reached, token.end or 0)
    return ends


def _span(text: str, position: int, start: int, stop: int) -> Span:
    piece = text[start:stop]
    if piece.strip():
        left, right = len(piece) - len(piece.lstrip()), len(piece) - len(piece.rstrip())
        return Span(position, start + left, stop - right, False, (start, stop))
    before_word = stop < len(text) and not text[stop].isspace()
    if before_word and len(piece) == 1 and unicodedata.category(piece) == "Zs":
        return Span(position, stop, stop, False, (start, stop))
    return Span(position, start, stop, True, (start, stop))


def _placed(text: str, position: int, raw: str, before: int, following: int) -> tuple[int, Span | None]:
    """A token without offsets, between the text that its neighbours stand for; and where it starts."""
    gap = text[before:following]
    if gap and gap.isspace():  # the offsets of spaces were trimmed away: one space a character of the token's name
        start = max(before, following - len(raw))
        return start, _span(text, position, start, following)
    if before < following:
        return following, None
    if following < len(text) and (before == 0 or raw[:1] in SPACE_MARKS):
        return following, Span(position, following, following, False, (following, following))
    if before == 0:
        return following, None
    # One more byte of the character before it.
    return following, Span(position, before - 1, before, False, (before - 1, before))
