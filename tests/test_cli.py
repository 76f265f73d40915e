"""The command line as a person runs it: files, exit codes, one-sentence errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

import attncompare
from attncompare.cli import main
from attncompare.metrics import COLUMNS
from tests.conftest import TEXT, save_tiny

FILM = "The film is not good, and the dialogue is painfully dull."
ROOT = Path(attncompare.__file__).parents[1]
SCHEMA = json.loads((ROOT / "assets/comparison.schema.json").read_text())


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Exit code of the command line in this process (starting Python takes seconds)."""
    monkeypatch.setattr(sys, "argv", ["attncompare", *arguments])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_compare_writes_what_the_contract_names(monkeypatch, tmp_path, capsys) -> None:
    out = tmp_path / "new" / "folder"
    assert run(monkeypatch, "compare", "--text", FILM, "--out", str(out)) == 0
    shown = capsys.readouterr()
    written = json.loads((out / "comparison.json").read_text())
    jsonschema.validate(written, SCHEMA)
    assert shown.out.strip() == written["verdict"]
    assert "Results are in" in shown.err
    heads = pd.read_csv(out / "heads.csv")
    assert heads["jsd_bits"].tolist() == pytest.approx([row["jsd_bits"] for row in written["heads"]])
    assert set(COLUMNS) <= set(heads.columns)
    rollout = np.load(out / "rollout.npz")
    assert rollout["delta"] == pytest.approx(np.array(written["rollout"]["delta"]), abs=1e-7)
    assert rollout["tokens"].tolist() == [token["text"] for token in written["tokens"]]
    for name in ("heads", "layers", "movers", "rollout"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name


def test_head_writes_its_maps(monkeypatch, tmp_path, capsys) -> None:
    assert run(monkeypatch, "head", "--text", FILM, "--layer", "3", "--head", "9", "--out", str(tmp_path)) == 0
    maps = np.load(tmp_path / "head.npz")
    assert {name: maps[name].dtype for name in ("base", "tuned", "delta")} == dict.fromkeys(
        ("base", "tuned", "delta"), np.dtype("float32")
    )
    assert np.array_equal(maps["delta"], maps["tuned"] - maps["base"])
    assert maps["tokens"][4] == "not"
    assert (tmp_path / "head.png").read_bytes().startswith(b"\x89PNG")
    assert "L3.H9" in capsys.readouterr().out


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_local_checkpoints_keep_to_the_schema(monkeypatch, tmp_path, family: str) -> None:
    base, tuned = save_tiny(tmp_path / "b", family, 1), save_tiny(tmp_path / "t", family, 1, tune=0.2)
    out = tmp_path / "out"
    assert (
        run(monkeypatch, "compare", "--base", str(base), "--tuned", str(tuned), "--text", TEXT, "--out", str(out)) == 0
    )
    written = json.loads((out / "comparison.json").read_text())
    jsonschema.validate(written, SCHEMA)
    assert written["outputs"]["kind"] == ("label" if family == "bert" else "next_token")
    assert (written["rollout"]["log2_lift_base"] is None) == (family == "bert")


def test_the_schema_can_fail(embedded_pair) -> None:
    content = attncompare.compare(embedded_pair, "A dull film.").to_dict()
    jsonschema.validate(content, SCHEMA)
    for spoil in ({"schema_version": 2}, {"heads": []}, {"verdict": ""}, {"sinks": [-1]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(content | spoil, SCHEMA)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "--text", " "), "The text is empty"),
        (("compare", "--text", FILM, "--tuned", "no such/id at all"), "hub"),
        (("compare", "--text", FILM, "--base", "./nowhere", "--tuned", "./nowhere"), "There is no folder"),
        (("head", "--text", FILM, "--layer", "6", "--head", "0"), "L6.H0 does not exist"),
        (("compare", "--text", FILM, "--device", "abacus"), "abacus"),
        (("compare", "--text", FILM, "--dtype", "int3"), "int3"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_1(monkeypatch, tmp_path, capsys, arguments, message: str) -> None:
    assert run(monkeypatch, *arguments, "--out", str(tmp_path)) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.startswith("attncompare: ")
    assert shown.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_noticed_before_any_work(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run(monkeypatch, "compare", "--text", FILM, "--out", str(tmp_path / "file")) == 1
    assert "Nothing can be written to" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("compare",), ("compare", "--text", "x"), ("resolve",), ("head", "--layer", "x")]
)
def test_wrong_usage_is_exit_code_2(monkeypatch, capsys, arguments) -> None:
    assert run(monkeypatch, *arguments) == 2


def test_help_of_a_real_process_names_every_option() -> None:
    command = [sys.executable, "-m", "attncompare", "compare", "--help"]
    env = os.environ | {"TERM": "dumb", "COLUMNS": "200"}
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env).stdout
    for option in ("--text", "--out", "--base", "--tuned", "--device", "--dtype"):
        assert option in shown
    assert "embedded pair" in shown
