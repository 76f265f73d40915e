"""Which characters each piece of a tokenizer stands for, where the tokenizer itself doesn't say.

Tokenizers written in Python (Marian, M2M100, ESM, ByT5 and others) return no offsets. They are found again by walking the
text piece by piece, and only handed out when that leaves no doubt: every piece found in order, nothing but white space
left over. Knows nothing about models.
"""

import unicodedata
from collections.abc import Sequence

Span = tuple[int, int]

_MARKS = ("▁", "##", "@@", "</w>", "Ġ")
"""What tokenizers write into a piece to say that a word starts, goes on or ends there."""


def located(text: str, pieces: Sequence[str]) -> list[Span] | None:
    """Start and end of each piece in ``text``, an empty span for a piece without characters; None if there is doubt.

    >>> located("Dull films", ["▁dull", "▁film", "s"])
    [(0, 4), (5, 9), (9, 10)]
    >>> located("Dull films", ["▁dull", "▁movie", "s"]) is None
    True
    """
    if len(pieces) > 1 and "".join(pieces) == text.encode("utf-8", "replace").decode("latin-1"):
        return _byte_spans(text, pieces)
    folded, spans, at = _folded(text), [], 0
    for piece in pieces:
        while at < len(text) and text[at].isspace():
            at += 1
        size = next((len(form) for form in _forms(piece) if folded.startswith(_folded(form), at)), None)
        if size is None:
            return None
        spans.append((at, at + size))
        at += size
    return None if text[at:].strip() else spans


def _forms(piece: str) -> list[str]:
    """How a piece may stand in the text: as it is, else without its mark."""
    bare = piece
    for mark in _MARKS:
        bare = bare.removeprefix(mark).removesuffix(mark)
    return [piece, bare.strip()]


def _folded(text: str) -> str:
    """Lower case in compatibility form, character by character, so that positions stay."""
    return "".join(f if len(f := unicodedata.normalize("NFKC", c).lower()) == 1 else c for c in text)


def _byte_spans(text: str, pieces: Sequence[str]) -> list[Span]:
    """Pieces that are bytes (each written as the character of that number): each stands for its whole character."""
    owner = [index for index, char in enumerate(text) for _ in char.encode("utf-8", "replace")]
    spans, at = [], 0
    for piece in pieces:
        spans.append((owner[at], owner[at + len(piece) - 1] + 1))
        at += len(piece)
    return spans
