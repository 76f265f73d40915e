"""One head in both models: the interactive view. Shows what :mod:`attncompare.ui.one_head` sends it."""

import gradio as gr

from attncompare.plots.colors import DIVERGING, SEQUENTIAL
from attncompare.ui.files import script


def explorer() -> gr.HTML:
    """The view; its value is the payload, and ``exact_head`` asks for the open head whole."""
    scales = {"sequential": SEQUENTIAL, "diverging": DIVERGING}
    colors = {
        name: [[round(255 * part) for part in scale(i)[:3]] for i in range(256)] for name, scale in scales.items()
    }
    return gr.HTML(
        html_template='<div class="one-head"></div>',
        js_on_load=script("explorer"),
        apply_default_css=False,
        elem_id="one-head",
        colors=colors,
        exact=None,
    )
