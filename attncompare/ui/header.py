"""The question at the top of the page, its progress, and the verdict below it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from attncompare.analyses.noise import Noise
from attncompare.analyses.patching import Patching
from attncompare.attention import AttentionKind, head_name
from attncompare.models.checkpoint import LocalRule
from attncompare.ui import gallery
from attncompare.ui.failures import failure
from attncompare.ui.files import examples, script
from attncompare.ui.form import Form, form
from attncompare.ui.link import Link, parameters, parse
from attncompare.ui.options import named, restored
from attncompare.ui.pinning import pin_buttons, pin_part
from attncompare.ui.questions import Answer, Question, TooLong, ask_comparison, question, shortened
from attncompare.ui.reading import MAX_CHARACTERS, typed_reading
from attncompare.ui.reporting import report_button
from attncompare.ui.states import States
from attncompare.ui.stopping import stops
from attncompare.ui.theme import DRAWING, PRIVATE
from attncompare.ui.verdict import EMPTY, error_html, note_html, progress_html, verdict_html
from attncompare.ui.work import Step, follow

AT_ONCE = 8
"""Visitors whose questions are followed at once; they share the models one by one, and say so while they wait."""

TITLE = """<header><h1>attncompare</h1>
<p>What fine-tuning did to attention: two checkpoints, one text, every head.</p></header>"""

LINK = """<div class="link" hidden><button type="button" id="copy-link">Copy link</button>
<span class="said" role="status"></span></div>"""
"""What is on the screen as an address; hidden until there is an answer."""

KINDS: list[tuple[str, AttentionKind]] = [
    ("Encoder: the text over itself", "self"),
    ("Decoder: the target over itself", "decoder"),
    ("Cross: the target over the text", "cross"),
]

READY = "Nothing compared yet."
"""A line always stands there, so that nothing below it jumps when progress comes and goes."""

TEXTLESS = "This link brings no text: it was too long for an address. Type or paste it, and press Compare."

_BUSY = (gr.update(interactive=False), gr.update(interactive=True))
_IDLE = (gr.update(interactive=True), gr.update(interactive=False))
_KEPT = gr.skip()
_FORM, _SHOWN = 13, 9
"""Fields of the form, and outputs of a question."""


def run(local: LocalRule, base: str, tuned: str, text: str, *options: Any) -> Iterator[tuple[Any, ...]]:
    """Compare, telling what is being done: updates of answer, yardstick, status, verdict, kind, shorten, compare, cancel and
    link.

    An error leaves the answer, the verdict and everything typed as they are.
    """
    yield from _answered(local, lambda: question(base, tuned, text, typed_reading(*options)), _KEPT)


def switch(local: LocalRule, answer: Answer | None, kind: AttentionKind) -> Iterator[tuple[Any, ...]]:
    """The same question about another kind of attention; an error puts the choice back. Updates as :func:`run`."""
    if answer is None:
        yield _KEPT  # a handler that gives nothing would empty its outputs
        return
    back = gr.update(value=answer.comparison.attention)
    yield from _answered(local, lambda: answer.question.about(kind), back)


def arrive(local: LocalRule, request: gr.Request) -> Iterator[tuple[Any, ...]]:
    """What the address of the page asks for: updates of base, tuned, text, options and their part, then as :func:`run`."""
    try:
        link = parse(request.query_params)
    except Exception as error:
        failed = failure(error)
        yield from _filled([(_KEPT, _KEPT, error_html(failed.sentence), *(_KEPT,) * (_SHOWN - 3))])
        raise failed.toast() from None
    if link is None or not (link.base or link.tuned or link.text):
        yield (_KEPT,) * (_FORM + _SHOWN)  # a generator that gives nothing would empty the form
        return
    fields = (link.base, link.tuned, link.text or _KEPT, *restored(*link.options))
    if not link.text:
        yield *fields, _KEPT, _KEPT, note_html(TEXTLESS), *(_KEPT,) * (_SHOWN - 3)
        return
    yield *fields, *(_KEPT,) * _SHOWN
    # The part's name once more with each step: an input may tell of itself before the others are filled.
    yield from _filled(_answered(local, lambda: _asked(link), _KEPT, link.head), named(*link.options))


def _asked(link: Link) -> Question:
    return question(link.base, link.tuned, link.text, typed_reading(*link.options))


def _filled(steps: Any, part: Any = _KEPT) -> Iterator[tuple[Any, ...]]:
    """The steps of a question, with a form that stays as it is but for its closed part."""
    for step in steps:
        yield *(_KEPT,) * (_FORM - 1), part, *step


def _answered(
    local: LocalRule, ask: Callable[[], Question], back: Any, head: tuple[int, int] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Ask and show the answer; ``back`` is the update of the kind of attention after an error, ``head`` the one to open."""

    def busy(step: Step) -> tuple[Any, ...]:
        return _KEPT, _KEPT, progress_html(step), _KEPT, _KEPT, gr.update(visible=False), *_BUSY, _KEPT

    start = time.monotonic()
    yield busy(Step("starting"))
    try:
        asked = ask()
        answer = yield from follow(lambda progress: ask_comparison(asked, local, progress), busy)
        answer, status = opened(answer, head, f"Compared in {time.monotonic() - start:.1f} s.")
        said = verdict_html(answer.comparison)
        yield answer, None, status, said, kinds(answer), _KEPT, *_IDLE, parameters(answer)
    except Exception as error:
        failed = failure(error)
        offer = gr.update(visible=isinstance(error, TooLong))
        yield _KEPT, _KEPT, error_html(failed.sentence), _KEPT, back, offer, *_IDLE, _KEPT
        raise failed.toast() from None


def opened(answer: Answer, head: tuple[int, int] | None, done: str) -> tuple[Answer, str]:
    """The answer with the head that a link asks for, and the status: ``done``, or that there is no such head."""
    if head is None:
        return answer, note_html(done)
    found = answer.comparison
    if head[0] in found.layers and head[1] < found.metric("jsd_bits").shape[1]:
        return replace(answer, opened=head), note_html(done)
    return answer, note_html(f"The link asks for {head_name(*head)}, which these models do not have.")


def judge(answer: Answer | None, yardstick: Noise | None, patching: Patching | None) -> Any:
    """The verdict again, once there is a yardstick, or heads were swapped."""
    return gr.skip() if answer is None else verdict_html(answer.beside(yardstick), patching)


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


def header(states: States, local: LocalRule, load: Callable[..., Any]) -> None:
    """The form, the verdict, and what can be done with it; what was answered goes into ``states``.

    ``load`` is the event of a page that has just been opened.
    """
    gr.HTML(TITLE, elem_id="title", js_on_load=script("messages"))
    asked = form()
    status = gr.HTML(note_html(READY), elem_id="status")
    offer = gr.Button("Shorten the text to what fits", visible=False, elem_id="shorten", size="md")
    verdict = gr.HTML(EMPTY, elem_id="verdict")
    with gr.Row(elem_classes=["after"]):
        link = gr.HTML(html_template=LINK, js_on_load=script("page"), apply_default_css=False, elem_id="link")
        report_button(states, local)
        pins = pin_buttons()
    pin_part(states, pins)
    kind = gr.Radio(
        KINDS, value="self", label="Attention of", visible=False, interactive=True, elem_id="kind", container=False
    )
    answer, yardstick, patching = states.answer, states.noise, states.patching
    shown = [answer, yardstick, status, verdict, kind, offer, asked.compare, asked.cancel, link]
    _asks(asked, local, load, status, offer, kind, answer, shown)
    _fills(asked, status)
    gr.on([yardstick.change, patching.change], judge, [answer, yardstick, patching], verdict, **DRAWING)


def _asks(
    asked: Form,
    local: LocalRule,
    load: Callable[..., Any],
    status: gr.HTML,
    offer: gr.Button,
    kind: gr.Radio,
    answer: gr.State,
    shown: list[Any],
) -> None:
    """Everything that asks a question, and what stops it."""
    at_once: dict[str, Any] = {"concurrency_id": "ask", "concurrency_limit": AT_ONCE, **PRIVATE}
    buttons = [asked.compare, asked.cancel]
    submits = [asked.compare.click, asked.text.submit, asked.base.submit, asked.tuned.submit]
    typed = gr.on(submits, partial(run, local), asked.asking, shown, **at_once)
    switched = kind.input(partial(switch, local), [answer, kind], shown, **at_once)
    switched.success(
        lambda kind: kind, kind, asked.options[-1], queue=False, **PRIVATE
    )  # the next Compare asks the same
    cut = offer.click(partial(shorten, local), asked.asking, [asked.text, status, offer, *buttons], **at_once)

    def arriving(request: gr.Request) -> Iterator[tuple[Any, ...]]:  # gradio finds no request in the hints of a partial
        yield from arrive(local, request)

    arrived = load(arriving, None, [*asked.asking, asked.part, *shown], **at_once)
    stops(asked.cancel, [typed, switched, cut, arrived], cancelled, answer, [status, kind, *buttons])


def _fills(asked: Form, status: gr.HTML) -> None:
    """Everything that fills the form."""
    ids: list[Any] = [asked.base, asked.tuned]
    at_once: dict[str, Any] = {"queue": False, **PRIVATE}
    asked.samples.click(lambda number: examples()[number]["text"], asked.samples, asked.text, **at_once)
    asked.pairs.click(gallery.choose, [asked.pairs, asked.text], [*ids, asked.text], **at_once)
    asked.swap.click(gallery.swap, ids, [*ids, status], **at_once)
