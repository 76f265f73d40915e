"""Sentences about a comparison as escaped HTML: heads and tokens set off, checks as chips.

Tokens, ids and texts come from strangers: everything is escaped here.
"""

import re
from collections.abc import Sequence
from html import escape

from attncompare.analyses.comparison import Comparison
from attncompare.attention import Check
from attncompare.models.readout import Readout
from attncompare.report.receipt import ALIGNED, label

CAUTIONS = ("one text: test many before believing it", "attention is not an explanation")
"""True of every comparison of one text."""

_HEAD = re.compile(r"\bL\d+\.H\d+\b")
_QUOTED = re.compile("‘(.+?)’")


def marked(text: str) -> str:
    """Escaped text with heads and tokens set off; a token's own direction marks end with it."""
    heads = _HEAD.sub(lambda found: f"<b>{found[0]}</b>", escape(text, quote=False))
    return _QUOTED.sub(lambda found: f"‘<bdi>{found[1]}</bdi>’", heads)


def chips(comparison: Comparison) -> str:
    """Every check and every caution in few words, as a list."""
    found = [_chip(check) for check in comparison.checks]
    found += [f'<li class="care">{escape(text)}</li>' for text in CAUTIONS]
    return f'<ul class="chips" aria-label="checks and cautions">{"".join(found)}</ul>'


def _chip(check: Check) -> str:
    if check.name == ALIGNED and not check.passed:
        return f'<li class="care" title="{escape(check.detail)}">tokens differ: compared by what they share</li>'
    kind = "care" if check.is_note else "good" if check.passed else "bad"
    mark = "" if check.is_note else "✓ " if check.passed else "✗ "
    words = check.detail if check.is_note else label(check)
    return f'<li class="{kind}" title="{escape(check.detail)}">{mark}<bdi>{escape(words)}</bdi></li>'


def answers_html(answers: Sequence[str]) -> str:
    """What was found, a sentence a line, the first one emphasised."""
    first, *more = map(marked, answers)
    found = "".join(f"<p>{sentence}</p>" for sentence in more)
    return f'<p class="lead finding"><strong>{first}</strong></p><div class="found">{found}</div>'


def limited_html(answers: Sequence[str]) -> str:
    """The same as a card; of several sentences the last one is quiet, which says what not to conclude."""
    found, limits = (answers[:-1], answers[-1]) if len(answers) > 1 else (answers, "")
    aside = f'<p class="aside">{marked(limits)}</p>' if limits else ""
    return f'<section class="verdict">{answers_html(found)}{aside}</section>'


_NEXT = "To try next "
"""How the records of probes begin a sentence that finds nothing and says what a person might do."""


def probed_html(answers: Sequence[str], notes: Sequence[str]) -> str:
    """What a probe found as a card: findings, notes, what to try next folded, and last the caution, always in sight."""
    *found, caution = answers
    steps = [step.removeprefix(_NEXT) for step in found if step.startswith(_NEXT)]
    said = answers_html([sentence for sentence in found if not sentence.startswith(_NEXT)])
    listed = "".join(f"<li>{marked(step[0].upper() + step[1:])}</li>" for step in steps)
    folded = f'<details class="next"><summary>What you might try next</summary><ul>{listed}</ul></details>'
    aside = f'<p class="aside">{marked(caution)}</p>'
    return f'<section class="verdict">{said}{notes_html(notes)}{folded if steps else ""}{aside}</section>'


def notes_html(notes: Sequence[str]) -> str:
    """What a reader should know, as a list; nothing where there is nothing."""
    listed = "".join(f"<li>{marked(note)}</li>" for note in notes)
    return f'<ul class="notes">{listed}</ul>' if listed else ""


def asked_about(readout: Readout) -> str:
    """Which number of the output was asked about."""
    return f"Asked about: {readout.name}, in {readout.unit}."


def reading_html(text: str) -> str:
    """How something is to be read, as a quiet paragraph."""
    return f'<p class="reading">{escape(text)}</p>'
