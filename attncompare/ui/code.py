"""Use from code: ready-made Python, JavaScript and curl for exactly what is on the screen.

Gradio finds a request by its annotation, so this module must not postpone their evaluation.
"""

import os
from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from attncompare.ui.calls import RECORDS, call_of
from attncompare.ui.failures import shown_errors
from attncompare.ui.files import script
from attncompare.ui.questions import Answer
from attncompare.ui.snippets import ANALYSES, Call, client, curl, javascript, python
from attncompare.ui.states import States
from attncompare.ui.theme import OPENED, PRIVATE, UNSEEN

WAITING = '<p class="waiting">Press Compare: code for what is on the screen will stand here.</p>'

ABOUT = """<div class="tab-intro"><h2>Use from code</h2>
<p class="reading">The same pair, text and options, ready to run. The package does it on your machine; the others ask this
page.</p></div>"""

CHOICES = [(label, name) for name, (label, *_) in ANALYSES.items()]

ON_SCREEN = """(answer, chosen, head, ...records) => {
  const by = {
    changed: 'compare', flow: 'rollout', probes: 'patterns', rests: 'attribution',
    matters: 'patching', real: 'noise',
  }
  const { tab, head: open } = document.documentElement.dataset
  return [answer, by[tab] || chosen, open || '', ...records]
}"""
"""Run in the browser when the tab is opened: the analysis of the tab that was open before, and the open head."""

WITH_HEAD = "(answer, chosen, head, ...records) => " + (
    "[answer, chosen, document.documentElement.dataset.head || '', ...records]"
)


def address(headers: Mapping[str, str], base_url: str) -> str:
    """Where the page is served, as its visitor sees it: behind a proxy by what that says."""
    if host := os.environ.get("SPACE_HOST"):
        return f"https://{host}/"
    scheme = headers.get("x-forwarded-proto", "").split(",")[0].strip()
    return base_url if scheme not in ("http", "https") else f"{scheme}:{base_url.partition(':')[2]}"


def codes(call: Call, where: str) -> str:
    """Each piece of code with its name and a button that copies it, as HTML."""
    pieces = (
        ("python", "Python, the package", python(call)),
        ("client", "Python, gradio_client", client(call, where)),
        ("javascript", "JavaScript, @gradio/client", javascript(call, where)),
        ("curl", "curl", curl(call, where)),
    )
    return "".join(
        f'<section class="code" id="code-{name}"><h3>{escape(title)}</h3><button type="button" data-copy="{name}" '
        f'aria-label="Copy: {escape(title)}">Copy</button><pre tabindex="0" aria-label="{escape(title)}">'
        f"<code>{escape(code)}</code></pre></section>"
        for name, title, code in pieces
    )


def show(
    answer: Answer | None, analysis: str, head: str, *found: Any, request: gr.Request | None = None
) -> tuple[Any, Any]:
    """Updates of the choice and of the code. ``found`` are records of :data:`RECORDS`, in that order."""
    if answer is None:
        return gr.skip(), gr.skip()
    with shown_errors():
        records = dict(zip(RECORDS, found, strict=True))
        chosen = analysis if analysis in ANALYSES else "compare"
        where = address(request.headers, str(request.request.base_url)) if request else ""
        return chosen, codes(call_of(chosen, answer, head, records), where)


def code_tab(states: States) -> None:
    """The tab; it follows what is on the screen whenever it is opened."""
    with gr.Tab("Use from code", id="code", elem_id="tab-code") as tab:
        waiting = gr.HTML(WAITING)
        with gr.Column(elem_classes=UNSEEN) as content:
            gr.HTML(ABOUT)
            analysis = gr.Radio(CHOICES, value="compare", label="Analysis", elem_id="analysis")
            head = gr.Textbox(visible=False)
            said = gr.HTML(js_on_load=script("code"), apply_default_css=False, elem_id="code")

    def shown(request: gr.Request, answer: Answer | None, analysis: str, head: str, *found: Any) -> tuple[Any, Any]:
        return show(answer, analysis, head, *found, request=request)

    inputs = [states.settled, analysis, head, *(getattr(states, name) for name in RECORDS.values())]
    states.settled.change(
        lambda answer: OPENED if answer else (gr.skip(),) * 2, states.settled, [waiting, content], **PRIVATE
    )
    states.settled.change(shown, inputs, [analysis, said], js=WITH_HEAD, **PRIVATE)
    tab.select(shown, inputs, [analysis, said], js=ON_SCREEN, **PRIVATE)
    analysis.input(shown, inputs, [analysis, said], js=WITH_HEAD, **PRIVATE)
