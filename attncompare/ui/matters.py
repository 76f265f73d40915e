"""Does it matter? Heads swapped between the models, and switched off, and what that does to the answer."""

from typing import Any

import gradio as gr

from attncompare.models.checkpoint import LocalRule
from attncompare.ui.ablating import ablating_part
from attncompare.ui.on_demand import answer_fields, likeliest
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.swapping import swapping_part
from attncompare.ui.theme import DRAWING, OPENED, UNSEEN

WAITING = """<div class="waiting"><p>Press Compare. Then this tab answers two questions, each when you ask it:</p><ul>
<li><b>Does a head's change matter?</b> Each head is put into the other model, and the answer is read again.</li>
<li><b>Which heads does each model need?</b> Each head is switched off, and the answer is read again.</li></ul>
<p>Each takes seconds for a sentence and minutes for a page of text; how long stands beside its button.</p></div>"""

ABOUT = """<div class="tab-intro"><h2>Does the change matter?</h2>
<p class="reading"><strong>High attention is not an explanation.</strong> A head can look hard at a word and carry nothing
from it, and a head that moved far may move nothing in the answer. So this tab does not look, it intervenes: each head of one
model is put into the other, one at a time, and the answer is read again. That holds for this text and this answer; heads
stand in for each other, so what single heads do does not add up.</p></div>
"""


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, answer and against; the parts of the tab start themselves."""
    return (gr.skip(),) * 4 if answer is None else (*OPENED, *likeliest(answer))


def matters_tab(states: States, local: LocalRule) -> None:
    """The tab; each of its parts runs when it is asked to."""
    with gr.Tab("Does it matter", id="matters", elem_id="tab-matters"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            with gr.Row(elem_classes=["controls"]):
                fields = answer_fields("matters")
            swapping_part(states, fields, local)
            ablating_part(states, fields, local)
    states.settled.change(start, states.settled, [waiting, content, *fields], **DRAWING)
