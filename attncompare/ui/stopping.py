"""Cancel buttons: they stop running events, and then say so."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from attncompare.ui.theme import PRIVATE


def stops(button: gr.Button, events: list[Any], said: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Let the button cancel ``events`` and then update ``outputs`` by ``said(inputs)``.

    What the events had said last may still be on its way when they are cancelled. The update therefore goes through the
    queue, behind it; otherwise the last word could be theirs, and the page would look busy for ever.
    """
    button.click(None, None, None, cancels=events, queue=False, **PRIVATE).then(said, inputs, outputs, **PRIVATE)
