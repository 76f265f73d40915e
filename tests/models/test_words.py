"""Characters as people see them, and words, in the scripts that tokenizers disagree about."""

import re

import pytest

from attncompare.models.words import character_starts, word_starts


def pieces(text: str, starts: list[bool]) -> list[str]:
    cuts = [i for i, begins in enumerate(starts) if begins]
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "characters",
    [
        ["a", "b"],
        ["e\u0301", "t", "e\u0301\u0323"],  # combining marks, one that composes and one that does not
        ["\U0001f468\u200d\U0001f469\u200d\U0001f467", "!"],  # a family of three is one sign
        ["\U0001f44d\U0001f3fd", "\u2764\ufe0f"],  # skin tone, variation selector
        ["\U0001f1eb\U0001f1f7", "\U0001f1e9\U0001f1ea"],  # two flags
        ["\u1112\u1161\u11ab", "\u1100\u1173\u11af"],  # Hangul written in parts
        ["\uff76\uff9e", "\uff77"],  # half-width kana with a voicing mark
        ["\u05e9\u05c1", "\u05dc"],  # Hebrew with a point
        ["\u0915\u093f", "\u0924"],  # Devanagari with a vowel sign
        [" ", "\u0301"],  # a mark after a space has nothing to belong to
    ],
    ids=ascii,
)
def test_characters_as_people_see_them(characters: list[str]) -> None:
    text = "".join(characters)
    assert pieces(text, character_starts(text)) == characters


@pytest.mark.parametrize(
    "words",
    [
        ["The", " ", "film", " ", "is", " ", "dull", "."],
        ["It", " ", "isn't", ",", " ", "is", " ", "it", "?"],
        ["l\u2019e\u0301te\u0301", "\n\n  ", "dogs", "'"],  # no letter after the last apostrophe
        ["3.5", " ", "of", " ", "1,000", "%", "."],
        ["snake_case", "-", "v2"],
        ["\u4f60", "\u597d", "\u3002", "\u4e16", "\u754c"],
        ["\u3053", "\u308c", "\u306f", "Python"],
        ["\u0e01\u0e34", "\u0e19"],  # Thai: one character a word, its vowel sign with it
        ["\ud55c\uad6d\uc5b4", " ", "\ub9d0"],  # Korean puts spaces
        ["\u0645\u0631\u062d\u0628\u0627", " ", "\u0628\u0643"],
        ["\u0928\u092e\u0938\u094d\u0924\u0947"],
        ["\U0001f600", "\U0001f600", "ok"],
    ],
    ids=ascii,
)
def test_words(words: list[str]) -> None:
    text = "".join(words)
    assert pieces(text, word_starts(text)) == words


def test_plain_english_is_what_a_regular_expression_finds() -> None:
    text = "Half of 2024's films -- all 1,024 of them -- weren't good; some (few) were!  Really?\nYes."
    expected = re.findall(r"\d+,\d+|\w+'\w+|\w+|\s+|[^\w\s]", text)
    assert pieces(text, word_starts(text)) == expected


@pytest.mark.parametrize("text", ["", " ", "a", "\u0301", "\u200d"])
def test_the_first_place_always_starts_something(text: str) -> None:
    assert character_starts(text) == word_starts(text) == [True] * len(text)
