"""A verdict's claims as escaped HTML, each ending in a link to the picture that shows it.

``assets/js/page.js`` follows the links: ``data-go-tab`` and ``data-go-to`` name a tab and an element in it, ``data-open`` a
head.
"""

import re
from collections.abc import Sequence
from html import escape
from itertools import groupby

from attncompare.analyses.verdict import Claim, View
from attncompare.report.words import marked

PLACES: dict[View, tuple[str, str, str]] = {
    "heads": ("changed", "heads", "grid"),
    "one-head": ("changed", "one-head", "this head"),
    "layers": ("changed", "layers", "by layer"),
    "movers": ("changed", "movers", "tokens"),
    "outputs": ("changed", "outputs", "answers"),
    "noise": ("real", "noise", "beside noise"),
    "patching": ("matters", "scatter", "swapped heads"),
}
"""Of each view its tab, the id of its picture, and what a link to it is called."""


def linked(text: str) -> str:
    """The same with every head a link that opens it."""
    return re.sub(r"<b>(L\d+\.H\d+)</b>", r'<a class="head" href="#one-head" data-open="\1">\1</a>', marked(text))


def link_html(tab: str, element: str, text: str) -> str:
    """A link to an element of a tab."""
    return f'<a class="see" href="#{element}" data-go-tab="{tab}" data-go-to="{element}">{escape(text)}</a>'


def reference(claim: Claim) -> str:
    """The link to the picture that shows a claim."""
    tab, element, text = PLACES[claim.view]
    if claim.head is None:
        return link_html(tab, element, text)
    return f'<a class="see" href="#{element}" data-open="{escape(claim.head)}">{escape(text)}</a>'


def claim_row(claim: Claim) -> tuple[str, str]:
    """What a claim is about, and the sentence with its link as HTML."""
    return claim.about, f"{linked(claim.sentence)} {reference(claim)}"


def rows_html(rows: Sequence[tuple[str, str]]) -> str:
    """A list of subjects and what is said of each, which is HTML; a subject stands once for all that is said of it."""
    listed = [
        f"<dt>{escape(about)}</dt>{''.join(f'<dd>{said}</dd>' for _, said in group)}"
        for about, group in groupby(rows, lambda row: row[0])
    ]
    return f'<dl class="claims">{"".join(listed)}</dl>' if listed else ""
