"""A verdict's claims as escaped HTML, each ending in a link to the picture that shows it.

``assets/js/page.js`` follows the links: ``data-go-tab`` and ``data-go-to`` name a tab and an element in it, ``data-open`` a
head.
"""

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


def link_html(tab: str, element: str, text: str) -> str:
    """A link to an element of a tab."""
    return f'<a class="go" href="#{element}" data-go-tab="{tab}" data-go-to="{element}">{escape(text)}</a>'


def reference(claim: Claim) -> str:
    """The link to the picture that shows a claim."""
    tab, element, text = PLACES[claim.view]
    if claim.head is None:
        return link_html(tab, element, text)
    return f'<a class="go" href="#{element}" data-open="{escape(claim.head)}">{escape(text)}</a>'


def claims_html(claims: Sequence[Claim]) -> str:
    """A list of what the claims are about and what they say; those about the same stand together."""
    rows = [
        f"<dt>{escape(about)}</dt><dd>{' '.join(f'{marked(one.sentence)}&nbsp;{reference(one)}' for one in said)}</dd>"
        for about, said in groupby(claims, lambda claim: claim.about)
    ]
    return f'<dl class="claims">{"".join(rows)}</dl>' if rows else ""
