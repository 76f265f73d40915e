"""The command ``bias``: one text or a file of many, and what is wrong with a file."""

import json

import pandas as pd
import pytest

from attncompare.analyses.bias import bias as bias_of
from attncompare.analyses.bias_many import bias_of_many
from tests.test_cli import run

TEXT = "She led her team for six years."
MANY = ["She led a team.", "He managed a budget, calmly.", "Her degree is in physics."]


def test_bias_writes_what_python_says(monkeypatch, tmp_path, capsys, embedded_pair) -> None:
    lists = tmp_path / "lists.json"
    lists.write_text('{"female": ["she", "her"], "work": ["team"]}')
    out = tmp_path / "out"
    assert run(monkeypatch, "bias", "--text", TEXT, "--groups", str(lists), "--out", str(out)) == 0
    python = bias_of(embedded_pair, TEXT, groups={"female": ["she", "her"], "work": ["team"]})
    assert json.loads((out / "bias.json").read_text()) == json.loads(json.dumps(python.to_dict()))
    assert len(pd.read_csv(out / "bias.csv")) == 72
    assert (out / "bias.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.splitlines() == list(python.answers)


@pytest.mark.parametrize("name", ["many.txt", "many.csv"])
def test_bias_of_many_reads_lines_and_tables(monkeypatch, tmp_path, capsys, embedded_pair, name) -> None:
    file = tmp_path / name
    if name == "many.csv":
        pd.DataFrame({"id": range(3), "text": MANY}).to_csv(file, index=False)
    else:
        file.write_text("\n".join(MANY))
    out = tmp_path / "out"
    assert run(monkeypatch, "bias", "--file", str(file), "--out", str(out)) == 0
    python = bias_of_many(embedded_pair, MANY)
    assert json.loads((out / "bias.json").read_text()) == json.loads(json.dumps(python.to_dict()))
    assert len(pd.read_csv(out / "bias.csv")) == 72
    assert (out / "bias.png").read_bytes().startswith(b"\x89PNG")
    assert "3 texts are too few to test" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "id,body\n1,x\n", "Line 1 of a.csv: expected the names of the columns"),
        ("a.csv", "text\nOne\nTwo, three\n", "Line 3 of a.csv: expected 1 cells"),
        ("a.txt", "One\n", "a.txt has 1 text: expected 2 to 1,000"),
        (None, "", "can't be read: No such file"),
    ],
)
def test_a_wrong_file_is_one_sentence(monkeypatch, tmp_path, capsys, name, content, said) -> None:
    file = tmp_path / (name or "missing.txt")
    if name:
        file.write_text(content)
    assert run(monkeypatch, "bias", "--file", str(file), "--out", str(tmp_path / "out")) == 1
    told = capsys.readouterr().err.strip()
    assert said in told
    assert "\n" not in told


def test_wrong_groups_are_one_sentence(monkeypatch, tmp_path, capsys) -> None:
    lists = tmp_path / "lists.json"
    for content, said in (("{", "lists.json is no JSON"), ('{"a": ["x"], "b": ["X"]}', "‘X’ is in two groups")):
        lists.write_text(content)
        assert run(monkeypatch, "bias", "--text", TEXT, "--groups", str(lists), "--out", str(tmp_path / "out")) == 1
        assert said in capsys.readouterr().err


def test_one_text_and_a_file_are_wrong_usage(monkeypatch, tmp_path, capsys) -> None:
    asked = ("bias", "--text", TEXT, "--file", str(tmp_path / "x"), "--out", str(tmp_path))
    assert run(monkeypatch, *asked) == 2
    assert "leave --text" in capsys.readouterr().err
