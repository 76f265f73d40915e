"""Text to tokens on real tokenizers made here: specials, offsets, sinks."""

import pytest
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from attncompare.errors import BadInput
from attncompare.models.tokens import encode, fitting, mark_sinks, sink_positions, special_words
from tests.models import readers


@pytest.fixture(scope="module")
def embedded_tokenizer():
    from transformers import AutoTokenizer

    from attncompare.models.embedded import base_folder

    return AutoTokenizer.from_pretrained(base_folder())


def byte_level() -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {name: i for i, name in enumerate(["<s>", "</s>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def test_tokens_are_readable_and_point_into_the_text(embedded_tokenizer) -> None:
    text = "An unbelievably dull film."
    encoding = encode(embedded_tokenizer, text)
    assert [token.text for token in encoding.tokens][:2] == ["[CLS]", "An"]
    assert encoding.tokens[0].special
    assert encoding.tokens[0].start is None
    pieces = [token for token in encoding.tokens if token.start is not None]
    assert all(text[token.start : token.end] == token.text for token in pieces)
    assert any(token.raw.startswith("##") for token in pieces)
    assert not any(token.text.startswith("##") for token in pieces)
    assert len(encoding.ids) == len(encoding.tokens)


def test_special_tokens_typed_as_text_stay_text(embedded_tokenizer) -> None:
    encoding = encode(embedded_tokenizer, "a [SEP] b [CLS]")
    assert encoding.ids.count(embedded_tokenizer.sep_token_id) == 1
    assert encoding.ids.count(embedded_tokenizer.cls_token_id) == 1
    assert "".join(token.text for token in encoding.tokens[1:-1]) == "a[SEP]b[CLS]"
    typed = encode(byte_level(), "</s>")
    assert typed.ids.count(1) == 0
    assert "".join(token.text for token in typed.tokens) == "</s>"


def test_bytes_of_one_character_show_it_once_and_then_count() -> None:
    tokens = encode(byte_level(), "é!🙂").tokens
    assert [token.text for token in tokens] == ["é", "·2", "!", "🙂", "·2", "·3", "·4"]
    assert [(token.start, token.end) for token in tokens] == [(0, 1), (0, 1), (1, 2), *[(2, 3)] * 4]
    assert [token.text for token in encode(byte_level(), "ee").tokens] == ["e", "e"]


def test_the_mark_of_a_space_stands_for_no_character() -> None:
    tokens = encode(readers.sentence_piece(), "The  film").tokens
    text = "The  film"
    assert (tokens[0].raw, tokens[0].start) == ("▁", None)
    assert all(text[t.start : t.end].strip() == t.text.strip() for t in tokens if t.start is not None)
    assert [t.special for t in tokens] == [False] * (len(tokens) - 1) + [True]


@pytest.mark.parametrize("text", ["\u200b", "\x07"])
def test_text_that_leaves_no_token(embedded_tokenizer, text: str) -> None:
    with pytest.raises(BadInput, match="Nothing of this text is left"):
        encode(embedded_tokenizer, text)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_blank_text(embedded_tokenizer, text: str) -> None:
    with pytest.raises(BadInput, match="The text is empty"):
        encode(embedded_tokenizer, text)


@pytest.mark.parametrize("limit", [3, 7, 20, 100])
@pytest.mark.parametrize("make", [readers.embedded_tokenizer, readers.byte_level, readers.sentence_piece])
def test_what_fits_is_the_longest_beginning_that_does(make, limit: int) -> None:
    tokenizer, text = make(), "An unbelievably dull film 🙂 about 漢字, twice.  " * 2
    fits = fitting(tokenizer, text, limit)
    assert text.startswith(fits)
    assert len(encode(tokenizer, fits).tokens) <= limit
    ends = {token.end for token in encode(tokenizer, text).tokens if token.end and token.end > len(fits)}
    assert all(len(encode(tokenizer, text[:end]).tokens) > limit for end in ends)


def test_nothing_fits_where_the_special_tokens_alone_are_too_many(embedded_tokenizer) -> None:
    assert fitting(embedded_tokenizer, "dull", 2) == ""
    assert fitting(embedded_tokenizer, "dull", 3) == "dull"


def test_sinks_are_the_special_ids_and_the_first_causal_token(embedded_tokenizer) -> None:
    encoding = encode(embedded_tokenizer, "Dull. Very dull.")
    last = len(encoding.ids) - 1
    assert sink_positions(embedded_tokenizer, encoding.ids, causal=False) == [0, last]
    marked = mark_sinks(encoding.tokens, [0, last])
    assert [token.sink for token in marked] == [i in (0, last) for i in range(last + 1)]
    causal = encode(byte_level(), "abc")
    assert sink_positions(byte_level(), causal.ids, causal=True) == [0]
    assert sink_positions(byte_level(), causal.ids, causal=False) == []


def test_masks_and_padding_are_no_sinks(embedded_tokenizer) -> None:
    ids = (embedded_tokenizer.mask_token_id, embedded_tokenizer.pad_token_id, embedded_tokenizer.unk_token_id)
    assert sink_positions(embedded_tokenizer, ids, causal=False) == []


@pytest.mark.parametrize("text", [None, 123, b"dull"])
def test_text_that_is_no_text(embedded_tokenizer, text) -> None:
    with pytest.raises(BadInput, match="Expected the text to be a string"):
        encode(embedded_tokenizer, text)


def test_half_a_character_is_refused(embedded_tokenizer) -> None:
    with pytest.raises(BadInput, match="lone surrogate"):
        encode(embedded_tokenizer, "dull \ud83d")


def test_two_texts_are_one_reading_with_segments(embedded_tokenizer) -> None:
    texts = ("A dull film.", "Not good [SEP] at all.")
    encoding = encode(embedded_tokenizer, texts[0], text_pair=texts[1])
    expected = embedded_tokenizer(texts[0], texts[1].replace("[SEP]", "[ SEP ]"))
    assert encoding.ids == tuple(expected["input_ids"])
    assert encoding.inputs["token_type_ids"][0].tolist() == expected["token_type_ids"]
    assert [t.segment for t in encoding.tokens] == expected["token_type_ids"]
    own = [t for t in encoding.tokens if t.start is not None]
    assert all(texts[t.segment][t.start : t.end] == t.text for t in own)
    assert [t.special for t in encoding.tokens].count(True) == 3
    assert "token_type_ids" not in encode(embedded_tokenizer, *texts[:1], text_pair=texts[1], token_types=False).inputs


def test_two_texts_need_a_mark_between_them(embedded_tokenizer) -> None:
    with pytest.raises(BadInput, match="puts no mark between two texts"):
        encode(byte_level(), "A film.", text_pair="Dull.")
    with pytest.raises(BadInput, match="Nothing of one of the two texts is left"):
        encode(embedded_tokenizer, "A film.", text_pair="\u200b")
    with pytest.raises(BadInput, match="The text is empty"):
        encode(embedded_tokenizer, "A film.", text_pair=" ")


def test_markers_of_a_rendered_chat_are_special_and_stand_for_their_characters() -> None:
    tokenizer, chat = readers.byte_level(bos=True, eos=True), "<s><|user|> A <film.</s><|assistant|>"
    tokens = encode(tokenizer, chat, markers=True).tokens
    assert [t.raw for t in tokens if t.special] == ["<s>", "<|user|>", "</s>", "<|assistant|>"]
    assert [t.raw for t in tokens] == tokenizer.convert_ids_to_tokens(
        tokenizer(chat, add_special_tokens=False).input_ids
    )
    assert "".join(chat[t.start : t.end] for t in tokens) == chat


def test_special_words_are_those_that_a_tokenizer_never_writes_as_text() -> None:
    assert special_words(readers.byte_level()) == {0: "<s>", 1: "</s>", 2: "<pad>", 3: "<|user|>", 4: "<|assistant|>"}


def esm(folder) -> transformers.EsmTokenizer:
    (folder / "vocab.txt").write_text(
        "\n".join(["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWC", "<mask>"])
    )
    return transformers.EsmTokenizer(str(folder / "vocab.txt"))


def test_a_tokenizer_without_offsets_is_read_where_there_is_no_doubt(tmp_path) -> None:
    tokenizer = esm(tmp_path)
    encoding = encode(tokenizer, "M K LV")
    assert encoding.ids == tuple(tokenizer("M K LV")["input_ids"])
    assert [(t.text, t.start) for t in encoding.tokens] == [
        ("<cls>", None), ("M", 0), ("K", 2), ("L", 4), ("V", 5), ("<eos>", None),
    ]  # fmt: skip
    assert [t.special for t in encoding.tokens] == [True, False, False, False, False, True]
    pair = encode(tokenizer, "M K", text_pair="LV")
    assert [(t.segment, t.start) for t in pair.tokens if not t.special] == [(0, 0), (0, 2), (1, 0), (1, 1)]


def test_bytes_are_found_again() -> None:
    tokens = encode(transformers.ByT5Tokenizer(), "é 🙂").tokens
    assert [(t.start, t.end) for t in tokens] == [(0, 1)] * 2 + [(1, 2)] + [(2, 3)] * 4 + [(None, None)]


def test_a_tokenizer_without_offsets_is_refused_where_there_is_doubt(tmp_path) -> None:
    class Spelling(transformers.EsmTokenizer):
        def _tokenize(self, text: str, **_) -> list[str]:
            return ["L", "A"]

    esm(tmp_path)
    with pytest.raises(BadInput, match="Spelling doesn't say which characters its tokens stand for"):
        encode(Spelling(str(tmp_path / "vocab.txt")), "M K")
