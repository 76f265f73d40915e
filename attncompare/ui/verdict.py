"""What stands between the form and the tabs: progress, errors, and the verdict with its receipt, as escaped HTML.

Tokens, ids and texts come from strangers: everything is escaped here and shown by ``gr.HTML``'s own ``${value}`` template,
which inserts it as it is. (A Handlebars ``{{value}}`` would not do: gradio evaluates its output as a template once more.)
"""

import re
from html import escape
from textwrap import shorten

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.verdict import NO_YARDSTICK
from attncompare.attention import Check, CheckpointInfo
from attncompare.ui.work import Step

CAUTIONS = ("one text: test many before believing it", "attention is not an explanation")
"""True of every comparison of one text."""

EMPTY = """
<section class="verdict empty"><p class="lead"><strong>Nothing compared yet.</strong> Press Compare: both models read the
text, and every attention head of the one is laid over the same head of the other.</p>
<ul><li><b>What changed</b>: which heads moved, by how many bits, from which tokens to which; click a head to see it in
both models.</li><li><b>Where it flows</b>: attention followed through all layers, before and after.</li></ul>
<p class="aside">Ids left empty compare the pair that comes with this page: a small English encoder, and the same encoder
tuned to tell good film reviews from bad ones. It needs no network.</p></section>
"""

_HEAD = re.compile(r"\bL\d+\.H\d+\b")
_QUOTED = re.compile("‘(.+?)’")

TEXT_SHOWN = 240
"""Characters of the text in the receipt."""


def progress_html(step: Step) -> str:
    """What is being done, with a bar; the bar has no length where the end can't be seen."""
    length = f' value="{step.done}" max="{step.total}"' if step.total else ""
    count = f": {step.done} of {step.total} layer passes" if step.total else " …"
    return (
        f'<div class="status busy" role="status"><progress aria-label="progress"{length}></progress>'
        f"<span>{escape(step.name)}{count}</span></div>"
    )


def note_html(text: str) -> str:
    """A quiet line, such as that the work was cancelled."""
    return f'<div class="status" role="status">{escape(text)}</div>'


def error_html(text: str) -> str:
    """The sentence that says what could not be done; it stays until the next question."""
    return f'<div class="status error" role="alert">{escape(text)}</div>'


def verdict_html(comparison: Comparison) -> str:
    """The verdict, its first sentence emphasised, and the receipt."""
    first, stop, rest = comparison.verdict.removesuffix(NO_YARDSTICK).partition(". ")
    aside = f'<p class="aside">{NO_YARDSTICK}</p>' if comparison.verdict.endswith(NO_YARDSTICK) else ""
    chips = [_chip(check) for check in comparison.checks]
    chips += [f'<li class="care">{escape(text)}</li>' for text in CAUTIONS]
    lead = f'<p class="lead"><strong>{_marked(first + stop.strip())}</strong> {_marked(rest)}</p>'
    return (
        f'<section class="verdict">{lead}{aside}'
        f'<ul class="chips" aria-label="checks and cautions">{"".join(chips)}</ul>{_receipt(comparison)}</section>'
    )


def _marked(text: str) -> str:
    """Escaped text with heads and tokens set off; a token's own direction marks end with it."""
    heads = _HEAD.sub(lambda found: f"<b>{found[0]}</b>", escape(text, quote=False))
    return _QUOTED.sub(lambda found: f"‘<bdi>{found[1]}</bdi>’", heads)


def _chip(check: Check) -> str:
    kind = "care" if check.is_note else "good" if check.passed else "bad"
    mark = "" if check.is_note else "✓ " if check.passed else "✗ "
    label = check.detail if check.is_note else _label(check)
    return f'<li class="{kind}" title="{escape(check.detail)}">{mark}<bdi>{escape(label)}</bdi></li>'


def _label(check: Check) -> str:
    return "note" if check.is_note else check.name.replace("_", " ")


def _receipt(comparison: Comparison) -> str:
    rows = [("base", _checkpoint(comparison.base)), ("tuned", _checkpoint(comparison.tuned))]
    rows.append(("text", shorten(comparison.text, TEXT_SHOWN, placeholder=" …")))
    rows.append(("tokens", f"{len(comparison.tokens)}, of them {len(comparison.sinks)} sinks"))
    rows += [(_label(check), ("" if check.passed else "FAILED: ") + check.detail) for check in comparison.checks]
    lines = "".join(f"<dt>{escape(name)}</dt><dd><bdi>{escape(detail)}</bdi></dd>" for name, detail in rows)
    return f"<details><summary>Receipt: what was compared, and what was checked</summary><dl>{lines}</dl></details>"


def _checkpoint(info: CheckpointInfo) -> str:
    revision = f"@{info.revision[:12]}" if info.revision else ""
    kind = f"{info.model_class}, an adapter" if info.adapter else info.model_class
    return f"{info.id}{revision} · {kind} · {info.dtype} on {info.device} · weights {info.content_hash}"
