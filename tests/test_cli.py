"""The command line as a person runs it: files, exit codes, one-sentence errors."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

import attncompare
from attncompare.analyses.pattern_classes import pattern_classes
from attncompare.cli import main
from attncompare.metrics import COLUMNS, FLOORS
from attncompare.metrics.pattern_rules import Thresholds
from attncompare.report import Findings, report
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


def test_a_floor_fills_the_columns(monkeypatch, tmp_path, capsys, embedded_pair) -> None:
    asked = ("compare", "--text", FILM, "--out", str(tmp_path), "--floor", "19", "--floor-seed", "3")
    assert run(monkeypatch, *asked) == 0
    written, noise = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("comparison", "noise"))
    jsonschema.validate(written, SCHEMA)
    assert noise == attncompare.noise(embedded_pair, FILM, draws=19, seed=3).to_dict()
    assert written["noise"] == {name: noise[name] for name in written["noise"]}
    assert noise["sentence"] in capsys.readouterr().out
    heads, table = pd.read_csv(tmp_path / "heads.csv"), pd.read_csv(tmp_path / "noise.csv")
    assert heads["floor_p"].tolist() == pytest.approx([row["floor_p"] for row in written["heads"]])
    assert table["moved"].sum() == noise["heads_moved"]
    assert (tmp_path / "noise.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_floor_the_columns_are_empty(monkeypatch, tmp_path) -> None:
    assert run(monkeypatch, "compare", "--text", FILM, "--out", str(tmp_path)) == 0
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert written["noise"] is None
    assert {row[name] for row in written["heads"] for name in FLOORS} == {None}
    assert pd.read_csv(tmp_path / "heads.csv")[list(FLOORS)].isna().all(axis=None)
    assert not list(tmp_path.glob("noise.*"))


def test_other_trainings_need_no_floor(monkeypatch, tmp_path, capsys) -> None:
    other = ("--replicate", "assets/movie-sentiment/step-0350", "--replicate", "assets/movie-sentiment/step-0200")
    assert run(monkeypatch, "compare", "--text", FILM, "--out", str(tmp_path), *other) == 0
    written = json.loads((tmp_path / "comparison.json").read_text())
    jsonschema.validate(written, SCHEMA)
    assert written["noise"]["draws"] == 0
    assert written["noise"]["replicates"]["ids"] == ["assets/movie-sentiment/final", *other[1::2]]
    assert "3 trainings" in capsys.readouterr().out
    assert written["heads"][0]["floor_p"] is None
    assert written["heads"][0]["numeric_floor_bits"] >= 0


def test_rollout_can_stop_below_the_last_layer(monkeypatch, tmp_path, capsys, embedded_pair) -> None:
    assert run(monkeypatch, "compare", "--text", FILM, "--rollout-layers", "2", "--out", str(tmp_path)) == 0
    written = np.load(tmp_path / "rollout.npz")
    assert written["tuned"] == pytest.approx(attncompare.rollout(embedded_pair, FILM, layers=2).tuned, abs=1e-7)
    assert run(monkeypatch, "compare", "--text", FILM, "--rollout-layers", "7", "--out", str(tmp_path)) == 1
    assert "layers to be 1 to 6" in capsys.readouterr().err


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


def test_a_window_of_a_head_is_a_part_of_its_maps(monkeypatch, tmp_path) -> None:
    asked = ("head", "--text", FILM, "--layer", "3", "--head", "9", "--out")
    assert run(monkeypatch, *asked, str(tmp_path / "whole")) == 0
    assert run(monkeypatch, *asked, str(tmp_path / "part"), "--queries", "2:6", "--keys", "1:15") == 0
    whole, part = (np.load(tmp_path / name / "head.npz") for name in ("whole", "part"))
    np.testing.assert_array_equal(part["delta"], whole["delta"][2:6, 1:15])
    assert (part["queries"].tolist(), part["keys"].tolist()) == ([2, 6], [1, 15])
    assert part["tokens"].tolist() == part["key_tokens"].tolist() == whole["tokens"].tolist()


def test_reach_writes_shares_and_links(monkeypatch, tmp_path) -> None:
    assert run(monkeypatch, "reach", "--text", FILM, "--out", str(tmp_path)) == 0
    table, written = pd.read_csv(tmp_path / "reach.csv"), json.loads((tmp_path / "reach.json").read_text())
    assert len(table) == len(written["heads"]) == 72
    assert (table["near_tuned"] + table["mid_tuned"] + table["far_tuned"]).to_numpy() == pytest.approx(1)
    assert written["links"] == []  # nothing in so short a text is far
    assert (tmp_path / "reach.png").read_bytes().startswith(b"\x89PNG")


def test_value_zeroing_writes_its_routes(monkeypatch, tmp_path, embedded_pair) -> None:
    assert run(monkeypatch, "value-zeroing", "--text", FILM, "--out", str(tmp_path)) == 0
    routes, python = np.load(tmp_path / "value-zeroing.npz"), attncompare.value_zeroing(embedded_pair, FILM)
    np.testing.assert_array_equal(routes["delta"], python.delta)
    assert routes["tokens"].tolist() == [token.text for token in python.tokens]
    assert {path.name for path in tmp_path.iterdir()} == {"value-zeroing.npz", "value-zeroing.png"}


def test_report_writes_one_page_of_what_was_asked_for(monkeypatch, tmp_path, capsys, embedded_pair) -> None:
    text = "A dull film, not a good one."
    asked = ("report", "--text", text, "--measure", "patching,reach", "--level", "word", "--out", str(tmp_path))
    assert run(monkeypatch, *asked) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    result = attncompare.compare(embedded_pair, text, level="word")
    parts = {name: getattr(attncompare, name)(embedded_pair, text, level="word") for name in ("reach", "patching")}
    expected = report(result, Findings(**parts), reading={"level": "word"})
    assert (tmp_path / "report.html").read_text("utf-8") == expected
    assert capsys.readouterr().out.strip() == result.verdict


def test_report_leaves_out_what_can_not_be_measured(monkeypatch, tmp_path, capsys) -> None:
    base, tuned = save_tiny(tmp_path / "b", "gpt2", 1), save_tiny(tmp_path / "t", "gpt2", 1, tune=0.2)
    asked = ("report", "--base", str(base), "--tuned", str(tuned), "--text", "film", "--out", str(tmp_path / "out"))
    assert run(monkeypatch, *asked) == 0
    shown = capsys.readouterr()
    assert "No erasure: Nothing can be erased" in shown.err
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "which ranking of the words is faithful (attncompare.erasure)" in page
    assert "which heads each model needs (attncompare.ablation)" not in page
    assert run(monkeypatch, *asked, "--measure", "erasure") == 1
    assert "Nothing can be erased" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "options", "keywords", "others"),
    [
        (
            "attribution",
            ("--method", "gradient_x_input", "--overlay", "L3.H9"),
            {"method": "gradient_x_input"},
            {"attribution-heads.csv", "overlay.png", "agreement.png"},
        ),
        ("erasure", ("--erasing", "mask", "--draws", "12", "--draws-seed", "5"),
         {"erasing": "mask", "draws": 12, "seed": 5}, set()),
        ("patching", ("--what", "output", "--answer", "positive"), {"what": "output", "answer": "positive"},
         {"scatter.png"}),
        ("ablation", ("--how", "mean", "--reference", "A warm picture.", "--answer", "positive", "--against", "negative"),
         {"how": "mean", "references": ["A warm picture."], "answer": "positive", "against": "negative"}, set()),
    ],
)  # fmt: skip
def test_a_question_about_the_answer_writes_what_python_says(
    monkeypatch, tmp_path, capsys, embedded_pair, name: str, options, keywords, others: set[str]
) -> None:
    text = "A dull film, not a good one."
    assert run(monkeypatch, name, "--text", text, *options, "--out", str(tmp_path)) == 0
    python = getattr(attncompare, name)(embedded_pair, text, **keywords)
    assert json.loads((tmp_path / f"{name}.json").read_text()) == json.loads(json.dumps(python.to_dict()))
    assert len(pd.read_csv(tmp_path / f"{name}.csv")) == len(python.frame())
    assert capsys.readouterr().out.splitlines() == list(python.answers)
    pictures = {path for path in tmp_path.iterdir() if path.suffix == ".png"}
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{end}" for end in ("json", "csv", "png")} | others
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)


def test_a_text_can_come_from_a_file_or_from_stdin(monkeypatch, tmp_path, capsys) -> None:
    file = tmp_path / "text.txt"
    file.write_text("Ein Übermaß an Gefühl.", encoding="utf-8-sig")
    assert run(monkeypatch, "compare", "--text-file", str(file), "--out", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert json.loads((tmp_path / "comparison.json").read_text())["text"] == "Ein Übermaß an Gefühl."
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Ein Übermaß an Gefühl.".encode())))
    assert run(monkeypatch, "compare", "--text-file", "-", "--out", str(tmp_path)) == 0
    assert capsys.readouterr().out == said


def test_a_file_that_is_no_text_is_one_sentence(monkeypatch, tmp_path, capsys) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert run(monkeypatch, "compare", "--text-file", str(file), "--out", str(tmp_path)) == 1
    assert "is no text in UTF-8" in capsys.readouterr().err


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
    spoils = ({"schema_version": 2}, {"heads": []}, {"verdict": ""}, {"sinks": [-1]}, {"noise": {}}, {"noise": 0.05})
    for spoil in spoils:
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
        (("compare", "--text-file", "nowhere.txt"), "nowhere.txt can't be read: No such file"),
        (("compare", "--text", FILM, "--chat"), "A chat template is for decoders"),
        (("compare", "--text", FILM, "--attention", "cross"), "no attention 'cross'"),
        (("compare", "--text", FILM, "--target", "Un film."), "A target is for encoder-decoders"),
        (("compare", "--text", FILM, "--generate", "tuned"), "can't generate text"),
        (("compare", "--text", FILM, "--generate", "tuned", "--max-new-tokens", "0"), "max_new_tokens is 0"),
        (("compare", "--text", FILM, "--generate", "tuned", "--temperature", "-1"), "temperature is -1.0"),
        (("head", "--text", FILM, "--layer", "3", "--head", "9", "--queries", "5:99"), "queries must be a window"),
        (("reach", "--text", "film " * 600), "at most 512"),
        (("compare", "--text", FILM, "--floor", "2"), "2 draws make no floor"),
        (("compare", "--text", FILM, "--floor", "1000"), "1000 draws make no floor"),
        (("compare", "--text", FILM, "--floor", "-1"), "got -1"),
        (("compare", "--text", FILM, "--floor", "3", "--floor-seed", "-1"), "Expected seed to be a whole number"),
        (("compare", "--text", FILM, "--replicate", "./nowhere"), "--replicate './nowhere' can't be used: There is no"),
        (("compare", "--text", FILM, "--replicate", "assets/movie-sentiment/final"), "has the same weights"),
        (("attribution", "--text", FILM, "--overlay", "everything"), "can't be laid over 'everything'"),
        (
            ("attribution", "--text", FILM, "--method", "saliency", "--overlay", "L9.H0"),
            "Head L9.H0 does not exist",
        ),
        (("attribution", "--text", FILM, "--answer", "spam"), "no class 'spam'"),
        (("attribution", "--text", FILM, "--baseline", "eos"), "no end token"),
        (("erasure", "--text", "film"), "Nothing can be erased"),
        (("erasure", "--text", FILM, "--draws", "3"), "give 10 to 199"),
        (("patching", "--text", FILM, "--against", "positive"), "name both, or none"),
        (("ablation", "--text", FILM, "--answer", "positive", "--against", "positive"), "against itself"),
        (("value-zeroing", "--text", FILM, "--attention", "cross"), "no attention 'cross'"),
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
    ("arguments", "message"),
    [
        (("compare",), "--out"),
        (("compare", "--text", "x"), "--out"),
        (("resolve",), "resolve"),
        (("head", "--layer", "sideways"), "--layer"),
        (("compare", "--out", "."), "--text-file"),
        (("compare", "--out", ".", "--text", "x", "--text-file", "-"), "two texts"),
        (("compare", "--out", ".", "--text", "x", "--seed", "3"), "--seed"),
        (("compare", "--out", ".", "--text", "x", "--level", "syllable"), "syllable"),
        (("compare", "--out", ".", "--text", "x", "--floor", "many"), "--floor"),
        (("compare", "--out", ".", "--text", "x", "--floor-seed", "3"), "only with --floor"),
        (("compare", "--out", ".", "--text", "x", "--attention", "sideways"), "sideways"),
        (("compare", "--out", ".", "--text", "x", "--generate", "me"), "me"),
        (("head", "--out", ".", "--text", "x", "--layer", "0", "--head", "0", "--keys", "5"), "START:STOP"),
        (("attribution", "--out", ".", "--text", "x", "--method", "guess"), "guess"),
        (("attribution", "--out", ".", "--text", "x", "--baseline", "guess"), "guess"),
        (("erasure", "--out", ".", "--text", "x", "--erasing", "guess"), "guess"),
        (("report", "--out", ".", "--text", "x", "--measure", "reach,spam"), "no 'spam'"),
        (("patching", "--out", ".", "--text", "x", "--what", "guess"), "guess"),
        (("ablation", "--out", ".", "--text", "x", "--how", "guess"), "guess"),
        (("ablation", "--out", ".", "--text", "x", "--reference", "y"), "only with --how mean"),
    ],
)
def test_wrong_usage_is_exit_code_2(monkeypatch, capsys, arguments, message: str) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err


def test_it_knows_its_version(monkeypatch, capsys) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.split() == ["attncompare", attncompare.__version__]


SHARED = {
    *(
        "--out",
        "--text",
        "--text-file",
        "--base",
        "--tuned",
        "--device",
        "--dtype",
        "--text-pair",
        "--target",
        "--chat",
    ),
    *("--generate", "--max-new-tokens", "--temperature", "--seed", "--attention", "--level"),
}


def test_patterns_writes_classes_by_the_thresholds_given(monkeypatch, tmp_path, embedded_pair, capsys) -> None:
    how = ("--threshold", "diagonal=0.3", "--threshold", "together=2")
    assert run(monkeypatch, "patterns", "--text", FILM, *how, "--out", str(tmp_path)) == 0
    python = pattern_classes(embedded_pair, FILM, thresholds=Thresholds(diagonal=0.3, together=2.0))
    written = json.loads((tmp_path / "patterns.json").read_text())
    assert written == json.loads(json.dumps(python.to_dict()))
    assert pd.read_csv(tmp_path / "patterns.csv")["class_tuned"].tolist() == python.frame()["class_tuned"].tolist()
    assert capsys.readouterr().out.splitlines()[0] == python.answers[0]
    for name in ("patterns", "patterns-examples"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("wrong", ["diagonal", "diagonal=much", "spam=0.5"])
def test_patterns_refuses_a_threshold_that_is_none(monkeypatch, tmp_path, capsys, wrong: str) -> None:
    assert run(monkeypatch, "patterns", "--text", FILM, "--threshold", wrong, "--out", str(tmp_path)) == 2
    assert "--threshold" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "own"),
    [
        ("compare", {"--floor", "--floor-seed", "--replicate"}),
        ("head", {"--layer", "--head", "--queries", "--keys"}),
        ("report", {"--measure"}),
        ("reach", set()),
        ("patterns", {"--threshold"}),
        ("coreference", {"--pronoun", "--candidate", "--correct", "--file", "--format", "--occupations"}),
        ("bias", {"--groups", "--file", "--answer", "--against"}),
        ("value-zeroing", set()),
        ("attribution", {"--method", "--answer", "--against", "--baseline", "--erasing", "--overlay"}),
        ("erasure", {"--answer", "--against", "--erasing", "--draws", "--draws-seed"}),
        ("patching", {"--what", "--answer", "--against"}),
        ("ablation", {"--how", "--reference", "--answer", "--against"}),
    ],
)
def test_every_command_has_the_shared_options(monkeypatch, capsys, command: str, own: set[str]) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")
    assert run(monkeypatch, command, "--help") == 0
    shown = set(re.findall(r"(?<=\s)--[a-z-]+(?=\s)", capsys.readouterr().out))
    assert shown & (SHARED | own) == SHARED | own


def test_help_of_a_real_process_says_what_it_is_for() -> None:
    command = [sys.executable, "-m", "attncompare", "--help"]
    env = os.environ | {"TERM": "dumb", "COLUMNS": "200"}
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env).stdout
    of_attention = ("compare", "report", "head", "reach", "patterns", "coreference", "bias", "value-zeroing")
    for word in (*of_attention, "attribution", "erasure", "patching", "ablation", "--version", "embedded pair"):
        assert word in shown
