"""The section on probes: patterns of heads, whom a pronoun looks at, groups of words, and how far heads look."""

from html import escape

from attncompare import plots
from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.bias_record import Bias
from attncompare.analyses.coreference_accuracy import CoreferenceMany
from attncompare.analyses.coreference_record import Coreference
from attncompare.analyses.distance import Reach
from attncompare.analyses.pattern_record import PatternClasses
from attncompare.report import bias_numbers, coreference, numbers
from attncompare.report.findings import Findings
from attncompare.report.pictures import figure_html
from attncompare.report.tables import folded
from attncompare.report.words import asked_about, limited_html, notes_html, probed_html, reading_html

ABOUT = (
    "Classic questions to attention, asked of base and tuned alike. A probe describes what heads do on the texts it was "
    "given; it is no verdict on a model."
)


def probes(text: str, findings: Findings) -> str:
    """Every probe that was asked; ``text`` is the one that was compared, and a probe of another one says so."""
    parts = ""
    if findings.patterns is not None:
        parts += _patterns(findings.patterns)
    if findings.coreference is not None:
        parts += _pronoun(findings.coreference, text)
    if findings.coreference_many is not None:
        parts += _sentences(findings.coreference_many)
    if findings.bias is not None:
        parts += _groups(findings.bias, text)
    if findings.bias_many is not None:
        parts += _groups_of_many(findings.bias_many)
    if findings.reach is not None:
        parts += _distance(findings.reach)
    return f"{reading_html(ABOUT)}{parts}" if parts else ""


def _patterns(found: PatternClasses) -> str:
    about = (
        "A class is a rule about the scores of a map. A head beside a threshold crosses it by a hair: only a change that is "
        "clear of the thresholds in both models is called one. (Kinds of Kovaleva et al. 2019, Revealing the dark secrets "
        "of BERT; the rules are ours)"
    )
    grids = figure_html(plots.pattern_classes(found), plots.pattern_classes_alt(found))
    examples = figure_html(plots.class_examples(found), plots.class_examples_alt(found))
    table = folded("Numbers: the heads that changed class", numbers.pattern_classes(found))
    said = f"{limited_html(found.answers)}{reading_html(about)}"
    return f"<h3>Which pattern is each head?</h3>{said}{grids}{examples}{table}"


def _pronoun(found: Coreference, text: str) -> str:
    about = (
        "What the pronoun gives each candidate, and where it looks when the two words change places. (Clark et al. 2019; "
        "Klein and Nabi 2019, Attention is (not) all you need for commonsense reasoning)"
    )
    notes = notes_html(found.notes)
    picture = figure_html(plots.coreference(found), plots.coreference_alt(found))
    table = folded("Numbers: candidates and heads", coreference.coreference(found))
    asked = _asked_of(found.source.text, text)
    return (
        f"<h3>Whom does the pronoun look at?</h3>{asked}{limited_html(found.answers)}{reading_html(about)}{notes}"
        f"{picture}{table}"
    )


def _sentences(found: CoreferenceMany) -> str:
    picture = figure_html(plots.coreference_many(found), plots.coreference_many_alt(found))
    table = folded("Numbers: accuracies", coreference.coreference_of_many(found))
    return f"<h3>Whom do pronouns look at in {len(found.items)} sentences?</h3>{limited_html(found.answers)}{picture}{table}"


def _groups(found: Bias, text: str) -> str:
    about = (
        "Shares of attention and attribution among words of one kind beside what evenly spread attention would give, and "
        "both models asked again with the gender of the words swapped. (Vig et al. 2020, Investigating gender bias in "
        "language models using causal mediation analysis)"
    )
    asked = () if found.readout is None else (asked_about(found.readout),)
    picture = figure_html(plots.bias(found), plots.bias_alt(found))
    table = folded("Numbers: groups, heads and swapped words", bias_numbers.bias(found))
    said = f"{_asked_of(found.source.text, text)}{probed_html(found.answers, (*asked, *found.notes))}"
    return f"<h3>Groups of words, and a swap of gender</h3>{said}{reading_html(about)}{picture}{table}"


def _groups_of_many(found: BiasOfMany) -> str:
    asked = () if found.readout is None else (asked_about(found.readout),)
    picture = figure_html(plots.bias_many(found), plots.bias_many_alt(found))
    table = folded("Numbers: groups, heads and texts", bias_numbers.bias_of_many(found))
    said = probed_html(found.answers, (*asked, *found.notes))
    return f"<h3>Groups of words in {len(found.texts)} texts</h3>{said}{picture}{table}"


def _distance(found: Reach) -> str:
    about = (
        "Near is up to 8 positions away, the middle distance up to 64, far beyond; beside what uniform attention gives."
    )
    picture = figure_html(plots.reach(found), plots.reach_alt(found))
    table = folded("Numbers: the heads that changed most", numbers.reach(found)) + numbers.links_across(found)
    return f"<h3>How far do the heads look?</h3>{limited_html(found.answers)}{reading_html(about)}{picture}{table}"


def _asked_of(asked: str, compared: str) -> str:
    """Which text a probe was asked about, where that is not the one that was compared."""
    return (
        ""
        if asked == compared
        else f"<p>Asked about another text:</p><blockquote><bdi>{escape(asked)}</bdi></blockquote>"
    )
