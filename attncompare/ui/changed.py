"""What changed? Every head's number as a grid, layers, movers, and one head's maps in both models."""

from functools import partial
from html import escape
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.metrics import METRICS
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.files import numbers, shown, table
from attncompare.ui.questions import Answer, open_head, shown_errors
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, PRIVATE, UNSEEN

DEFAULT = "jsd_bits"
WAITING = '<p class="waiting">Press Compare: the grid of heads will stand here.</p>'

ONE_HEAD = """<div class="tab-intro"><h2>One head in both models</h2>
<p class="reading">Click a cell of the grid, or choose a layer and a head here.</p></div>"""

TAKE = """<div class="tab-intro"><h2>Take it with you</h2><p class="reading">Every number as JSON, one line a head as CSV;
each picture has a download button of its own.</p></div>"""


def metric_choices() -> list[tuple[str, str]]:
    """Label and name of every metric, in the order of :data:`attncompare.metrics.METRICS`."""
    return [(f"{metric.title} ({metric.unit})", name) for name, metric in METRICS.items()]


def reading(metric: str) -> str:
    """What the metric's numbers mean and where it comes from, as HTML."""
    declared = METRICS[metric]
    return f'<p class="reading">{escape(declared.reading)} <cite>{escape(declared.citation)}</cite></p>'


def draw_heads(answer: Answer | None, metric: str, layer: int, head: int) -> Any:
    """The grid of one metric with one head outlined."""
    if answer is None:
        return gr.skip()
    with shown_errors():
        figure = plots.heads(answer.comparison, metric, selected=(layer, head))
        return shown(f"heads-{metric}", figure, plots.heads_alt(answer.comparison, metric))


def draw_head(local: LocalRule, answer: Answer | None, layer: int, head: int) -> Any:
    """One head's maps in both models."""
    if answer is None:
        return gr.skip()
    with shown_errors():
        maps = open_head(answer, local, layer, head)
        return shown(f"head-{maps.name}", plots.head(maps), plots.head_alt(maps))


def draw_top(local: LocalRule, answer: Answer | None) -> Any:
    """The maps of the head that moved most."""
    return gr.skip() if answer is None else draw_head(local, answer, *top(answer))


def start(answer: Answer | None, metric: str) -> tuple[Any, ...]:
    """A new answer: the grid, with the head that moved most chosen; updates of waiting, content, grid, layer and head."""
    if answer is None:
        return (gr.skip(),) * 5
    layers, heads = answer.comparison.metric(metric).shape
    layer, head = top(answer)
    return (
        *OPENED,
        draw_heads(answer, metric, layer, head),
        gr.update(choices=[(f"L{i}", i) for i in range(layers)], value=layer),
        gr.update(choices=[(f"H{i}", i) for i in range(heads)], value=head),
    )


def top(answer: Answer) -> tuple[int, int]:
    """The head that moved most; the first one where none moved."""
    movers = answer.comparison.movers
    return (movers[0].layer, movers[0].head) if movers else (0, 0)


def draw_rest(answer: Answer | None) -> tuple[Any, ...]:
    """What stands below: layers, movers, and the files to download."""
    if answer is None:
        return (gr.skip(),) * 4
    with shown_errors():
        result = answer.comparison
        return (
            shown("layers", plots.layers(result), plots.layers_alt(result)),
            shown("movers", plots.movers(result), plots.movers_alt(result)),
            gr.update(value=numbers(result), interactive=True),
            gr.update(value=table(result), interactive=True),
        )


def cell(answer: Answer | None, event: gr.SelectData) -> tuple[Any, Any]:
    """The layer and head that a click on the grid means."""
    if answer is None:
        return gr.skip(), gr.skip()
    layers, heads = answer.comparison.heads[DEFAULT].shape
    return plots.heads_cell(layers, heads, *event.index)


def changed_tab(answer: gr.State, local: LocalRule) -> None:
    """The tab; it draws itself whenever ``answer`` changes."""
    with gr.Tab("What changed", id="changed"):
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
            with gr.Row(elem_classes=["controls"]):
                gr.HTML(ONE_HEAD, scale=3)
                layer = gr.Dropdown(
                    [("L0", 0)], value=0, label="Layer", interactive=True, elem_id="layer", min_width=110
                )
                head = gr.Dropdown([("H0", 0)], value=0, label="Head", interactive=True, elem_id="head", min_width=110)
            maps = gr.Image(elem_id="maps", **PICTURE)
            with gr.Row():
                movers = gr.Image(elem_id="movers", min_width=420, scale=3, **PICTURE)
                with gr.Column(min_width=260, scale=1):
                    gr.HTML(TAKE)
                    as_json = gr.DownloadButton("comparison.json", interactive=False, elem_id="json", size="md")
                    as_csv = gr.DownloadButton("heads.csv", interactive=False, elem_id="csv", size="md")

    draw_maps = partial(draw_head, local)
    started = answer.change(start, [answer, metric], [waiting, content, grid, layer, head], **DRAWING)
    answer.change(partial(draw_top, local), answer, maps, **DRAWING)  # beside the grid: one round trip less
    started.then(draw_rest, answer, [layers, movers, as_json, as_csv], **DRAWING)
    metric.input(reading, metric, meaning, **PRIVATE)
    metric.input(draw_heads, [answer, metric, layer, head], grid, **DRAWING)
    opened = [
        grid.select(cell, answer, [layer, head], **PRIVATE).then(draw_maps, [answer, layer, head], maps, **DRAWING),
        gr.on([layer.input, head.input], draw_maps, [answer, layer, head], maps, **DRAWING),
    ]
    for chosen in opened:
        chosen.then(draw_heads, [answer, metric, layer, head], grid, **DRAWING)
