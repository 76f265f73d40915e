"""Where does it flow by what tokens give, and not by where heads look? Value zeroing, on demand."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.routes import Routes
from attncompare.models.checkpoint import LocalRule
from attncompare.report import numbers
from attncompare.report.tables import folded
from attncompare.report.words import limited_html
from attncompare.ui.causes import ask_value_zeroing
from attncompare.ui.files import shown
from attncompare.ui.on_demand import IDLE, controls, estimated, run, wired
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import PICTURE

ABOUT = """<div class="tab-intro part"><h2>What the tokens give each other</h2>
<p class="reading">Each token's value is zeroed in turn, layer by layer, and the change of every other token's state is
measured; those changes are multiplied through the layers as rollout multiplies attention. It asks of no answer, and unlike
rollout it sees values and feed-forward layers.
<cite>Mohebbi et al. 2023, Quantifying context mixing in transformers</cite></p></div>
"""


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate, results, run, cancel and status."""
    if answer is None:
        return (gr.skip(),) * 5
    said = estimated(answer, 2 * len(answer.comparison.tokens))
    return said, gr.update(visible=False), *IDLE, ""


def zero(local: LocalRule, answer: Answer) -> Iterator[tuple[Any, ...]]:
    """Zero values: what :func:`attncompare.ui.on_demand.run` gives, for findings, picture and numbers."""
    yield from run(lambda progress: ask_value_zeroing(answer.question, local, progress), show, 3)


def show(routes: Routes) -> tuple[Any, ...]:
    """Updates of findings, picture and numbers."""
    return (
        limited_html(routes.answers),
        shown("value-zeroing", plots.rollout(routes), plots.rollout_alt(routes)),
        folded("Numbers: the tokens whose share changed most", numbers.routes(routes)),
    )


def zeroing_part(states: States, local: LocalRule) -> None:
    """The part of the tab."""
    gr.HTML(ABOUT)
    buttons = controls("zero", "Zero values")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="zeroing-answer")
        picture = gr.Image(elem_id="value-zeroing", **PICTURE)
        take_row("value zeroing", whole("value-zeroing", plots.rollout), [states.zeroing])
        table = gr.HTML(elem_id="zeroing-numbers")
    shown = [said, picture, table]
    wired(buttons, states.settled, states.zeroing, partial(zero, local), [], shown, results, start)
