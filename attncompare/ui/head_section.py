"""The section *One head in both models*: the view, the head that it fetches, and what can be taken away."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.maps import HeadMaps
from attncompare.errors import BadInput
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.explorer import explorer
from attncompare.ui.one_head import MOST, Part, exact, head_maps, payload, place
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import Take, take_row
from attncompare.ui.theme import PRIVATE

ASKING: dict[str, Any] = {**PRIVATE, "trigger_mode": "always_last", "concurrency_limit": 4}
"""Of what fetches one head: while one is on its way, the latest one asked for comes next."""


@dataclass(frozen=True)
class HeadSection:
    """The widgets of the section."""

    view: gr.HTML
    status: gr.HTML
    fetched: gr.State
    """The :class:`~attncompare.ui.one_head.Part` that was fetched last."""
    fetching: Any
    """The event that fetches one; a new answer cancels it."""

    @property
    def starting(self) -> list[Any]:
        """Outputs of :func:`start`."""
        return [self.view, self.status, self.fetched]


def head_section(states: States, local: LocalRule) -> HeadSection:
    """The section, wired; its view is drawn by whoever draws the tab."""
    status = gr.HTML(elem_id="head-status")
    view, fetched = explorer(), gr.State()

    def asked(event: gr.EventData, answer: Answer | None) -> Iterator[tuple[Any, ...]]:
        yield from exact(local, answer, event._data)

    fetching = view.exact_head(asked, states.answer, [view, status, fetched], **ASKING)
    take_row("head", partial(take_head, local), [states.answer, fetched])
    return HeadSection(view, status, fetched, fetching)


def start(answer: Answer) -> tuple[Any, Any, Any]:
    """A new answer: updates of view, status, and the part that was fetched."""
    return gr.update(value=payload(answer), exact=None), "", None


def take_head(local: LocalRule, answer: Answer | None, fetched: Part | None, opened: str) -> Take | None:
    """The open head as files; of a long text the part that was looked at last, if that was of this head."""
    if answer is None:
        return None
    result, (row, head) = answer.comparison, place(answer, opened)
    sizes = len(result.tokens), len(result.key_tokens)
    part = Part(row, head, (0, sizes[0]), (0, sizes[1]))
    if max(sizes) > MOST and fetched and (fetched.row, fetched.head) == (row, head):
        part = fetched

    def maps() -> HeadMaps:
        return head_maps(local, answer, part)

    def frame() -> Any:
        found = maps()
        if max(found.base.shape) > MOST:
            raise BadInput(f"A table of {max(sizes):,} tokens would be too long: look at a part of the text first.")
        return found.frame()

    name = f"head-L{result.layers[row]}.H{head}"
    return Take(name, lambda: plots.head(maps()), frame, lambda: maps().to_dict())
