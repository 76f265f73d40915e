"""What do both models answer? A part of the tab on what changed."""

from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.ui.failures import shown_errors
from attncompare.ui.files import shown
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import Take, take_row
from attncompare.ui.theme import DRAWING, PICTURE


def draw(answer: Answer | None) -> Any:
    """The picture of a new answer; hidden where the models give none."""
    if answer is None:
        return gr.skip()
    found = answer.comparison
    if found.outputs.kind == "none":
        return gr.update(visible=False)
    with shown_errors():
        return shown("outputs", plots.outputs(found), plots.outputs_alt(found))


def offer(answer: Answer | None, opened: str) -> Take | None:
    """The view as files."""
    if answer is None:
        return None
    found = answer.comparison
    return Take("outputs", lambda: plots.outputs(found), found.outputs.frame, found.outputs.to_dict)


def outputs_part(states: States) -> None:
    """The picture with its files."""
    picture = gr.Image(elem_id="outputs", min_width=420, **PICTURE)
    take_row("answers", offer, [states.answer])
    states.answer.change(draw, states.answer, picture, **DRAWING)
