"""Many texts from a file: one a line, or a table with a column of them."""

import csv
from collections.abc import Sequence
from io import StringIO

from attncompare.analyses.verdict import printable
from attncompare.errors import BadInput

COLUMN = "text"

FEWEST, MOST = 2, 1000

TABLES = {".csv": ",", ".tsv": "\t"}
"""What stands between the cells of a table, by the ending of its name."""


def texts_of_file(content: bytes, name: str) -> tuple[str, ...]:
    """The texts of a file called ``name``: CSV or TSV by its ending, with a column ``text``; anything else is one a line,
    blank lines left out.

    Raises:
        BadInput: it is no UTF-8 or no such table, or has too few or too many texts; the sentence names the line.
    """
    try:
        written = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadInput(f"Line {line} of {printable(name)} is no text in UTF-8: save the file as UTF-8.") from None
    ending = name[name.rfind(".") :].lower() if "." in name else ""
    if ending in TABLES:
        texts = _table(written, TABLES[ending], printable(name))
    else:
        texts = tuple(line.strip() for line in written.splitlines() if line.strip())
    return require_many(texts, f"{printable(name)} has")


def require_many(texts: Sequence[str], said: str = "There are") -> tuple[str, ...]:
    """The texts, where there are enough of them; ``said`` begins the sentence if not.

    Raises:
        BadInput: no list of texts, too few or too many, or one that is blank.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise BadInput(f"Expected a list of texts, got {texts!r:.60}.")
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise BadInput(f"Text {number} is empty: write it, or leave it out.")
    if not FEWEST <= len(texts) <= MOST:
        raise BadInput(
            f"{said} {len(texts)} text{'' if len(texts) == 1 else 's'}: expected {FEWEST} to {MOST:,}, one a line, or a "
            f"table with a column ‘{COLUMN}’."
        )
    return tuple(texts)


def which(number: int, text: str, done: str, problem: object) -> str:
    """What is wrong with one of many texts; ``done`` is what can't be done to it, such as ``compared``."""
    return f"Text {number} (‘{printable(text)}’) can't be {done}: {problem}"


def _table(written: str, delimiter: str, name: str) -> tuple[str, ...]:
    rows = csv.reader(StringIO(written, newline=""), delimiter=delimiter, strict=True)
    texts: list[str] = []
    try:
        header = [cell.strip().casefold() for cell in next(rows, [])]
        if COLUMN not in header:
            there = ", ".join(f"‘{printable(cell)}’" for cell in header if cell) or "none"
            raise BadInput(
                f"Line 1 of {name}: expected the names of the columns, ‘{COLUMN}’ among them, got {there}: name the column "
                f"of texts ‘{COLUMN}’."
            )
        at, before = header.index(COLUMN), rows.line_num
        for row in rows:
            line, before = before + 1, rows.line_num
            if not row:
                continue
            if len(row) != len(header):
                raise BadInput(
                    f"Line {line} of {name}: expected {len(header)} cells as in line 1, got {len(row)}: put texts that hold "
                    "the separator in quotes."
                )
            if not row[at].strip():
                raise BadInput(
                    f"Line {line} of {name}: expected a text in column ‘{COLUMN}’, got nothing: leave the line out."
                )
            texts.append(row[at].strip())
    except csv.Error as error:
        raise BadInput(f"Line {rows.line_num} of {name} is no line of such a table: {error}.") from None
    return tuple(texts)
