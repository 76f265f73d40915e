"""Pieces without offsets, found in their text again, or not."""

import pytest

from attncompare.models.offsets import located


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("dull films, twice", ["▁dull", "▁film", "s", ",", "▁twice"]),
        ("dull films, twice", ["dull</w>", "film", "s</w>", ",</w>", "twice</w>"]),
        ("dull films, twice", ["dull", "film@@", "s,", "twice"]),
        ("dull films, twice", ["dull", "film", "##s", ",", "twice"]),
        ("DULL Films, twice", ["dull", "film", "##s", ",", "twice"]),
        ("a@@ ##b ▁c", ["a@@", "##b", "▁c"]),
        ("  spaced \n out ", ["▁", "▁spaced", "▁out"]),
        ("é漢!", list("é漢!".encode().decode("latin-1"))),
    ],
)
def test_every_piece_has_its_place(text: str, pieces: list[str]) -> None:
    spans = located(text, pieces)
    assert spans is not None
    covered = {i for start, end in spans for i in range(start, end)}
    assert all(text[i].isspace() for i in set(range(len(text))) - covered)
    assert spans == sorted(spans)
    for piece, (start, end) in zip(pieces, spans, strict=True):
        assert text.isascii() is False or text[start:end].lower() in piece.lower()


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("dull films", ["▁dull"]),
        ("dull films", ["▁dull", "▁movie", "s"]),
        ("dull films", ["<unk>", "▁film", "s"]),
        ("“dull”", ['"', "dull", '"']),
        ("films dull", ["dull", "films"]),
    ],
)
def test_doubt_is_none(text: str, pieces: list[str]) -> None:
    assert located(text, pieces) is None
