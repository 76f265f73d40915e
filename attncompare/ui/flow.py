"""Where does it flow? Attention rollout of both models, and one token's row where the text is long."""

from collections.abc import Iterator
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.routes import FULL_TOKENS, Routes
from attncompare.errors import BadInput
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.failures import failure, shown_errors
from attncompare.ui.files import shown
from attncompare.ui.questions import Answer, ask_rollout
from attncompare.ui.states import States
from attncompare.ui.stopping import stops
from attncompare.ui.theme import DRAWING, OPENED, PICTURE, PRIVATE, UNSEEN
from attncompare.ui.verdict import error_html, note_html, progress_html
from attncompare.ui.work import Step, follow

WAITING = '<p class="waiting">Press Compare: the routes from input to output tokens will stand here.</p>'

ABOUT = """<div class="tab-intro"><h2>Where the attention flows</h2>
<p class="reading">Rollout multiplies the attention of all layers, heads averaged, half of every token passing by on the
residual path: row = output token, column = input token, and a row sums to 1. It shows where information <em>can</em> come
from; values and feed-forward layers are left out.
<cite>Abnar &amp; Zuidema 2020, Quantifying attention flow in transformers</cite></p></div>
"""


def draw_routes(routes: Routes, comparison: Comparison) -> tuple[Any, Any]:
    """The picture, and for a causal model a word on the lift."""
    note = ""
    if routes.log2_lift_base is not None:
        note = (
            "Lift: log2 of rollout over what uniform attention under the same masks would give; 0 = no more than that."
        )
    elif comparison.causal:
        note = f"No lift over uniform attention is shown: {routes.lift_omitted}."
    picture = shown("rollout", plots.rollout(routes), plots.rollout_alt(routes))
    return picture, f'<p class="reading">{escape(note)}</p>'


def start(answer: Answer | None) -> tuple[Any, ...]:
    """A new answer: updates of waiting, content, picture, note, long-text row, token and status."""
    if answer is None:
        return (gr.skip(),) * 7
    with shown_errors():
        result = answer.comparison
        last = len(result.tokens) - 1
        token = gr.update(value=last if result.causal else 0, maximum=last)
        if result.rollout is not None:
            return *OPENED, *draw_routes(result.rollout, result), gr.update(visible=False), token, ""
        rollable = result.attention != "cross"
        why = f"No rollout: {result.rollout_omitted}. Switch to the encoder or the decoder."
        if rollable:
            why = (
                f"The whole matrix is computed up to {FULL_TOKENS} tokens, and this text is longer. Choose one output token "
                "and follow it."
            )
        note = f'<p class="reading">{escape(why)}</p>'
        return *OPENED, gr.update(value=None, visible=False), note, gr.update(visible=rollable), token, ""


def run(local: LocalRule, answer: Answer | None, token: float | None) -> Iterator[tuple[Any, ...]]:
    """Follow one output token of a long text: updates of picture, note and status."""
    kept = gr.skip()

    def busy(step: Step) -> tuple[Any, ...]:
        return kept, kept, progress_html(step)

    if answer is None:
        return
    yield busy(Step("starting"))
    try:
        if token is None:
            raise BadInput(f"Give the number of an output token, 0 to {len(answer.comparison.tokens) - 1}.")
        routes = yield from follow(lambda progress: ask_rollout(answer.question, local, progress, int(token)), busy)
        yield *draw_routes(routes, answer.comparison), ""
    except Exception as error:
        failed = failure(error)
        yield kept, kept, error_html(failed.sentence)
        raise failed.toast() from None


def flow_tab(states: States, local: LocalRule) -> None:
    """The tab; it draws itself whenever ``answer`` changes."""
    answer = states.answer
    with gr.Tab("Where it flows", id="flow", elem_id="tab-flow"):
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            with gr.Row(visible=False, elem_classes=["controls"]) as long:
                token = gr.Number(label="Output token", info="0 is the first", precision=0, minimum=0, elem_id="token")
                go = gr.Button("Follow this token", elem_id="follow", scale=0, min_width=180)
                stop = gr.Button("Cancel", elem_id="unfollow", scale=0, min_width=110)
            status = gr.HTML()
            picture = gr.Image(elem_id="rollout", **PICTURE)
            note = gr.HTML(elem_id="lift")

    followed = gr.on([go.click, token.submit], partial(run, local), [answer, token], [picture, note, status], **PRIVATE)
    starting = [waiting, content, picture, note, long, token, status]
    answer.change(start, answer, starting, cancels=[followed], **DRAWING)
    stops(stop, [followed], lambda: note_html("Cancelled."), None, status)
