"""Is it real? Every head beside what a random change of the same size does, on demand, with its numbers to take along."""

from collections.abc import Iterator
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.noise import DRAWS, Noise
from attncompare.analyses.verdict import caution
from attncompare.metrics.floor import FEWEST_DRAWS
from attncompare.models import embedded
from attncompare.models.checkpoint import LocalRule
from attncompare.report.receipt import yardstick as measured_by
from attncompare.ui.failures import failure
from attncompare.ui.files import numbers, shown, table
from attncompare.ui.measuring import MOST_DRAWS, MOST_REPLICATES, typed_measuring
from attncompare.ui.questions import Answer, ask_noise
from attncompare.ui.states import States
from attncompare.ui.stopping import stops
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, PRIVATE, UNSEEN
from attncompare.ui.verdict import error_html, note_html, progress_html
from attncompare.ui.work import Step, follow

WAITING = '<p class="waiting">Press Compare: whether the change is more than noise can then be measured here.</p>'

ABOUT = """<div class="tab-intro"><h2>Is it more than noise?</h2>
<p class="reading">The base's weights are changed at random, each matrix by as much as the tuning changed it, and the heads
are compared again. A head that the tuning moved further than chance moves any head has <em>moved beyond a random change of
the same size</em>. That is not training noise: a tuning with another seed may move other heads. Other trainings of the same
base are the gold standard; name them if you have them.</p></div>
"""

SHIPPED = "\n".join(embedded.REPLICATES)

_IDLE = (gr.update(interactive=True), gr.update(interactive=False))
_KEPT = gr.skip()


def answer_html(noise: Noise) -> str:
    """The answer in a sentence, what not to conclude from it, what it was measured by, and what could not be measured."""
    first, *more = map(escape, noise.answers)
    notes = "".join(f"<li>{escape(note)}</li>" for note in noise.notes)
    return (
        f'<section class="verdict"><p class="lead"><strong>{first}</strong> {" ".join(more)}</p>'
        f'<p class="aside">{escape(caution(noise))}</p>'
        f'<p class="reading">Measured by: {escape(measured_by(noise))}.</p>'
        f"{f'<ul>{notes}</ul>' if notes else ''}</section>"
    )


def start(answer: Answer | None, trainings: str | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, other trainings, results, measure, cancel and status.

    What was measured before is of another question. The embedded pair's other trainings are known.
    """
    if answer is None:
        return (_KEPT,) * 7
    offered = SHIPPED if answer.comparison.tuned.id == embedded.TUNED else ""
    return (
        *OPENED,
        offered if (trainings or "").strip() in ("", SHIPPED) else _KEPT,
        gr.update(visible=False),
        *_IDLE,
        "",
    )


def run(local: LocalRule, answer: Answer | None, draws: Any, trainings: str | None) -> Iterator[tuple[Any, ...]]:
    """Measure: updates of yardstick, sentence, picture, the two files, results, measure, cancel and status.

    An error leaves what was measured before, and everything typed, as they are.
    """

    def busy(step: Step) -> tuple[Any, ...]:
        return *(_KEPT,) * 6, gr.update(interactive=False), gr.update(interactive=True), progress_html(step)

    if answer is None:
        return
    yield busy(Step("starting"))
    try:
        asked = typed_measuring(draws, trainings or "")
        found = yield from follow(lambda progress: ask_noise(answer.question, local, progress, asked), busy)
        yield (
            found,
            answer_html(found),
            shown("noise", plots.noise(found), plots.noise_alt(found)),
            gr.update(value=numbers("noise", found.to_dict()), interactive=True),
            gr.update(value=table("noise", found.frame()), interactive=True),
            gr.update(visible=True),
            *_IDLE,
            "",
        )
    except Exception as error:
        failed = failure(error)
        yield *(_KEPT,) * 6, *_IDLE, error_html(failed.sentence)
        raise failed.toast() from None


def cancelled(yardstick: Noise | None) -> tuple[Any, ...]:
    """Updates of measure, cancel and status once the work has been told to stop."""
    return *_IDLE, note_html(
        "Cancelled." if yardstick is None else "Cancelled. What was measured before is still below."
    )


def noise_tab(states: States, local: LocalRule) -> None:
    """The tab; it measures when it is asked to, and leaves what it found in ``yardstick``."""
    answer, yardstick = states.answer, states.noise
    with gr.Tab("Is it real", id="real", elem_id="tab-real"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            with gr.Row(elem_classes=["controls"]):
                draws = gr.Number(
                    value=DRAWS,
                    label="Random changes",
                    info=f"{FEWEST_DRAWS} to {MOST_DRAWS}; p ≤ 0.05 takes 19, 39 are steadier",
                    precision=0,
                    elem_id="draws",
                    min_width=180,
                )
                trainings = gr.Textbox(
                    value="",
                    label="Other trainings (seeds), if you have them",
                    info=f"Ids as in Tuned, one a line, up to {MOST_REPLICATES}. May stay empty.",
                    lines=2,
                    max_lines=MOST_REPLICATES,
                    elem_id="trainings",
                    scale=2,
                    min_width=280,
                )
            with gr.Row(elem_classes=["asking"]):
                go = gr.Button("Measure the yardstick", elem_id="yardstick", scale=0, min_width=250)
                stop = gr.Button("Cancel", elem_id="no-yardstick", interactive=False, scale=0, min_width=110)
            status = gr.HTML(elem_id="noise-status")
            with gr.Column(visible=False) as results:
                said = gr.HTML(elem_id="noise-answer")
                picture = gr.Image(elem_id="noise", **PICTURE)
                with gr.Row(elem_classes=["asking"]):
                    as_json = gr.DownloadButton("noise.json", elem_id="noise-json", scale=0, min_width=140, size="md")
                    as_csv = gr.DownloadButton("noise.csv", elem_id="noise-csv", scale=0, min_width=140, size="md")

    measuring = [yardstick, said, picture, as_json, as_csv, results, go, stop, status]
    asking = [answer, draws, trainings]
    measured = gr.on([go.click, draws.submit], partial(run, local), asking, measuring, concurrency_limit=4, **PRIVATE)
    starting = [waiting, content, trainings, results, go, stop, status]
    answer.change(start, [answer, trainings], starting, cancels=[measured], **DRAWING)
    stops(stop, [measured], cancelled, yardstick, [go, stop, status])
