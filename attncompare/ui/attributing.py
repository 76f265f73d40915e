"""How much does each token move the answer? Attribution of both models, on demand, beside what attention looks at."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
import pandas as pd

from attncompare import plots
from attncompare.analyses.attribution import Attribution
from attncompare.attention import head_name
from attncompare.models.checkpoint import LocalRule
from attncompare.report import numbers
from attncompare.report.tables import folded
from attncompare.ui import one_head
from attncompare.ui.causes import ask_attribution
from attncompare.ui.erasing import ERASING
from attncompare.ui.failures import shown_errors
from attncompare.ui.files import shown
from attncompare.ui.on_demand import (
    BACKWARDS,
    IDLE,
    RUNNING,
    Controls,
    answered,
    cancelled,
    controls,
    estimated,
    findings_html,
    run,
)
from attncompare.ui.questions import Answer
from attncompare.ui.sought import sought
from attncompare.ui.states import States
from attncompare.ui.stopping import stops
from attncompare.ui.taking import Take, take_row, whole
from attncompare.ui.theme import DRAWING, PICTURE, PRIVATE

METHODS = [
    ("Integrated gradients", "integrated_gradients"),
    ("Gradient × input", "gradient_x_input"),
    ("Saliency", "saliency"),
    ("Occlusion", "occlusion"),
]
BASELINES = [
    ("Automatic: padding, else end, else unknown", "auto"),
    ("Padding token", "pad"),
    ("Mask token", "mask"),
    ("Unknown token", "unk"),
    ("End token", "eos"),
    ("Zero embeddings", "zero"),
]
OVER = [("Mean of all heads", "mean"), ("Rollout", "rollout"), ("One head", "head")]

STEPS = 50
"""Of integrated gradients, where they converge at once."""


def passes(method: str, tokens: int) -> int:
    """Forward passes that attribution takes in both models."""
    one = {"integrated_gradients": BACKWARDS * STEPS, "occlusion": tokens}.get(method, BACKWARDS)
    return 2 * one


def start(answer: Answer | None, method: str) -> tuple[Any, ...]:
    """A new answer: updates of estimate, layer, head, kept record, results, run, cancel and status.

    What was found before is of another text.
    """
    if answer is None:
        return (gr.skip(),) * 8
    said, *_ = choose(answer, method)
    layer, head = one_head.choices(answer)
    return said, layer, head, None, gr.update(visible=False), *IDLE, ""


def choose(answer: Answer | None, method: str) -> tuple[Any, Any, Any]:
    """A method was chosen: updates of the estimate and of what it is asked with."""
    said = gr.skip() if answer is None else estimated(answer, passes(method, len(answer.comparison.tokens)))
    return said, gr.update(visible=method == "integrated_gradients"), gr.update(visible=method == "occlusion")


def attribute(
    local: LocalRule,
    answer: Answer,
    wanted: str,
    against: str,
    method: str,
    baseline: str,
    erasing: str,
    *over: Any,
) -> Iterator[tuple[Any, ...]]:
    """Attribute: what :func:`run` gives, for findings, choice of attention, pictures and numbers."""
    yield from run(
        lambda progress: ask_attribution(
            answer.question, local, progress, sought(wanted, against), method, baseline, erasing
        ),
        lambda found: show(found, *over),
        7,
    )


def show(found: Attribution, of: str, layer: int, head: int) -> tuple[Any, ...]:
    """Updates of findings, choice of attention, three pictures, and numbers of tokens and of heads."""
    offered = [one for one in OVER if one[1] != "rollout" or found.looks["tuned"].rollout is not None]
    of = of if of in dict(offered).values() else "mean"
    return (
        findings_html(found.answers, (found.how, *found.notes), found.readout),
        gr.update(choices=offered, value=of),
        shown("attribution", plots.attribution(found), plots.attribution_alt(found)),
        lay_over(found, of, layer, head),
        shown("agreement", plots.agreement(found), plots.agreement_alt(found)),
        folded("Numbers: the tokens", numbers.attribution(found)),
        folded("Numbers: the heads that agree most", numbers.agreement(found)),
    )


def lay_over(found: Attribution | None, of: str, layer: int, head: int) -> Any:
    """The attribution on top of another attention, from what was kept: no model runs."""
    if found is None:
        return gr.skip()
    with shown_errors():
        which = _which(of, layer, head)
        return shown(f"overlay-{of}", plots.overlay(found, **which), plots.overlay_alt(found, **which))


def offer_overlay(found: Attribution | None, of: str, layer: int, head: int, _: str) -> Take | None:
    """The overlay as it is chosen; a table of one head has its attention too."""
    if found is None:
        return None
    which = _which(of, layer, head)

    def frame() -> pd.DataFrame:
        looks = {
            side: look.heads[found.layers.index(layer), head] for side, look in found.looks.items() if of == "head"
        }
        return found.frame().assign(**{f"{head_name(layer, head)}_{side}": row for side, row in looks.items()})

    return Take(f"overlay-{of}", lambda: plots.overlay(found, **which), frame, found.to_dict)


def offer_agreement(found: Attribution | None, _: str) -> Take | None:
    """How far each head agrees."""
    if found is None:
        return None
    return Take("attribution-heads", lambda: plots.agreement(found), found.head_frame, found.to_dict)


def _which(of: str, layer: int, head: int) -> dict[str, Any]:
    return {"of": of, "layer": layer, "head": head}


@dataclass(frozen=True)
class Results:
    """Where the findings stand."""

    column: gr.Column
    said: gr.HTML
    attribution: gr.Image
    over: tuple[gr.Radio, gr.Dropdown, gr.Dropdown]
    overlay: gr.Image
    agreement: gr.Image
    tables: tuple[gr.HTML, gr.HTML]

    @property
    def shown(self) -> list[Any]:
        """Outputs of :func:`show`."""
        return [self.said, self.over[0], self.attribution, self.overlay, self.agreement, *self.tables]


def _asking() -> tuple[list[Any], Controls]:
    """Method, baseline and way of erasing, and the buttons."""
    with gr.Row(elem_classes=["controls"], equal_height=False):
        method = gr.Radio(METHODS, value=METHODS[0][1], label="Method", elem_id="method", scale=2, min_width=320)
        baseline = gr.Dropdown(
            BASELINES,
            value="auto",
            label="Baseline",
            info="What stands in place of every token that is not special.",
            filterable=False,
            elem_id="baseline",
            min_width=260,
        )
        erasing = gr.Radio(
            ERASING, value="delete", label="A token is", visible=False, elem_id="occluding", min_width=260
        )
    return [method, baseline, erasing], controls("attribute", "Find what it rests on")


def _results(states: States) -> Results:
    with gr.Column(visible=False, elem_id="attribution-results") as column:
        said = gr.HTML(elem_id="attribution-answer")
        picture = gr.Image(elem_id="attribution", **PICTURE)
        take_row("attribution", whole("attribution", plots.attribution), [states.attribution])
        tokens = gr.HTML(elem_id="attribution-numbers")
        with gr.Row(elem_classes=["controls"], equal_height=False):
            of = gr.Radio(OVER, value="mean", label="Beside the attention of", elem_id="over", scale=3, min_width=320)
            layer = gr.Dropdown(
                [("L0", 0)],
                value=0,
                label="Layer",
                interactive=True,
                visible=False,
                elem_id="over-layer",
                min_width=110,
            )
            head = gr.Dropdown(
                [("H0", 0)], value=0, label="Head", interactive=True, visible=False, elem_id="over-head", min_width=110
            )
        overlay = gr.Image(elem_id="overlay", **PICTURE)
        take_row("attention beside attribution", offer_overlay, [states.attribution, of, layer, head])
        agreement = gr.Image(elem_id="agreement", **PICTURE)
        take_row("agreement of heads", offer_agreement, [states.attribution])
        heads = gr.HTML(elem_id="agreement-numbers")
    return Results(column, said, picture, (of, layer, head), overlay, agreement, (tokens, heads))


def attributing_part(states: States, fields: tuple[gr.Textbox, gr.Textbox], local: LocalRule) -> None:
    """The part of the tab; ``fields`` say which answer is asked about."""
    how, buttons = _asking()
    results = _results(states)
    answer, kept = states.settled, states.attribution
    method, *chosen = how
    ran = gr.on(
        [buttons.go.click, *(field.submit for field in fields)],
        answered(partial(attribute, local)),
        [answer, *fields, *how, *results.over],
        [kept, *results.shown, results.column, *buttons.ending],
        **RUNNING,
    )
    of, layer, head = results.over
    starting = [buttons.estimate, layer, head, kept, results.column, *buttons.ending]
    answer.change(start, [answer, method], starting, cancels=[ran], **DRAWING)
    method.input(choose, [answer, method], [buttons.estimate, *chosen], **PRIVATE)
    of.input(lambda of: (gr.update(visible=of == "head"),) * 2, of, [layer, head], queue=False, **PRIVATE)
    gr.on([of.input, layer.input, head.input], lay_over, [kept, *results.over], results.overlay, **DRAWING)
    stops(buttons.stop, [ran], cancelled, None, buttons.ending)
