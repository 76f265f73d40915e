"""The README tells the truth: front matter, outputs, tables and names."""

import contextlib
import io
import re
from pathlib import Path

import attncompare
from attncompare.metrics import METRICS

ROOT = Path(attncompare.__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def between(start: str, end: str = "<!-- end -->") -> str:
    return README.split(f"<!-- {start} -->\n", 1)[1].split(end, 1)[0]


def code(block: str) -> str:
    found = re.search(r"```\w*\n(.*?)```", block, re.DOTALL)
    assert found
    return found.group(1)


def metric_table() -> str:
    """What the README's table of metrics must be."""
    lines = ["| metric | column | unit | reading | source |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {m.title} | `{m.name}` | {m.unit} | {m.reading} | {m.citation} |" for m in METRICS.values()]
    return "\n".join(lines) + "\n"


def test_front_matter_is_what_a_space_needs() -> None:
    block = README.split("---\n")[1]
    fields = dict(re.findall(r"^(\w+): (.+)$", block, re.MULTILINE))
    assert fields["sdk"] == "gradio"
    assert (ROOT / fields["app_file"]).is_file()
    assert len(fields["short_description"]) <= 60
    required = next(line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("gradio"))
    major, minor = fields["sdk_version"].split(".")[:2]
    assert required == "gradio>=6.28,<7"
    assert int(major) == 6
    assert int(minor) >= 28


def test_the_python_examples_print_what_the_readme_says() -> None:
    names: dict[str, object] = {}
    for example in ("python", "matters"):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code(between(example, "<!-- output -->")), "README.md", "exec"), names)
        assert printed.getvalue() == code(between(example).split("<!-- output -->")[1]), example


def test_the_metric_table_is_generated() -> None:
    assert between("metrics") == metric_table()


def test_a_picture_comes_early_and_exists() -> None:
    body = README.split("---\n", 2)[2].splitlines()
    line, path = next((i, re.search(r"\]\((.+)\)", text)[1]) for i, text in enumerate(body) if text.startswith("!["))
    assert line <= 15
    assert (ROOT / path).read_bytes().startswith(b"\x89PNG")


def test_ci_runs_the_readmes_command() -> None:
    assert "<!-- test-command -->" in (ROOT / ".ci/run").read_text()
    assert "-m pytest" in code(between("test-command"))


def test_what_the_architecture_names_exists() -> None:
    part = README.split("## Architecture")[1].split("## The embedded pair")[0]
    for name in re.findall(r"^\| ((?:`[^`]+`(?:, | … )?)+)", part, re.MULTILINE):
        for path in re.findall(r"`([^`]+)`", name):
            assert (ROOT / path).exists() or (ROOT / "attncompare" / path).exists(), path
