"""One HTML file of everything that was found so far, made when it is asked for."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import gradio as gr

from attncompare.analyses.maps import HeadMaps
from attncompare.attention import Progress
from attncompare.errors import BadInput, TraceGone
from attncompare.models.checkpoint import LocalRule
from attncompare.report import Findings, report
from attncompare.report.sections import HEADS
from attncompare.ui.failures import NO_ANSWER, failure
from attncompare.ui.files import kept
from attncompare.ui.questions import Answer, ask_head
from attncompare.ui.states import States
from attncompare.ui.taking import TAKING, fetching, served
from attncompare.ui.theme import PRIVATE
from attncompare.ui.work import Step, follow

FILE = "attncompare-report.html"

BUTTON = (
    '<button type="button" class="take-one" data-kind="html">Report (one HTML file)</button>'
    '<span class="take-said" role="status"></span>'
)


def write(local: LocalRule, answer: Answer, findings: Findings, progress: Progress) -> str:
    """The report of an answer and what was found since; the models read the text again where their trace has gone."""
    maps = tuple(_maps(local, answer, mover.layer, mover.head, progress) for mover in answer.comparison.movers[:HEADS])
    return report(answer.comparison, replace(findings, maps=maps), reading=answer.question.reading, progress=progress)


def _maps(local: LocalRule, answer: Answer, layer: int, head: int, progress: Progress) -> HeadMaps:
    try:
        return answer.comparison.head(layer, head)
    except TraceGone:
        return ask_head(answer.question, local, progress, layer, head)


def made(local: LocalRule, answer: Answer | None, findings: Findings, ticket: Any) -> Iterator[Any]:
    """Write the report, telling what is being done: updates of the button that asked by ``ticket``."""

    def busy(step: Step) -> Any:
        count = f" ({step.done} of {step.total})" if step.total else ""
        return gr.update(file={"said": f"{step.name.capitalize()}{count} …", "ticket": ticket})

    try:
        if answer is None:
            raise BadInput(NO_ANSWER)
        yield busy(Step("writing the report"))
        page = yield from follow(lambda progress: write(local, answer, findings, progress), busy)
        yield gr.update(file={"made": served(kept(FILE, page.encode())), "name": FILE, "ticket": ticket})
    except Exception as error:
        failed = failure(error)
        yield gr.update(file={"made": None, "ticket": ticket})
        raise failed.toast() from None


def report_button(states: States, local: LocalRule) -> gr.HTML:
    """The button, once there is an answer; it reports whatever ``states`` hold when it is pressed."""
    parts = [one.name for one in fields(Findings) if one.name != "maps"]

    def taken(event: gr.EventData, answer: Answer | None, *found: Any) -> Iterator[Any]:
        findings = Findings(**dict(zip(parts, found, strict=True)))
        yield from made(local, answer, findings, getattr(event, "ticket", None))

    row = fetching("report", "Report", BUTTON)
    row.visible = False
    states.answer.change(lambda answer: gr.update(visible=answer is not None), states.answer, row, **PRIVATE)
    row.take(taken, [states.answer, *(getattr(states, part) for part in parts)], row, **TAKING)
    return row
