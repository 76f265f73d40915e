"""Groups of words: where heads look among them, what reaches the answer, and what a swap of gender changes, on demand."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.bias_record import Bias
from attncompare.analyses.word_groups import DEFAULT, MOST_GROUPS, lines_of
from attncompare.attention import Progress
from attncompare.models.checkpoint import LocalRule
from attncompare.report import bias_numbers
from attncompare.report.tables import folded
from attncompare.report.words import asked_about, probed_html
from attncompare.ui.bias_asking import about_text, ask_bias, typed_groups
from attncompare.ui.bias_many import bias_many_part
from attncompare.ui.files import examples, shown
from attncompare.ui.on_demand import BACKWARDS, IDLE, answer_fields, controls, estimated, likeliest_of_any, run, wired
from attncompare.ui.questions import Answer
from attncompare.ui.sought import sought
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import DRAWING, PICTURE

PASSES = 2 * 2 * (50 * BACKWARDS + 3) + 2 * 12
"""Forward passes, roughly: gradients of both models on the text and on the swapped one, and words erased."""

ABOUT = """<div class="tab-intro part" id="probe-groups"><h2>Groups of words, and a swap of gender</h2>
<p class="reading">Where do the heads look among words of one kind, and do words that say a gender reach the answer? Shares
stand beside what evenly spread attention would give. Then the gender of the words is swapped and both models are asked
again. This is a probe, not a verdict: it describes two models on one text, and says nothing of how fair they are.
<cite>Vig et al. 2020, Investigating gender bias in language models using causal mediation analysis</cite></p></div>
"""


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate, results, run, cancel and status."""
    if answer is None:
        return (gr.skip(),) * 5
    return estimated(answer, PASSES), gr.update(visible=False), *IDLE, ""


def fill(answer: Answer | None) -> tuple[Any, Any]:
    """A new answer: updates of the fields that say which answer is asked about."""
    return (gr.skip(), gr.skip()) if answer is None else likeliest_of_any(answer)


def probe(
    local: LocalRule, answer: Answer, text: str | None, lines: str | None, wanted: str, against: str
) -> Iterator[tuple[Any, ...]]:
    """Probe: what :func:`attncompare.ui.on_demand.run` gives, for findings, picture and numbers."""

    def ask(progress: Progress) -> Bias:
        groups, asked = typed_groups(lines), about_text(answer.question, text)
        return ask_bias(asked, local, progress, sought(wanted, against), groups)

    yield from run(ask, show, 3)


def show(found: Bias) -> tuple[Any, ...]:
    """Updates of findings, picture and numbers."""
    asked = () if found.readout is None else (asked_about(found.readout),)
    return (
        probed_html(found.answers, (*asked, *found.notes)),
        shown("bias", plots.bias(found), plots.bias_alt(found)),
        folded("Numbers: groups, heads and swapped words", bias_numbers.bias(found)),
    )


def example() -> str:
    """A text that has words of the groups."""
    return next(one["text"] for one in examples() if one["title"] == "résumé")


def bias_part(states: States, local: LocalRule) -> None:
    """The part of a tab: one text, and below it many."""
    gr.HTML(ABOUT)
    text, lines, fields = _fields()
    states.settled.change(fill, states.settled, list(fields), **DRAWING)
    buttons = controls("probe-bias", "Probe these words")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="bias-answer")
        picture = gr.Image(elem_id="bias", **PICTURE)
        take_row("bias probe", whole("bias", plots.bias), [states.bias])
        table = gr.HTML(elem_id="bias-numbers")
    shows, entered = [said, picture, table], [field.submit for field in fields]
    asking = [text, lines, *fields]
    wired(buttons, states.settled, states.bias, partial(probe, local), asking, shows, results, start, entered)
    bias_many_part(states, lines, fields, local)


def _fields() -> tuple[gr.Textbox, gr.Textbox, tuple[gr.Textbox, gr.Textbox]]:
    """Another text, the groups, and the two fields of an answer."""
    text = gr.Textbox(
        label="Text",
        info="Another text for the same two models. Empty: the compared text.",
        placeholder=f"For example: {example()}",
        lines=2,
        max_lines=8,
        elem_id="bias-text",
    )
    lines = gr.Textbox(
        lines_of(DEFAULT),
        label="Groups of words",
        info=f"A line each, up to {MOST_GROUPS}: a name, a colon, words. They are English; whatever stands here, the words "
        "of ‘female’ and ‘male’ are the gendered ones, and what is swapped stays English.",
        lines=5,
        max_lines=MOST_GROUPS,
        elem_id="bias-groups",
    )
    with gr.Row(elem_classes=["controls"]):
        fields = answer_fields("bias")
    return text, lines, fields
