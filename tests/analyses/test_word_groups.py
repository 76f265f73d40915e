"""Where words of groups stand in a text, and which lists are refused."""

import json

import numpy as np
import pytest

from attncompare.analyses.word_groups import (
    DEFAULT,
    groups_from_json,
    groups_from_lines,
    hits,
    lines_of,
    members,
    require_groups,
)
from attncompare.attention import Token
from attncompare.errors import BadInput

GROUPS = {"female": ("she", "her"), "male": ("he",), "work": ("team lead", "built")}


def units(text: str) -> list[Token]:
    """Tokens at white space, with [CLS] in front."""
    found, at = [Token("[CLS]", "[CLS]", None, None, special=True, sink=True)], 0
    for word in text.split(" "):
        found.append(Token(word, word, at, at + len(word), special=False, sink=False))
        at += len(word) + 1
    return found


def test_whole_words_in_any_case_and_nothing_that_is_a_part_of_one():
    text = "SHE built; the hero, Sheila and her team lead rebuilt what he's left: hers"
    found = [(text[hit.start : hit.end], hit.group) for hit in hits([text], GROUPS)]
    assert found == [("SHE", "female"), ("built", "work"), ("her", "female"), ("team lead", "work"), ("he", "male")]


def test_words_cut_short_are_no_words_of_a_group():
    with pytest.raises(BadInput, match="No word of any group"):
        hits(["Sh le a tea of engin an buil"], GROUPS)


def test_hits_name_the_text_that_they_are_in():
    assert [(hit.segment, hit.start) for hit in hits(["no", "now she"], GROUPS)] == [(1, 4)]


def test_members_hold_every_piece_of_a_word():
    text = "her team lead sleeps"
    tokens = units("h er te am lead sleeps")
    spans = [None, (0, 1), (1, 3), (4, 6), (6, 8), (9, 13), (14, 20)]
    tokens = [
        Token(t.text, t.raw, *(span or (None, None)), special=t.special, sink=t.sink)
        for t, span in zip(tokens, spans, strict=True)
    ]
    flags = members(tokens, hits([text], GROUPS), tuple(GROUPS))
    assert [np.flatnonzero(row).tolist() for row in flags] == [[1, 2], [], [3, 4, 5]]


def test_sinks_and_special_tokens_are_in_no_group():
    tokens = units("she her")
    tokens[1] = Token("she", "she", 0, 3, special=False, sink=True)
    flags = members(tokens, hits(["she her"], GROUPS), tuple(GROUPS))
    assert np.flatnonzero(flags[0]).tolist() == [2]


def test_one_piece_with_words_of_two_groups_is_refused():
    tokens = [Token("she he", "she he", 0, 6, special=False, sink=False)]
    with pytest.raises(BadInput, match="‘she he’ as one piece"):
        members(tokens, hits(["she he"], GROUPS), tuple(GROUPS))


def test_overlapping_groups_are_refused_by_word_and_both_names():
    with pytest.raises(BadInput, match="‘Dr’ is in two groups, ‘titles’ and ‘experience’"):
        require_groups({"titles": ["dr"], "experience": ["years", "Dr"]})


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({}, "Expected groups to be words"),
        (["she"], "Expected groups to be words"),
        ({"female": "she"}, "‘female’ to be a list of words"),
        ({"female": [1]}, "‘female’ to be a list of words"),
        ({"female": [" "]}, "‘female’ has no words"),
        ({" ": ["she"]}, "name of a group"),
        ({"rest": ["she"]}, "can't be called ‘rest’"),
        ({str(i): [f"w{i}"] for i in range(13)}, "13 groups"),
    ],
)
def test_other_groups_that_are_refused(groups, said):
    with pytest.raises(BadInput, match=said):
        require_groups(groups)


def test_a_text_in_another_language_is_told_that_the_lists_are_english():
    with pytest.raises(BadInput, match="lists that come with this are English"):
        hits(["Sie führte sechs Ingenieurinnen und baute Brücken."], DEFAULT)
    german = require_groups({"female": ["sie", "Ingenieurinnen"]})
    assert len(hits(["Sie führte sechs Ingenieurinnen."], german)) == 2


def test_the_default_lists_stand_and_survive_being_typed_and_written():
    assert require_groups(DEFAULT) == DEFAULT
    assert groups_from_lines(lines_of(DEFAULT)) == DEFAULT
    assert groups_from_json(json.dumps(DEFAULT), "lists.json") == DEFAULT


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("female: she\nmale he", "Line 2 of the groups is no group"),
        ("female: she\n\nmale: ,", "Line 3 of the groups"),
        (": she", "Line 1 of the groups"),
        ("a: x\na: y", "Line 2 names the group ‘a’ again"),
        ("  \n", "There are no groups"),
        ("a: x\nb: X", "‘X’ is in two groups, ‘a’ and ‘b’"),
    ],
)
def test_typed_groups_that_are_refused_name_the_line(lines, said):
    with pytest.raises(BadInput, match=said):
        groups_from_lines(lines)


def test_a_file_that_is_no_json_is_told_where():
    with pytest.raises(BadInput, match=r"lists\.json is no JSON \(line 2"):
        groups_from_json('{"female":\n ["she"', "lists.json")
