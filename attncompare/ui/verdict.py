"""What stands between the form and the tabs: progress, errors, and the verdict with its receipt, as escaped HTML.

Tokens, ids and texts come from strangers: everything is escaped here and shown by ``gr.HTML``'s own ``${value}`` template,
which inserts it as it is. (A Handlebars ``{{value}}`` would not do: gradio evaluates its output as a template once more.)
"""

from html import escape

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.verdict import caution
from attncompare.report.receipt import receipt_html
from attncompare.report.words import chips, marked
from attncompare.ui.work import Step

EMPTY = """
<section class="verdict empty"><p class="lead"><strong>Nothing compared yet.</strong> Press Compare: both models read the
text, and every attention head of the one is laid over the same head of the other.</p>
<ul><li><b>What changed</b>: which heads moved, by how many bits, from which tokens to which; click a head to see it in
both models.</li><li><b>Where it flows</b>: attention followed through all layers, before and after.</li>
<li><b>How far it looks</b>: near, at middle distance or far.</li><li><b>What the output rests on</b>: the tokens that the
answer depends on, beside those that attention looks at.</li><li><b>Does it matter</b>: heads swapped between the models, and
the answer watched.</li><li><b>Is it real</b>: more than a random change of the same size would do, or not.</li></ul>
<p class="aside">Ids left empty compare the pair that comes with this page: a small English encoder, and the same encoder
tuned to tell good film reviews from bad ones. It needs no network.</p></section>
"""

POINTER = 'The tab <button type="button" class="tab-link">Is it real</button> measures one.'
"""Where a yardstick is to be had; :mod:`attncompare.ui.header` makes the link open the tab."""


def progress_html(step: Step) -> str:
    """What is being done, with a bar; the bar has no length where the end can't be seen."""
    length = f' value="{step.done}" max="{step.total}"' if step.total else ""
    count = f": {step.done} of {step.total}" if step.total else " …"
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
    limits = caution(comparison.noise)
    first, stop, rest = comparison.verdict.removesuffix(limits).partition(". ")
    pointer = POINTER if comparison.noise is None else ""
    aside = f'<p class="aside">{limits} {pointer}</p>' if comparison.verdict.endswith(limits) else ""
    lead = f'<p class="lead"><strong>{marked(first + stop.strip())}</strong> {marked(rest)}</p>'
    return f'<section class="verdict">{lead}{aside}{chips(comparison)}{receipt_html(comparison)}</section>'
