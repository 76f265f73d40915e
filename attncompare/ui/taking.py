"""Take it away: each view as PNG, SVG, CSV and JSON, made when it is asked for."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import pandas as pd

from attncompare import plots
from attncompare.ui.failures import shown_errors
from attncompare.ui.files import kept, script
from attncompare.ui.theme import PRIVATE

KINDS = ("png", "svg", "csv", "json")


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


def take_row(name: str, offer: Offer, inputs: Sequence[Any]) -> gr.HTML:
    """A row of buttons that give what ``offer(*inputs, opened)`` offers. ``name`` says of which view, in words."""
    buttons = "".join(
        f'<button type="button" data-kind="{kind}" aria-label="Download {name} as {kind.upper()}">'
        f"{kind.upper()}</button>"
        for kind in KINDS
    )
    row = gr.HTML(
        html_template=f'<div class="take"><span aria-hidden="true">Take it away</span>{buttons}</div>',
        js_on_load=script("take"),
        apply_default_css=False,
        elem_id=f"take-{name.replace(' ', '-')}",
        file=None,
    )

    def taken(event: gr.EventData, *given: Any) -> Any:
        with shown_errors():
            kind = getattr(event, "kind", "")
            found = offer(*given, str(getattr(event, "opened", "")))
            if found is None or kind not in KINDS:
                return gr.update(file={"made": None})
            file = f"{found.name}.{kind}"
            return gr.update(file={"made": served(kept(file, found.made(kind))), "name": file})

    row.take(taken, list(inputs), row, **PRIVATE)
    return row


def served(path: str) -> dict[str, Any]:
    """A file of ours inside the value of a component, to which gradio adds the address that it is served at."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}
