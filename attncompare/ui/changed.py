"""What changed? Every head's number as a grid, layers, movers, and one head's maps in both models."""

from collections.abc import Iterator
from functools import partial
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from attncompare import plots
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.noise import Noise
from attncompare.metrics import FLOORS, METRICS
from attncompare.models.checkpoint import LocalRule
from attncompare.ui import one_head
from attncompare.ui.failures import shown_errors
from attncompare.ui.files import numbers, shown, table
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, PRIVATE, UNSEEN

DEFAULT = "jsd_bits"
WAITING = '<p class="waiting">Press Compare: the grid of heads will stand here.</p>'

TAKE = """<div class="tab-intro"><h2>Take it with you</h2><p class="reading">Every number as JSON, one line a head as CSV;
each picture has a download button of its own.</p></div>"""


def metric_choices(comparison: Comparison | None = None) -> list[tuple[str, str]]:
    """Label and name of every metric, in the order of :data:`attncompare.metrics.METRICS`; of the floors those measured."""
    found = () if comparison is None else [name for name in FLOORS if np.isfinite(comparison.metric(name)).any()]
    return [
        (f"{metric.title} ({metric.unit})", name)
        for name, metric in METRICS.items()
        if name not in FLOORS or name in found
    ]


def reading(metric: str) -> str:
    """What the metric's numbers mean and where it comes from, as HTML."""
    declared = METRICS[metric]
    return f'<p class="reading">{escape(declared.reading)} <cite>{escape(declared.citation)}</cite></p>'


def draw_heads(answer: Answer | None, yardstick: Noise | None, metric: str, layer: int, head: int) -> Any:
    """The grid of one metric with one head outlined."""
    if answer is None:
        return gr.skip()
    with shown_errors():
        result = answer.beside(yardstick)
        figure = plots.heads(result, metric, selected=(layer, head))
        return shown(f"heads-{metric}", figure, plots.heads_alt(result, metric))


def start(answer: Answer | None, metric: str) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, menu, meaning, grid, and of the choice of a head, the one that moved most
    chosen."""
    if answer is None:
        return (gr.skip(),) * 12
    return *OPENED, *_offered(answer, None, metric, *answer.first), *one_head.start(answer)


def remeasure(answer: Answer | None, yardstick: Noise | None, metric: str, layer: int, head: int) -> tuple[Any, ...]:
    """A yardstick has come: updates of menu, meaning and grid, the open head and the metric as they are.

    One that goes does so because a new answer came, which draws itself.
    """
    if answer is None or yardstick is None:
        return (gr.skip(),) * 3
    return _offered(answer, yardstick, metric, layer, head)


def _offered(answer: Answer, yardstick: Noise | None, metric: str, layer: int, head: int) -> tuple[Any, Any, Any]:
    """Updates of menu, meaning and grid; a metric that was not measured gives way to the divergence."""
    choices = metric_choices(answer.beside(yardstick))
    chosen = metric if metric in dict(choices).values() else DEFAULT
    kept = {} if chosen == metric else {"value": chosen}
    return gr.update(choices=choices, **kept), reading(chosen), draw_heads(answer, yardstick, chosen, layer, head)


def draw_top(local: LocalRule, answer: Answer | None) -> Iterator[tuple[Any, Any]]:
    """The maps of the head that moved most."""
    if answer is not None:
        yield from one_head.draw(local, answer, *answer.first)


def draw_rest(answer: Answer | None, yardstick: Noise | None) -> tuple[Any, ...]:
    """What stands below: layers, movers, and the files to download."""
    if answer is None:
        return (gr.skip(),) * 4
    with shown_errors():
        result = answer.beside(yardstick)
        return (
            shown("layers", plots.layers(result), plots.layers_alt(result)),
            shown("movers", plots.movers(result), plots.movers_alt(result)),
            gr.update(value=numbers("comparison", result.to_dict()), interactive=True),
            gr.update(value=table("heads", result.frame()), interactive=True),
        )


def cell(answer: Answer | None, event: gr.SelectData) -> tuple[Any, Any]:
    """The layer and head that a click on the grid means."""
    if answer is None:
        return gr.skip(), gr.skip()
    result = answer.comparison
    return plots.heads_cell(result.layers, result.heads[DEFAULT].shape[1], *event.index)


def changed_tab(states: States, local: LocalRule) -> None:
    """The tab; it draws itself whenever ``answer`` changes, and again when there is a ``yardstick``."""
    answer, yardstick = states.answer, states.noise
    with gr.Tab("What changed", id="changed", elem_id="tab-changed"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            with gr.Row(equal_height=True, elem_classes=["controls"]):
                metric = gr.Dropdown(
                    metric_choices(), value=DEFAULT, label="Measure", filterable=False, elem_id="metric", scale=1
                )
                meaning = gr.HTML(reading(DEFAULT), elem_id="reading")
            with gr.Row():
                grid = gr.Image(elem_id="heads", min_width=420, scale=6, **PICTURE)
                layers = gr.Image(elem_id="layers", min_width=420, scale=5, **PICTURE)
            one = one_head.head_form()
            with gr.Row():
                movers = gr.Image(elem_id="movers", min_width=420, scale=3, **PICTURE)
                with gr.Column(min_width=260, scale=1):
                    gr.HTML(TAKE)
                    as_json = gr.DownloadButton("comparison.json", interactive=False, elem_id="json", size="md")
                    as_csv = gr.DownloadButton("heads.csv", interactive=False, elem_id="csv", size="md")

    heads: list[Any] = [answer, yardstick, metric, one.layer, one.head]
    outlining: dict[str, Any] = {"inputs": heads, "outputs": grid, **DRAWING}
    mapping: dict[str, Any] = {"inputs": [answer, *one.asking], "outputs": [one.maps, one.status], **DRAWING}
    rest: dict[str, Any] = {"inputs": [answer, yardstick], "outputs": [layers, movers, as_json, as_csv], **DRAWING}
    draw_maps = partial(one_head.draw, local)
    started = answer.change(
        start, [answer, metric], [waiting, content, metric, meaning, grid, *one.starting], **DRAWING
    )
    # Beside the grid: one round trip less.
    answer.change(partial(draw_top, local), answer, [one.maps, one.status], **DRAWING)
    started.then(draw_rest, **rest)
    yardstick.change(remeasure, heads, [metric, meaning, grid], **DRAWING).then(draw_rest, **rest)
    metric.input(reading, metric, meaning, **PRIVATE)
    metric.input(draw_heads, **outlining)
    clicked = grid.select(cell, answer, [one.layer, one.head], **PRIVATE).then(draw_maps, **mapping)
    chosen = gr.on([one.layer.input, one.head.input], draw_maps, **mapping)
    for opened in (clicked, chosen):
        opened.then(draw_heads, **outlining)
    gr.on([one.show.click, *(number.submit for number in one.window)], draw_maps, **mapping)
    one.reset.click(one_head.everything, answer, list(one.window), **PRIVATE).then(draw_maps, **mapping)
