"""What do both models answer? A part of the tab on what changed."""

from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.ui.failures import shown_errors
from attncompare.ui.framed import framed, picture
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import Take, take_row
from attncompare.ui.theme import DRAWING


def draw(answer: Answer | None) -> tuple[Any, Any]:
    """A new answer: updates of the part, which is hidden where the models give none, and of its picture."""
    if answer is None:
        return gr.skip(), gr.skip()
    found = answer.comparison
    if found.outputs.kind == "none":
        return gr.update(visible=False), None
    with shown_errors():
        return gr.update(visible=True), picture("outputs", plots.outputs(found), plots.outputs_alt(found))


def offer(answer: Answer | None, opened: str) -> Take | None:
    """The view as files."""
    if answer is None:
        return None
    found = answer.comparison
    return Take("outputs", lambda: plots.outputs(found), found.outputs.frame, found.outputs.to_dict)


def outputs_part(states: States) -> None:
    """The picture with its files."""
    with gr.Column() as part:
        shown = framed("outputs")
        take_row("answers", offer, [states.answer])
    states.answer.change(draw, states.answer, [part, shown], **DRAWING)
