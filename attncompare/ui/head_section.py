"""The section *One head in both models*: the view, which part of a long text it shows, and what can be taken away."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.maps import HeadMaps
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.explorer import explorer
from attncompare.ui.one_head import MOST, Part, exact, head_maps, payload, place, window
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import Take, take_row
from attncompare.ui.theme import PRIVATE

ABOUT = """<div class="tab-intro"><h2>One head in both models</h2>
<p class="reading">Press a cell of the grid or a head of the list; it opens here.</p></div>"""

ABOUT_PART = f"""<p class="reading">A long text: whole maps are coarse here, a part of up to {MOST} by {MOST} tokens is shown
token by token. Choose it by token number. The numbers of a head are for the whole text, whatever is shown.</p>"""

ASKING: dict[str, Any] = {**PRIVATE, "trigger_mode": "always_last", "concurrency_limit": 4}
"""Of what fetches one head: while one is on its way, the latest one asked for comes next."""

WITH_OPENED = "(_, ...typed) => [document.documentElement.dataset.head || '', ...typed]"
"""Puts the head that is open on the page in the first input's place."""


@dataclass(frozen=True)
class HeadSection:
    """The widgets of the section."""

    view: gr.HTML
    status: gr.HTML
    part: gr.Column
    ends: tuple[gr.Number, gr.Number, gr.Number, gr.Number]
    fetching: list[Any]
    """The events that fetch a head; a new answer cancels them."""

    @property
    def starting(self) -> list[Any]:
        """Outputs of :func:`start`."""
        return [self.view, self.status, self.part, *self.ends]


def head_section(states: States, local: LocalRule) -> HeadSection:
    """The section, wired; its view is drawn by whoever draws the tab."""
    gr.HTML(ABOUT, elem_id="one-head-about")
    status = gr.HTML(elem_id="head-status")
    view = explorer()
    part, opened, ends, show = _part_form()

    def asked(event: gr.EventData, answer: Answer | None) -> Iterator[tuple[Any, Any]]:
        yield from exact(local, answer, event._data)

    typed = [opened, states.answer, *ends]
    fetching = [
        view.exact_head(asked, states.answer, [view, status], **ASKING),
        gr.on(
            [show.click, *(end.submit for end in ends)],
            partial(show_part, local), typed, [view, status], js=WITH_OPENED, **ASKING,
        ),
    ]  # fmt: skip
    take_row("head", partial(take_head, local), [states.answer, *ends])
    return HeadSection(view, status, part, ends, fetching)


def start(answer: Answer) -> tuple[Any, ...]:
    """Updates of view, status, the form for a part of a long text, and its numbers: the beginning of the text."""
    lengths = [len(tokens) for tokens in (answer.comparison.tokens, answer.comparison.key_tokens)]
    numbers = [gr.update(value=value, maximum=count - 1) for count in lengths for value in (0, min(count, MOST) - 1)]
    return gr.update(value=payload(answer), exact=None), "", gr.update(visible=max(lengths) > MOST), *numbers


def show_part(local: LocalRule, opened: Any, answer: Answer | None, *typed: Any) -> Iterator[tuple[Any, Any]]:
    """A part of the open head: updates of view and status. ``typed`` are first and last query, first and last key."""
    if answer is not None:
        row, head = place(answer, opened)
        ends = {"queries": _window(typed[:2]), "keys": _window(typed[2:])}
        yield from exact(local, answer, {"row": row, "head": head, **ends})


def take_head(local: LocalRule, answer: Answer | None, *given: Any) -> Take | None:
    """The open head as files; of a long text the part that is chosen."""
    if answer is None:
        return None
    *typed, opened = given
    result, (row, head) = answer.comparison, place(answer, opened)
    queries = window("queries", _window(typed[:2]), len(result.tokens))
    part = Part(row, head, queries, window("keys", _window(typed[2:]), len(result.key_tokens)))

    def maps() -> HeadMaps:
        return head_maps(local, answer, part)

    name = f"head-L{result.layers[row]}.H{head}"
    return Take(name, lambda: plots.head(maps()), lambda: maps().frame(), lambda: maps().to_dict())


def _window(typed: Any) -> tuple[Any, Any]:
    """First and last token as a window that stops before its end; what is no number stays what it is."""
    first, last = typed
    return first, last + 1 if isinstance(last, int | float) else last


def _part_form() -> tuple[gr.Column, gr.Textbox, tuple[Any, ...], gr.Button]:
    with gr.Column(visible=False, elem_id="window") as part:
        gr.HTML(ABOUT_PART)
        opened = gr.Textbox(visible=False)
        with gr.Row(elem_classes=["controls"]):
            ends = tuple(
                gr.Number(
                    label=f"{axis}: {end} token", precision=0, minimum=0, elem_id=f"{end}-{axis.lower()}", min_width=120
                )
                for axis in ("Queries", "Keys")
                for end in ("first", "last")
            )
            show = gr.Button("Show this part", elem_id="show-window", scale=0, min_width=180, size="md")
    return part, opened, ends, show
