"""The report: one HTML page that needs no script and asks nobody for anything."""

from html import escape
from pathlib import Path

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.receipt import versions
from attncompare.analyses.verdict import caution
from attncompare.attention import CheckpointInfo, Progress, unheard
from attncompare.metrics import METRICS
from attncompare.models.reading import Reading
from attncompare.report import code
from attncompare.report.findings import Findings
from attncompare.report.receipt import receipt_html
from attncompare.report.sections import NOT_AN_EXPLANATION, Section, sections
from attncompare.report.tables import table_html
from attncompare.report.words import answers_html, chips

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The browser itself refuses scripts and requests."""

TEXT_SHOWN = 4000
"""Characters of the text at the top."""

UNMEASURED = {
    "noise": "whether it is more than noise (attncompare.noise)",
    "patterns": "which pattern each head is (attncompare.probes.patterns)",
    "coreference": "whom a pronoun looks at (attncompare.probes.coreference)",
    "coreference_many": "whom pronouns look at in many sentences (attncompare.probes.coreference_of_many)",
    "bias": "where heads look among groups of words (attncompare.probes.bias)",
    "bias_many": "the same in many texts (attncompare.probes.bias_of_many)",
    "reach": "how far the heads look (attncompare.reach)",
    "attribution": "which tokens the answer rests on (attncompare.attribution)",
    "erasure": "which ranking of the words is faithful (attncompare.erasure)",
    "zeroing": "what the tokens give each other (attncompare.value_zeroing)",
    "patching": "whether a head's change matters (attncompare.patching)",
    "ablation": "which heads each model needs (attncompare.ablation)",
}


def report(
    comparison: Comparison,
    findings: Findings | None = None,
    *,
    reading: Reading | None = None,
    progress: Progress | None = None,
) -> str:
    """Everything that is known about a pair and a text as one HTML page: answers, pictures, numbers, receipt, methods.

    Args:
        comparison: what changed.
        findings: what else was found about the same pair and text; the page says what was not measured.
        reading: how the text was read, as :func:`attncompare.compare` was told, for the lines that make the same again;
            without it they know no chat template, continuation or target.
        progress: called between pictures, may raise to stop.

    Raises:
        BadInput: something was found about another pair, text or reading.
    """
    found = findings or Findings()
    result = found.belonging_to(comparison)
    parts = [_answer(result), *sections(result, found, progress or unheard), *_rest(result, found, reading)]
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    title = f"attncompare: {result.base.id} and {result.tuned.id}"
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{style}</style></head><body>'
        f"{_top(result)}{_contents(parts)}<main>{''.join(part.html for part in parts)}</main>{_bottom()}</body></html>\n"
    )
    return page.encode("utf-8", "replace").decode()  # half a surrogate pair is no text that a file could hold


def said(comparison: Comparison) -> tuple[str, ...]:
    """What changed in sentences, the first the most telling, without the caution at the end."""
    verdict = comparison.verdict.removesuffix(caution(comparison.noise)).strip()
    first, stop, rest = verdict.partition(". ")
    return tuple(part for part in (first + stop.strip(), rest) if part)


def _top(comparison: Comparison) -> str:
    text = comparison.text
    shown = text if len(text) <= TEXT_SHOWN else f"{text[:TEXT_SHOWN]} … ({len(text):,} characters)"
    return (
        "<header><h1>What fine-tuning did to attention</h1><dl>"
        f"<dt>Base</dt><dd>{_checkpoint(comparison.base)}</dd><dt>Tuned</dt><dd>{_checkpoint(comparison.tuned)}</dd>"
        f"<dt>Text</dt><dd><blockquote><bdi>{escape(shown)}</bdi></blockquote></dd></dl></header>"
    )


def _checkpoint(info: CheckpointInfo) -> str:
    revision = f" <small>@{escape(info.revision[:12])}</small>" if info.revision else ""
    return f"<bdi>{escape(info.id)}</bdi>{revision}{' <small>adapter</small>' if info.adapter else ''}"


def _contents(parts: list[Section]) -> str:
    links = "".join(f'<li><a href="#{part.id}">{escape(part.title)}</a></li>' for part in parts)
    return f'<nav aria-label="contents"><ul>{links}</ul></nav>'


def _answer(comparison: Comparison) -> Section:
    body = (
        f"{answers_html(said(comparison))}"
        f'<p class="warning"><strong>Before you conclude:</strong> {escape(caution(comparison.noise))}</p>'
        f"{chips(comparison)}"
    )
    return Section("answer", "In words", body)


def _rest(comparison: Comparison, findings: Findings, reading: Reading | None) -> tuple[Section, ...]:
    """What a reader needs to judge the rest by."""
    missing = [words for name, words in UNMEASURED.items() if name not in findings.measured]
    listed = "".join(f"<li>{escape(words)}</li>" for words in missing)
    unmeasured = f"<p>Not measured for this report:</p><ul>{listed}</ul>" if missing else ""
    rows = [[metric.title, metric.unit, metric.reading, metric.citation] for metric in METRICS.values()]
    notes = table_html("What the numbers of a head mean, and where they come from", _COLUMNS, rows)
    methods = f'<p class="warning">{escape(NOT_AN_EXPLANATION)}</p>{unmeasured}{notes}{_SOURCES}'
    lines = (
        "<p>In a shell, with attncompare in the version below; a baseline or texts of a mean that were chosen are named in "
        "the notes above.</p>"
        f"{_lines('shell', code.shell(comparison, findings, reading))}<p>In Python:</p>"
        f"{_lines('Python', code.python(comparison, findings, reading))}"
    )
    return (
        Section("receipt", "Receipt", receipt_html(comparison)),
        Section("methods", "How it was measured", methods),
        Section("again", "Make the same again", lines),
    )


_COLUMNS = ("Metric", "Unit", "How to read it", "Source")

_SOURCES = """<h3>Methods beside the metrics</h3><ul>
<li>Rollout: Abnar &amp; Zuidema 2020, Quantifying attention flow in transformers. Value zeroing: Mohebbi et al. 2023,
Quantifying context mixing in transformers.</li>
<li>Integrated gradients: Sundararajan et al. 2017, Axiomatic attribution for deep networks. How far attention and
attribution agree is no score of either: Neely et al. 2022, A song of (dis)agreement.</li>
<li>Erasure: DeYoung et al. 2020, ERASER: a benchmark to evaluate rationalized NLP models.</li>
<li>Swapping heads: Vig et al. 2020, Investigating gender bias in language models using causal mediation analysis.
Switching heads off: Michel et al. 2019, Are sixteen heads really better than one?</li>
<li>Patterns of heads: Kovaleva et al. 2019, Revealing the dark secrets of BERT; induction: Olsson et al. 2022, In-context
learning and induction heads; sinks: Gu et al. 2024, When attention sink emerges in language models. Pronouns: Klein &amp;
Nabi 2019, Attention is (not) all you need for commonsense reasoning. Groups of words: Vig et al. 2020, as above.</li>
<li>Attention as explanation: Jain &amp; Wallace 2019, Attention is not explanation; Wiegreffe &amp; Pinter 2019,
Attention is not not explanation.</li></ul>"""


def _lines(language: str, content: str) -> str:
    return f'<pre tabindex="0" role="group" aria-label="{language}"><code>{escape(content)}</code></pre>'


def _bottom() -> str:
    made = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"<footer><p>Made by {escape(made)}. Nothing in this page asks for anything from elsewhere.</p></footer>"
