"""Groups of words in many texts: means with intervals over texts, typed or from a file, on demand."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.bias_many_record import ENOUGH, BiasOfMany
from attncompare.analyses.text_lists import COLUMN, FEWEST
from attncompare.attention import Progress
from attncompare.models.checkpoint import LocalRule
from attncompare.report import bias_numbers
from attncompare.report.tables import folded
from attncompare.report.words import asked_about, probed_html
from attncompare.ui.bias_asking import EXAMPLES, MOST_TEXTS, about_each, ask_bias_of_many, typed_groups, typed_texts
from attncompare.ui.files import shown
from attncompare.ui.on_demand import IDLE, controls, estimated, run, wired
from attncompare.ui.questions import Answer
from attncompare.ui.sought import sought
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import PICTURE

PASSES = 8
"""Forward passes of a text, roughly: its rows and its answer in both models, and those of the swapped text."""

ABOUT = f"""<div class="tab-intro part"><h3>In many texts</h3>
<p class="reading">One text is an anecdote. The groups and the answer above, asked of {FEWEST} to {MOST_TEXTS} texts: means
over texts with 95% intervals, read as differences from {ENOUGH} texts on. How far the answer to the female versions is from
that to the male ones is a mean too. The intervals are over these texts, and say nothing of others. A file is read in place
of the box: one text a line, or CSV or TSV with a column “{COLUMN}” (up to 1 MB).</p></div>
"""


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate, results, run, cancel and status."""
    if answer is None:
        return (gr.skip(),) * 5
    said = estimated(answer, PASSES * len(EXAMPLES), f" for {len(EXAMPLES)} texts as long as the compared one")
    return said, gr.update(visible=False), *IDLE, ""


def probe(
    local: LocalRule, answer: Answer, lines: str | None, file: str | None, groups: str | None, wanted: str, against: str
) -> Iterator[tuple[Any, ...]]:
    """Probe: what :func:`attncompare.ui.on_demand.run` gives, for findings, picture and numbers."""

    def ask(progress: Progress) -> BiasOfMany:
        texts, lists = typed_texts(lines, file), typed_groups(groups)
        return ask_bias_of_many(about_each(answer.question), texts, local, progress, sought(wanted, against), lists)

    yield from run(ask, show, 3)


def show(found: BiasOfMany) -> tuple[Any, ...]:
    """Updates of findings, picture and numbers."""
    asked = () if found.readout is None else (asked_about(found.readout),)
    return (
        probed_html(found.answers, (*asked, *found.notes)),
        shown("bias-many", plots.bias_many(found), plots.bias_many_alt(found)),
        folded("Numbers: groups, heads and texts", bias_numbers.bias_of_many(found)),
    )


def bias_many_part(states: States, groups: gr.Textbox, fields: tuple[gr.Textbox, gr.Textbox], local: LocalRule) -> None:
    """The part of a tab; ``groups`` are those of the probe of one text, ``fields`` say which answer is asked about."""
    gr.HTML(ABOUT)
    with gr.Row(elem_classes=["controls"]):
        lines = gr.Textbox(
            "\n".join(EXAMPLES),
            label="Texts",
            info=f"One a line, {FEWEST} to {MOST_TEXTS}. The examples are two by two alike but for one person.",
            lines=10,
            max_lines=12,
            elem_id="bias-texts",
            min_width=280,
            scale=2,
        )
        file = gr.File(label="Or a file of texts", elem_id="bias-file", height=140, min_width=280)
    buttons = controls("probe-bias-many", "Probe these texts")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="bias-many-answer")
        picture = gr.Image(elem_id="bias-many", **PICTURE)
        take_row("bias probe of many texts", whole("bias-many", plots.bias_many), [states.bias_many])
        table = gr.HTML(elem_id="bias-many-numbers")
    asking = [lines, file, groups, *fields]
    shows = [said, picture, table]
    wired(buttons, states.settled, states.bias_many, partial(probe, local), asking, shows, results, start)
