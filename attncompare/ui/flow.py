"""Where does it flow? Attention rollout of both models: of all outputs or of one, through all layers or some."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.routes import FULL_TOKENS, Routes
from attncompare.analyses.verdict import printable
from attncompare.errors import BadInput
from attncompare.models.checkpoint import LocalRule
from attncompare.report import numbers
from attncompare.report.tables import folded
from attncompare.report.words import limited_html
from attncompare.ui.failures import failure, shown_errors
from attncompare.ui.files import shown
from attncompare.ui.questions import Answer, ask_rollout
from attncompare.ui.states import States
from attncompare.ui.stopping import stops
from attncompare.ui.taking import Take, take_row
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, PRIVATE, UNSEEN
from attncompare.ui.verdict import error_html, note_html, progress_html
from attncompare.ui.work import Step, follow

ALL = "all"
"""The choice of every output."""

LISTED = 24
"""Tokens in the table; the files hold all."""

WAITING = '<p class="waiting">Press Compare: the routes from input to output tokens will stand here.</p>'

ABOUT = """<div class="tab-intro"><h2>Where the attention flows</h2>
<p class="reading">Rollout multiplies the attention of the layers, heads averaged, half of every token passing by on the
residual path: row = output token, column = input token, and a row sums to 1. It shows where information <em>can</em> come
from; values and feed-forward layers are left out.
<cite>Abnar &amp; Zuidema 2020, Quantifying attention flow in transformers</cite></p></div>
"""


@dataclass(frozen=True)
class Controls:
    """Which output is followed, and through how many layers."""

    output: gr.Dropdown
    long: gr.Row
    token: gr.Number
    go: gr.Button
    stop: gr.Button
    layers: gr.Slider

    @property
    def asking(self) -> list[Any]:
        """Inputs of :func:`draw` after the answer."""
        return [self.output, self.token, self.layers]

    @property
    def starting(self) -> list[Any]:
        """Outputs of :func:`_controls_of`."""
        return [self.output, self.long, self.token, self.layers]


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, the controls, what is on show (:func:`drawn`) and status."""
    if answer is None:
        return (gr.skip(),) * 11
    with shown_errors():
        result = answer.comparison
        controls = _controls_of(result)
        if result.rollout is not None:
            return *OPENED, *controls, *drawn(result.rollout), ""
        why = f"There is no rollout: {result.rollout_omitted}. Switch to the encoder or the decoder."
        if result.attention != "cross":
            why = (
                f"The whole matrix is computed up to {FULL_TOKENS} tokens, and this text is longer. Choose one output token "
                "and follow it."
            )
        return *OPENED, *controls, None, "", gr.update(value=None, visible=False), "", note_html(why)


def _controls_of(result: Comparison) -> tuple[Any, ...]:
    """Updates of the controls for a comparison: output, long-text row, token and layers."""
    last, deep = len(result.tokens) - 1, len(result.layers)
    rollable, full = result.attention != "cross", result.rollout is not None
    choices: list[tuple[str, Any]] = [("All outputs", ALL)]
    if full:
        choices += [(f"{i}: {printable(token.text) or '␣'}", i) for i, token in enumerate(result.tokens)]
    return (
        gr.update(choices=choices, value=ALL, visible=full),
        gr.update(visible=rollable and not full),
        gr.update(value=last if result.causal else 0, maximum=last),
        gr.update(maximum=max(deep, 2), value=deep, visible=rollable and deep > 1),
    )


def drawn(routes: Routes) -> tuple[Any, ...]:
    """What is on show: the routes, and updates of the answers, the picture and the table."""
    picture = shown("rollout", plots.rollout(routes), plots.rollout_alt(routes))
    return (
        routes,
        limited_html(routes.answers) + _lift_html(routes),
        picture,
        folded("Numbers: the tokens whose share changed most", numbers.routes(routes)),
    )


def _lift_html(routes: Routes) -> str:
    """A word on the lift of a causal model."""
    if routes.log2_lift_base is not None:
        said = (
            "Lift: log2 of rollout over what uniform attention under the same masks would give; 0 = no more than that."
        )
    elif routes.read_from and routes.mixer == "rollout":
        said = f"No lift over uniform attention is shown: {routes.lift_omitted}."
    else:
        return ""
    return f'<p class="reading">{escape(said)}</p>'


def draw(
    local: LocalRule, answer: Answer | None, output: Any, token: float | None, layers: float
) -> Iterator[tuple[Any, ...]]:
    """One output or all, through some layers: updates of what is on show and of the status."""
    kept = (gr.skip(),) * 4

    def busy(step: Step) -> tuple[Any, ...]:
        return *kept, progress_html(step)

    if answer is None or answer.comparison.attention == "cross":
        yield gr.skip()  # a handler that gives nothing would empty its outputs
        return
    result = answer.comparison
    try:
        if result.rollout is None and token is None:
            raise BadInput(f"Give the number of an output token, 0 to {len(result.tokens) - 1}.")
        chosen = None if output == ALL else int(output)
        at = chosen if result.rollout is not None else int(token or 0)
        deep = min(max(int(layers), 1), len(result.layers))
        if result.rollout is not None and at is None and deep == len(result.layers):
            routes = result.rollout
        else:
            routes = yield from follow(lambda progress: ask_rollout(answer.question, local, progress, at, deep), busy)
        yield *drawn(routes), ""
    except Exception as error:
        failed = failure(error)
        yield *kept, error_html(failed.sentence)
        raise failed.toast() from None


def again(local: LocalRule, answer: Answer | None, routes: Routes | None, *asking: Any) -> Iterator[tuple[Any, ...]]:
    """:func:`draw`, but of a long text only where an output is on show already: following one takes a while."""
    if routes is None:
        yield gr.skip()  # a handler that gives nothing would empty its outputs
        return
    yield from draw(local, answer, *asking)


def offered(routes: Routes | None, opened: str) -> Take | None:
    """What is on show, as files."""
    if routes is None:
        return None
    return Take("rollout", lambda: plots.rollout(routes), routes.frame, routes.to_dict)


def _control_row() -> Controls:
    with gr.Row(elem_classes=["controls", "flow-controls"]):
        output = gr.Dropdown(
            [("All outputs", ALL)], value=ALL, label="Output token", interactive=True, elem_id="output", min_width=220
        )
        with gr.Row(visible=False, elem_classes=["controls"]) as long:
            token = gr.Number(label="Output token", info="0 is the first", precision=0, minimum=0, elem_id="token")
            go = gr.Button("Follow this token", elem_id="follow", scale=0, min_width=180)
            stop = gr.Button("Cancel", elem_id="unfollow", scale=0, min_width=110)
        layers = gr.Slider(
            1, 2, value=2, step=1, label="Layers multiplied, from the input", interactive=True, elem_id="depth",
            min_width=260, buttons=[],
        )  # fmt: skip
    return Controls(output, long, token, go, stop, layers)


def flow_tab(states: States, local: LocalRule) -> None:
    """The tab; it draws itself whenever ``answer`` changes."""
    answer = states.settled
    with gr.Tab("Where it flows", id="flow", elem_id="tab-flow"):
        routes = gr.State()  # in the tab: beside it, gradio would count it as one
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            controls = _control_row()
            status = gr.HTML(elem_id="flow-status")
            said = gr.HTML(elem_id="rollout-answer")
            picture = gr.Image(elem_id="rollout", **PICTURE)
            take_row("rollout", offered, [routes])
            table = gr.HTML(elem_id="rollout-numbers")

    shows = [routes, said, picture, table, status]
    asked: dict[str, Any] = {"inputs": [answer, *controls.asking], "outputs": shows}
    followed = gr.on([controls.go.click, controls.token.submit], partial(draw, local), **asked, **PRIVATE)
    chosen = controls.output.input(partial(draw, local), **asked, **DRAWING)
    deeper = controls.layers.input(
        partial(again, local), [answer, routes, *controls.asking], shows, **{**DRAWING, "concurrency_id": "flow"}
    )
    starting = [waiting, content, *controls.starting, *shows]
    answer.change(start, answer, starting, cancels=[followed, chosen, deeper], **DRAWING)
    stops(controls.stop, [followed], lambda: note_html("Cancelled."), None, status)
