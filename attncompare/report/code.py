"""How to make the same again: lines of Python and of a shell for a comparison and what was found beside it."""

import csv
import json
import shlex
from io import StringIO
from typing import Any

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.coreference_written import written
from attncompare.analyses.text_lists import COLUMN
from attncompare.attention import CheckpointInfo
from attncompare.models import embedded
from attncompare.models.generation import Generation
from attncompare.models.reading import Reading
from attncompare.report.calls import Call, calls
from attncompare.report.findings import Findings


def as_read(comparison: Comparison, reading: Reading | None) -> dict[str, Any]:
    """What was asked beyond a text, without what is the default; of a comparison alone, what it still knows."""
    known: dict[str, Any] = {"attention": comparison.attention, "level": comparison.level}
    if comparison.level == "shared":  # by itself, where the tokenizers differ
        known["level"] = "auto"
    if len(comparison.reading["texts"]) > 1:
        known["text_pair"] = comparison.reading["texts"][1]
    defaults = {"attention": ("self",), "level": ("auto", "token"), "chat": (False,)}
    asked = {**known, **(reading or {})}
    return {name: value for name, value in asked.items() if value is not None and value not in defaults.get(name, ())}


def python(comparison: Comparison, findings: Findings, reading: Reading | None = None) -> str:
    """A script that measures the same and writes the report."""
    read = as_read(comparison, reading)
    ids = (
        "" if _is_embedded(comparison) else ", ".join(repr(_spec(side)) for side in (comparison.base, comparison.tuned))
    )
    lines = [
        "from pathlib import Path",
        "",
        "import attncompare",
        "from attncompare.report import Findings, report",
        "",
    ]
    lines += [f"pair = attncompare.load_pair({ids})", f"text = {comparison.text!r}"]
    shared = "".join(f", {name}={python_value(name, value)}" for name, value in read.items())
    lines += [f"result = attncompare.compare(pair, text{shared})", "findings = Findings("]
    for name, call in calls(comparison, findings).items():
        given = {**call.options, **call.read(read)}
        words = "".join(f", {key}={_python(key, value, comparison)}" for key, value in given.items())
        lines.append(f"    {name}=attncompare.{call.function}(pair, {_about(call)}{words}),")
    if lines[-1] == "findings = Findings(":
        lines[-1] = "findings = Findings()"
    else:
        lines.append(")")
    return "\n".join([*lines, 'Path("report.html").write_text(report(result, findings), encoding="utf-8")'])


def shell(comparison: Comparison, findings: Findings, reading: Reading | None = None) -> str:
    """Commands that write the same to files, the report first."""
    pair = [] if _is_embedded(comparison) else ["--base", _spec(comparison.base), "--tuned", _spec(comparison.tuned)]
    read = as_read(comparison, reading)

    def line(command: str, read: dict[str, Any], own: list[str], about: str = '--text "$text"') -> str:
        start = shlex.join(["attncompare", command, *pair])
        return f"{start} {about} {shlex.join([*_flags(read), *own, '--out', 'out/'])}"

    made = calls(comparison, findings)
    parts = ",".join(call.command for call in made.values() if call.by_report)
    lines = [line("report", read, ["--measure", parts or "nothing"])]
    for call in made.values():
        for name, content in _files(call).items():
            lines.append(f"printf %s {shlex.quote(content)} > {name}")
        own = [word for key, value in call.options.items() for word in _option(call.function, key, value)]
        command = "compare" if call.function == "noise" else call.command
        if about := _source(call):
            lines.append(line(command, call.read(read), own, about))
    return "\n".join([f"text={shlex.quote(comparison.text)}", *lines])


def _about(call: Call) -> str:
    """What a call is about, as Python."""
    if call.texts:
        return repr(list(call.texts))
    if call.built_in:
        return "[one.item for one in attncompare.probes.SENTENCES]"
    if call.items:
        return f"attncompare.probes.items_of({[written(item) for item in call.items]!r})"
    return "text" if call.text is None else repr(call.text)


def _source(call: Call) -> str:
    """The same as words of a shell; empty where there is no command for it."""
    if call.texts:
        return "--file texts.csv"
    if call.items:
        return "--built-in" if call.built_in else ""
    return '--text "$text"' if call.text is None else f"--text {shlex.quote(call.text)}"


def _files(call: Call) -> dict[str, str]:
    """Files that the command reads, by name."""
    found = {}
    if groups := call.options.get("groups"):
        found["groups.json"] = json.dumps(groups, ensure_ascii=False)
    if call.texts:
        table = StringIO()
        csv.writer(table, lineterminator="\n").writerows([[COLUMN], *([text] for text in call.texts)])
        found["texts.csv"] = table.getvalue()
    return found


def python_value(name: str, value: Any) -> str:
    """An argument as Python, of a script that imports attncompare."""
    if name == "thresholds":
        return f"attncompare.probes.Thresholds({', '.join(f'{one}={number!r}' for one, number in value.items())})"
    return f"attncompare.{value!r}" if isinstance(value, Generation) else repr(value)


def _python(key: str, value: Any, comparison: Comparison) -> str:
    if key != "replicates":
        return python_value(key, value)
    base = _spec(comparison.base)
    return f"[{', '.join(f'attncompare.load_pair({base!r}, {one!r})' for one in value)}]"


_OPTIONS = {
    ("noise", "draws"): "floor", ("noise", "seed"): "floor-seed", ("erasure", "seed"): "draws-seed",
    ("noise", "replicates"): "replicate", ("probes.coreference", "candidates"): "candidate",
}  # fmt: skip
"""What options of commands are called where that is not the keyword."""


def _option(function: str, key: str, value: Any) -> list[str]:
    """An option of a command as words of a shell; what stands in a list or a mapping is given one after another."""
    if key == "groups":
        return ["--groups", "groups.json"]
    if key == "thresholds":
        return [word for one, number in value.items() for word in ("--threshold", f"{one}={number}")]
    name = f"--{_OPTIONS.get((function, key), key)}"
    return [word for one in (value if isinstance(value, list | tuple) else [value]) for word in (name, str(one))]


def _flags(read: dict[str, Any]) -> list[str]:
    """How the text is read, as words of a shell."""
    words: list[str] = []
    for name, value in read.items():
        if isinstance(value, Generation):
            words += ["--generate", value.by, "--max-new-tokens", str(value.max_new_tokens)]
            if value.temperature:
                words += ["--temperature", str(value.temperature), "--seed", str(value.seed)]
        elif value is True:
            words.append(f"--{name}")
        else:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def _is_embedded(comparison: Comparison) -> bool:
    return (comparison.base.id, comparison.tuned.id) == (embedded.BASE_ID, embedded.TUNED)


def _spec(side: CheckpointInfo) -> str:
    return f"{side.id}@{side.revision}" if side.revision else side.id
