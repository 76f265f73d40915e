"""Which heads does each model need? Every head switched off in its own model, on demand, and the answer watched."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.ablation import Ablation
from attncompare.models.checkpoint import LocalRule
from attncompare.report import numbers
from attncompare.report.tables import folded
from attncompare.ui.causes import ask_ablation
from attncompare.ui.files import shown
from attncompare.ui.on_demand import (
    BACKWARDS,
    IDLE,
    controls,
    estimated,
    findings_html,
    run,
    wired,
)
from attncompare.ui.questions import Answer
from attncompare.ui.sought import MOST_REFERENCES, referred, sought
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import PICTURE, PRIVATE

HOW = [("Nothing", "zero"), ("Its mean", "mean"), ("The mean of all values", "uniform")]

ABOUT = """<div class="tab-intro part"><h2>Which heads each model needs</h2>
<p class="reading">Every head is switched off in turn, in its own model, and the answer is read again; beside it stands how
steeply the answer changes when a head is turned down a little.
<cite>Michel et al. 2019, Are sixteen heads really better than one?</cite></p></div>"""


def passes(layers: int, heads: int) -> int:
    """Forward passes for switching off in both models, each head, each layer and all, and for the gradients."""
    return 2 * (layers * heads + layers + 1 + BACKWARDS)


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate, results, run, cancel and status. What was found before is of another text."""
    if answer is None:
        return (gr.skip(),) * 5
    said = estimated(answer, passes(*answer.comparison.heads["jsd_bits"].shape))
    return said, gr.update(visible=False), *IDLE, ""


def ablate(
    local: LocalRule, answer: Answer, wanted: str, against: str, how: str, lines: str | None
) -> Iterator[tuple[Any, ...]]:
    """Switch heads off: what :func:`attncompare.ui.on_demand.run` gives, for findings, picture and numbers.

    ``lines`` are texts that the mean is over, one a line.
    """
    texts = [line for line in (lines or "").splitlines() if line.strip()] if how == "mean" else None
    yield from run(
        lambda progress: ask_ablation(answer.question, local, progress, sought(wanted, against), how, referred(texts)),
        show,
        3,
    )


def show(found: Ablation) -> tuple[Any, ...]:
    """Updates of findings, grids and numbers."""
    return (
        findings_html(found.answers, found.notes, found.readout),
        shown("ablation", plots.ablation(found), plots.ablation_alt(found)),
        folded("Numbers: the heads that are needed most", numbers.ablation(found)),
    )


def ablating_part(states: States, fields: tuple[gr.Textbox, gr.Textbox], local: LocalRule) -> None:
    """The part of the tab; ``fields`` say which answer is asked about."""
    gr.HTML(ABOUT)
    with gr.Row(elem_classes=["controls"], equal_height=False):
        how = gr.Radio(HOW, value="zero", label="A head that is off gives", elem_id="off", min_width=280)
        references = gr.Textbox(
            label="Texts that the mean is over",
            info=f"One a line, up to {MOST_REFERENCES}. Empty: this text, so a head keeps what it says all over it.",
            lines=2,
            max_lines=8,
            visible=False,
            elem_id="references",
            min_width=280,
        )
    buttons = controls("ablate", "Switch heads off")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="ablation-answer")
        picture = gr.Image(elem_id="ablation", **PICTURE)
        take_row("ablation", whole("ablation", plots.ablation), [states.ablation])
        table = gr.HTML(elem_id="ablation-numbers")
    how.input(lambda how: gr.update(visible=how == "mean"), how, references, queue=False, **PRIVATE)
    asking = [*fields, how, references]
    wired(
        buttons, states.settled, states.ablation, partial(ablate, local), asking, [said, picture, table], results, start
    )
