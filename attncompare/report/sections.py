"""The sections of the report: for each question the answer in words, then the picture, then the numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from attncompare import plots
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.routes import Routes
from attncompare.analyses.verdict import caution, listing
from attncompare.attention import Progress
from attncompare.errors import AttnCompareError
from attncompare.metrics import METRICS
from attncompare.report import numbers
from attncompare.report.findings import Findings
from attncompare.report.pictures import figure_html
from attncompare.report.probes import probes
from attncompare.report.receipt import yardstick
from attncompare.report.tables import folded
from attncompare.report.words import answers_html, asked_about, limited_html, notes_html, reading_html

HEADS = 3
"""Heads whose maps are shown."""

NOT_AN_EXPLANATION = (
    "High attention is not an explanation. A head can look hard at a token and carry nothing from it, and a head that "
    "moved far need not matter to the answer. What changed in attention is a question; whether it matters is answered by "
    "taking the change back and watching the answer (does it matter), and whether it is more than chance by random changes "
    "of the same size or by other trainings (is it real)."
)


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    id: str
    title: str
    body: str

    @property
    def html(self) -> str:
        """The part with its heading."""
        name = f"{self.id}-title"
        heading = f'<h2 id="{name}">{escape(self.title)}</h2>'
        return f'<section id="{self.id}" aria-labelledby="{name}">{heading}{self.body}</section>'


def sections(comparison: Comparison, findings: Findings, tell: Progress) -> Iterator[Section]:
    """Every section that there is something for, in the order of the questions; ``tell`` hears of each."""
    parts = {
        "What changed": ("changed", lambda: _changed(comparison, findings)),
        "Where it flows": ("flow", lambda: _flow(comparison)),
        "Probes": ("probes", lambda: probes(comparison.text, findings)),
        "What the output rests on": ("rests", lambda: _rests(findings)),
        "Does it matter": ("matters", lambda: _matters(findings)),
        "Is it real": ("real", lambda: _real(findings)),
    }
    for done, (title, (name, body)) in enumerate(parts.items()):
        tell(f"drawing: {title.lower()}", done, len(parts))
        if found := body():
            yield Section(name, title, found)


def _changed(comparison: Comparison, findings: Findings) -> str:
    pictures = _pictures(
        figure_html(plots.heads(comparison), plots.heads_alt(comparison)),
        figure_html(plots.layers(comparison), plots.layers_alt(comparison)),
        figure_html(plots.movers(comparison), plots.movers_alt(comparison)),
    )
    tables = folded("Numbers: the heads that moved most", numbers.movers(comparison))
    every = folded("Numbers: every head, every metric", numbers.all_heads(comparison))
    return f"{_most(comparison)}{pictures}{tables}{every}{_heads(comparison, findings)}"


def _most(comparison: Comparison) -> str:
    """Which heads moved most, in a sentence, and what that is measured in."""
    bits = comparison.metric("jsd_bits")
    most = [
        f"{one.name} ({bits[comparison.layers.index(one.layer), one.head]:.2g} bits)"
        for one in comparison.movers[:HEADS]
    ]
    first = f"{listing(most)} moved most of {bits.size} heads." if most else "No head moved."
    metric = METRICS["jsd_bits"]
    return f"{answers_html([first])}{reading_html(f'{metric.title} in {metric.unit}: {metric.reading} ({metric.citation})')}"


def _heads(comparison: Comparison, findings: Findings) -> str:
    """The maps of the heads that were asked for, else of those that moved most."""
    maps, gone = list(findings.maps), ""
    for mover in () if maps else comparison.movers[:HEADS]:
        try:
            maps.append(comparison.head(mover.layer, mover.head))
        except AttnCompareError as error:  # their trace is gone: everything else in the report is still true
            gone = reading_html(str(error))
            break
    if not maps and not gone:
        return ""
    shown = "".join(f"<h4>{one.name}</h4>{figure_html(plots.head(one), plots.head_alt(one))}" for one in maps)
    return f"<h3>The heads that moved most, in both models</h3>{shown}{gone}"


def _flow(comparison: Comparison) -> str:
    found = comparison.rollout
    if found is None:
        return reading_html(f"There is no rollout: {comparison.rollout_omitted or ''}.")
    about = (
        "Rollout multiplies the attention of all layers, heads averaged, with half of every token passing by on the "
        "residual path. It shows where information can come from; values and feed-forward layers are left out. (Abnar & "
        "Zuidema 2020, Quantifying attention flow in transformers)"
    )
    return _routes(found, about)


def _routes(found: Routes, about: str) -> str:
    picture = figure_html(plots.rollout(found), plots.rollout_alt(found))
    table = folded("Numbers: the tokens whose share changed most", numbers.routes(found))
    return f"{limited_html(found.answers)}{reading_html(about)}{picture}{table}"


def _rests(findings: Findings) -> str:
    parts = ""
    if found := findings.attribution:
        pictures = _pictures(
            figure_html(plots.attribution(found), plots.attribution_alt(found)),
            figure_html(plots.overlay(found), plots.overlay_alt(found)),
            figure_html(plots.agreement(found), plots.agreement_alt(found)),
        )
        notes = notes_html((asked_about(found.readout), found.how, *found.notes))
        tables = folded("Numbers: tokens, and heads that agree", numbers.attribution(found), numbers.agreement(found))
        parts += f"<h3>Attribution beside attention</h3>{answers_html(found.answers)}{notes}{pictures}{tables}"
    if faithful := findings.erasure:
        picture = figure_html(plots.erasure(faithful), plots.erasure_alt(faithful))
        notes = notes_html((asked_about(faithful.readout), *faithful.notes))
        said = f"<h3>Which ranking is faithful?</h3>{answers_html(faithful.answers)}{notes}"
        parts += f"{said}{picture}{folded('Numbers: every ranking', numbers.erasure(faithful))}"
    if given := findings.zeroing:
        about = (
            "Each token's value is zeroed in turn, layer by layer, and the change of every other token's state is "
            "multiplied through the layers: unlike rollout it sees values and feed-forward layers. (Mohebbi et al. 2023, "
            "Quantifying context mixing in transformers)"
        )
        parts += f"<h3>What the tokens give each other</h3>{_routes(given, about)}"
    return parts


def _matters(findings: Findings) -> str:
    parts = ""
    if swapped := findings.patching:
        pictures = _pictures(
            figure_html(plots.scatter(swapped), plots.scatter_alt(swapped)),
            figure_html(plots.patching(swapped), plots.patching_alt(swapped)),
        )
        notes = notes_html((asked_about(swapped.readout), *swapped.notes))
        table = folded("Numbers: the heads that matter most", numbers.patching(swapped))
        parts += f"<h3>Heads swapped between the models</h3>{answers_html(swapped.answers)}{notes}{pictures}{table}"
    if off := findings.ablation:
        picture = figure_html(plots.ablation(off), plots.ablation_alt(off))
        notes = notes_html((asked_about(off.readout), *off.notes))
        table = folded("Numbers: the heads that are needed most", numbers.ablation(off))
        parts += f"<h3>Heads switched off</h3>{answers_html(off.answers)}{notes}{picture}{table}"
    return parts


def _real(findings: Findings) -> str:
    found = findings.noise
    if found is None:
        return ""
    picture = figure_html(plots.noise(found), plots.noise_alt(found))
    notes = notes_html((caution(found), f"Measured by: {yardstick(found)}.", *found.notes))
    table = folded("Numbers: the heads that moved most beside their floors", numbers.noise(found))
    return f"{answers_html(found.answers)}{notes}{picture}{table}"


def _pictures(*figures: str) -> str:
    """Side by side where the page is wide enough."""
    return f'<div class="pictures">{"".join(figures)}</div>'
