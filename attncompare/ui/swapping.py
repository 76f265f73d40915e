"""Does a head's change matter? Every head put into the other model, on demand, and what that does to the answer."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.patching import Patching
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.causes import ask_patching
from attncompare.ui.files import shown
from attncompare.ui.on_demand import IDLE, both_files, controls, downloads, estimated, findings_html, run, wired
from attncompare.ui.questions import Answer
from attncompare.ui.sought import sought
from attncompare.ui.states import States
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


def swap(local: LocalRule, answer: Answer | None, wanted: str, against: str, what: str) -> Iterator[tuple[Any, ...]]:
    """Swap heads: updates of findings, two pictures and two files, then as :func:`attncompare.ui.on_demand.run`."""
    if answer is not None:
        yield from run(
            lambda progress: ask_patching(answer.question, local, progress, sought(wanted, against), what), show, 5
        )


def show(found: Patching) -> tuple[Any, ...]:
    """Updates of findings, scatter, grids and two files."""
    return (
        findings_html(found.answers, found.notes, found.readout),
        shown("scatter", plots.scatter(found), plots.scatter_alt(found)),
        shown("patching", plots.patching(found), plots.patching_alt(found)),
        *both_files("patching", found),
    )


def swapping_part(states: States, fields: tuple[gr.Textbox, gr.Textbox], local: LocalRule) -> None:
    """The part of the tab; ``fields`` say which answer is asked about."""
    what = gr.Radio(WHAT, value="pattern", label="What of a head is put into the other model", elem_id="what")
    buttons = controls("swap", "Swap heads")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="patching-answer")
        scatter = gr.Image(elem_id="scatter", **PICTURE)
        patching = gr.Image(elem_id="patching", **PICTURE)
        files = downloads("patching.json", "patching.csv")
    entered = [field.submit for field in fields]
    drawn = [said, scatter, patching, *files]
    wired(
        buttons, states.answer, states.patching, partial(swap, local), [*fields, what], drawn, results, start, entered
    )
