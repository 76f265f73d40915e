"""What the parts of the page that run on demand have in common: what is asked, buttons, progress, findings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr

from attncompare.attention import Progress
from attncompare.errors import BadInput
from attncompare.models.readout import Readout
from attncompare.report.words import answers_html, asked_about, notes_html
from attncompare.ui.failures import NO_ANSWER, failure
from attncompare.ui.pace import estimate_html
from attncompare.ui.questions import Answer
from attncompare.ui.stopping import stops
from attncompare.ui.theme import DRAWING, PRIVATE
from attncompare.ui.verdict import error_html, note_html, progress_html
from attncompare.ui.work import Step, follow

T = TypeVar("T")

BACKWARDS = 3
"""Forward passes that one with its gradient takes as long as, roughly."""

IDLE = (gr.update(interactive=True), gr.update(interactive=False))
"""Updates of run and cancel while nothing is running."""

RUNNING: dict[str, Any] = {"concurrency_limit": 4, **PRIVATE}
"""Of every event that runs one; the models go from one to the next between their batches."""


@dataclass(frozen=True)
class Controls:
    """The buttons of a part, and what is said below them."""

    go: gr.Button
    stop: gr.Button
    estimate: gr.HTML
    status: gr.HTML

    @property
    def ending(self) -> list[Any]:
        """Outputs of :data:`IDLE` and of a status."""
        return [self.go, self.stop, self.status]


def controls(name: str, label: str) -> Controls:
    """Run, cancel, how long it takes, and the status."""
    with gr.Row(elem_classes=["asking"]):
        go = gr.Button(label, variant="primary", elem_id=name, scale=0, min_width=250)
        stop = gr.Button("Cancel", elem_id=f"no-{name}", interactive=False, scale=0, min_width=110)
        estimate = gr.HTML(elem_id=f"{name}-estimate", elem_classes=["estimate"], min_width=240)
    return Controls(go, stop, estimate, gr.HTML(elem_id=f"{name}-status"))


def answer_fields(name: str) -> tuple[gr.Textbox, gr.Textbox]:
    """Which answer is asked about, and against which other."""
    answer = gr.Textbox(
        label="Answer",
        info="A class by its name, or a next token such as “he”. Empty: the tuned model's likeliest.",
        max_lines=1,
        elem_id=f"{name}-wanted",
        min_width=240,
    )
    against = gr.Textbox(
        label="Against",
        info="With an answer: another one, whose logit is taken off, such as “she”.",
        max_lines=1,
        elem_id=f"{name}-against",
        min_width=240,
    )
    return answer, against


def likeliest(answer: Answer) -> tuple[Any, Any]:
    """Updates of the fields: what they mean while they are empty."""
    found = answer.comparison.outputs
    first, second = ([repr(word) if " " in word else word for word, _ in found.tuned[:2]] + ["", ""])[:2]
    if found.kind == "none":
        return gr.update(placeholder="these models give no answers"), gr.update(placeholder="")
    against = f"empty: {second}, the next" if found.kind == "label" else "empty: none, its log-probability"
    return gr.update(placeholder=f"empty: {first}, the likeliest"), gr.update(placeholder=against)


def likeliest_of_any(answer: Answer) -> tuple[Any, Any]:
    """The same where other texts may be asked about, whose likeliest answers are not known yet."""
    kind = answer.comparison.outputs.kind
    if kind == "none":
        return likeliest(answer)
    against = "empty: the next likeliest" if kind == "label" else "empty: none, its log-probability"
    return gr.update(placeholder="empty: the likeliest"), gr.update(placeholder=against)


def run(ask: Callable[[Progress], T], shown: Callable[[T], tuple[Any, ...]], outputs: int) -> Iterator[tuple[Any, ...]]:
    """Ask, telling what is being done: the record, updates of ``outputs`` components, of results, run, cancel and status.

    An error leaves what was found before, and everything typed, as they are.
    """
    kept = (gr.skip(),) * (outputs + 2)

    def busy(step: Step) -> tuple[Any, ...]:
        return *kept, gr.update(interactive=False), gr.update(interactive=True), progress_html(step)

    yield busy(Step("starting"))
    try:
        found = yield from follow(ask, busy)
        yield found, *shown(found), gr.update(visible=True), *IDLE, ""
    except Exception as error:
        failed = failure(error)
        yield *kept, *IDLE, error_html(failed.sentence)
        raise failed.toast() from None


def answered(ask: Callable[..., Iterator[tuple[Any, ...]]]) -> Callable[..., Iterator[tuple[Any, ...]]]:
    """``ask`` for an event: a page that was drawn before its server was started again may have no answer."""

    def asked(answer: Answer | None, *values: Any) -> Iterator[tuple[Any, ...]]:
        if answer is None:
            raise failure(BadInput(NO_ANSWER)).toast()
        yield from ask(answer, *values)

    return asked


def wired(
    buttons: Controls,
    answer: gr.State,
    kept: gr.State,
    ask: Callable[..., Iterator[tuple[Any, ...]]],
    asking: Sequence[Any],
    shown: Sequence[Any],
    results: gr.Column,
    start: Callable[..., Any],
    also: Sequence[Any] = (),
) -> None:
    """Let the buttons, and the events of ``also``, ask; a new answer starts the part anew, and stops what runs.

    Args:
        kept: where the record is kept; None again with a new answer.
        ask: of ``answer`` and ``asking``; it gives what :func:`run` gives, for ``shown``.
        start: of the answer; it gives updates of estimate, results, run, cancel and status.
    """
    outputs = [kept, *shown, results, *buttons.ending]
    ran = gr.on([buttons.go.click, *also], answered(ask), [answer, *asking], outputs, **RUNNING)
    answer.change(start, answer, [buttons.estimate, results, *buttons.ending], cancels=[ran], **DRAWING)
    answer.change(lambda: None, None, kept, queue=False, **PRIVATE)
    stops(buttons.stop, [ran], cancelled, None, buttons.ending)


def cancelled() -> tuple[Any, ...]:
    """Updates of run, cancel and status once the work has been told to stop."""
    return *IDLE, note_html("Cancelled.")


def estimated(answer: Answer, passes: float, what: str = "") -> str:
    """How long so many forward passes of the text take, roughly, as HTML; ``what`` says of which work, if not of a click."""
    return estimate_html(round(passes), len(answer.comparison.tokens), answer.pass_seconds, what)


def findings_html(answers: Sequence[str], notes: Sequence[str], readout: Readout) -> str:
    """What was found, a sentence a line, the first one emphasised; what was asked; what a reader should know."""
    remarks = notes_html((asked_about(readout), *notes))
    return f'<section class="verdict">{answers_html(answers)}{remarks}</section>'
