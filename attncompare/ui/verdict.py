"""What stands between the form and the tabs: progress, errors, and the verdict with its receipt, as escaped HTML.

Tokens, ids and texts come from strangers: everything is escaped here and shown by ``gr.HTML``'s own ``${value}`` template,
which inserts it as it is. (A Handlebars ``{{value}}`` would not do: gradio evaluates its output as a template once more.)
"""

from collections.abc import Iterator
from html import escape

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.patching import Patching
from attncompare.analyses.verdict import caution, matter_claims
from attncompare.report.receipt import receipt_html
from attncompare.report.words import chips
from attncompare.ui.claims import claim_row, link_html, linked, reference, rows_html
from attncompare.ui.work import Step

EMPTY = """
<section class="verdict empty"><p class="lead"><strong>Which heads did the tuning move, and does it matter?</strong>
Both models read the text above; every attention head of the one is laid over the same head of the other. Press
<b>Compare</b>: the pair that comes with this page needs no download.</p>
<ol class="ways"><li><b>What changed</b> which heads moved, from which tokens to which</li><li><b>Where it flows</b>
attention through all layers</li><li><b>Probes</b> patterns, pronouns, words of a group, distance</li><li><b>What the output
rests on</b> words the answer needs</li><li><b>Does it matter</b> heads swapped, the answer watched</li><li><b>Is it
real</b> more than a random change, or not</li><li><b>Several texts</b> which heads move on all of them</li></ol>
<p class="aside">The embedded pair: a small English encoder, and the same encoder tuned to tell good film reviews from bad
ones. Any two checkpoints of the hub can stand in their place.</p></section>
"""


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


def verdict_html(comparison: Comparison, patching: Patching | None = None) -> str:
    """The verdict, its first sentence emphasised, what not to conclude, and the receipt."""
    limits = caution(comparison.noise)
    first, *rest = (claim for claim in comparison.claims if claim.sentence != limits)
    rows = [*map(claim_row, rest), *_open_questions(comparison, patching)]
    moved = len(comparison.claims) > len(rest) + 1  # else there is nothing that could be concluded wrongly
    return (
        f'<section class="verdict"><p class="lead"><strong>{linked(first.sentence)}</strong> {reference(first)}</p>'
        f"{rows_html(rows)}{_warning(limits) if moved else ''}{chips(comparison)}{receipt_html(comparison)}</section>"
    )


def _open_questions(comparison: Comparison, patching: Patching | None) -> Iterator[tuple[str, str]]:
    """Whether it is more than noise, and whether it matters: what was found, or where it can be found out."""
    if comparison.noise is None:
        yield "More than noise?", f"Not measured yet: {link_html('real', 'yardstick', 'measure')}"
    if patching is not None and _is_about(comparison, patching):
        yield from map(claim_row, matter_claims(patching))
    elif comparison.outputs.kind != "none":
        yield "Does it matter?", f"Not tested yet: {link_html('matters', 'swap', 'test')}"


def _is_about(comparison: Comparison, patching: Patching) -> bool:
    """Whether heads were swapped on what was compared; what was found about an earlier text may still be on its way out."""
    source = patching.source
    asked = (comparison.base, comparison.tuned, comparison.text, comparison.reading, comparison.about)
    return asked == (source.base, source.tuned, source.text, source.reading, patching.about)


def _warning(limits: str) -> str:
    """What not to conclude, and the way to check it."""
    check = link_html("matters", "swap", "Does it matter")
    return (
        '<p class="warning"><b>High attention is not an explanation.</b> A head that moved far may move nothing in the '
        f"answer; {check} swaps heads and watches it. {escape(limits)}</p>"
    )
