"""What decoders read against the families' own shifting."""

import sys
from typing import Any

import pytest
import torch
import transformers

from attncompare.errors import BadInput
from attncompare.models.pair import Side
from attncompare.models.targets import read_target, shifted, start_token
from attncompare.models.tokens import encode
from tests.models import readers

LABELS = (40, 41, 42, 2, 57)
SMALL = {"vocab_size": 99, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1} | {
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
}
T5 = {"vocab_size": 99, "d_model": 16, "d_kv": 8, "num_layers": 1, "num_heads": 2, "d_ff": 16}
FAMILIES = {
    "bart": SMALL | {"decoder_start_token_id": 7},
    "bigbird_pegasus": SMALL | {"decoder_start_token_id": 7, "attention_type": "original_full"},
    "blenderbot": SMALL | {"decoder_start_token_id": 7},
    "blenderbot-small": SMALL | {"decoder_start_token_id": 7},
    "led": SMALL | {"decoder_start_token_id": 7, "attention_window": [8]},
    "m2m_100": SMALL | {"decoder_start_token_id": 2},
    "marian": SMALL | {"decoder_start_token_id": 98, "pad_token_id": 98},
    "mbart": SMALL,
    "mvp": SMALL | {"decoder_start_token_id": 7},
    "nllb-moe": SMALL | {"decoder_start_token_id": 2, "num_experts": 2},
    "pegasus": SMALL,
    "pegasus_x": SMALL,
    "plbart": SMALL,
    "prophetnet": {"vocab_size": 99, "hidden_size": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    | {"num_encoder_layers": 1, "num_decoder_layers": 1, "num_encoder_attention_heads": 2, "num_decoder_attention_heads": 2}
    | {"decoder_start_token_id": 7},
    "fsmt": {key: value for key, value in SMALL.items() if key != "vocab_size"}
    | {"langs": ["en", "de"], "src_vocab_size": 99, "tgt_vocab_size": 99},
    "longt5": T5 | {"decoder_start_token_id": 0},
    "mt5": T5 | {"decoder_start_token_id": 0},
    "switch_transformers": T5 | {"decoder_start_token_id": 0, "num_experts": 2},
    "t5": T5 | {"decoder_start_token_id": 0},
    "umt5": T5 | {"decoder_start_token_id": 0},
}  # fmt: skip


def own_shift(model: Any, labels: torch.Tensor) -> torch.Tensor:
    """The family's own way: its method, or the function that its forward pass calls."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        return model.prepare_decoder_input_ids_from_labels(labels=labels)
    config, module = model.config, sys.modules[type(model).__module__]
    return module.shift_tokens_right(labels, config.pad_token_id, config.decoder_start_token_id)


@pytest.mark.parametrize("kind", ["AutoModelForSeq2SeqLM", "AutoModel"])
@pytest.mark.parametrize("family", FAMILIES)
def test_decoders_read_what_the_family_itself_shifts(family: str, kind: str) -> None:
    config = transformers.AutoConfig.for_model(family, **FAMILIES[family])
    whole = transformers.AutoModelForSeq2SeqLM.from_config(config)
    side = readers.side(getattr(transformers, kind).from_config(config), None, "org/any")
    expected = own_shift(whole, torch.tensor([LABELS]))[0].tolist()
    assert list(shifted(side, LABELS)) == expected


def side(family: str, tokenizer: Any) -> Side:
    return readers.side(readers.model(family, "AutoModelForSeq2SeqLM", 1), tokenizer, "org/any")


def test_a_target_is_read_one_step_behind() -> None:
    one = side("t5", readers.sentence_piece())
    source, target = encode(one.tokenizer, "A dull film."), encode(one.tokenizer, "not good")
    both = read_target(one, source, target)
    labels = torch.tensor([target.ids])
    assert both.target_ids == tuple(one.model._shift_right(labels)[0].tolist())
    assert both.ids == source.ids
    assert both.tokens == source.tokens
    assert both.target is not None
    assert both.target[1:] == target.tokens[:-1]
    assert (both.target[0].raw, both.target[0].special, both.target[0].start) == ("<pad>", True, None)


def test_no_word_is_lost_where_a_tokenizer_adds_no_end() -> None:
    one = side("bart", readers.byte_level())
    target = encode(one.tokenizer, "not good")
    both = read_target(one, encode(one.tokenizer, "A dull film."), target)
    assert both.target_ids == (1, *target.ids)
    assert both.target is not None
    assert both.target[1:] == target.tokens


def test_the_start_token_is_looked_for_where_checkpoints_name_it() -> None:
    one = side("t5", readers.sentence_piece())
    assert start_token(one) == 2
    one.model.config.decoder_start_token_id = None
    one.model.generation_config.decoder_start_token_id = 9
    assert start_token(one) == 9
    one.model.generation_config.decoder_start_token_id = None
    with pytest.raises(BadInput, match="org/any doesn't say which token its decoder starts with"):
        start_token(one)
    one.model.generation_config.bos_token_id = 5
    assert start_token(one) == 5


def test_a_tokenizer_may_read_targets_in_another_way() -> None:
    vocabulary = [(piece, -1.0) for piece in ["<s>", "<pad>", "</s>", "<unk>", *"▁afilmdu"]]
    tokenizer = transformers.MBartTokenizer(vocab=vocabulary, src_lang="en_XX", tgt_lang="ro_RO")
    marks = [tokenizer.convert_tokens_to_ids(name) for name in ("en_XX", "ro_RO")]
    assert encode(tokenizer, "a film").ids[-2:] == (2, marks[0])
    target = encode(tokenizer, "a film", as_target=True)
    assert target.ids == tuple(tokenizer(text_target="a film")["input_ids"])
    assert target.ids[-2:] == (2, marks[1])
    assert encode(tokenizer, "a film").ids[-1] == marks[0]
    model = transformers.MBartForConditionalGeneration(
        transformers.MBartConfig(**(SMALL | {"vocab_size": len(tokenizer)}))
    )
    both = read_target(readers.side(model, tokenizer, "org/any"), encode(tokenizer, "a"), target)
    assert both.target_ids == (marks[1], *target.ids[:-1])
