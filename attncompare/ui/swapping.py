"""Does a head's change matter? Every head put into the other model, on demand, and what that does to the answer."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.patching import Patching
from attncompare.models.checkpoint import LocalRule
from attncompare.report import numbers
from attncompare.report.tables import folded
from attncompare.ui.causes import ask_patching
from attncompare.ui.files import shown
from attncompare.ui.on_demand import IDLE, controls, estimated, findings_html, run, wired
from attncompare.ui.questions import Answer
from attncompare.ui.sought import sought
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import PICTURE

WHAT = [("Where it looks (pattern)", "pattern"), ("All that it gives (output)", "output")]


def passes(layers: int, heads: int) -> int:
    """Forward passes for swapping both ways, and for switching off in the tuned model: each head, each layer and all."""
    return 3 * (layers * heads + layers + 1)


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate, results, run, cancel and status. What was found before is of another text."""
    if answer is None:
        return (gr.skip(),) * 5
    said = estimated(answer, passes(*answer.comparison.heads["jsd_bits"].shape))
    return said, gr.update(visible=False), *IDLE, ""


def swap(local: LocalRule, answer: Answer, wanted: str, against: str, what: str) -> Iterator[tuple[Any, ...]]:
    """Swap heads: what :func:`attncompare.ui.on_demand.run` gives, for findings, two pictures and numbers."""
    yield from run(
        lambda progress: ask_patching(answer.question, local, progress, sought(wanted, against), what), show, 4
    )


def show(found: Patching) -> tuple[Any, ...]:
    """Updates of findings, scatter, grids and numbers."""
    return (
        findings_html(found.answers, found.notes, found.readout),
        shown("scatter", plots.scatter(found), plots.scatter_alt(found)),
        shown("patching", plots.patching(found), plots.patching_alt(found)),
        folded("Numbers: the heads that matter most", numbers.patching(found)),
    )


def swapping_part(states: States, fields: tuple[gr.Textbox, gr.Textbox], local: LocalRule) -> None:
    """The part of the tab; ``fields`` say which answer is asked about."""
    what = gr.Radio(WHAT, value="pattern", label="What of a head is put into the other model", elem_id="what")
    buttons = controls("swap", "Swap heads")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="patching-answer")
        scatter = gr.Image(elem_id="scatter", **PICTURE)
        take_row("divergence against effect", whole("scatter", plots.scatter), [states.patching])
        patching = gr.Image(elem_id="patching", **PICTURE)
        take_row("swapped heads", whole("patching", plots.patching), [states.patching])
        table = gr.HTML(elem_id="patching-numbers")
    entered = [field.submit for field in fields]
    drawn = [said, scatter, patching, table]
    wired(
        buttons, states.settled, states.patching, partial(swap, local), [*fields, what], drawn, results, start, entered
    )
