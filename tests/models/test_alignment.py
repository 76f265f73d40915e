"""Units of two tokenizers: what always holds on real tokenizers, and closed forms for every trap of offsets."""

import dataclasses
import random

import pytest

from attncompare.attention import Token
from attncompare.errors import BadInput, PairMismatch
from attncompare.models.alignment import Alignment, align
from attncompare.models.tokens import encode
from attncompare.models.words import word_starts
from tests.models.made_tokenizers import TEXTS, byte_level, every_kind, unigram, wordpiece

KINDS = ["wordpiece", "byte_level", "byte_level_untrimmed", "unigram", "byte_fallback"]
PAIRS = [(a, b) for a in KINDS for b in KINDS]


def random_texts(count: int) -> list[str]:
    draw = random.Random(5)
    parts = [
        *"abc .,!\n",
        " ",
        "  ",
        "is",
        "dull",
        "é",
        "e\u0301",
        "你",
        "😀",
        "👍🏽",
        "ש",
        "½",
        "ﬁ",
        "\u200b",
        "\u00a0",
        "한",
    ]
    return ["a" + "".join(draw.choices(parts, k=draw.randint(1, 14))) for _ in range(count)]


def text_token(text: str, start: int, end: int, **fields) -> Token:
    return Token(text[start:end].strip() or text[start:end], text[start:end], start, end, False, False, **fields)


def cut(text: str, *pieces: str) -> tuple[Token, ...]:
    """Tokens of pieces that follow one another in the text."""
    tokens, at = [], 0
    for piece in pieces:
        start = text.index(piece, at)
        at = start + len(piece)
        tokens.append(text_token(text, start, at))
    return tuple(tokens)


def added(raw: str, segment: int = 0) -> Token:
    return Token(raw, raw, None, None, True, False, segment)


def offsetless(raw: str) -> Token:
    return Token(raw, raw, None, None, False, False)


def shown(alignment: Alignment) -> list[tuple[str, list[str], list[str]]]:
    return [
        (unit.text, [alignment.base_tokens[i].raw for i in base], [alignment.tuned_tokens[i].raw for i in tuned])
        for unit, base, tuned in zip(alignment.units, alignment.base, alignment.tuned, strict=True)
    ]


def is_blank(token: Token, text: str) -> bool:
    return token.start is None or not text[token.start : token.end].strip()


@pytest.mark.parametrize("level", ["auto", "word"])
@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
def test_what_always_holds(kinds: tuple[str, str], level: str) -> None:
    first, second = (every_kind()[kind] for kind in kinds)
    for text in [*TEXTS, *random_texts(40)]:
        base, tuned = encode(first, text).tokens, encode(second, text).tokens
        alignment = align(base, tuned, (text,), level, same_ids=False)
        assert alignment.level == ("word" if level == "word" else "shared")
        for groups, tokens, left in zip(
            (alignment.base, alignment.tuned), (base, tuned), alignment.unaligned(), strict=True
        ):
            assert all(groups)
            flat = [i for group in groups for i in group]
            assert flat == sorted(set(flat)), "every token in one unit, units in the order of the text"
            assert sorted([*flat, *left]) == list(range(len(tokens)))
            for unit, group in zip(alignment.units, groups, strict=True):
                inside = [tokens[i] for i in group if not is_blank(tokens[i], text)]
                assert all(unit.start <= token.start + _leading(token, text) for token in inside)
                assert all(token.end - _trailing(token, text) <= unit.end for token in inside)
        for unit in alignment.units:
            assert unit.start is None or unit.text == text[unit.start : unit.end]
        swapped = align(tuned, base, (text,), level, same_ids=False)
        assert (swapped.base, swapped.tuned) == (alignment.tuned, alignment.base)
        assert [unit.text for unit in swapped.units if not unit.special] == [
            unit.text for unit in alignment.units if not unit.special
        ]


def _leading(token: Token, text: str) -> int:
    piece = text[token.start : token.end]
    return len(piece) - len(piece.lstrip())


def _trailing(token: Token, text: str) -> int:
    piece = text[token.start : token.end]
    return len(piece) - len(piece.rstrip())


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_with_itself_gives_its_tokens(kind: str) -> None:
    for text in [*TEXTS, *random_texts(40)]:
        tokens = encode(every_kind()[kind], text).tokens
        alignment = align(tokens, tokens, (text,), same_ids=False)
        assert alignment.base == alignment.tuned == tuple((i,) for i in range(len(tokens)))
        assert [unit.raw for unit in alignment.units] == [token.raw for token in tokens]
        assert [unit.special for unit in alignment.units] == [token.special for token in tokens]


@pytest.mark.parametrize("kinds", [("byte_level", "byte_fallback"), ("byte_fallback", "byte_level_untrimmed")])
def test_tokenizers_that_keep_every_character_lose_only_specials(kinds: tuple[str, str]) -> None:
    first, second = (every_kind()[kind] for kind in kinds)
    for text in [text.strip() for text in (*TEXTS, *random_texts(40))]:
        base, tuned = encode(first, text).tokens, encode(second, text).tokens
        left = align(base, tuned, (text,), same_ids=False).unaligned()
        lost = [side[i] for side, at in zip((base, tuned), left, strict=True) for i in at]
        assert all(token.special or is_blank(token, text) for token in lost)


@pytest.mark.parametrize("kinds", PAIRS, ids="-".join)
def test_units_are_what_overlapping_tokens_connect(kinds: tuple[str, str]) -> None:
    """Slow and independent: tokens that stand for a common character are connected, and a unit is what hangs together."""
    first, second = (every_kind()[kind] for kind in kinds)
    whole = "The film isn't good: 你好, 😀 naïve, שלום... UNBELIEVABLY dull, Ωmega-3 日本!"
    for text in (whole, *TEXTS[:3]):
        sides = [encode(tokenizer, text).tokens for tokenizer in (first, second)]
        stand = {
            (side, i): {at for at in range(token.start, token.end) if not text[at].isspace()}
            for side, tokens in enumerate(sides)
            for i, token in enumerate(tokens)
            if not is_blank(token, text)
        }
        groups = [{node} for node in stand]
        merged = True
        while merged:
            merged = False
            for a in groups:
                for b in groups:
                    if a is not b and any(stand[x] & stand[y] for x in a for y in b):
                        a |= b
                        groups.remove(b)
                        merged = True
                        break
                if merged:
                    break
        expected = {frozenset(group) for group in groups if {side for side, _ in group} == {0, 1}}
        alignment = align(*sides, (text,), same_ids=False)
        found = {
            frozenset(node for node in [*((0, i) for i in base), *((1, j) for j in tuned)] if node in stand)
            for base, tuned in zip(alignment.base, alignment.tuned, strict=True)
        } - {frozenset()}
        coarse = {group for group in expected if group in found}
        # What is finer than it has to be are the bytes of one character, named alike on both sides.
        for group in expected - coarse:
            parts = [part for part in found if part <= group]
            assert frozenset().union(*parts) == group
            for part in parts:
                (_, i), (_, j) = sorted(part)
                assert sides[0][i].raw == sides[1][j].raw
        assert found == coarse | {part for part in found if any(part < group for group in expected)}
        assert len(expected) > 3


def test_units_start_and_end_where_both_tokenizers_do() -> None:
    text = "unbelievably dull"
    alignment = align(
        cut(text, "un", "believ", "ably", " dull"),
        cut(text, "unb", "eliev", "a", "bly", "dull"),
        (text,),
        same_ids=False,
    )
    assert shown(alignment) == [
        ("unbeliev", ["un", "believ"], ["unb", "eliev"]),
        ("ably", ["ably"], ["a", "bly"]),
        ("dull", [" dull"], ["dull"]),
    ]
    assert [(unit.start, unit.end) for unit in alignment.units] == [(0, 8), (8, 12), (13, 17)]


def test_words_where_tokens_are_the_same() -> None:
    text = "Painfully dull."
    tokens = cut(text, "Pain", "fully", " dull", ".")
    by_word = align(tokens, tokens, (text,), "word", same_ids=True)
    assert (by_word.level, by_word.same_ids) == ("word", True)
    assert [unit.text for unit in by_word.units] == ["Painfully", "dull", "."]
    assert by_word.base == by_word.tuned == ((0, 1), (2,), (3,))
    starts = word_starts(text)
    assert all(starts[unit.start] for unit in by_word.units)


def test_tokens_where_ids_are_the_same() -> None:
    tokens = encode(wordpiece(), TEXTS[0]).tokens
    for level in ("auto", "token"):
        alignment = align(tokens, tokens, (TEXTS[0],), level, same_ids=True)
        assert alignment.identity
        assert alignment.level == "token"
        assert alignment.units == tokens
        assert alignment.base == alignment.tuned == tuple((i,) for i in range(len(tokens)))
        assert alignment.unaligned() == ((), ())
        assert alignment.sentence() == f"Both models see the same {len(tokens)} tokens."


def test_tokens_where_ids_differ_are_refused() -> None:
    base, tuned = cut("dull", "dull"), cut("dull", "du", "ll")
    with pytest.raises(PairMismatch, match="1 and 2 tokens; at position 0 'dull' in the base, 'du' in the tuned model"):
        align(base, tuned, ("dull",), "token", same_ids=False)
    with pytest.raises(PairMismatch, match="at position 1 the end in the base, 'll' in the tuned"):
        align(tuned[:1], tuned, ("dull",), "token", same_ids=False)
    with pytest.raises(PairMismatch, match="the same tokens have other numbers"):
        align(base, base, ("dull",), "token", same_ids=False)
    with pytest.raises(BadInput, match="Level 'sentence' is not known: choose 'auto', 'token' or 'word'"):
        align(base, base, ("dull",), "sentence", same_ids=True)


def test_specials_are_matched_by_role() -> None:
    text = "dull"
    (word,) = cut(text, "dull")
    encoder, decoder = (added("[CLS]"), word, added("[SEP]")), (added("<s>"), word, added("</s>"))
    alignment = align(encoder, decoder, (text,), same_ids=False)
    assert shown(alignment) == [
        ("[CLS]/<s>", ["[CLS]"], ["<s>"]),
        ("dull", ["dull"], ["dull"]),
        ("[SEP]/</s>", ["[SEP]"], ["</s>"]),
    ]
    assert [unit.special for unit in alignment.units] == [True, False, True]
    assert [unit.start for unit in alignment.units] == [None, 0, None]
    assert align(encoder, encoder, (text,), same_ids=False).units[0].text == "[CLS]"


@pytest.mark.parametrize(
    ("base", "tuned", "left"),
    [
        (["<s>", "dull"], ["dull"], ((0,), ())),  # a BOS on one side
        (["dull"], ["<s>", "dull", "</s>"], ((), (0, 2))),
        (["dull", "</s>"], ["<s>", "dull"], ((1,), (0,))),  # leading is not trailing
        (["<a>", "<b>", "dull"], ["<s>", "dull"], ((1,), ())),
        (["dull", "</s>", "en"], ["dull", "</s>"], ((2,), ())),
    ],
)
def test_specials_without_a_partner_are_left_out(base, tuned, left) -> None:
    def tokens(names: list[str]) -> tuple[Token, ...]:
        return tuple(text_token("dull", 0, 4) if name == "dull" else added(name) for name in names)

    alignment = align(tokens(base), tokens(tuned), ("dull",), same_ids=False)
    assert alignment.unaligned() == left
    assert len(alignment.units) == min(len(base) - len(left[0]), len(tuned) - len(left[1]))


def test_sentence_pairs_align_text_by_text() -> None:
    texts = "So dull.", "So"
    bert = (added("[CLS]"), *cut(texts[0], "So", " dull", "."), added("[SEP]"))
    bert += (text_token("So", 0, 2, segment=1), added("[SEP]", 1))
    roberta = (added("<s>"), *cut(texts[0], "So", " du", "ll."), added("</s>"), added("</s>"))
    roberta += (text_token("So", 0, 1, segment=1), text_token("So", 1, 2, segment=1), added("</s>", 1))
    alignment = align(bert, roberta, texts, same_ids=False)
    assert [name for name, _, _ in shown(alignment)] == ["[CLS]/<s>", "So", "dull.", "[SEP]/</s>", "So", "[SEP]/</s>"]
    assert [unit.segment for unit in alignment.units] == [0, 0, 0, 0, 1, 1]
    assert alignment.unaligned() == ((), (5,))
    assert alignment.base[4:] == ((5,), (6,))
    assert alignment.tuned[4:] == ((6, 7), (8,))


def test_real_sentence_pair() -> None:
    texts = "Dull.", "Is it dull?"
    sides = []
    for tokenizer in (wordpiece(), unigram()):
        encoded = tokenizer(*texts, return_offsets_mapping=True)
        names = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
        parts = zip(names, encoded["offset_mapping"], encoded.sequence_ids(), strict=True)
        sides.append(
            tuple(
                added(name) if text is None else Token(texts[text][start:end], name, start, end, False, False, text)
                for name, (start, end), text in parts
            )
        )
    alignment = align(*sides, texts, same_ids=False)
    names = [unit.text for unit in alignment.units]
    assert names.count("[SEP]/</s>") == 2
    assert "".join(name for name in names if "/" not in name).lower() == "dull.isitdull?"
    assert [sides[0][i].raw for i in alignment.unaligned()[0]] == ["[CLS]"]


def test_bytes_of_one_character() -> None:
    text = "a 😀b"
    units = shown(align(encode(wordpiece(), text).tokens, encode(byte_level(), text).tokens, (text,), same_ids=False))
    assert units == [
        ("a", ["a"], ["a"]),
        ("😀b", ["[UNK]"], ["Ġ", "ð", "Ł", "ĺ", "Ģ", "b"]),  # the space that was cut off belongs to what follows
    ]


def test_bytes_without_offsets_belong_to_their_character() -> None:
    text = "é!"
    bytes_alone = (text_token(text, 0, 1), offsetless("©"), text_token(text, 1, 2))
    alignment = align(bytes_alone, cut(text, "é", "!"), (text,), same_ids=False)
    assert (alignment.base, alignment.tuned) == (((0, 1), (2,)), ((0,), (1,)))


@pytest.mark.parametrize("marks", [("Ġ",), ("▁",)])
def test_a_lone_space_mark_belongs_to_the_word_after_it(marks: tuple[str]) -> None:
    text = "so dull"
    with_mark = (text_token(text, 0, 2), offsetless(*marks), text_token(text, 3, 7))
    with_offsets = cut(text, "so", " ", "dull")
    for tokens in (with_mark, with_offsets):
        alignment = align(tokens, cut(text, "so", " dull"), (text,), same_ids=False)
        assert (alignment.base, alignment.tuned) == (((0,), (1, 2)), ((0,), (1,)))
        assert [unit.text for unit in alignment.units] == ["so", "dull"]
    starting = (offsetless(*marks), text_token("so", 0, 2))
    assert align(starting, cut("so", "so"), ("so",), same_ids=False).base == ((0, 1),)


def test_only_the_last_of_several_spaces_belongs_to_the_word() -> None:
    text = "a  b"
    trimmed = (text_token(text, 0, 1), offsetless("Ġ"), offsetless("Ġ"), text_token(text, 3, 4))
    alignment = align(trimmed, cut(text, "a", "  ", "b"), (text,), same_ids=False)
    assert (alignment.base, alignment.tuned) == (((0,), (1,), (2, 3)), ((0,), (1,), (2,)))
    alignment = align(cut("\n foo", "\n", " foo"), cut("\n foo", "\n", " fo", "o"), ("\n foo",), same_ids=False)
    assert (alignment.base, alignment.tuned) == (((0,), (1,)), ((0,), (1, 2)))
    assert [unit.text for unit in alignment.units] == ["\n", "foo"]


def test_specials_inside_a_text_match_at_the_same_place() -> None:
    text = "so dull"
    so, dull = cut(text, "so", " dull")
    du, ll = cut(text, " du", "ll")
    base = so, added("<mask>"), dull, added("<mask>")
    assert align(base, (so, added("[M]"), du, ll), (text,), same_ids=False).tuned == ((0,), (1,), (2, 3))
    elsewhere = so, du, added("[M]"), ll
    assert align(base, elsewhere, (text,), same_ids=False).unaligned() == ((1, 3), (2,))


def test_line_breaks_align_with_line_breaks_alone() -> None:
    text = "dull.\n\nSo"
    apart = cut(text, "dull", ".", "\n", "\n", "So")
    together = cut(text, "dull", ".", "\n\n", "So")
    taken_in = cut(text, "dull", ".\n\n", "So")
    without = cut(text, "dull", ".", "So")
    assert align(apart, together, (text,), same_ids=False).base == ((0,), (1,), (2, 3), (4,))
    assert align(apart, taken_in, (text,), same_ids=False).base == ((0,), (1, 2, 3), (4,))
    alignment = align(apart, without, (text,), same_ids=False)
    assert alignment.base == ((0,), (1,), (4,))
    assert alignment.unaligned() == ((2, 3), ())
    assert alignment.to_dict(0.25, 0.0) == {
        "level": "shared", "same_ids": False, "units": 3, "tokens_base": 5, "tokens_tuned": 3,
        "unaligned_base": 0.25, "unaligned_tuned": 0.0,
        "unaligned_tokens_base": ["\n", "\n"], "unaligned_tokens_tuned": [],
    }  # fmt: skip
    assert alignment.sentence() == (
        "3 units that both tokenizers have in common, made of 5 tokens of the base ('\\n' 2 times without a partner) and "
        "3 tokens of the tuned model."
    )


def test_dropped_marks_belong_to_their_letter() -> None:
    text = "e\u0301t"  # a normaliser composed the accent into the first character, or took it away
    composed, bytewise = (text_token(text, 0, 1), text_token(text, 2, 3)), cut(text, "e", "\u0301", "t")
    alignment = align(composed, bytewise, (text,), same_ids=False)
    assert (alignment.base, alignment.tuned) == (((0,), (1,)), ((0, 1), (2,)))
    assert [unit.text for unit in alignment.units] == ["e\u0301", "t"]


def test_unknown_tokens_may_span_words() -> None:
    text = "你好 世界 ok"
    alignment = align(
        (text_token(text, 0, 5), text_token(text, 6, 8)), cut(text, "你", "好", " 世界", " ok"), (text,), same_ids=False
    )
    assert (alignment.base, alignment.tuned) == (((0,), (1,)), ((0, 1, 2), (3,)))
    assert alignment.units[0].text == "你好 世界"


def test_added_tokens_and_chat_markers_stand_in_the_text() -> None:
    text = "<|user|>So dull"
    marker = dataclasses.replace(text_token(text, 0, 8), special=True)
    plain = cut(text, "<", "|", "user", "|", ">", "So", " dull")
    alignment = align((marker, *cut(text, "So", " dull")), plain, (text,), same_ids=False)
    assert alignment.tuned[0] == (0, 1, 2, 3, 4)
    assert alignment.units[0].text == "<|user|>"
    assert not alignment.units[0].special, "for the other model it is plain text"
    both = align((marker, *cut(text, "So", " dull")), (marker, *cut(text, "So d", "ull")), (text,), same_ids=False)
    assert both.units[0].special


def test_generated_units_are_generated_altogether() -> None:
    text = "so dull"
    base = (text_token(text, 0, 2), text_token(text, 2, 5), text_token(text, 5, 7, generated=True))
    tuned = (text_token(text, 0, 2), text_token(text, 2, 7, generated=True))
    assert [unit.generated for unit in align(base, tuned, (text,), same_ids=False).units] == [False, False]
    assert [unit.generated for unit in align(tuned, tuned, (text,), same_ids=False).units] == [False, True]


def test_crossing_offsets_become_one_unit() -> None:
    text = "abcd"
    backwards = (text_token(text, 2, 4), text_token(text, 0, 2))
    alignment = align(cut(text, "ab", "cd"), backwards, (text,), same_ids=False)
    assert (alignment.base, alignment.tuned) == (((0, 1),), ((0, 1),))


def test_nothing_in_common() -> None:
    with pytest.raises(PairMismatch, match="have no part of this text in common"):
        align(cut("ab", "a"), cut("ab", "b"), ("ab",), same_ids=False)


def test_units_that_hold_positions() -> None:
    text = "so dull"
    alignment = align(
        (added("<s>"), *cut(text, "so", " du", "ll")),
        (added("<s>"), *cut(text, "so", " dull")),
        (text,),
        same_ids=False,
    )
    assert alignment.holding([0]) == [0]
    assert alignment.holding([2, 3]) == [2]
    assert alignment.holding([]) == []
