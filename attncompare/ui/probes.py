"""Probes: the questions that people bring to attention, each in one click."""

from typing import Any

import gradio as gr

from attncompare.models.checkpoint import LocalRule
from attncompare.ui.bias import bias_part
from attncompare.ui.claims import link_html
from attncompare.ui.classes import classes_part
from attncompare.ui.coreference import coreference_part
from attncompare.ui.distance import distance_part
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.theme import DRAWING, OPENED, UNSEEN

WAITING = """<div class="waiting"><p>Press Compare. Then this tab answers, each when you ask it:</p><ul>
<li><b>Which pattern is each head</b>, before and after?</li>
<li><b>Whom does a pronoun look at</b>, and does it stay with the word when words change places? (coreference)</li>
<li><b>Which groups of words</b> do the heads look at, and what does the answer make of them? (bias)</li>
<li><b>How far do the heads look</b>, and which links join distant words and paragraphs?</li></ul></div>"""

PARTS = (
    ("probe-patterns", "Patterns of heads"),
    ("probe-coreference", "A pronoun and its candidates"),
    ("probe-groups", "Groups of words"),
    ("probe-distance", "How far heads look"),
)
"""Of each part of the tab the element that it begins with, and its name."""

ABOUT = f"""<div class="tab-intro"><h2>Probes</h2>
<p class="reading">Classic questions to attention, asked of base and tuned alike. A probe describes what heads do on the
texts it was given; it is no verdict on a model.</p>
<nav class="parts" aria-label="Probes">{"".join(link_html("probes", element, name) for element, name in PARTS)}</nav></div>
"""


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting and content; the parts of the tab start themselves."""
    return (gr.skip(),) * 2 if answer is None else OPENED


def probes_tab(states: States, local: LocalRule) -> None:
    """The tab; each of its parts runs when it is asked to."""
    with gr.Tab("Probes", id="probes", elem_id="tab-probes"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            classes_part(states, local)
            coreference_part(states, local)
            bias_part(states, local)
            distance_part(states, local)
    states.settled.change(start, states.settled, [waiting, content], **DRAWING)
