"""How the page looks, and what every launch of it has in common."""

from typing import Any

import gradio as gr

from attncompare.ui.files import asset

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "show_progress_on": []}
"""Of every event of the page: its endpoints are declared in :mod:`attncompare.ui.endpoints` and nowhere else.

Gradio's own progress is shown on nothing: it would copy everything that every output holds, and all that stands inside it,
with each message of each event, which took seconds after every answer.
"""

DRAWING: dict[str, Any] = {**PRIVATE, "trigger_mode": "always_last", "concurrency_id": "draw", "concurrency_limit": 2}
"""Of every event that draws: the latest click wins, and the pictures on top are not slowed by those further down."""

PICTURE: dict[str, Any] = {
    "interactive": False,
    "format": "png",
    "show_label": False,
    "buttons": ["fullscreen"],
    "container": False,
    "elem_classes": ["picture"],
}
"""Of every picture; a row of :mod:`attncompare.ui.taking` below it gives it as a file. Gradio's default format is lossy."""

UNSEEN = ["unseen"]
"""Of a tab's content before there is an answer: in the page, so that its code is loaded, and not displayed."""

OPENED: tuple[Any, Any] = (gr.update(visible=False), gr.update(elem_classes=[]))
"""Updates of a tab's waiting note and of its content, once there is an answer."""

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "DejaVu Sans", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace")


def theme() -> gr.themes.Base:
    """System fonts only: a page that calls nobody."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.violet,
        secondary_hue=gr.themes.colors.violet,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=_SANS,
        font_mono=_MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_text_color_subdued="*neutral_600",
        block_info_text_color="*neutral_600",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_700",
        input_placeholder_color="*neutral_500",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color_dark="*neutral_300",
        input_placeholder_color_dark="*neutral_300",
        checkbox_border_color="*neutral_400",
        checkbox_border_color_dark="*neutral_400",
        button_primary_background_fill="#4c2f8f",
        button_primary_background_fill_hover="#3b2372",
        button_primary_background_fill_dark="#6d4bc0",
        button_primary_background_fill_hover_dark="#7d5cd0",
        button_primary_text_color="white",
    )


def launch_options() -> dict[str, Any]:
    """Keyword arguments of ``launch()``; the page works without them, less prettily."""
    return {
        "theme": theme(),
        "css_paths": sorted(asset("css").glob("*.css")),
        "ssr_mode": False,
        "show_error": False,
        "share": False,
        "quiet": True,
        "max_file_size": "1mb",  # lists of sentences
        "state_session_capacity": 500,  # each keeps its last answer, 2 MB at 512 tokens
        "run_history": False,
        "enable_monitoring": False,
        "footer_links": ["api", "settings"],
    }
