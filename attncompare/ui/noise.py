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
from attncompare.report import numbers
from attncompare.report.receipt import yardstick as measured_by
from attncompare.report.tables import folded
from attncompare.report.words import answers_html, notes_html
from attncompare.ui.files import shown
from attncompare.ui.measuring import MOST_DRAWS, MOST_REPLICATES, typed_measuring
from attncompare.ui.on_demand import IDLE, controls, estimated, run, wired
from attncompare.ui.questions import Answer, ask_noise
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, PRIVATE, UNSEEN

WAITING = """<div class="waiting"><p>Press Compare. Then this tab answers: <b>did the heads move further than a random change
of the weights of the same size moves them?</b> It takes about as long as 40 readings of the text: seconds for a sentence,
minutes for a page of text or a large model.</p></div>"""

ABOUT = """<div class="tab-intro"><h2>Is it more than noise?</h2>
<p class="reading">The base's weights are changed at random, each matrix by as much as the tuning changed it, and the heads
are compared again. A head that the tuning moved further than chance moves any head has <em>moved beyond a random change of
the same size</em>. That is not training noise: a tuning with another seed may move other heads. Other trainings of the same
base are the gold standard; name them if you have them.</p></div>
"""

SHIPPED = "\n".join(embedded.REPLICATES)

ARITHMETIC = 4
"""Passes beside the draws: the base in other arithmetic, and the pair itself."""


def answer_html(noise: Noise) -> str:
    """The answer in a sentence, what not to conclude from it, what it was measured by, and what could not be measured."""
    notes = notes_html((f"Measured by: {measured_by(noise)}.", *noise.notes))
    return (
        f'<section class="verdict">{answers_html(noise.answers[::-1])}<p class="aside">{escape(caution(noise))}</p>{notes}'
        "</section>"
    )


def offer(answer: Answer | None, trainings: str | None) -> tuple[Any, Any, Any]:
    """A new answer: updates of waiting, content and other trainings; those of the embedded pair are known."""
    if answer is None:
        return (gr.skip(),) * 3
    offered = SHIPPED if answer.comparison.tuned.id == embedded.TUNED else ""
    return *OPENED, offered if (trainings or "").strip() in ("", SHIPPED) else gr.skip()


def price(answer: Answer | None, draws: Any) -> Any:
    """How long so many draws take; what is no number has no price."""
    if answer is None or not isinstance(draws, int | float) or not FEWEST_DRAWS <= draws <= MOST_DRAWS:
        return gr.skip()
    return estimated(answer, draws + ARITHMETIC)


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate (which :func:`price` gives), results, run, cancel and status.

    What was measured is of another question.
    """
    return (gr.skip(),) * 5 if answer is None else (gr.skip(), gr.update(visible=False), *IDLE, "")


def measure(local: LocalRule, answer: Answer, draws: Any, trainings: str | None) -> Iterator[tuple[Any, ...]]:
    """Measure: what :func:`attncompare.ui.on_demand.run` gives, for the answer, the picture and numbers."""
    yield from run(
        lambda progress: ask_noise(answer.question, local, progress, typed_measuring(draws, trainings or "")),
        show,
        3,
    )


def show(found: Noise) -> tuple[Any, ...]:
    """Updates of the answer, the picture and numbers."""
    return (
        answer_html(found),
        shown("noise", plots.noise(found), plots.noise_alt(found)),
        folded("Numbers: the heads that moved most beside their floors", numbers.noise(found)),
    )


def _asking() -> tuple[gr.Number, gr.Textbox]:
    """How many random changes, and which other trainings."""
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
    return draws, trainings


def noise_tab(states: States, local: LocalRule) -> None:
    """The tab; it measures when it is asked to, and leaves what it found in ``states.noise``."""
    answer = states.settled
    with gr.Tab("Is it real", id="real", elem_id="tab-real"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            draws, trainings = asking = _asking()
            buttons = controls("yardstick", "Measure the yardstick")
            with gr.Column(visible=False) as results:
                said = gr.HTML(elem_id="noise-answer")
                picture = gr.Image(elem_id="noise", **PICTURE)
                take_row("noise", whole("noise", plots.noise), [states.noise])
                table = gr.HTML(elem_id="noise-numbers")

    drawn = [said, picture, table]
    wired(buttons, answer, states.noise, partial(measure, local), asking, drawn, results, start, [draws.submit])
    answer.change(offer, [answer, trainings], [waiting, content, trainings], **DRAWING)
    gr.on([draws.input, answer.change], price, [answer, draws], buttons.estimate, **PRIVATE)
