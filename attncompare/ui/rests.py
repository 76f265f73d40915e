"""What does the output rest on? Attribution beside attention, how faithful either is, and what tokens give each other."""

from typing import Any

import gradio as gr

from attncompare.models.checkpoint import LocalRule
from attncompare.ui.attributing import attributing_part
from attncompare.ui.erasing import erasing_part
from attncompare.ui.on_demand import answer_fields, likeliest
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.theme import DRAWING, OPENED, UNSEEN
from attncompare.ui.zeroing import zeroing_part

WAITING = """<div class="waiting"><p>Press Compare. Then this tab answers three questions, each when you ask it:</p><ul>
<li><b>Which tokens does the answer rest on</b>, and does attention look there? (attribution)</li>
<li><b>Which ranking of the words is faithful:</b> attention's, rollout's or attribution's? (erasure)</li>
<li><b>What do the tokens give each other</b> once values and feed-forward layers count? (value zeroing)</li></ul>
<p>Each takes seconds for a sentence and minutes for a page of text; how long stands beside its button.</p></div>"""

ABOUT = """<div class="tab-intro"><h2>What the answer rests on</h2>
<p class="reading">Attention says where a model looks. Attribution says by how much each token moves its answer: it follows
the gradient from the answer back to the tokens, or takes tokens away. Where the two disagree, the picture of attention
explains little. Attribution is a claim too: it says how the answer differs from that of a baseline, and another baseline
gives other numbers.</p></div>
"""


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, answer and against; the parts of the tab start themselves."""
    return (gr.skip(),) * 4 if answer is None else (*OPENED, *likeliest(answer))


def rests_tab(states: States, local: LocalRule) -> None:
    """The tab; each of its parts runs when it is asked to."""
    with gr.Tab("What the output rests on", id="rests", elem_id="tab-rests"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            with gr.Row(elem_classes=["controls"]):
                fields = answer_fields("rests")
            attributing_part(states, fields, local)
            erasing_part(states, fields, local)
            zeroing_part(states, local)
    states.settled.change(start, states.settled, [waiting, content, *fields], **DRAWING)
