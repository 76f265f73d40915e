"""How to make the same again: lines of Python and of a shell for a comparison and what was found beside it."""

import json
import shlex
from typing import Any

from attncompare.analyses.comparison import Comparison
from attncompare.attention import CheckpointInfo
from attncompare.models import embedded
from attncompare.models.generation import Generation
from attncompare.models.reading import Reading
from attncompare.report.calls import calls
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
        text = "text" if call.text is None else repr(call.text)
        lines.append(f"    {name}=attncompare.{call.function}(pair, {text}{words}),")
    if lines[-1] == "findings = Findings(":
        lines[-1] = "findings = Findings()"
    else:
        lines.append(")")
    return "\n".join([*lines, 'Path("report.html").write_text(report(result, findings), encoding="utf-8")'])


def shell(comparison: Comparison, findings: Findings, reading: Reading | None = None) -> str:
    """Commands that write the same to files, the report first."""
    pair = [] if _is_embedded(comparison) else ["--base", _spec(comparison.base), "--tuned", _spec(comparison.tuned)]
    read = as_read(comparison, reading)

    def line(command: str, read: dict[str, Any], own: list[str], text: str = '"$text"') -> str:
        start = shlex.join(["attncompare", command, *pair])
        return f"{start} --text {text} {shlex.join([*_flags(read), *own, '--out', 'out/'])}"

    made = calls(comparison, findings)
    parts = ",".join(call.command for call in made.values() if call.by_report)
    lines = [line("report", read, ["--measure", parts or "nothing"])]
    for call in made.values():
        if groups := call.options.get("groups"):
            lines.append(f"printf %s {shlex.quote(json.dumps(groups, ensure_ascii=False))} > groups.json")
        own = [word for key, value in call.options.items() for word in _option(call.function, key, value)]
        command = "compare" if call.function == "noise" else call.command
        lines.append(line(command, call.read(read), own, '"$text"' if call.text is None else shlex.quote(call.text)))
    return "\n".join([f"text={shlex.quote(comparison.text)}", *lines])


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
