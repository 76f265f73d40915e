"""What the page asked of an analysis, as the call that snippets write down."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.coreference_written import written
from attncompare.analyses.winograd import SENTENCES
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout
from attncompare.report import Findings
from attncompare.report.calls import answered, probe_calls
from attncompare.ui.bias_asking import EXAMPLES, about_each
from attncompare.ui.link import head_of
from attncompare.ui.probing import about_sentence
from attncompare.ui.questions import Answer, Question
from attncompare.ui.snippets import Call

PROBES = {
    "patterns": "patterns",
    "coreference": "coreference",
    "coreference_of_many": "coreference_many",
    "bias": "bias",
    "bias_of_many": "bias_many",
}

RECORDS = {
    **PROBES,
    "noise": "noise",
    "attribution": "attribution",
    "erasure": "erasure",
    "patching": "patching",
    "ablation": "ablation",
}
"""Of analyses that run on demand the states of the page that hold what they found."""


def call_of(analysis: str, answer: Answer, head: str, records: Mapping[str, Any]) -> Call:
    """The call of an analysis as the page made it, or would; ``records`` are what was found, by analysis, or None."""
    record = records.get(analysis)
    if analysis == "head":
        layer, number = head_of(head) or answer.first
        return Call(answer.question, analysis, {"layer": layer, "head": number})
    if analysis in PROBES:
        return _first(analysis, answer.question) if record is None else _probe(analysis, answer.question, record)
    return Call(answer.question, analysis, {} if record is None else _options(analysis, record, answer.comparison))


def _probe(analysis: str, compared: Question, record: Any) -> Call:
    """A probe that was asked, perhaps about another text, which is read without what belongs to the compared one."""
    name = PROBES[analysis]
    made = probe_calls(compared.text, Findings(**{name: record}))[name]
    options = dict(made.options)
    if made.texts:
        options["texts"] = list(made.texts)
    if made.items and not made.built_in:
        options["items"] = [written(item) for item in made.items]
    reading = Reading(**made.read(dict(compared.reading)))  # type: ignore[typeddict-item]
    return Call(replace(compared, text=made.text or compared.text, reading=reading), analysis, options)


def _first(analysis: str, compared: Question) -> Call:
    """A probe that was not asked yet, with what the page would begin with."""
    if analysis == "coreference":
        one = SENTENCES[0]
        options = {"pronoun": one.pronoun, "candidates": list(one.candidates), "correct": one.correct}
        return Call(about_sentence(compared, one.text), analysis, options)
    if analysis == "coreference_of_many":
        return Call(replace(compared, reading=Reading()), analysis)
    if analysis == "bias_of_many":
        return Call(about_each(compared), analysis, {"texts": list(EXAMPLES)})
    gone = {"generate", "level"} if analysis == "bias" else set()
    kept = {name: value for name, value in compared.reading.items() if name not in gone}
    return Call(replace(compared, reading=Reading(**kept)), analysis)  # type: ignore[typeddict-item]


def _options(analysis: str, record: Any, comparison: Comparison) -> dict[str, Any]:
    """What was asked beyond the defaults."""
    if analysis == "noise":
        others = list(record.replicates.ids[1:]) if record.replicates else []
        return {"draws": len(record.draws)} | ({"replicates": others} if others else {})
    how = {"attribution": "method", "erasure": "erasing", "patching": "what", "ablation": "how"}[analysis]
    return {how: getattr(record, how)} | _wanted(record.readout, comparison)


def _wanted(readout: Readout, comparison: Comparison) -> dict[str, Any]:
    """The answer that was asked about; nothing where it is what would be asked without."""
    likeliest = [answer for answer, _ in comparison.outputs.tuned[:2]]
    if [readout.answer, readout.against] in (likeliest, [*likeliest[:1], None]):
        return {}
    return answered(readout)
