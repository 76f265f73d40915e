"""Text to tokens on real tokenizers made here: specials, offsets, sinks."""

import dataclasses

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from attncompare.errors import BadInput, PairMismatch
from attncompare.models.tokens import encode, mark_sinks, require_same_tokens, sink_positions


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


def test_bytes_of_one_character_show_that_character() -> None:
    tokens = encode(byte_level(), "é!").tokens
    assert [token.text for token in tokens] == ["é", "é", "!"]


@pytest.mark.parametrize("text", ["\u200b", "\x07"])
def test_text_that_leaves_no_token(embedded_tokenizer, text: str) -> None:
    with pytest.raises(BadInput, match="Nothing of this text is left"):
        encode(embedded_tokenizer, text)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_blank_text(embedded_tokenizer, text: str) -> None:
    with pytest.raises(BadInput, match="The text is empty"):
        encode(embedded_tokenizer, text)


def test_text_over_the_limit_says_by_how_much(embedded_tokenizer) -> None:
    with pytest.raises(BadInput, match="is 602 tokens long and these models take at most 512: shorten it by 90."):
        encode(embedded_tokenizer, "dull " * 600, max_tokens=512)


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


def test_other_tokens_are_refused_with_the_place(embedded_tokenizer) -> None:
    base, tuned = encode(embedded_tokenizer, "dull"), encode(byte_level(), "dull")
    require_same_tokens(base, base)
    with pytest.raises(PairMismatch, match=r"3 and 4 tokens; at position 0 '\[CLS\]' in the base, 'd' in the tuned"):
        require_same_tokens(base, tuned)
    renumbered = byte_level()
    other = encode(renumbered, "dull")
    swapped = dataclasses.replace(other, inputs={"input_ids": other.inputs["input_ids"] + 1})
    with pytest.raises(PairMismatch, match=r"'d' is number \d+ in the base, 'd' is number \d+ in the tuned"):
        require_same_tokens(other, swapped)


@pytest.mark.parametrize("text", [None, 123, b"dull"])
def test_text_that_is_no_text(embedded_tokenizer, text) -> None:
    with pytest.raises(BadInput, match="Expected the text to be a string"):
        encode(embedded_tokenizer, text)
