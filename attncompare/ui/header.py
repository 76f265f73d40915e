"""Which pair, which text? The form at the top, its progress, and the verdict below it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare.models.checkpoint import LocalRule
from attncompare.ui.files import examples
from attncompare.ui.questions import ask_comparison, failure, question
from attncompare.ui.theme import PRIVATE
from attncompare.ui.verdict import EMPTY, error_html, note_html, progress_html, verdict_html
from attncompare.ui.work import Step, follow

AT_ONCE = 8
"""Visitors whose questions are followed at once; they share the models one by one, and say so while they wait."""

TITLE = """<header><h1>attncompare</h1>
<p>What fine-tuning did to attention: two checkpoints, one text, every head.</p></header>"""

SUBMIT = """document.addEventListener('keydown', event => {
  const compare = document.querySelector('#compare')
  if ((event.ctrlKey || event.metaKey) && event.key === 'Enter' && compare && !compare.disabled) compare.click()
})"""
"""Ctrl+Enter and Cmd+Enter compare from anywhere on the page; gradio's own text box knows Enter alone."""

_BUSY = (gr.update(interactive=False), gr.update(interactive=True))
_IDLE = (gr.update(interactive=True), gr.update(interactive=False))


def run(local: LocalRule, base: str, tuned: str, text: str) -> Iterator[tuple[Any, ...]]:
    """Compare, telling what is being done: updates of answer, status, verdict, compare and cancel button.

    An error leaves the answer, the verdict and everything typed as they are.
    """
    kept = gr.skip()

    def busy(step: Step) -> tuple[Any, ...]:
        return kept, progress_html(step), kept, *_BUSY

    yield busy(Step("starting"))
    try:
        asked = question(base, tuned, text)
        answer = yield from follow(lambda progress: ask_comparison(asked, local, progress), busy)
        yield answer, "", verdict_html(answer.comparison), *_IDLE
    except Exception as error:
        failed = failure(error)
        yield kept, error_html(failed.sentence), kept, *_IDLE
        raise failed.toast() from None


def cancelled() -> tuple[Any, ...]:
    """Updates of status and both buttons once the work has been told to stop."""
    return note_html("Cancelled. What was compared before is still below."), *_IDLE


def header(local: LocalRule) -> gr.State:
    """The form; the state that it returns holds the latest :class:`~attncompare.ui.questions.Answer`."""
    samples = examples()
    gr.HTML(TITLE, js_on_load=SUBMIT, elem_id="title")
    with gr.Group(elem_classes=["form-card"]):
        with gr.Row():
            base = gr.Textbox(
                label="Base",
                placeholder="empty: all-MiniLM-L6-v2, embedded",
                info="Hub id (org/name, org/name@revision). Empty: the adapter's own.",
                max_lines=1,
                elem_id="base",
            )
            tuned = gr.Textbox(
                label="Tuned",
                placeholder="empty: movie sentiment LoRA, embedded",
                info="Hub id of a checkpoint or a LoRA adapter tuned from the base.",
                max_lines=1,
                elem_id="tuned",
            )
        text = gr.Textbox(
            label="Text",
            info="Both models read it. Enter compares; text of several lines can be pasted.",
            value=samples[0]["text"],
            placeholder="Type or paste a text",
            lines=1,
            max_lines=8,
            elem_id="text",
        )
    with gr.Row(elem_classes=["actions"]):
        chosen = gr.Dataset(
            label="Texts to try",
            components=[gr.Textbox(render=False)],
            samples=[[sample["text"]] for sample in samples],
            sample_labels=[sample["title"] for sample in samples],
            type="values",
            elem_id="examples",
            scale=4,
        )
        cancel = gr.Button("Cancel", interactive=False, elem_id="cancel", min_width=110, scale=0)
        compare = gr.Button("Compare", variant="primary", elem_id="compare", min_width=150, scale=0)
    status = gr.HTML(elem_id="status")
    verdict = gr.HTML(EMPTY, elem_id="verdict")
    answer = gr.State()

    chosen.click(lambda sample: sample[0], chosen, text, queue=False, **PRIVATE)
    asked = gr.on(
        [compare.click, text.submit, base.submit, tuned.submit],
        partial(run, local),
        [base, tuned, text],
        [answer, status, verdict, compare, cancel],
        concurrency_limit=AT_ONCE,
        **PRIVATE,
    )
    cancel.click(cancelled, None, [status, compare, cancel], cancels=[asked], queue=False, **PRIVATE)
    return answer
