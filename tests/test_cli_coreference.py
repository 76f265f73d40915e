"""The command about pronouns: files, what is printed, and wrong usage."""

import json
from pathlib import Path

import pandas as pd
import pytest

from attncompare.analyses.coreference import coreference
from attncompare.analyses.coreference_items import read_items
from attncompare.analyses.coreference_many import coreference_of_many
from tests.test_cli import run

TEXT = "The trophy would not fit into the brown suitcase because it was too small."
ASKED = ("coreference", "--text", TEXT, "--pronoun", "it", "--candidate", "trophy", "--candidate", "suitcase")
LINES = (
    "[The developer] argued with the designer because [he] did not like the plan.",
    "The developer argued with [the designer] because [her] plan was poor.",
    "The cook gave [the writer] a soup and [he] ate it.",
    "[The cook] gave a stranger a soup and [he] ate it.",
)


def test_one_text_writes_what_python_says(monkeypatch, tmp_path, capsys, embedded_pair) -> None:
    assert run(monkeypatch, *ASKED, "--correct", "suitcase", "--out", str(tmp_path)) == 0
    python = coreference(embedded_pair, TEXT, "it", ["trophy", "suitcase"], correct="suitcase")
    assert json.loads((tmp_path / "coreference.json").read_text()) == json.loads(json.dumps(python.to_dict()))
    assert len(pd.read_csv(tmp_path / "coreference.csv")) == 2 * 72
    assert capsys.readouterr().out.splitlines() == list(python.answers)
    assert {path.name for path in tmp_path.iterdir()} == {f"coreference.{end}" for end in ("json", "csv", "png")}


def test_files_write_accuracies(monkeypatch, tmp_path, capsys, embedded_pair) -> None:
    paths = [tmp_path / "pro_x", tmp_path / "anti_x"]
    for path in paths:
        path.write_text("\n".join(LINES))
    files = [part for path in paths for part in ("--file", str(path))]
    out = tmp_path / "out"
    assert run(monkeypatch, "coreference", *files, "--format", "winobias", "--out", str(out)) == 0
    python = coreference_of_many(embedded_pair, read_items(paths, "winobias"))
    assert json.loads((out / "coreference-many.json").read_text()) == json.loads(json.dumps(python.to_dict()))
    assert len(pd.read_csv(out / "coreference-many.csv")) == 72
    said = capsys.readouterr().out
    assert said.splitlines() == list(python.answers)
    assert "left out: 2 (no other occupation)" in said
    assert (out / "coreference-many.png").read_bytes().startswith(b"\x89PNG")


def test_occupations_come_from_a_file(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "list").write_text(LINES[3])
    (tmp_path / "names").write_text("stranger\n")
    asked = ("coreference", "--file", str(tmp_path / "list"), "--format", "winobias", "--out", str(tmp_path / "out"))
    assert run(monkeypatch, *asked) == 1
    assert "holds no item" in capsys.readouterr().err
    assert run(monkeypatch, *asked, "--occupations", str(tmp_path / "names")) == 0


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        ((), 2, "give --pronoun and --candidate twice"),
        (("--text", TEXT, "--pronoun", "it", "--candidate", "trophy"), 2, "twice or more"),
        ((*ASKED[1:], "--format", "gap"), 2, "only with --file"),
        (("--file", "x"), 2, "with --format winobias, winogender or gap"),
        (
            ("--file", "x", "--format", "gap", "--pronoun", "it", "--text", "y"),
            2,
            "--pronoun, --text: not with many sentences",
        ),
        (("--built-in", "--text", "y"), 2, "--text: not with many sentences"),
        (("--built-in", "--file", "x"), 2, "leave --file, --format and --occupations out"),
        (("--file", "x", "--format", "wsc"), 2, "wsc"),
        (("--file", "no-such-file", "--format", "gap"), 1, "no-such-file can't be read"),
        (("--pronoun", "it", "--candidate", "a", "--candidate", "b"), 2, "give a text"),
        (
            ("--text", TEXT, "--pronoun", "she", "--candidate", "trophy", "--candidate", "suitcase"),
            1,
            "not in the text",
        ),
    ],
)
def test_wrong_usage_is_told(monkeypatch, tmp_path: Path, capsys, options, code: int, expected: str) -> None:
    assert run(monkeypatch, "coreference", *options, "--out", str(tmp_path)) == code
    shown = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert expected in shown
    assert "Traceback" not in shown


def test_the_command_has_the_shared_options_and_its_own(monkeypatch, capsys) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, "coreference", "--help") == 0
    shown = capsys.readouterr().out
    for option in ("--pronoun", "--candidate", "--correct", "--file", "--format", "--occupations", "--level", "--chat"):
        assert option in shown
