"""Texts with the gender of their words swapped."""

import pytest

from attncompare.analyses.counterfactuals import PAIRS, swapped
from attncompare.analyses.word_groups import DEFAULT


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("She led a team.", "He led a team."),
        ("SHE AND HER BROTHER", "HE AND HIS SISTER"),
        ("We told her.", "We told him."),
        ("We told her about it.", "We told him about it."),
        ("Her work is hers.", "His work is his."),
        ("his plan, not theirs; the plan is his", "her plan, not theirs; the plan is hers"),
        ("Mrs. Jones and Mr. Smith", "Mr. Jones and Ms. Smith"),
        ("Mary's sister said she'd met him herself", "James's brother said he'd met her himself"),
        ("The hero there, 20 ms later", "The hero there, 20 ms later"),
    ],
)
def test_words_of_the_other_gender(text, other):
    assert swapped(text).text == other


@pytest.mark.parametrize(
    "text",
    [
        "She asked her sister whether he saw Mary and John, and the girls told him.",
        "Mr. Brown lost his job and his wife kept hers.",
        "HE, Himself, the woman",
    ],
)
def test_twice_is_the_text_itself_where_pairs_are_one_to_one(text):
    assert swapped(text).text != text
    assert swapped(swapped(text).text).text == text


def test_mrs_is_not_one_to_one():
    assert swapped(swapped("Mrs Jones").text).text == "Ms Jones"


def test_changes_say_where_words_stand_in_both_texts():
    text = "So she told her brother, and Mary."
    found = swapped(text)
    assert [(one.before, one.after) for one in found.changes] == [
        ("she", "he"), ("her", "his"), ("brother", "sister"), ("Mary", "James"),
    ]  # fmt: skip
    for one in found.changes:
        assert text[one.start : one.end] == one.before
        assert found.text[one.new_start : one.new_end] == one.after
        assert (found.moved(one.start), found.moved(one.end)) == (one.new_start, one.new_end)
    assert found.text[found.moved(text.index("told")) :].startswith("told")
    assert found.moved(len(text)) == len(found.text)


def test_a_text_without_gender_stays():
    assert swapped("They built it.") == type(swapped(""))("They built it.", ())


def test_every_pair_is_of_two_words_and_gendered_or_a_name():
    words = [word for pair in PAIRS for word in pair]
    assert len(set(words)) == len(words)
    listed = {word.casefold() for name in ("female", "male", "names") for word in DEFAULT[name]}
    assert set(words) <= listed
    assert {word.casefold() for name in ("female", "male") for word in DEFAULT[name]} - set(words) == {
        "her", "hers", "his", "him", "mrs",
    }  # fmt: skip
