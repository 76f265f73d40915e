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
from attncompare.ui.on_demand import IDLE, RUNNING, answered, cancelled, controls, estimated, run
from attncompare.ui.questions import Answer, ask_reach
from attncompare.ui.states import States
from attncompare.ui.stopping import stops
from attncompare.ui.taking import Take, take_row
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, UNSEEN
from attncompare.ui.verdict import note_html

LISTED = 20
"""Heads in the table; the files hold all."""

WAITING = '<p class="waiting">Press Compare: how far the heads look can then be measured here.</p>'

ABOUT = f"""<div class="tab-intro"><h2>How far the heads look</h2>
<p class="reading">The share of every head's attention that stays near (up to {NEAR} positions away), goes to the middle
distance (up to {MID}) and far (beyond), in both models, beside what a head that looks everywhere alike would give; and the
strongest links between words that stand far apart, or in different paragraphs.</p></div>
"""

NO_DISTANCE = "Cross-attention has no distances: its queries and its keys are positions of different texts."


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, asking, note, estimate, record, results, run, cancel and status.

    What was measured before is of another text.
    """
    if answer is None:
        return (gr.skip(),) * 10
    crossed = answer.comparison.attention == "cross"
    note = note_html(f"{NO_DISTANCE} Switch to the encoder or the decoder.") if crossed else ""
    asking = gr.update(visible=not crossed)
    return *OPENED, asking, note, estimated(answer, 2), None, gr.update(visible=False), *IDLE, ""


def measure(local: LocalRule, answer: Answer) -> Iterator[tuple[Any, ...]]:
    """Measure: the record, then updates as :func:`attncompare.ui.on_demand.run` of what is shown."""
    yield from run(lambda progress: ask_reach(answer.question, local, progress), show, 3)


def show(found: Reach) -> tuple[Any, ...]:
    """Updates of answers, picture and table."""
    return (
        limited_html(found.answers),
        shown("reach", plots.reach(found), plots.reach_alt(found)),
        numbers.links_across(found) + folded("Numbers: the heads that changed most", numbers.reach(found)),
    )


def offered(found: Reach | None, opened: str) -> Take | None:
    """What was measured, as files."""
    return None if found is None else Take("reach", lambda: plots.reach(found), found.frame, found.to_dict)


def distance_tab(states: States, local: LocalRule) -> None:
    """The tab; it measures when it is asked to."""
    answer, found = states.settled, states.reach
    with gr.Tab("How far it looks", id="distance", elem_id="tab-distance"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            note = gr.HTML(elem_id="distance-note")
            with gr.Column() as asking:
                buttons = controls("measure", "Measure how far")
            with gr.Column(visible=False) as results:
                said = gr.HTML(elem_id="reach-answer")
                picture = gr.Image(elem_id="reach", **PICTURE)
                take_row("how far it looks", offered, [found])
                table = gr.HTML(elem_id="reach-numbers")

    shows = [found, said, picture, table, results, *buttons.ending]
    measured = buttons.go.click(answered(partial(measure, local)), answer, shows, **RUNNING)
    starting = [waiting, content, asking, note, buttons.estimate, found, results, *buttons.ending]
    answer.change(start, answer, starting, cancels=[measured], **DRAWING)
    stops(buttons.stop, [measured], cancelled, None, buttons.ending)
