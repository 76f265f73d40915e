"""How to make the same again: lines of Python and of a shell for a comparison and what was found beside it."""

import shlex
from typing import Any

from attncompare.analyses.comparison import Comparison
from attncompare.attention import CheckpointInfo
from attncompare.models import embedded
from attncompare.models.generation import Generation
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout
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
    given = {
        name: f"attncompare.{value!r}" if isinstance(value, Generation) else repr(value) for name, value in read.items()
    }
    lines = [
        "from pathlib import Path",
        "",
        "import attncompare",
        "from attncompare.report import Findings, report",
        "",
    ]
    lines += [f"pair = attncompare.load_pair({ids})", f"text = {comparison.text!r}"]
    shared = "".join(f", {name}={value}" for name, value in given.items())
    lines += [f"result = attncompare.compare(pair, text{shared})", "findings = Findings("]
    for name, (function, options) in _asked(comparison, findings).items():
        own = "".join(f", {key}={_python(key, value, comparison)}" for key, value in options.items())
        lines.append(f"    {name}=attncompare.{function}(pair, text{own}{shared}),")
    if lines[-1] == "findings = Findings(":
        lines[-1] = "findings = Findings()"
    else:
        lines.append(")")
    return "\n".join([*lines, 'Path("report.html").write_text(report(result, findings), encoding="utf-8")'])


def shell(comparison: Comparison, findings: Findings, reading: Reading | None = None) -> str:
    """Commands that write the same to files, the report first."""
    pair = [] if _is_embedded(comparison) else ["--base", _spec(comparison.base), "--tuned", _spec(comparison.tuned)]
    read = _flags(as_read(comparison, reading))

    def line(command: str, own: list[str]) -> str:
        start = shlex.join(["attncompare", command, *pair])
        return f'{start} --text "$text" {shlex.join([*read, *own, "--out", "out/"])}'

    asked = _asked(comparison, findings)
    parts = ",".join(function.replace("_", "-") for function, _ in asked.values())
    lines = [line("report", ["--measure", parts or "nothing"])]
    for function, options in asked.values():
        own = [word for key, value in options.items() for word in _option(function, key, value)]
        lines.append(line("compare" if function == "noise" else function.replace("_", "-"), own))
    return "\n".join([f"text={shlex.quote(comparison.text)}", *lines])


def _asked(comparison: Comparison, findings: Findings) -> dict[str, tuple[str, dict[str, Any]]]:
    """Of each finding the function that makes it, and what it was asked with."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    if (noise := findings.noise) is not None:
        others = noise.replicates.ids[1:] if noise.replicates else ()
        drawn = {"draws": len(noise.draws), "seed": noise.seed} if len(noise.draws) else {}
        found["noise"] = "noise", {**drawn, **({"replicates": others} if others else {})}
    if findings.reach is not None:
        found["reach"] = "reach", {}
    if (one := findings.attribution) is not None:
        found["attribution"] = "attribution", {"method": one.method, **_answer(one.readout)}
    if (two := findings.erasure) is not None:
        draws = {"draws": len(two.random_only["tuned"]), "seed": two.seed}
        found["erasure"] = "erasure", {"erasing": two.erasing, **draws, **_answer(two.readout)}
    if findings.zeroing is not None:
        found["zeroing"] = "value_zeroing", {}
    if (three := findings.patching) is not None:
        found["patching"] = "patching", {"what": three.what, **_answer(three.readout)}
    if (four := findings.ablation) is not None:
        found["ablation"] = "ablation", {"how": four.how, **_answer(four.readout)}
    return found


def _answer(readout: Readout) -> dict[str, Any]:
    against = {} if readout.against is None else {"against": readout.against}
    return {"answer": readout.answer, **against}


def _python(key: str, value: Any, comparison: Comparison) -> str:
    if key != "replicates":
        return repr(value)
    base = _spec(comparison.base)
    return f"[{', '.join(f'attncompare.load_pair({base!r}, {one!r})' for one in value)}]"


_OPTIONS = {("noise", "draws"): "floor", ("noise", "seed"): "floor-seed", ("erasure", "seed"): "draws-seed"}
"""What options of commands are called where that is not the keyword."""


def _option(function: str, key: str, value: Any) -> list[str]:
    """An option of a command as words of a shell."""
    if key == "replicates":
        return [word for one in value for word in ("--replicate", one)]
    return [f"--{_OPTIONS.get((function, key), key)}", str(value)]


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
