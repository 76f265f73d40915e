"""How far do the heads look? Near, mid and far mass of both models, on demand, with its numbers to take along."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.metrics.reach import MID, NEAR
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.failures import failure
from attncompare.ui.files import numbers, shown, table
from attncompare.ui.questions import Answer, ask_reach
from attncompare.ui.states import States
from attncompare.ui.stopping import stops
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, PRIVATE, UNSEEN
from attncompare.ui.verdict import error_html, note_html, progress_html
from attncompare.ui.work import Step, follow

WAITING = '<p class="waiting">Press Compare: how far the heads look can then be measured here.</p>'

ABOUT = f"""<div class="tab-intro"><h2>How far the heads look</h2>
<p class="reading">The share of every head's attention that stays near (up to {NEAR} positions away), goes to the middle
distance (up to {MID}) and far (beyond), in both models, beside what a head that looks everywhere alike would give; and the
strongest links between words that stand far apart.</p></div>
"""

NO_DISTANCE = "Cross-attention has no distances: its queries and its keys are positions of different texts."


_IDLE = (gr.update(interactive=True), gr.update(interactive=False))


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, asking, results, ask, cancel and status.

    What was measured before is of another text.
    """
    if answer is None:
        return (gr.skip(),) * 7
    crossed = answer.comparison.attention == "cross"
    status = note_html(f"{NO_DISTANCE} Switch to the encoder or the decoder.") if crossed else ""
    return *OPENED, gr.update(visible=not crossed), gr.update(visible=False), *_IDLE, status


def run(local: LocalRule, answer: Answer | None) -> Iterator[tuple[Any, ...]]:
    """Measure: updates of picture, the two files, results, ask, cancel and status."""
    kept = gr.skip()

    def busy(step: Step) -> tuple[Any, ...]:
        return kept, kept, kept, kept, gr.update(interactive=False), gr.update(interactive=True), progress_html(step)

    if answer is None:
        return
    yield busy(Step("starting"))
    try:
        found = yield from follow(lambda progress: ask_reach(answer.question, local, progress), busy)
        yield (
            shown("reach", plots.reach(found), plots.reach_alt(found)),
            gr.update(value=numbers("reach", found.to_dict()), interactive=True),
            gr.update(value=table("reach", found.frame()), interactive=True),
            gr.update(visible=True),
            *_IDLE,
            "",
        )
    except Exception as error:
        failed = failure(error)
        yield kept, kept, kept, kept, *_IDLE, error_html(failed.sentence)
        raise failed.toast() from None


def cancelled() -> tuple[Any, ...]:
    """Updates of ask, cancel and status once the work has been told to stop."""
    return *_IDLE, note_html("Cancelled.")


def distance_tab(states: States, local: LocalRule) -> None:
    """The tab; it measures when it is asked to."""
    answer = states.answer
    with gr.Tab("How far it looks", id="distance", elem_id="tab-distance"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            with gr.Row(elem_classes=["asking"]) as asking:
                go = gr.Button("Measure how far", elem_id="measure", scale=0, min_width=200)
                stop = gr.Button("Cancel", elem_id="unmeasure", interactive=False, scale=0, min_width=110)
            status = gr.HTML(elem_id="distance-status")
            with gr.Column(visible=False) as results:
                picture = gr.Image(elem_id="reach", **PICTURE)
                with gr.Row(elem_classes=["asking"]):
                    as_json = gr.DownloadButton("reach.json", elem_id="reach-json", scale=0, min_width=140, size="md")
                    as_csv = gr.DownloadButton("reach.csv", elem_id="reach-csv", scale=0, min_width=140, size="md")

    measuring = [picture, as_json, as_csv, results, go, stop, status]
    measured = go.click(partial(run, local), answer, measuring, concurrency_limit=4, **PRIVATE)
    starting = [waiting, content, asking, results, go, stop, status]
    answer.change(start, answer, starting, cancels=[measured], **DRAWING)
    stops(stop, [measured], cancelled, None, [go, stop, status])
