"""What changed? Every head's number as a grid and a ranked list, the open head, layers, and tokens that gained and lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from attncompare import plots
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.noise import Noise
from attncompare.metrics import FLOORS, METRICS
from attncompare.models.checkpoint import LocalRule
from attncompare.ui import head_section
from attncompare.ui.changed_files import take_heads, take_layers, take_movers
from attncompare.ui.failures import shown_errors
from attncompare.ui.framed import framed, picture, place
from attncompare.ui.head_grid import grid_value, head_grid
from attncompare.ui.head_list import head_list, list_value
from attncompare.ui.head_section import HeadSection
from attncompare.ui.outputs import outputs_part
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import take_row
from attncompare.ui.theme import DRAWING, OPENED, PRIVATE, UNSEEN

DEFAULT = "jsd_bits"

FIRST = (DEFAULT, "content_jsd_bits", "sink_bits", "entropy_delta_nats", "distance_delta")
"""What the menu holds at first: how far, how far without sinks, how much of it is sinks, wider or narrower, nearer or
further. The others are behind *all metrics*."""

WAITING = '<p class="waiting">Press Compare: the grid of heads will stand here.</p>'

Drawn = tuple[Any, Any, Any, Any]
"""Updates of the metric that is shown, its meaning, grid and list."""


@dataclass(frozen=True)
class Widgets:
    """The tab below its waiting note."""

    metric: gr.Dropdown
    chosen: gr.State
    """The metric that is shown: what the menu says may be gone from it by the time that it is heard."""
    everything: gr.Checkbox
    meaning: gr.HTML
    grid: gr.HTML
    ranked: gr.HTML
    one: HeadSection
    layers: gr.HTML
    movers: gr.HTML

    @property
    def drawn(self) -> list[Any]:
        """What says which metric is shown, and shows it."""
        return [self.chosen, self.meaning, self.grid, self.ranked]

    @property
    def pictures(self) -> list[Any]:
        """What is drawn whatever the metric."""
        return [self.layers, self.movers]


def metric_choices(comparison: Comparison | None = None, *, everything: bool = False) -> list[tuple[str, str]]:
    """Label and name of the first metrics, then of the others where ``everything`` is asked for, then of the floors that
    were measured."""
    others = [name for name in METRICS if everything and name not in (*FIRST, *FLOORS)]
    floors = () if comparison is None else [name for name in FLOORS if np.isfinite(comparison.metric(name)).any()]
    return [(f"{METRICS[name].title} ({METRICS[name].unit})", name) for name in (*FIRST, *others, *floors)]


def reading(metric: str) -> str:
    """What the metric's numbers mean and where it comes from, as HTML."""
    declared = METRICS[metric]
    return f'<p class="reading">{escape(declared.reading)} <cite>{escape(declared.citation)}</cite></p>'


def start(answer: Answer | None, metric: str, everything: bool) -> Iterator[tuple[Any, ...]]:
    """A new answer: updates of waiting, content, menu, metric, meaning, grid, list, layers, movers, and of the open head.

    What stands on top comes first; layers and movers are given their place with it, and come next.
    """
    if answer is None:
        yield gr.skip()  # a handler that gives nothing would empty its outputs
        return
    with shown_errors():
        result = answer.comparison
        menu, *drawn = _offered(result, metric, everything)
        below = plots.layers(result), plots.movers(result)
        yield *OPENED, menu, *drawn, *map(place, below), *head_section.start(answer)
        kept = [gr.skip()]
        yield *kept * 7, *_pictures(result, *below), *kept * 3


def remeasure(answer: Answer | None, yardstick: Noise | None, metric: str, everything: bool) -> tuple[Any, ...]:
    """A yardstick has come: updates of menu, metric, meaning, grid, list, layers and movers.

    One that goes does so because a new answer came, which draws itself.
    """
    if answer is None or yardstick is None:
        return (gr.skip(),) * 7
    with shown_errors():
        result = answer.beside(yardstick)
        return *_offered(result, metric, everything), *_pictures(result, plots.layers(result), plots.movers(result))


def draw(answer: Answer | None, yardstick: Noise | None, metric: str) -> Drawn:
    """Another metric."""
    if answer is None:
        return metric, reading(metric), gr.skip(), gr.skip()
    with shown_errors():
        return _drawn(answer.beside(yardstick), metric)


def offer(answer: Answer | None, yardstick: Noise | None, metric: str, everything: bool) -> Any:
    """The menu with all metrics or the first ones; the one that is chosen stays in it."""
    result = answer.beside(yardstick) if answer else None
    choices = metric_choices(result, everything=everything)
    chosen = [choice for choice in metric_choices(result, everything=True) if choice[1] == metric]
    return gr.update(choices=[*choices, *(choice for choice in chosen if choice not in choices)])


def _offered(result: Comparison, metric: str, everything: bool) -> tuple[Any, ...]:
    """Updates of menu, metric, meaning, grid and list; a metric that was not measured gives way to the divergence."""
    known = dict(metric_choices(result, everything=True)).values()
    chosen = metric if metric in known else DEFAULT
    choices = metric_choices(result, everything=everything or chosen not in (*FIRST, *FLOORS))
    return gr.update(choices=choices, value=chosen), *_drawn(result, chosen)


def _drawn(result: Comparison, metric: str) -> Drawn:
    return metric, reading(metric), grid_value(result, metric), list_value(result, metric)


def _pictures(result: Comparison, layers: Any, movers: Any) -> tuple[Any, Any]:
    """Values of layers and movers from their figures."""
    return (
        picture("layers", layers, plots.layers_alt(result)),
        picture("movers", movers, plots.movers_alt(result)),
    )


def _menu() -> tuple[gr.Dropdown, gr.Checkbox, gr.HTML]:
    with gr.Row(equal_height=True, elem_classes=["controls"]):
        with gr.Column(scale=1, min_width=260):
            metric = gr.Dropdown(metric_choices(), value=DEFAULT, label="Measure", filterable=False, elem_id="metric")
            everything = gr.Checkbox(False, label="All metrics", container=False, elem_id="all-metrics")
        with gr.Column(scale=2, min_width=300):
            meaning = gr.HTML(reading(DEFAULT), elem_id="reading")
    return metric, everything, meaning


def _widgets(states: States, local: LocalRule) -> Widgets:
    metric, everything, meaning = _menu()
    chosen = gr.State(DEFAULT)
    measured = [states.answer, states.noise]
    with gr.Row(elem_classes=["heads-row"]):
        with gr.Column(scale=6, min_width=420):
            grid = head_grid()
            take_row("heads", take_heads, [*measured, chosen])
        with gr.Column(scale=6, min_width=420):
            ranked = head_list()
    one = head_section.head_section(states, local)
    with gr.Row():
        with gr.Column(scale=5, min_width=420):
            layers = framed("layers")
            take_row("layers", take_layers, measured)
            outputs_part(states)
        with gr.Column(scale=6, min_width=420):
            movers = framed("movers")
            take_row("movers", take_movers, measured)
    return Widgets(metric, chosen, everything, meaning, grid, ranked, one, layers, movers)


def changed_tab(states: States, local: LocalRule) -> None:
    """The tab; it draws itself whenever ``answer`` changes, and again when there is a ``yardstick``."""
    answer, yardstick = states.answer, states.noise
    with gr.Tab("What changed", id="changed", elem_id="tab-changed"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            shown = _widgets(states, local)

    choosing: list[Any] = [shown.chosen, shown.everything]
    again: list[Any] = [shown.metric, *shown.drawn, *shown.pictures]
    starting: list[Any] = [waiting, content, *again, *shown.one.starting]
    started = answer.change(start, [answer, *choosing], starting, cancels=[shown.one.fetching], **DRAWING)
    started.then(lambda answer: answer, answer, states.settled, **PRIVATE)  # only what is queued tells that it changed
    yardstick.change(remeasure, [answer, yardstick, *choosing], again, **DRAWING)
    shown.metric.input(draw, [answer, yardstick, shown.metric], shown.drawn, **DRAWING)
    shown.everything.input(offer, [answer, yardstick, *choosing], shown.metric, **PRIVATE)
