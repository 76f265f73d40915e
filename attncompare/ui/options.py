"""How is the text read? The closed part of the form; :mod:`attncompare.ui.reading` judges what it says."""

from typing import Any

import gradio as gr

from attncompare.errors import BadInput
from attncompare.models.generation import Generation
from attncompare.ui.reading import MAX_NEW_TOKENS, said, typed_reading
from attncompare.ui.theme import PRIVATE

TITLE = "How the text is read"

LEVELS = [("Tokens, or what both tokenizers share", "auto"), ("Tokens only", "token"), ("Words", "word")]
KINDS = [("Encoder, or the only stack", "self"), ("Decoder", "decoder"), ("Cross-attention", "cross")]
WRITERS = [("None", "none"), ("By the tuned model", "tuned"), ("By the base", "base")]


def named(*options: Any) -> Any:
    """The title of the closed part, with what is set inside it."""
    try:
        words = said(typed_reading(*options))
    except BadInput:  # it is told when it is asked for
        words = ""
    return gr.update(label=f"{TITLE}: {words}" if words else TITLE)


def writable(by: str) -> tuple[Any, ...]:
    """Updates of the three numbers that say how a continuation is written."""
    return (gr.update(interactive=by != "none"),) * 3


def restored(*options: Any) -> tuple[Any, ...]:
    """Updates of every input and of the part, to these values. While the part is closed its inputs do not exist in the
    browser, so none of them tells that it has changed."""
    text_pair, target, chat, by, *numbers, level, attention = options
    free = by != "none"
    changed = (gr.update(value=number, interactive=free) for number in numbers)
    return text_pair, target, chat, by, *changed, level, attention, named(*options)


def options_form() -> tuple[list[Any], gr.Accordion]:
    """The closed part of the form and its inputs, in the order of :func:`attncompare.ui.reading.typed_reading`."""
    with gr.Accordion(TITLE, open=False, elem_id="options") as part:
        inputs = [*_texts(), *_continuation(), *_compared()]
    gr.on([option.change for option in inputs], named, inputs, part, queue=False, trigger_mode="always_last", **PRIVATE)
    return inputs, part


def _texts() -> tuple[gr.Textbox, gr.Textbox, gr.Checkbox]:
    """Second text, target text, and whether the text is a chat's."""
    with gr.Row():
        text_pair = gr.Textbox(
            label="Second text",
            info="For encoders: both texts are read together, as a sentence pair.",
            max_lines=4,
            elem_id="text-pair",
            min_width=280,
        )
        target = gr.Textbox(
            label="Target text",
            info="For encoder-decoders: what the decoder reads. Empty: the tuned model writes it.",
            max_lines=4,
            elem_id="target",
            min_width=280,
        )
    chat = gr.Checkbox(
        label="Chat template",
        info="For chat models: the text becomes a user's message in the tuned model's template, else in the base's.",
        elem_id="chat",
    )
    return text_pair, target, chat


def _continuation() -> tuple[gr.Radio, gr.Number, gr.Number, gr.Number]:
    """Who continues the text, and how."""
    with gr.Row(equal_height=False):
        by = gr.Radio(
            WRITERS,
            value="none",
            label="Continuation",
            info="Written first; then both models read the text and what follows.",
            elem_id="by",
            scale=2,
            min_width=280,
        )
        tokens = gr.Number(
            value=Generation.max_new_tokens,
            label="Tokens",
            info=f"At most, 1 to {MAX_NEW_TOKENS}",
            precision=0,
            minimum=1,
            maximum=MAX_NEW_TOKENS,
            interactive=False,
            elem_id="new-tokens",
            min_width=100,
        )
        temperature = gr.Number(
            value=Generation.temperature,
            label="Temperature",
            info="0: always the likeliest",
            minimum=0,
            maximum=10,
            step=0.1,
            interactive=False,
            elem_id="temperature",
            min_width=100,
        )
        seed = gr.Number(
            value=Generation.seed,
            label="Seed",
            info="Same seed, same text",
            precision=0,
            minimum=0,
            interactive=False,
            elem_id="seed",
            min_width=100,
        )
    by.change(writable, by, [tokens, temperature, seed], queue=False, **PRIVATE)
    return by, tokens, temperature, seed


def _compared() -> tuple[gr.Radio, gr.Radio]:
    """By what, and which attention."""
    with gr.Row(equal_height=False):
        level = gr.Radio(
            LEVELS,
            value="auto",
            label="Compared by",
            info="Tokenizers that differ are compared by the stretches of text that they share.",
            elem_id="level",
            min_width=280,
        )
        attention = gr.Radio(
            KINDS,
            value="self",
            label="Attention",
            info="An encoder-decoder has three kinds, each a comparison of its own.",
            elem_id="attention",
            min_width=280,
        )
    return level, attention
