"""Chat templates against transformers' own rendering, and templates that mean harm."""

import copy
import dataclasses
import time
from typing import Any

import pytest

from attncompare.errors import BadInput
from attncompare.models.chat import RENDERED, chat_prompt
from attncompare.models.generation import Generation
from attncompare.models.reading import PairText, prepare
from tests.models import readers

PLAIN = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] | trim }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
OTHER = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}me: {% endif %}"
)
TEXT = "Is the film dull & <long>?"


def tokenizer(template: Any, **options: Any) -> Any:
    made = copy.deepcopy(readers.byte_level(**options))
    made.chat_template = template
    return made


def chatting(base: Any, tuned: Any, **options: Any) -> Any:
    return readers.pair("gpt2", base, tuned, **options)


@pytest.mark.parametrize("template", [PLAIN, OTHER, "{% generation %}{{ messages[0]['content'] }}{% endgeneration %}"])
def test_a_text_is_rendered_as_transformers_renders_it(template: str) -> None:
    made = tokenizer(template)
    expected = made.apply_chat_template([{"role": "user", "content": TEXT}], tokenize=False, add_generation_prompt=True)
    assert chat_prompt(chatting(tokenizer(None), made), TEXT) == (expected, "tuned")


def test_both_models_read_one_chat() -> None:
    pair = chatting(tokenizer(OTHER), tokenizer(PLAIN, bos=True, eos=True))
    question = prepare(pair, TEXT, chat=True)
    expected = pair.tuned.tokenizer.apply_chat_template(
        [{"role": "user", "content": TEXT}], add_generation_prompt=True, return_dict=False
    )
    assert question.base.ids == question.tuned.ids == tuple(expected)
    assert question.texts[0] == "<s><|user|>\nIs the film dull & <long>?</s>\n<|assistant|>\n"
    assert question.base.ids.count(0) == 1  # the template wrote a BOS, so none is added
    assert question.text == TEXT
    assert question.notes == ("the text stands in the chat template of the tuned model",)
    assert [token.raw for token in question.base.tokens if token.special] == [
        "<s>",
        "<|user|>",
        "</s>",
        "<|assistant|>",
    ]
    assert [token.raw for token in question.base.tokens if token.sink] == ["<s>", "</s>"]


def test_without_a_template_of_its_own_the_tuned_model_gets_the_bases() -> None:
    pair = chatting(tokenizer(OTHER), tokenizer(None))
    assert prepare(pair, TEXT, chat=True).texts[0] == f"user: {TEXT}\nme: "
    assert prepare(pair, TEXT, chat=True).notes == ("the text stands in the chat template of the base model",)
    assert prepare(pair, TEXT).texts[0] == TEXT
    with pytest.raises(BadInput, match="Neither org/tuned nor org/base has a chat template"):
        prepare(chatting(tokenizer(None), tokenizer("")), TEXT, chat=True)


def test_a_named_template_needs_a_default() -> None:
    named = tokenizer({"default": OTHER, "tool_use": PLAIN})
    assert chat_prompt(chatting(named, named), TEXT)[0].startswith("user: ")
    several = tokenizer({"a": OTHER, "b": PLAIN})
    with pytest.raises(BadInput, match="several chat templates and none is its default"):
        chat_prompt(chatting(several, several), TEXT)


def test_a_continuation_follows_the_chat() -> None:
    pair = chatting(tokenizer(PLAIN), tokenizer(PLAIN))
    question: PairText = prepare(pair, TEXT, chat=True, generate=Generation(max_new_tokens=8))
    prompt = prepare(pair, TEXT, chat=True)
    assert question.texts[0].startswith(prompt.texts[0])
    new = [token for token in question.tuned.tokens if token.generated]
    assert question.tuned.ids[: len(prompt.tuned.ids)] == prompt.tuned.ids
    assert len(question.tuned.ids) == len(prompt.tuned.ids) + len(new)
    assert len(question.notes) == 2


@pytest.mark.parametrize("text", ["say </s>", "a<|user|>", "<s>"])
def test_a_text_may_not_bring_marks_of_its_own(text: str) -> None:
    pair = chatting(tokenizer(None), tokenizer(PLAIN))
    with pytest.raises(BadInput, match="which in a chat is a mark of org/tuned and not text"):
        prepare(pair, text, chat=True)
    assert prepare(pair, text).texts[0] == text


def test_marks_of_the_other_model_and_of_the_template_count_too() -> None:
    other = tokenizer(None)
    other.add_special_tokens({"additional_special_tokens": ["<|turn|>"]})
    with pytest.raises(BadInput, match=r"'<\|turn\|>', which in a chat is a mark of org/base"):
        chat_prompt(chatting(other, tokenizer(PLAIN)), "a <|turn|> b")
    made = tokenizer(PLAIN + "<think>")
    made.add_tokens(["<think>", "dull"])  # ordinary added tokens; only the first is written by the template
    with pytest.raises(BadInput, match="'<think>', which in a chat is a mark"):
        chat_prompt(chatting(made, made), "I <think> so")
    assert "dull" in chat_prompt(chatting(made, made), "dull")[0]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% if", "unexpected 'end of template'"),
        ("{{ raise_exception('Only images!\\nReally.') }}", "Only images!"),
        ("{{ messages[0].__class__.__mro__ }}", "unsafe"),
        ("{{ 'a' * 1000001 }}", "more than 1,000,000 characters"),
        ("{{ 'a' * 10**11 }}", "too much memory"),
        ("{% for i in range(100001) %}{% endfor %}", "Range too big"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "come to an end"),
        ("{{ messages[0]['content'][0] }}", "doesn't hand the text on"),
        ("{{ no.such.thing }}", "'no' is undefined"),
    ],
)
def test_a_template_that_fails_gives_its_reason(template: str, why: str) -> None:
    pair = chatting(tokenizer(None), tokenizer(template))
    with pytest.raises(BadInput, match="chat template of org/tuned") as caught:
        chat_prompt(pair, "Is the film dull?")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_power_that_never_ends_is_ended() -> None:
    start = time.monotonic()
    with pytest.raises(BadInput, match="doesn't come to an end"):
        chat_prompt(chatting(tokenizer(None), tokenizer("{% set x = 9 ** (9 ** 9) %}")), TEXT)
    assert time.monotonic() - start < 60


def test_a_chat_is_rendered_once() -> None:
    pair = chatting(tokenizer(None), tokenizer(OTHER))
    first = chat_prompt(pair, "only once")[0]
    assert chat_prompt(dataclasses.replace(pair, key="another"), "only once")[0] is first
    assert RENDERED.nbytes <= 16 * 2**20


def test_a_chat_over_the_limit_says_how_much_fits() -> None:
    pair = chatting(tokenizer(None), tokenizer(PLAIN), max_tokens=40)
    text = "  Nobody laughed at the dull film, and nobody cried. " * 3
    with pytest.raises(BadInput, match=r"In its chat template the text is \d+ tokens long.*at most 40") as caught:
        prepare(pair, text, chat=True)
    fits = int(str(caught.value).split("first ")[1].split(" ")[0])
    assert len(prepare(pair, text[:fits], chat=True).base.ids) in (38, 39, 40)
    with pytest.raises(BadInput, match="first 0 characters"):
        prepare(dataclasses.replace(pair, max_tokens=4), text, chat=True)


def test_chats_are_for_decoders() -> None:
    for family in ("bert", "t5"):
        with pytest.raises(BadInput, match="A chat template is for decoders"):
            prepare(readers.pair(family, tokenizer(PLAIN)), TEXT, chat=True)
    with pytest.raises(BadInput, match="chat is 'yes': give True or False"):
        prepare(readers.pair("gpt2", tokenizer(PLAIN)), TEXT, chat="yes")
    with pytest.raises(BadInput, match="The text is empty"):
        prepare(readers.pair("gpt2", tokenizer(PLAIN)), " ", chat=True)
