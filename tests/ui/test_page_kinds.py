"""Every kind of pair that people bring goes through page, client and command line, and all three say the same."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from attncompare.metrics.pattern_rules import Thresholds
from attncompare.models.checkpoint import any_folder
from attncompare.ui import changed, classes, distance, flow, header, noise, one_head
from attncompare.ui.printable import printable
from tests.test_cli import SCHEMA, run
from tests.ui.conftest import PLAIN, Served
from tests.ui.kinds import KINDS, TEXT, Kind, save_kind

PNG = b"\x89PNG\r\n\x1a\n"

ABOUT_ANSWERS = {
    "/attribution": {"method": "gradient_x_input", "overlay": "L1.H2"},
    "/erasure": {},
    "/patching": {},
    "/ablation": {},
    "/value_zeroing": {},
}
REFUSED = {
    "lora": dict.fromkeys(("/attribution", "/erasure", "/patching", "/ablation"), "value zeroing remain"),
    "t5": {"/value_zeroing": "no value zeroing of cross-attention"},
    "tokenizers": {"/patching": "different tokens"},
}
"""What a kind of pair can't be asked about, and what a client is told."""


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    return save_kind(request.param, tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="module")
def client(page: Served, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(page.url, download_files=str(tmp_path_factory.mktemp("downloads")), verbose=False)


@pytest.fixture(scope="module")
def told(kind: Kind, client: Client) -> dict[str, Any]:
    """What ``/compare`` says."""
    result, *pictures = client.predict(
        base=kind.base, tuned=kind.tuned, text=TEXT, reading=kind.reading, api_name="/compare"
    )
    assert all(Path(picture).read_bytes().startswith(PNG) for picture in pictures)
    return dict(result)


def typed(kind: Kind) -> tuple[Any, ...]:
    """The closed part of the form, filled in."""
    asked, plain = kind.reading, list(PLAIN)
    plain[0], plain[1] = asked.get("text_pair", ""), asked.get("target", "")
    if generate := asked.get("generate"):
        plain[3:7] = [generate["by"], generate["max_new_tokens"], generate["temperature"], generate["seed"]]
    plain[2], plain[7], plain[8] = asked.get("chat", False), asked.get("level", "auto"), asked.get("attention", "self")
    return tuple(plain)


def options(kind: Kind) -> list[str]:
    """The same for the command line."""
    given = {name: value for name, value in kind.reading.items() if name not in ("generate", "chat")}
    if generate := kind.reading.get("generate"):
        given |= {"generate": generate["by"], **{name: generate[name] for name in generate if name != "by"}}
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    words += ["--chat"] if kind.reading.get("chat") else []
    return [*(["--base", kind.base] if kind.base else []), "--tuned", kind.tuned, "--text", TEXT, *words]


def test_the_client_gets_a_whole_result(kind: Kind, told: dict[str, Any], client: Client) -> None:
    jsonschema.validate(told, SCHEMA)
    assert told["level"] == told["alignment"]["level"] == kind.level
    assert told["attention"] == kind.reading.get("attention", "self")
    assert told["tuned"]["adapter"] is kind.adapter
    assert max(row["jsd_bits"] for row in told["heads"]) > 0.01
    asked = {"base": kind.base, "tuned": kind.tuned, "text": TEXT, "reading": kind.reading}
    maps, picture = client.predict(**asked, layer=1, head=2, queries=[1, 3], keys=[0, 4], api_name="/head")
    assert np.shape(maps["base"]) == (2, 4)
    row = next(row for row in told["heads"] if (row["layer"], row["head"]) == (1, 2))
    assert maps["jsd_bits"] == pytest.approx(row["jsd_bits"], abs=1e-5)
    assert Path(picture).read_bytes().startswith(PNG)


def test_every_kind_has_its_noise(
    kind: Kind, told: dict[str, Any], client: Client, tmp_path: Path, monkeypatch
) -> None:
    asked = {"base": kind.base, "tuned": kind.tuned, "text": TEXT, "reading": kind.reading}
    found, picture = client.predict(**asked, draws=3, api_name="/noise")
    assert Path(picture).read_bytes().startswith(PNG)
    assert found["attention"] == told["attention"]
    assert [row["jsd_bits"] for row in found["heads"]] == pytest.approx([row["jsd_bits"] for row in told["heads"]])
    answer = list(header.run(any_folder, kind.base, kind.tuned, TEXT, *typed(kind)))[-1][0]
    measured, said, *_ = list(noise.measure(any_folder, answer, 3, ""))[-1]
    assert answer.beside(measured).noise is measured
    assert "too few to test by" in said
    assert run(monkeypatch, "compare", *options(kind), "--floor", "3", "--out", str(tmp_path)) == 0
    assert json.loads((tmp_path / "noise.json").read_text()) == found
    jsonschema.validate(json.loads((tmp_path / "comparison.json").read_text()), SCHEMA)


@pytest.mark.parametrize("name", ABOUT_ANSWERS)
def test_questions_about_answers_are_answered_or_refused(
    kind: Kind, client: Client, request: pytest.FixtureRequest, name: str
) -> None:
    asked = {"base": kind.base, "tuned": kind.tuned, "text": TEXT, "reading": kind.reading, **ABOUT_ANSWERS[name]}
    refusal = REFUSED.get(request.node.callspec.params["kind"], {}).get(name)
    if refusal is not None:
        with pytest.raises(AppError, match=refusal) as raised:
            client.predict(**asked, api_name=name)
        assert "\n" not in str(raised.value)
        return
    told, *pictures = client.predict(**asked, api_name=name)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert all(Path(picture).read_bytes().startswith(PNG) for picture in pictures)


def test_the_page_shows_the_same(kind: Kind, told: dict[str, Any]) -> None:
    answer, _, status, verdict, choice, *_ = list(header.run(any_folder, kind.base, kind.tuned, TEXT, *typed(kind)))[-1]
    assert "Compared in" in status
    assert answer.comparison.verdict == told["verdict"]
    assert choice["visible"] is kind.encoder_decoder
    assert "not measured" in verdict
    (_, _, _, _, _, grid, ranked, _, _, view, *_), (*_,) = changed.start(answer, "jsd_bits", False)
    assert Path(grid["picture"]["path"]).read_bytes().startswith(PNG)
    assert len(ranked["rows"]) == len(told["heads"])
    sent = view["value"]
    assert (sent["layers"], sent["level"], sent["causal"]) == ([0, 1], kind.level, answer.comparison.causal)
    keys = sent["keys"] or sent["tokens"]
    texts = [printable(token["text"]) for token in told["key_tokens"] or told["tokens"]]
    assert [token["text"] for token in keys] == texts
    shape = 2, 2, sent["heads"], len(sent["tokens"]), len(keys)
    whole = np.fromfile(sent["codes"]["path"], "<u2", int(np.prod(shape))).reshape(shape)[:, 1, 2]
    asked = {"row": 1, "head": 2, "queries": [0, 2], "keys": [0, 3]}
    (update, *_) = list(one_head.exact(any_folder, answer, asked))[-1]
    exact = np.fromfile(update["exact"]["file"]["path"], "<u2", 12).reshape(2, 2, 3)
    assert np.abs(whole[:, :2, :3].astype(int) - exact).max() <= 1
    assert len(flow.start(answer)) == 11
    if told["attention"] != "cross":
        _, _, picture, *_ = list(distance.measure(any_folder, answer))[-1]
        assert "share of attention on keys" in picture["alt_text"]
        found, _, grids, *_ = list(classes.ask(any_folder, answer, *Thresholds().to_dict().values()))[-1]
        assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["heads"]
        assert "the class of each head in base and in tuned" in grids["alt_text"]


def test_the_command_line_writes_the_same(
    kind: Kind, told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "compare", *options(kind), "--out", str(tmp_path)) == 0
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert written == told
    assert (tmp_path / "rollout.png").exists() is (told["attention"] != "cross")
    assert run(monkeypatch, "head", *options(kind), "--layer", "1", "--head", "2", "--out", str(tmp_path)) == 0
    assert np.load(tmp_path / "head.npz")["base"].shape == (
        len(told["tokens"]),
        len(told["key_tokens"] or told["tokens"]),
    )
