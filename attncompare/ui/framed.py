"""Pictures whose place on the page is kept free before they come, so that nothing jumps when they do."""

from typing import Any

import gradio as gr

from attncompare import plots
from attncompare.ui.files import kept, script
from attncompare.ui.taking import served


def framed(name: str) -> gr.HTML:
    """A picture with the element id ``name``; its value is :func:`place` or :func:`picture`."""
    return gr.HTML(
        html_template='<div class="framed" tabindex="0" role="group" aria-label="Picture"></div>',
        js_on_load=script("framed"),
        apply_default_css=False,
        elem_id=name,
        elem_classes=["picture"],
    )


def place(figure: Any) -> dict[str, Any]:
    """Where the figure will stand: its size in pixels."""
    width, height = figure.canvas.get_width_height()
    return {"width": width, "height": height, "picture": None, "alt": ""}


def picture(name: str, figure: Any, alt: str) -> dict[str, Any]:
    """The figure drawn, as ``name.png``, with what it shows in words."""
    return {**place(figure), "picture": served(kept(f"{name}.png", plots.png(figure))), "alt": alt}
