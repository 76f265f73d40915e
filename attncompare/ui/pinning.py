"""A pinned comparison: kept while others are made, and laid beside the latest of them."""

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.analyses.glance import Glance
from attncompare.analyses.pinned import Beside
from attncompare.analyses.verdict import printable
from attncompare.attention import head_name
from attncompare.report.tables import folded, table_html
from attncompare.report.words import limited_html
from attncompare.ui.failures import shown_errors
from attncompare.ui.files import shown
from attncompare.ui.questions import Answer
from attncompare.ui.states import States
from attncompare.ui.taking import Take, take_row
from attncompare.ui.theme import DRAWING, PICTURE, PRIVATE

LISTED = 20
"""Heads in the table; the files hold all."""


def pin(answer: Answer | None) -> tuple[Any, ...]:
    """Pin the latest comparison: what is pinned, then updates as :func:`lay`."""
    glance = None if answer is None else Glance.of(answer.comparison)
    return glance, *lay(answer, glance)


def unpin(answer: Answer | None) -> tuple[Any, ...]:
    """Let go of it: what is pinned, then updates as :func:`lay`."""
    return None, *lay(answer, None)


def lay(answer: Answer | None, pinned: Glance | None) -> tuple[Any, ...]:
    """The latest comparison beside the pinned one: both as a record, and updates of pin, unpin, note, part, answers, picture
    and table. There is nothing to lay beside the pinned comparison while it is the latest."""
    kept = gr.skip()
    if answer is None:
        return (kept,) * 8
    with shown_errors():
        now = Glance.of(answer.comparison)
        if pinned is None:
            return None, gr.update(visible=True), gr.update(visible=False), "", gr.update(visible=False), *(kept,) * 3
        same = pinned.bits is now.bits
        buttons = gr.update(visible=not same), gr.update(visible=True)
        if same:
            return None, *buttons, _note_html(pinned), gr.update(visible=False), *(kept,) * 3
        found = Beside(pinned, now)
        return (
            found,
            *buttons,
            "",
            gr.update(visible=True),
            limited_html(found.answers),
            shown("pinned", plots.beside(found), plots.beside_alt(found)),
            numbers_html(found),
        )


def _note_html(pinned: Glance) -> str:
    text = escape(printable(pinned.text))
    said = f"Pinned: “<bdi>{text}</bdi>”. The next comparison, of another text or pair, will stand beside it."
    return f'<p class="reading" role="status">{said}</p>'


def numbers_html(found: Beside) -> str:
    """The heads that moved most in either, where both comparisons have the same heads."""
    if not found.matched:
        return ""
    frame = found.frame()
    table = frame.pivot(index=["layer", "head"], columns="comparison", values="bits").reset_index()
    table["most"] = table[["pinned", "now"]].max(axis=1)
    table["change"] = table["now"] - table["pinned"]
    table = table.sort_values("most", ascending=False, kind="stable").head(LISTED)
    rows = [
        [
            head_name(int(line.layer), int(line.head)),
            f"{line.pinned:.3f}",
            f"{line.now:.3f}",
            f"{line.change:+.3f}".replace("-", "−"),
        ]
        for line in table.itertuples()
    ]
    said = f"Divergence in bits: the {len(rows)} heads that moved most in either of {found.now.bits.size}"
    return folded("Numbers: divergence of the heads", table_html(said, ["head", "pinned", "now", "change"], rows))


def offered(found: Beside | None, opened: str) -> Take | None:
    """Both, as files."""
    return None if found is None else Take("pinned", lambda: plots.beside(found), found.frame, found.to_dict)


@dataclass(frozen=True)
class Pins:
    """The buttons, and what is said beside them."""

    pin: gr.Button
    unpin: gr.Button
    note: gr.HTML


def pin_buttons() -> Pins:
    """The buttons, for the row of what can be done with an answer."""
    return Pins(
        gr.Button("Pin this comparison", visible=False, elem_id="pin", size="sm", scale=0),
        gr.Button("Unpin", visible=False, elem_id="unpin", size="sm", scale=0),
        gr.HTML(elem_id="pin-note"),
    )


def pin_part(states: States, buttons: Pins) -> None:
    """Once there are two, both comparisons; it is to stand below the verdict."""
    answer = states.answer
    pinned, both = gr.State(), gr.State()
    with gr.Column(visible=False, elem_id="pinned-part") as part:
        said = gr.HTML(elem_id="pinned-answer")
        picture = gr.Image(elem_id="pinned", **PICTURE)
        take_row("pinned and present", offered, [both])
        table = gr.HTML(elem_id="pinned-numbers")

    shows = [both, buttons.pin, buttons.unpin, buttons.note, part, said, picture, table]
    buttons.pin.click(pin, answer, [pinned, *shows], **PRIVATE)
    buttons.unpin.click(unpin, answer, [pinned, *shows], **PRIVATE)
    answer.change(lay, [answer, pinned], shows, **DRAWING)
