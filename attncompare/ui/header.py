"""Which pair, which text? The form at the top, its progress, and the verdict below it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gradio as gr

from attncompare.analyses.noise import Noise
from attncompare.attention import AttentionKind
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.failures import failure
from attncompare.ui.files import examples
from attncompare.ui.options import options_form
from attncompare.ui.questions import Answer, Question, TooLong, ask_comparison, question, shortened
from attncompare.ui.reading import MAX_CHARACTERS, typed_reading
from attncompare.ui.states import States
from attncompare.ui.stopping import stops
from attncompare.ui.theme import DRAWING, PRIVATE
from attncompare.ui.verdict import EMPTY, error_html, note_html, progress_html, verdict_html
from attncompare.ui.work import Step, follow

AT_ONCE = 8
"""Visitors whose questions are followed at once; they share the models one by one, and say so while they wait."""

TITLE = """<header><h1>attncompare</h1>
<p>What fine-tuning did to attention: two checkpoints, one text, every head.</p></header>"""

KINDS: list[tuple[str, AttentionKind]] = [
    ("Encoder: the text over itself", "self"),
    ("Decoder: the target over itself", "decoder"),
    ("Cross: the target over the text", "cross"),
]

SHORTCUTS = """document.addEventListener('keydown', event => {
  const compare = document.querySelector('#compare')
  if ((event.ctrlKey || event.metaKey) && event.key === 'Enter' && compare && !compare.disabled) compare.click()
})
document.addEventListener('click', event => {
  if (event.target.closest?.('.tab-link')) document.querySelector('#tab-real-button').click()
})"""
"""Ctrl+Enter and Cmd+Enter compare from anywhere on the page (gradio's own text box knows Enter alone), and the link in
the verdict opens the tab that measures a yardstick."""

_BUSY = (gr.update(interactive=False), gr.update(interactive=True))
_IDLE = (gr.update(interactive=True), gr.update(interactive=False))
_KEPT = gr.skip()


def run(local: LocalRule, base: str, tuned: str, text: str, *options: Any) -> Iterator[tuple[Any, ...]]:
    """Compare, telling what is being done: updates of answer, yardstick, status, verdict, kind, shorten, compare and cancel.

    An error leaves the answer, the verdict and everything typed as they are.
    """
    yield from _answered(local, lambda: question(base, tuned, text, typed_reading(*options)), _KEPT)


def switch(local: LocalRule, answer: Answer | None, kind: AttentionKind) -> Iterator[tuple[Any, ...]]:
    """The same question about another kind of attention; an error puts the choice back. Updates as :func:`run`."""
    if answer is not None:
        back = gr.update(value=answer.comparison.attention)
        yield from _answered(local, lambda: answer.question.about(kind), back)


def _answered(local: LocalRule, ask: Callable[[], Question], back: Any) -> Iterator[tuple[Any, ...]]:
    """Ask and show the answer; ``back`` is the update of the kind of attention after an error."""

    def busy(step: Step) -> tuple[Any, ...]:
        return _KEPT, _KEPT, progress_html(step), _KEPT, _KEPT, gr.update(visible=False), *_BUSY

    yield busy(Step("starting"))
    try:
        asked = ask()
        answer = yield from follow(lambda progress: ask_comparison(asked, local, progress), busy)
        yield answer, None, "", verdict_html(answer.comparison), kinds(answer), _KEPT, *_IDLE
    except Exception as error:
        failed = failure(error)
        offer = gr.update(visible=isinstance(error, TooLong))
        yield _KEPT, _KEPT, error_html(failed.sentence), _KEPT, back, offer, *_IDLE
        raise failed.toast() from None


def judge(answer: Answer | None, yardstick: Noise | None) -> Any:
    """The verdict again, once there is a yardstick."""
    return gr.skip() if answer is None else verdict_html(answer.beside(yardstick))


def kinds(answer: Answer) -> Any:
    """The choice between the stacks of an encoder-decoder; hidden where there is only one."""
    about = answer.comparison.about
    return gr.update(value=about.attention, visible=about.encoder_decoder)


def shorten(local: LocalRule, base: str, tuned: str, text: str, *options: Any) -> Iterator[tuple[Any, ...]]:
    """Cut the text in the form to what fits: updates of text, status, shorten, compare and cancel."""

    def busy(step: Step) -> tuple[Any, ...]:
        return _KEPT, progress_html(step), gr.update(visible=False), *_BUSY

    yield busy(Step("starting"))
    try:
        asked = question(base, tuned, text[:MAX_CHARACTERS], typed_reading(*options))
        cut = yield from follow(lambda progress: shortened(asked, local, progress), busy)
        note = f"The text was cut from {len(text):,} to {len(cut):,} characters, which fit. Press Compare."
        yield cut, note_html(note), _KEPT, *_IDLE
    except Exception as error:
        failed = failure(error)
        yield _KEPT, error_html(failed.sentence), _KEPT, *_IDLE
        raise failed.toast() from None


def cancelled(answer: Answer | None) -> tuple[Any, ...]:
    """Updates of status, kind and both buttons once the work has been told to stop."""
    back = _KEPT if answer is None else gr.update(value=answer.comparison.attention)
    return note_html("Cancelled. What was compared before is still below."), back, *_IDLE


def header(states: States, local: LocalRule) -> None:
    """The form; what it is answered goes into ``states``."""
    answer, yardstick = states.answer, states.noise
    gr.HTML(TITLE, js_on_load=SHORTCUTS, elem_id="title")
    base, tuned, text = _fields()
    options = options_form()
    chosen, cancel, compare = _actions()
    status = gr.HTML(elem_id="status")
    offer = gr.Button("Shorten the text to what fits", visible=False, elem_id="shorten", size="md")
    verdict = gr.HTML(EMPTY, elem_id="verdict")
    kind = gr.Radio(
        KINDS, value="self", label="Attention of", visible=False, interactive=True, elem_id="kind", container=False
    )

    asking = [base, tuned, text, *options]
    shown = [answer, yardstick, status, verdict, kind, offer, compare, cancel]
    at_once: dict[str, Any] = {"concurrency_id": "ask", "concurrency_limit": AT_ONCE, **PRIVATE}
    chosen.click(lambda sample: sample[0], chosen, text, queue=False, **PRIVATE)
    asked = gr.on(
        [compare.click, text.submit, base.submit, tuned.submit], partial(run, local), asking, shown, **at_once
    )
    switched = kind.input(partial(switch, local), [answer, kind], shown, **at_once)
    switched.success(lambda kind: kind, kind, options[-1], queue=False, **PRIVATE)  # the next Compare asks the same
    cut = offer.click(partial(shorten, local), asking, [text, status, offer, compare, cancel], **at_once)
    stops(cancel, [asked, switched, cut], cancelled, answer, [status, kind, compare, cancel])
    yardstick.change(judge, [answer, yardstick], verdict, **DRAWING)


def _fields() -> tuple[gr.Textbox, gr.Textbox, gr.Textbox]:
    """Base, tuned and text."""
    with gr.Group(elem_classes=["form-card"]):
        with gr.Row():
            base = gr.Textbox(
                label="Base",
                placeholder="empty: all-MiniLM-L6-v2, embedded",
                info="Hub id: org/name or org/name@revision. Empty: the tuned adapter's own.",
                max_lines=1,
                elem_id="base",
            )
            tuned = gr.Textbox(
                label="Tuned",
                placeholder="empty: movie sentiment LoRA, embedded",
                info="Hub id of a checkpoint or an adapter tuned from the base.",
                max_lines=1,
                elem_id="tuned",
            )
        text = gr.Textbox(
            label="Text",
            info="Both models read it. Enter compares; text of several lines can be pasted.",
            value=examples()[0]["text"],
            placeholder="Type or paste a text",
            lines=1,
            max_lines=8,
            elem_id="text",
        )
    return base, tuned, text


def _actions() -> tuple[gr.Dataset, gr.Button, gr.Button]:
    """Texts to try, cancel and compare."""
    samples = examples()
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
    return chosen, cancel, compare
