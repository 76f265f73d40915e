"""Cancel buttons: they stop running events, and then say so."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from attncompare.ui.theme import PRIVATE
from attncompare.ui.work import BEAT_SECONDS


def stops(button: gr.Button, events: list[Any], said: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Let the button cancel ``events`` and then update ``outputs`` by ``said(inputs)``.

    What the events had said last may still be on its way when they are cancelled. The update therefore goes through the
    queue, behind it; otherwise the last word could be theirs, and the page would look busy for ever. It also waits until
    they have noticed: the browser drops a click on a button whose last event has not ended, so none may be offered before.
    """

    @wraps(said)
    def told(*values: Any) -> Any:
        time.sleep(4 * BEAT_SECONDS)
        return said(*values)

    button.click(None, None, None, cancels=events, queue=False, **PRIVATE).then(told, inputs, outputs, **PRIVATE)
