"""Which pair, which text? The widgets at the top of the page."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from attncompare.ui.files import examples
from attncompare.ui.gallery import pair_label, pairs
from attncompare.ui.options import options_form


@dataclass(frozen=True)
class Form:
    """What is asked, and the buttons that ask it."""

    pairs: gr.Dataset
    swap: gr.Button
    base: gr.Textbox
    tuned: gr.Textbox
    text: gr.Textbox
    samples: gr.Dataset
    options: list[Any]
    part: gr.Accordion
    cancel: gr.Button
    compare: gr.Button

    @property
    def asking(self) -> list[Any]:
        """Inputs of a question: base, tuned, text, and how it is read."""
        return [self.base, self.tuned, self.text, *self.options]


def form() -> Form:
    """The widgets, in the order of the screen."""
    with gr.Row(elem_classes=["actions"]):
        gallery = _gallery("Pairs to try", "pairs", [pair_label(pair) for pair in pairs()])
        swap = gr.Button("⇄ Swap base and tuned", elem_id="exchange", size="sm", min_width=190, scale=0)
    with gr.Group(elem_classes=["form-card"]):
        base, tuned = _ids()
        text = gr.Textbox(
            label="Text",
            info="Both models read it. Enter compares; text of several lines can be pasted.",
            value=examples()[0]["text"],
            placeholder="Type or paste a text",
            lines=1,
            max_lines=8,
            elem_id="text",
        )
    options, part = options_form()
    with gr.Row(elem_classes=["actions"]):
        samples = _gallery("Texts to try", "examples", [sample["title"] for sample in examples()])
        cancel = gr.Button("Cancel", interactive=False, elem_id="cancel", min_width=110, scale=0)
        compare = gr.Button("Compare", variant="primary", elem_id="compare", min_width=150, scale=0)
    return Form(gallery, swap, base, tuned, text, samples, options, part, cancel, compare)


def _ids() -> tuple[gr.Textbox, gr.Textbox]:
    """Base and tuned."""
    with gr.Row():
        base = gr.Textbox(
            label="Base",
            placeholder="empty: all-MiniLM-L6-v2, embedded",
            info="Hub id: org/name or org/name@revision. Empty: the tuned adapter's own.",
            max_lines=1,
            elem_id="base",
        )
        tuned = gr.Textbox(
            label="Tuned",
            placeholder="empty: movie sentiment LoRA, embedded",
            info="Hub id of a checkpoint or an adapter tuned from the base.",
            max_lines=1,
            elem_id="tuned",
        )
    return base, tuned


def _gallery(label: str, name: str, labels: list[str]) -> gr.Dataset:
    """Buttons, which give their number."""
    return gr.Dataset(
        label=label,
        components=[gr.Textbox(render=False)],
        samples=[[label] for label in labels],
        sample_labels=labels,
        type="index",
        elem_id=name,
        scale=4,
    )
