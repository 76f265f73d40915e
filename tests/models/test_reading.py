"""What both models read, option by option: against the tokenizers, the models' own passes, and transformers' generation."""

import copy
import dataclasses
from typing import Any

import pytest
import torch
import transformers

from attncompare.errors import BadInput, PairMismatch
from attncompare.models.generation import CONTINUATIONS, Generation
from attncompare.models.reading import PairText, prepare
from attncompare.models.tokens import Encoding
from tests.models import readers

TEXT = "The film is not good, and the dialogue is painfully dull."


def cut(encoding: Encoding, text: str) -> list[str]:
    """What each token stands for."""
    return [text[token.start : token.end] for token in encoding.tokens if token.start is not None]


def test_a_plain_text_is_read_as_the_tokenizer_reads_it() -> None:
    pair = readers.pair("gpt2")
    question = prepare(pair, TEXT)
    assert list(question.base.ids) == pair.base.tokenizer(TEXT).input_ids
    assert question.tuned is not None
    assert question.tuned.ids == question.base.ids
    assert (question.text, question.texts, question.target_text) == (TEXT, (TEXT,), None)
    assert question.notes == ()
    assert question.keys is question.queries
    assert question.keys.level == "token"
    assert question.keys.units == question.base.tokens
    assert [i for i, token in enumerate(question.base.tokens) if token.sink] == [0]


def test_sinks_are_marked_on_each_side() -> None:
    question = prepare(readers.pair("gpt2", readers.byte_level(), readers.byte_level(bos=True, eos=True)), "A film.")
    assert [token.raw for token in question.base.tokens if token.sink] == [question.base.tokens[0].raw]
    assert [token.raw for token in question.tuned.tokens if token.sink] == ["<s>", "</s>"]
    encoder = prepare(readers.pair("bert", readers.embedded_tokenizer()), "A film.")
    assert [token.raw for token in encoder.base.tokens if token.sink] == ["[CLS]", "[SEP]"]


def test_different_tokenizers_are_aligned() -> None:
    pair = readers.pair("gpt2", readers.byte_level(), readers.sentence_piece())
    question = prepare(pair, TEXT)
    assert question.keys.level == "shared"
    assert cut(question.base, TEXT) != cut(question.tuned, TEXT)
    with pytest.raises(PairMismatch, match="level 'auto' or 'word'"):
        prepare(pair, TEXT, level="token")
    assert prepare(readers.pair("gpt2"), TEXT, level="word").keys.level == "word"


# Token types.


def test_token_types_reach_models_that_have_them_and_no_others() -> None:
    assert "token_type_ids" in prepare(readers.pair("bert", readers.embedded_tokenizer()), TEXT).base.inputs
    tokenizer = copy.deepcopy(readers.byte_level())
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    assert set(tokenizer(TEXT).token_type_ids) == {0}
    pair = readers.pair("gpt2", tokenizer)
    inputs = prepare(pair, TEXT).base.inputs
    assert set(inputs) == {"input_ids", "attention_mask"}
    # The trap: GPT-2 takes such an argument, and adds the embedding of word 0 everywhere.
    with torch.no_grad():
        plain = pair.base.model(**inputs).logits
        typed = pair.base.model(**inputs, token_type_ids=torch.zeros_like(inputs["input_ids"])).logits
        asked = pair.base.model(input_ids=inputs["input_ids"]).logits
    assert torch.equal(plain, asked)
    assert not torch.allclose(plain, typed)


def test_one_token_type_is_none() -> None:
    pair = readers.pair("bert", readers.embedded_tokenizer())
    pair.base.model.config.type_vocab_size = 1  # as RoBERTa: type 1 of a pair would be out of range
    assert "token_type_ids" not in prepare(pair, "A film.", text_pair="Dull.").base.inputs


def test_a_sentence_pair_has_types_and_segments() -> None:
    pair = readers.pair("bert", readers.embedded_tokenizer())
    question = prepare(pair, "A dull film.", text_pair="Not good.")
    expected = pair.base.tokenizer("A dull film.", "Not good.", return_tensors="pt")
    for name, values in expected.items():
        assert torch.equal(question.base.inputs[name], values)
    assert question.texts == ("A dull film.", "Not good.")
    assert [token.segment for token in question.base.tokens] == expected["token_type_ids"][0].tolist()
    other = prepare(pair, "A dull film. Not good.")
    assert other.base.ids != question.base.ids
    assert other.key != question.key


def test_a_pair_without_types_says_that_both_texts_are_of_the_first() -> None:
    tokenizer = readers.embedded_tokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    question = prepare(readers.pair("bert", tokenizer), "A dull film.", text_pair="Not good.")
    assert "token_type_ids" not in question.base.inputs
    assert question.notes == ("the tokenizer gives no token types, so the models read both texts as the first",)
    assert {token.segment for token in question.base.tokens} == {0, 1}


# Continuations.


@pytest.mark.parametrize("by", ["tuned", "base"])
def test_a_continuation_is_read_by_both_models_in_one_pass(by: str) -> None:
    pair = readers.pair("gpt2")
    writer = getattr(pair, by)
    ids = torch.tensor([pair.base.tokenizer(TEXT).input_ids])
    expected = writer.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=9, use_cache=False, pad_token_id=2
    )
    question = prepare(pair, TEXT, generate=Generation(by=by, max_new_tokens=9))
    assert list(question.base.ids) == list(question.tuned.ids) == expected[0].tolist()
    assert [t.generated for t in question.base.tokens] == [False] * ids.shape[1] + [True] * 9
    assert question.notes == (f"continued by the {by} model (greedy): 9 tokens, cut off at the limit",)
    assert question.keys.level == "token"
    assert question.text == TEXT
    assert question.texts[0].startswith(TEXT)
    assert question.key != prepare(pair, TEXT).key
    with torch.no_grad():
        logits = writer.model(**(question.base if writer is pair.base else question.tuned).inputs).logits[0]
    assert logits.argmax(-1)[ids.shape[1] - 1 : -1].tolist() == expected[0, ids.shape[1] :].tolist()


def written(pair: Any, ids: list[int]) -> Any:
    """The pair, its tuned model made to write exactly these ids by a head that knows the position."""

    class Scripted(transformers.GPT2LMHeadModel):
        def forward(self, input_ids: Any = None, position_ids: Any = None, **options: Any) -> Any:
            output = super().forward(input_ids=input_ids, position_ids=position_ids, **options)
            done = int(input_ids[0, -1]) if input_ids.shape[1] == 1 else None
            follows = ids[0] if done is None else ids[self.steps]
            self.steps = 1 if done is None else self.steps + 1
            output.logits[0, -1, follows] = 1e4
            return output

    pair.tuned.model.__class__ = Scripted
    return pair


def test_what_was_written_stands_where_it_stands() -> None:
    tokenizer = readers.byte_level()
    more = " An unbelievably warm 🙂 comedy, 漢字!"
    ids = tokenizer(more).input_ids
    question = prepare(written(readers.pair("gpt2"), ids), TEXT, generate=Generation(max_new_tokens=len(ids)))
    again = prepare(readers.pair("gpt2"), TEXT + more)
    assert question.texts[0] == TEXT + more
    assert question.base.ids == again.base.ids
    new = [token for token in question.base.tokens if token.generated]
    plain = again.base.tokens[-len(ids) :]
    assert [dataclasses.replace(token, generated=False) for token in new] == list(plain)


def test_a_character_that_was_cut_off_is_no_text() -> None:
    tokenizer = readers.byte_level()
    ids = tokenizer(" ok 🙂").input_ids[:-1]
    question = prepare(written(readers.pair("gpt2"), ids), TEXT, generate=Generation(max_new_tokens=len(ids)))
    assert question.texts[0] == TEXT + " ok "
    assert [token.start for token in question.base.tokens[-3:]] == [None] * 3
    assert len(question.base.ids) == len(tokenizer(TEXT).input_ids) + len(ids)


def test_special_tokens_that_were_written_are_no_text() -> None:
    ids = [*readers.byte_level()(" and").input_ids, 3, *readers.byte_level()(" dog").input_ids]
    question = prepare(written(readers.pair("gpt2"), ids), TEXT, generate=Generation(max_new_tokens=len(ids)))
    assert question.texts[0] == f"{TEXT} and dog"
    assert [(t.raw, t.start, t.generated) for t in question.base.tokens if t.special] == [("<|user|>", None, True)]


def test_a_bos_on_one_side_only_leaves_the_tokens_that_were_written() -> None:
    pair = readers.pair("gpt2", readers.byte_level(), readers.byte_level(bos=True, eos=True))
    question = prepare(pair, TEXT, generate=Generation(max_new_tokens=9))
    assert question.tuned.ids[0] == 0
    assert question.tuned.ids[1:] == question.base.ids
    assert 1 not in question.tuned.ids[: len(pair.base.tokenizer(TEXT).input_ids) + 1]  # the text goes on: no end mark
    assert [t.generated for t in question.tuned.tokens[1:]] == [t.generated for t in question.base.tokens]


def test_another_tokenizer_reads_what_was_written_anew() -> None:
    pair = readers.pair("gpt2", readers.sentence_piece(), readers.byte_level())
    more = " An unbelievably warm comedy"
    ids = pair.tuned.tokenizer(more).input_ids
    question = prepare(written(pair, ids), TEXT, generate=Generation(max_new_tokens=len(ids)))
    assert question.texts[0] == TEXT + more
    assert question.base.ids == tuple(pair.base.tokenizer(TEXT + more).input_ids[:-1])
    for encoding in (question.base, question.tuned):
        assert [t.generated for t in encoding.tokens if t.end is not None] == [
            t.end > len(TEXT) for t in encoding.tokens if t.end is not None
        ]
    assert question.keys.level == "shared"


def test_tokens_without_a_name_are_shown_by_number() -> None:
    question = prepare(written(readers.pair("gpt2"), [310, 311]), TEXT, generate=Generation(max_new_tokens=2))
    assert [token.text for token in question.base.tokens[-2:]] == ["#310", "#311"]
    assert question.texts[0] == TEXT


def test_an_answer_that_ends_at_once_leaves_the_text() -> None:
    question = prepare(written(readers.pair("gpt2"), [1]), TEXT, generate=Generation())
    assert question.base.ids == prepare(readers.pair("gpt2"), TEXT).base.ids
    assert question.notes == ("continued by the tuned model (greedy): 0 tokens, ended by the model itself",)


def test_a_continuation_stops_where_the_models_stop_reading() -> None:
    length = len(readers.byte_level()(TEXT).input_ids)
    question = prepare(readers.pair("gpt2", max_tokens=length + 3), TEXT, generate=Generation())
    assert len(question.base.ids) == length + 3
    with pytest.raises(
        BadInput, match=f"is {length} tokens long and these models take at most {length}, so nothing can"
    ):
        prepare(readers.pair("gpt2", max_tokens=length), TEXT, generate=Generation())


def test_progress_reaches_the_generation() -> None:
    told = []
    prepare(readers.pair("gpt2"), TEXT, generate=Generation(max_new_tokens=3), progress=lambda *news: told.append(news))
    assert told == [("the tuned model writes", i, 3) for i in range(3)]


# Encoder-decoders.


@pytest.mark.parametrize(("family", "tokenizer"), [("t5", readers.sentence_piece), ("bart", readers.byte_level)])
def test_a_target_is_read_as_in_training(family: str, tokenizer: Any) -> None:
    pair = readers.pair(family, tokenizer())
    target = "It was not good."
    for attention in ("self", "decoder", "cross"):
        question = prepare(pair, TEXT, target=target, attention=attention)
        labels = tokenizer()(target, return_tensors="pt").input_ids
        if family == "bart":  # its tokenizer here adds no end, which the family's labels have
            labels = torch.cat([labels, torch.tensor([[1]])], 1)
        expected = pair.base.model.prepare_decoder_input_ids_from_labels(labels=labels)
        assert torch.equal(question.base.inputs["decoder_input_ids"], expected)
        assert list(question.base.ids) == tokenizer()(TEXT).input_ids
        assert question.target_text == target
        with torch.no_grad():
            ours = pair.base.model(**question.base.inputs).logits
            theirs = pair.base.model(input_ids=question.base.inputs["input_ids"], labels=labels).logits
        assert torch.equal(ours, theirs)


def test_each_stack_has_its_own_units() -> None:
    pair = readers.pair("t5", readers.sentence_piece())
    one, decoder, cross = (prepare(pair, TEXT, target="Dull.", attention=a) for a in ("self", "decoder", "cross"))
    assert one.queries.units == one.keys.units == one.base.tokens
    assert decoder.queries.units == decoder.keys.units == decoder.base.target
    assert (cross.queries.units, cross.keys.units) == (cross.base.target, cross.base.tokens)
    assert (one.texts[0], decoder.target_text, cross.texts[0]) == (TEXT, "Dull.", TEXT)
    assert one.key == decoder.key == cross.key  # one pass has all three
    assert prepare(pair, TEXT, target="Good.").key != one.key
    target = decoder.base.target
    assert target is not None
    assert [token.sink for token in target] == [True] + [False] * (len(target) - 1)
    assert [token.raw for token in one.base.tokens if token.sink] == ["</s>"]


def test_the_encoder_alone_needs_no_target() -> None:
    pair = readers.pair("t5", readers.sentence_piece())
    told: list[Any] = []
    question = prepare(pair, TEXT, progress=lambda *news: told.append(news))
    assert question.base.target_ids == question.tuned.target_ids == (2,)
    assert (question.notes, told) == ((), [])


@pytest.mark.parametrize("attention", ["decoder", "cross"])
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_without_a_target_the_tuned_model_writes_one(family: str, attention: str) -> None:
    pair = readers.pair(family, readers.sentence_piece())
    ids = torch.tensor([pair.base.tokenizer(TEXT).input_ids])
    model = pair.tuned.model
    expected = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=64, forced_eos_token_id=None
    )[0].tolist()
    question = prepare(pair, TEXT, attention=attention)
    expected = expected[: expected.index(1, 1)] if 1 in expected[1:] else expected
    assert list(question.base.target_ids or ()) == list(question.tuned.target_ids or ()) == expected
    ended = "ended by the model itself" if len(expected) < 65 else "cut off at the limit"
    assert question.notes == (f"target written by the tuned model (greedy): {len(expected) - 1} tokens, {ended}",)
    assert question.base.target is not None
    assert [t.generated for t in question.base.target] == [False] + [True] * (len(expected) - 1)


def test_another_tokenizer_reads_the_written_target_anew() -> None:
    pair = readers.pair("t5", readers.sentence_piece(), readers.byte_level(eos=True))
    pair.tuned.model.generation_config.suppress_tokens = [0, 1, 2, 3, 4, *range(300, 320), *range(69, 300)]
    question = prepare(pair, TEXT, attention="decoder", generate=Generation(max_new_tokens=12))
    text = question.target_text
    assert text
    assert text.isascii()
    labels = torch.tensor([pair.base.tokenizer(text).input_ids])
    assert question.base.target_ids == tuple(pair.base.model._shift_right(labels)[0].tolist())
    assert question.tuned.target_ids != question.base.target_ids
    assert all(token.generated for token in (question.base.target or ())[1:] if token.start is not None)


# What is refused.


def test_a_text_over_the_limit_says_how_much_of_it_fits() -> None:
    pair = readers.pair("gpt2", readers.byte_level(), readers.sentence_piece(), max_tokens=20)
    with pytest.raises(
        BadInput, match=r"The text is \d+ tokens long.*at most 20: cut it to its first \d+ char"
    ) as caught:
        prepare(pair, TEXT)
    fits = int(str(caught.value).split("first ")[1].split(" ")[0])
    question = prepare(pair, TEXT[:fits])
    assert max(len(question.base.ids), len(question.tuned.ids)) in (19, 20)
    encoder = readers.pair("bert", readers.embedded_tokenizer(), max_tokens=8)
    with pytest.raises(BadInput, match="The sentence pair is 10 tokens long .* at most 8: shorten it by 2 tokens"):
        prepare(encoder, "A dull film.", text_pair="Not good.")
    two_stacks = readers.pair("t5", readers.sentence_piece(), max_tokens=30)
    with pytest.raises(BadInput, match="The target is"):
        prepare(two_stacks, "A film.", target=TEXT * 3)
    assert len(prepare(two_stacks, "A film.", attention="decoder").base.target_ids or ()) <= 30


@pytest.mark.parametrize(
    ("family", "options", "why"),
    [
        ("gpt2", {"attention": "all"}, "There is no attention 'all': choose one of self, decoder, cross"),
        ("gpt2", {"attention": "cross"}, "GPT2LMHeadModel has one stack"),
        ("bert", {"attention": "decoder"}, "BertModel has one stack"),
        ("gpt2", {"level": "heads"}, "Level 'heads' is not known"),
        ("gpt2", {"generate": 5}, "generate is 5"),
        ("gpt2", {"chat": 1}, "chat is 1"),
        ("gpt2", {"text_pair": "b"}, "A sentence pair is for encoders, and GPT2LMHeadModel is none"),
        ("t5", {"text_pair": "b"}, "A sentence pair is for encoders"),
        ("gpt2", {"target": "b"}, "A target is for encoder-decoders"),
        ("bert", {"target": "b"}, "A target is for encoder-decoders"),
        ("t5", {"target": "b", "generate": Generation()}, "not both"),
        ("bert", {"generate": Generation()}, r"org/tuned \(BertModel\) can't generate"),
        ("bert", {"chat": True, "text_pair": "b"}, "A chat template is for decoders"),
        ("bert", {"text_pair": 7}, "Expected the text to be a string, got int"),
        ("t5", {"target": ""}, "The text is empty"),
        ("t5", {"target": 7}, "Expected the text to be a string, got int"),
    ],
)
def test_options_that_these_models_do_not_have(family: str, options: dict[str, Any], why: str) -> None:
    tokenizer = {"t5": readers.sentence_piece, "bert": readers.embedded_tokenizer}.get(family, readers.byte_level)()
    with pytest.raises(BadInput, match=why):
        prepare(readers.pair(family, tokenizer), "A film.", **options)


def test_the_key_changes_with_everything_that_changes_a_trace() -> None:
    pair = readers.pair("gpt2")

    def key(asked: Any = pair, **options: Any) -> Any:
        question: PairText = prepare(asked, TEXT, **options)
        return question.key

    assert key() == key(level="word")
    assert hash(key()) == hash(key())
    assert key()[0] == pair.key
    drawn = [key(generate=Generation(max_new_tokens=6, temperature=1.0, seed=seed)) for seed in (1, 2)]
    assert len({key(), key(readers.pair("gpt2")), *drawn}) == 4
    CONTINUATIONS.drop(lambda one: one[0] == pair.key)
    assert key(generate=Generation(max_new_tokens=6, temperature=1.0, seed=1)) == drawn[0]
