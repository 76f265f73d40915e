"""Use from code: ready-made Python, JavaScript and curl for exactly what is on the screen.

Gradio finds a request by its annotation, so this module must not postpone their evaluation.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.bias_record import Bias
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.coreference_record import Coreference
from attncompare.analyses.coreference_written import written
from attncompare.analyses.mentions import numbered
from attncompare.analyses.winograd import SENTENCES, is_built_in
from attncompare.analyses.word_groups import DEFAULT
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout
from attncompare.ui.bias_asking import EXAMPLES, about_each
from attncompare.ui.failures import shown_errors
from attncompare.ui.files import script
from attncompare.ui.link import head_of
from attncompare.ui.probing import within
from attncompare.ui.questions import Answer, Question
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


def options(analysis: str, answer: Answer, head: str, records: Mapping[str, Any]) -> dict[str, Any]:
    """What the page asked of an analysis beyond its defaults; ``records`` are what it found, by analysis, or None."""
    if analysis == "head":
        layer, number = head_of(head) or answer.first
        return {"layer": layer, "head": number}
    record = records.get(analysis)
    if analysis == "coreference":
        return _meant(record)
    if analysis == "bias_of_many":
        return {"texts": list(record.texts if record else EXAMPLES), **_grouped(record)}
    if record is None:
        return {}
    if analysis == "noise":
        others = list(record.replicates.ids[1:]) if record.replicates else []
        return {"draws": len(record.draws)} | ({"replicates": others} if others else {})
    if analysis == "bias":
        return _grouped(record)
    if analysis == "coreference_of_many":
        return {} if is_built_in(record.items) else {"items": [written(item) for item in record.items]}
    if analysis == "patterns":
        changed = record.thresholds.changed()
        return {"thresholds": changed} if changed else {}
    how = {"attribution": "method", "erasure": "erasing", "patching": "what", "ablation": "how"}[analysis]
    return {how: getattr(record, how)} | _wanted(record.readout, answer.comparison)


def asked(analysis: str, answer: Answer, records: Mapping[str, Any]) -> Question:
    """The question that an analysis was asked: of some probes about another text, or read in another way."""
    record = records.get(analysis)
    if analysis == "bias_of_many":
        return about_each(answer.question)
    if analysis == "coreference_of_many":
        built_in = record is None or is_built_in(record.items)
        return replace(answer.question, reading=Reading() if built_in else within(answer.question.reading))
    if analysis not in ("coreference", "bias"):
        return answer.question
    text = record.source.text if record is not None else answer.question.text
    if analysis == "coreference" and record is None:
        text = SENTENCES[0].text
    other = text != answer.question.text
    gone = {"generate", "level"} if analysis == "bias" else set()
    gone |= {"text_pair", "target"} if other else set()
    kept = {name: value for name, value in answer.question.reading.items() if name not in gone}
    return replace(answer.question, text=text, reading=Reading(**kept))  # type: ignore[typeddict-item]


def _meant(record: Coreference | None) -> dict[str, Any]:
    """The pronoun and its candidates; those of the first built-in sentence where none was looked at."""
    if record is None:
        return {"pronoun": SENTENCES[0].pronoun, "candidates": list(SENTENCES[0].candidates)}

    text = record.source.text
    return {
        "pronoun": numbered(text, record.pronoun.text, record.pronoun.start),
        "candidates": [numbered(text, one.text, one.start) for one in record.candidates],
    }


def _grouped(record: Bias | BiasOfMany | None) -> dict[str, Any]:
    """The groups that are not the usual ones, and the answer where one was asked for."""
    if record is None:
        return {}
    usual = record.groups == DEFAULT
    groups = {} if usual else {"groups": {name: list(words) for name, words in record.groups.items()}}
    return groups | (_answered(record.readout) if record.readout and record.sought else {})


def _wanted(readout: Readout, comparison: Comparison) -> dict[str, Any]:
    """The answer that was asked about; nothing where it is what would be asked without."""
    likeliest = [answer for answer, _ in comparison.outputs.tuned[:2]]
    if [readout.answer, readout.against] in (likeliest, [*likeliest[:1], None]):
        return {}
    return _answered(readout)


def _answered(readout: Readout) -> dict[str, Any]:
    return {"answer": readout.answer} | ({"against": readout.against} if readout.against is not None else {})


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
        return chosen, codes(
            Call(asked(chosen, answer, records), chosen, options(chosen, answer, head, records)), where
        )


RECORDS = {
    "patterns": "patterns",
    "coreference": "coreference",
    "coreference_of_many": "coreference_many",
    "bias": "bias",
    "bias_of_many": "bias_many",
    "noise": "noise",
    "attribution": "attribution",
    "erasure": "erasure",
    "patching": "patching",
    "ablation": "ablation",
}
"""Of analyses that run on demand the states of the page that hold what they found."""


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
