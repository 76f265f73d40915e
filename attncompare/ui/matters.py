"""Does it matter? Heads swapped between the models and switched off, on demand, and what that does to the answer."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.ablation import Ablation
from attncompare.analyses.patching import Patching
from attncompare.attention import Progress
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.causes import ask_ablation, ask_patching
from attncompare.ui.files import numbers, shown, table
from attncompare.ui.on_demand import (
    IDLE,
    RUNNING,
    answer_fields,
    cancelled,
    controls,
    downloads,
    estimated,
    file,
    findings_html,
    likeliest,
    run,
)
from attncompare.ui.questions import Answer
from attncompare.ui.sought import MOST_REFERENCES, referred, sought
from attncompare.ui.stopping import stops
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, PRIVATE, UNSEEN

WAITING = '<p class="waiting">Press Compare: whether the change matters to the answer can then be tested here.</p>'

ABOUT = """<div class="tab-intro"><h2>Does the change matter?</h2>
<p class="reading"><strong>High attention is not an explanation.</strong> A head can look hard at a word and carry nothing
from it, and a head that moved far may move nothing in the answer. So this tab does not look, it intervenes: each head of one
model is put into the other, and each head is switched off, one at a time, and the answer is read again. That holds for this
text and this answer; heads stand in for each other, so what single heads do does not add up.</p></div>
"""

ABLATED = """<div class="tab-intro part"><h2>Which heads each model needs</h2>
<p class="reading">Every head is switched off in turn, in its own model.</p></div>"""

WHAT = [("Where it looks (pattern)", "pattern"), ("All that it gives (output)", "output")]
HOW = [("Nothing", "zero"), ("Its mean", "mean"), ("The mean of all values", "uniform")]


def passes(layers: int, heads: int) -> int:
    """Forward passes for swapping both ways and switching off in both models: each head, each layer and all."""
    return 5 * (layers * heads + layers + 1)


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, answer, against, estimate, results, run, cancel and status.

    What was found before is of another text.
    """
    if answer is None:
        return (gr.skip(),) * 9
    said = estimated(answer, passes(*answer.comparison.heads["jsd_bits"].shape))
    return *OPENED, *likeliest(answer), said, gr.update(visible=False), *IDLE, ""


def intervene(
    local: LocalRule, answer: Answer | None, wanted: str, against: str, what: str, how: str, lines: str | None
) -> Iterator[tuple[Any, ...]]:
    """Swap and switch off: updates of findings, pictures and files (see :func:`show`), then as
    :func:`attncompare.ui.on_demand.run`."""
    if answer is None:
        return

    def ask(progress: Progress) -> tuple[Patching, Ablation]:
        about = sought(wanted, against)
        references = referred([line for line in (lines or "").splitlines() if line.strip()]) if how == "mean" else ()
        return (
            ask_patching(answer.question, local, progress, about, what),
            ask_ablation(answer.question, local, progress, about, how, references),
        )

    yield from run(ask, show, 9)


def show(found: tuple[Patching, Ablation]) -> tuple[Any, ...]:
    """Updates of what swapping says, scatter, grids, what switching off says, its grids, and four files."""
    swapped, off = found
    return (
        findings_html(swapped.answers, swapped.notes, swapped.readout),
        shown("scatter", plots.scatter(swapped), plots.scatter_alt(swapped)),
        shown("patching", plots.patching(swapped), plots.patching_alt(swapped)),
        findings_html(off.answers, off.notes, off.readout),
        shown("ablation", plots.ablation(off), plots.ablation_alt(off)),
        *(file(path) for one, name in ((swapped, "patching"), (off, "ablation"))
          for path in (numbers(name, one.to_dict()), table(name, one.frame()))),
    )  # fmt: skip


def matters_tab(answer: gr.State, local: LocalRule) -> None:
    """The tab; it runs when it is asked to."""
    with gr.Tab("Does it matter", id="matters"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            with gr.Row(elem_classes=["controls"]):
                fields = answer_fields("matters")
            with gr.Row(elem_classes=["controls"]):
                what = gr.Radio(WHAT, value="pattern", label="What is swapped", elem_id="what", min_width=280)
                how = gr.Radio(HOW, value="zero", label="What a head that is off gives", elem_id="off", min_width=280)
            references = gr.Textbox(
                label="Texts that the mean is over",
                info=f"One a line, up to {MOST_REFERENCES}. Empty: this text; a head keeps what it says all over it.",
                lines=2,
                max_lines=8,
                visible=False,
                elem_id="references",
            )
            buttons = controls("intervene", "Swap heads")
            with gr.Column(visible=False) as results:
                said = gr.HTML(elem_id="patching-answer")
                scatter = gr.Image(elem_id="scatter", **PICTURE)
                patching = gr.Image(elem_id="patching", **PICTURE)
                gr.HTML(ABLATED)
                needed = gr.HTML(elem_id="ablation-answer")
                ablation = gr.Image(elem_id="ablation", **PICTURE)
                files = downloads("patching.json", "patching.csv", "ablation.json", "ablation.csv")

    shown_in = [said, scatter, patching, needed, ablation, *files, results, *buttons.ending]
    asking = [answer, *fields, what, how, references]
    ran = buttons.go.click(partial(intervene, local), asking, shown_in, **RUNNING)
    how.input(lambda how: gr.update(visible=how == "mean"), how, references, queue=False, **PRIVATE)
    starting = [waiting, content, *fields, buttons.estimate, results, *buttons.ending]
    answer.change(start, answer, starting, cancels=[ran], **DRAWING)
    stops(buttons.stop, [ran], cancelled, None, buttons.ending)
