"""Which ranking of the words is faithful? Words are erased in its order, on demand, and the answer watched."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.erasure import BINS, RANKINGS, Erasure
from attncompare.models.checkpoint import LocalRule
from attncompare.report import numbers
from attncompare.report.tables import folded
from attncompare.ui.causes import ask_erasure
from attncompare.ui.files import shown
from attncompare.ui.on_demand import IDLE, controls, estimated, findings_html, run, wired
from attncompare.ui.questions import Answer
from attncompare.ui.sought import sought
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import PICTURE

ERASING = [("Deleted", "delete"), ("Masked", "mask"), ("Hidden by the attention mask", "hide")]

DRAWS = 10
"""Random rankings that the others are held against."""

ABOUT = """<div class="tab-intro part"><h2>Which ranking is faithful?</h2>
<p class="reading">The words that attention, rollout and attribution rank highest are erased, and the answer watched: it
should fall without them (comprehensiveness) and stay with them alone (sufficiency). Random rankings stand beside, for a text
with holes is none that the models were trained on.
<cite>DeYoung et al. 2020, ERASER: a benchmark to evaluate rationalized NLP models</cite></p></div>
"""


def passes() -> int:
    """Forward passes that erasure takes in both models: two for each ranking and bin, and the gradients."""
    return 2 * (2 * len(BINS) * (len(RANKINGS) + DRAWS) + 150)


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate, results, run, cancel and status."""
    if answer is None:
        return (gr.skip(),) * 5
    return estimated(answer, passes()), gr.update(visible=False), *IDLE, ""


def erase(local: LocalRule, answer: Answer, wanted: str, against: str, erasing: str) -> Iterator[tuple[Any, ...]]:
    """Erase: what :func:`attncompare.ui.on_demand.run` gives, for findings, picture and numbers."""
    yield from run(
        lambda progress: ask_erasure(answer.question, local, progress, sought(wanted, against), erasing, DRAWS),
        show,
        3,
    )


def show(found: Erasure) -> tuple[Any, ...]:
    """Updates of findings, picture and numbers."""
    return (
        findings_html(found.answers, found.notes, found.readout),
        shown("erasure", plots.erasure(found), plots.erasure_alt(found)),
        folded("Numbers: every ranking", numbers.erasure(found)),
    )


def erasing_part(states: States, fields: tuple[gr.Textbox, gr.Textbox], local: LocalRule) -> None:
    """The part of the tab; ``fields`` say which answer is asked about."""
    gr.HTML(ABOUT)
    erasing = gr.Radio(ERASING, value="delete", label="A word is", elem_id="erasing", container=False)
    buttons = controls("erase", "Erase words")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="erasure-answer")
        picture = gr.Image(elem_id="erasure", **PICTURE)
        take_row("erasure", whole("erasure", plots.erasure), [states.erasure])
        table = gr.HTML(elem_id="erasure-numbers")
    wired(
        buttons,
        states.settled,
        states.erasure,
        partial(erase, local),
        [*fields, erasing],
        [said, picture, table],
        results,
        start,
    )
