"""Pictures inside the page: white cards with what they show in words."""

import base64
from html import escape
from typing import Any

from attncompare import plots

SCALE = 2 / 3
"""CSS pixels for each pixel of a picture: type of the same size in all of them, and sharp on a dense screen."""


def figure_html(figure: Any, alt_text: str) -> str:
    """A figure, carried inside the page."""
    content = plots.webp(figure)
    width, height = (round(side * figure.dpi * SCALE) for side in figure.get_size_inches())
    source = f"data:image/webp;base64,{base64.b64encode(content).decode()}"
    return (
        f'<figure tabindex="0"><img src="{source}" width="{width}" height="{height}" alt="{escape(alt_text)}"></figure>'
    )
