"""How far do the heads look? Near, mid and far mass of both models, on demand."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.distance import Reach
from attncompare.metrics.reach import MID, NEAR
from attncompare.models.checkpoint import LocalRule
from attncompare.report import numbers
from attncompare.report.tables import folded
from attncompare.report.words import limited_html
from attncompare.ui.files import shown
from attncompare.ui.on_demand import IDLE, controls, estimated, run, wired
from attncompare.ui.questions import Answer, ask_reach
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import PICTURE
from attncompare.ui.verdict import note_html

ABOUT = f"""<div class="tab-intro part" id="probe-distance"><h2>How far do the heads look?</h2>
<p class="reading">The share of every head's attention that stays near (up to {NEAR} positions away), goes to the middle
distance (up to {MID}) and far (beyond), in both models, beside what a head that looks everywhere alike would give; and the
strongest links between words that stand far apart, or in different paragraphs. A long text tells more.</p></div>
"""

NO_DISTANCE = "Cross-attention has no distances: its queries and its keys are positions of different texts."


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate, results, run, cancel and status."""
    if answer is None:
        return (gr.skip(),) * 5
    if answer.comparison.attention == "cross":
        note = note_html(f"{NO_DISTANCE} Switch to the encoder or the decoder.")
        return "", gr.update(visible=False), gr.update(interactive=False), gr.update(interactive=False), note
    return estimated(answer, 2), gr.update(visible=False), *IDLE, ""


def measure(local: LocalRule, answer: Answer) -> Iterator[tuple[Any, ...]]:
    """Measure: what :func:`attncompare.ui.on_demand.run` gives, for findings, picture and numbers."""
    yield from run(lambda progress: ask_reach(answer.question, local, progress), show, 3)


def show(found: Reach) -> tuple[Any, ...]:
    """Updates of answers, picture and table."""
    return (
        limited_html(found.answers),
        shown("reach", plots.reach(found), plots.reach_alt(found)),
        numbers.links_across(found) + folded("Numbers: the heads that changed most", numbers.reach(found)),
    )


def distance_part(states: States, local: LocalRule) -> None:
    """The part of the tab."""
    gr.HTML(ABOUT)
    buttons = controls("measure", "Measure how far")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="reach-answer")
        picture = gr.Image(elem_id="reach", **PICTURE)
        take_row("how far it looks", whole("reach", plots.reach), [states.reach])
        table = gr.HTML(elem_id="reach-numbers")
    shows = [said, picture, table]
    wired(buttons, states.settled, states.reach, partial(measure, local), [], shows, results, start)
