"""Which pattern is each head, before and after? Classes by rules whose thresholds can be moved, on demand."""

from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.pattern_record import PatternClasses
from attncompare.errors import BadInput
from attncompare.metrics.pattern_rules import Thresholds
from attncompare.models.checkpoint import LocalRule
from attncompare.report import numbers
from attncompare.report.tables import folded
from attncompare.report.words import limited_html
from attncompare.ui.files import shown
from attncompare.ui.on_demand import IDLE, controls, estimated, run, wired
from attncompare.ui.probing import ask_pattern_classes
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import take_row, whole
from attncompare.ui.theme import PICTURE
from attncompare.ui.verdict import note_html

ABOUT = """<div class="tab-intro part" id="probe-patterns"><h2>Which pattern is each head?</h2>
<p class="reading">Every head of both models is classified by what its map looks like: a diagonal, a vertical line, both,
blocks, spread out evenly (broad), or none of these (heterogeneous: it answers to what the text says). A head that stands
beside a threshold crosses it by a hair, so only a change clear of the thresholds in both models is called one. Decoders are
also read random tokens twice, which shows heads that copy (induction).
<cite>Kinds of Kovaleva et al. 2019, Revealing the dark secrets of BERT; the rules are ours</cite></p></div>
"""

LABELS = {
    "both": "Vertical + diagonal: least of each",
    "together": "… and of both together",
    "diagonal": "Diagonal: least band",
    "vertical": "Vertical: least line",
    "block": "Block: least score",
    "broad": "Broad: least entropy",
    "above_null": "Least above uniform attention",
}
"""Of the thresholds, in the order of :class:`Thresholds`."""


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of estimate, results, run, cancel and status."""
    if answer is None:
        return (gr.skip(),) * 5
    if answer.comparison.attention == "cross":
        note = note_html("Cross-attention has no such patterns: switch to the encoder or the decoder.")
        return "", gr.update(visible=False), gr.update(interactive=False), gr.update(interactive=False), note
    passes = 22 if answer.comparison.causal else 2
    return estimated(answer, passes), gr.update(visible=False), *IDLE, ""


def ask(local: LocalRule, answer: Answer, *values: Any) -> Iterator[tuple[Any, ...]]:
    """Classify: what :func:`attncompare.ui.on_demand.run` gives, for findings, both pictures and numbers."""
    yield from run(lambda progress: ask_pattern_classes(answer.question, local, progress, typed(values)), show, 4)


def typed(values: tuple[Any, ...]) -> Thresholds:
    """Thresholds as typed.

    Raises:
        BadInput: one is blank or out of range.
    """
    named = dict(zip((one.name for one in fields(Thresholds)), values, strict=True))
    for name, value in named.items():
        if value is None:
            raise BadInput(f"The threshold “{LABELS[name]}” is empty: give a number.")
    return Thresholds(**{name: float(value) for name, value in named.items()})


def show(found: PatternClasses) -> tuple[Any, ...]:
    """Updates of findings, both pictures and numbers."""
    return (
        limited_html(found.answers),
        shown("pattern-classes", plots.pattern_classes(found), plots.pattern_classes_alt(found)),
        shown("class-examples", plots.class_examples(found), plots.class_examples_alt(found)),
        folded("Numbers: the heads that changed class", numbers.pattern_classes(found)),
    )


def classes_part(states: States, local: LocalRule) -> None:
    """The part of the tab."""
    gr.HTML(ABOUT)
    with gr.Accordion("Thresholds", open=False, elem_id="thresholds"), gr.Row(elem_classes=["controls"]):
        values = [
            gr.Number(
                one.default, label=LABELS[one.name], minimum=0, maximum=2 if one.name == "together" else 1, step=0.05,
                min_width=200, elem_id=f"threshold-{one.name}",
            )
            for one in fields(Thresholds)
        ]  # fmt: skip
    buttons = controls("classify", "Classify heads")
    with gr.Column(visible=False) as results:
        said = gr.HTML(elem_id="classes-answer")
        picture = gr.Image(elem_id="pattern-classes", **PICTURE)
        take_row("pattern classes", whole("pattern-classes", plots.pattern_classes), [states.patterns])
        examples = gr.Image(elem_id="class-examples", **PICTURE)
        take_row("class examples", whole("class-examples", plots.class_examples), [states.patterns])
        table = gr.HTML(elem_id="classes-numbers")
    shows = [said, picture, examples, table]
    wired(buttons, states.settled, states.patterns, partial(ask, local), values, shows, results, start)
