"""Files of many texts, and the line that is wrong with one."""

import pytest

from attncompare.analyses.text_lists import require_many, texts_of_file
from attncompare.errors import BadInput


def test_one_a_line_with_blank_lines_left_out():
    assert texts_of_file(b"\xef\xbb\xbfOne, with a comma.\r\n\n  Two \n", "texts.txt") == ("One, with a comma.", "Two")
    assert texts_of_file("é\nü".encode(), "no ending") == ("é", "ü")


def test_tables_by_their_ending():
    csv = b'id,Text\n1,"One, and\nmore"\n\n2,Two\n'
    assert texts_of_file(csv, "a.csv") == ("One, and\nmore", "Two")
    assert texts_of_file(b"text\tid\nOne, here\t1\nTwo\t2\n", "A.TSV") == ("One, here", "Two")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"id,body\n1,x\n2,y\n", "Line 1 of a.csv: expected the names of .*, ‘text’ among them, got ‘id’, ‘body’"),
        ("a.csv", b"", "Line 1 of a.csv: .* got none"),
        ("a.csv", b"text\nOne\nTwo, or three\n", "Line 3 of a.csv: expected 1 cells as in line 1, got 2"),
        ("a.csv", b'id,text\n1,"a\nb"\n2,\n', "Line 4 of a.csv: expected a text in column ‘text’, got nothing"),
        ("a.csv", b'text\nOne\n"Two\n', "is no line of such a table"),
        ("a.txt", b"One\nTw\xff\n", "Line 2 of a.txt is no text in UTF-8"),
        ("a.txt", b"One\n", "a.txt has 1 text: expected 2 to 1,000"),
        ("a.txt", b"\n\n", "a.txt has 0 texts"),
        ("a.txt", b"x\n" * 1001, "a.txt has 1001 texts"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_which_line_and_what_was_expected(name, content, said):
    with pytest.raises(BadInput, match=said):
        texts_of_file(content, name)


def test_lists_that_are_none():
    with pytest.raises(BadInput, match="Expected a list of texts"):
        require_many("One text")
    with pytest.raises(BadInput, match="Text 2 is empty"):
        require_many(["a", " "])
    assert require_many(["a", "b"]) == ("a", "b")
