"""Take it away: each view as PNG, SVG, CSV and JSON, made when it is asked for."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import pandas as pd

from attncompare import plots
from attncompare.errors import BadInput
from attncompare.ui.failures import failure
from attncompare.ui.files import kept, script
from attncompare.ui.theme import PRIVATE

KINDS = ("png", "svg", "csv", "json")

NOTHING = "There is nothing here to take with you: it was not measured for this text."


@dataclass(frozen=True)
class Take:
    """One view as files; nothing is made before it is asked for."""

    name: str
    """Of the files, without their ending."""
    figure: Callable[[], Any]
    frame: Callable[[], pd.DataFrame]
    numbers: Callable[[], dict[str, Any]]

    def made(self, kind: str) -> bytes:
        """The file's content; ``kind`` is one of :data:`KINDS`."""
        if kind == "csv":
            return self.frame().to_csv(index=False).encode()
        if kind == "json":
            return f"{json.dumps(self.numbers(), ensure_ascii=False, allow_nan=False)}\n".encode()
        return {"png": plots.png, "svg": plots.svg}[kind](self.figure())


Offer = Callable[..., Take | None]
"""From the values of ``inputs``, and last the head that is open on the page, such as ``L3.H9`` (or an empty string)."""


def whole(name: str, figure: Callable[[Any], Any]) -> Offer:
    """Offer a record as it is, with its picture by ``figure``."""
    return lambda found, _: None if found is None else Take(name, lambda: figure(found), found.frame, found.to_dict)


def take_row(name: str, offer: Offer, inputs: Sequence[Any]) -> gr.HTML:
    """A row of buttons that give what ``offer(*inputs, opened)`` offers. ``name`` says of which view, in words."""
    buttons = "".join(
        f'<button type="button" data-kind="{kind}" aria-label="Download {name} as {kind.upper()}">'
        f"{kind.upper()}</button>"
        for kind in KINDS
    )

    def taken(event: gr.EventData, *given: Any) -> Iterator[Any]:
        yield from fetched(event, lambda kind, opened: made(offer, given, kind, opened))

    row = fetching(f"take-{name.replace(' ', '-')}", f"Take it away: {name}", f"<span>Take it away</span>{buttons}")
    row.take(taken, list(inputs), row, **TAKING)
    return row


def made(offer: Offer, given: Sequence[Any], kind: str, opened: str) -> tuple[str, bytes]:
    """Name and content of a file.

    Raises:
        BadInput: there is nothing to take, or no such kind of file.
    """
    if kind not in KINDS:
        raise BadInput(f"There is no file of kind {kind!r:.20}: choose one of {', '.join(KINDS)}.")
    found = offer(*given, opened)
    if found is None:
        raise BadInput(NOTHING)
    return f"{found.name}.{kind}", found.made(kind)


TAKING: dict[str, Any] = {**PRIVATE, "trigger_mode": "multiple", "concurrency_id": "take", "concurrency_limit": 2}
"""Of every event that makes a file."""


def fetching(elem_id: str, label: str, content: str) -> gr.HTML:
    """Buttons with ``data-kind`` whose event ``take`` is answered by a file; ``content`` is HTML that we wrote."""
    return gr.HTML(
        html_template=f'<div class="take" role="group" aria-label="{label}">{content}</div>',
        js_on_load=script("take"),
        apply_default_css=False,
        elem_id=elem_id,
        file=None,
    )


def fetched(event: gr.EventData, make: Callable[[str, str], tuple[str, bytes]]) -> Iterator[Any]:
    """Make a file by ``make(kind, opened)`` and hand it to the buttons that asked: updates of them.

    An error is told in a toast, once the buttons know that there is nothing to wait for.
    """
    ticket = getattr(event, "ticket", None)
    try:
        name, content = make(str(getattr(event, "kind", "")), str(getattr(event, "opened", "")))
        yield gr.update(file={"made": served(kept(name, content)), "name": name, "ticket": ticket})
    except Exception as error:
        failed = failure(error)
        yield gr.update(file={"made": None, "ticket": ticket})
        raise failed.toast() from None


def served(path: str) -> dict[str, Any]:
    """A file of ours inside the value of a component, to which gradio adds the address that it is served at."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}
