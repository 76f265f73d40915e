"""The named endpoints through a real client."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from attncompare import Pair
from attncompare import noise as noise_of
from attncompare.metrics import COLUMNS, FLOORS
from attncompare.ui.questions import Answer
from attncompare.ui.reading import MAX_CHARACTERS
from tests.test_cli import SCHEMA
from tests.ui.conftest import LONG_TEXT, NEGATION, Served

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def client(page: Served, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(page.url, download_files=str(tmp_path_factory.mktemp("downloads")), verbose=False)


def test_there_are_these_endpoints_and_no_other(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)
    of_attention = {"/compare", "/head", "/rollout", "/reach", "/noise", "/value_zeroing"}
    of_answers = {"/attribution", "/erasure", "/patching", "/ablation"}
    probes = {"/patterns", "/coreference", "/bias", "/coreference_of_many", "/bias_of_many"}
    assert set(described["named_endpoints"]) == of_attention | of_answers | probes
    assert not described["unnamed_endpoints"]


def test_every_parameter_is_typed_and_has_a_default(client: Client) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = {name: [p["parameter_name"] for p in told["parameters"]] for name, told in endpoints.items()}
    assert names == {
        "/compare": ["base", "tuned", "text", "level", "reading", "floor"],
        "/head": ["base", "tuned", "text", "layer", "head", "reading", "queries", "keys"],
        "/rollout": ["base", "tuned", "text", "token", "reading", "layers"],
        "/reach": ["base", "tuned", "text", "reading"],
        "/patterns": ["base", "tuned", "text", "thresholds", "reading"],
        "/coreference": ["base", "tuned", "text", "pronoun", "candidates", "correct", "reading"],
        "/bias": ["base", "tuned", "text", "groups", "answer", "against", "reading"],
        "/coreference_of_many": ["base", "tuned", "items", "reading"],
        "/bias_of_many": ["base", "tuned", "texts", "groups", "answer", "against", "reading"],
        "/noise": ["base", "tuned", "text", "draws", "seed", "replicates", "reading"],
        "/value_zeroing": ["base", "tuned", "text", "reading"],
        "/attribution": [
            *("base", "tuned", "text", "method", "answer", "against", "baseline", "erasing", "overlay", "reading"),
        ],
        "/erasure": ["base", "tuned", "text", "answer", "against", "erasing", "draws", "seed", "reading"],
        "/patching": ["base", "tuned", "text", "what", "answer", "against", "reading"],
        "/ablation": ["base", "tuned", "text", "how", "answer", "against", "references", "reading"],
    }
    for told in endpoints.values():
        assert all(parameter["parameter_has_default"] for parameter in told["parameters"])
        assert all(parameter["python_type"]["type"] != "Any" for parameter in told["parameters"])
        assert told["description"]


def test_compare_gives_what_python_gives(client: Client, answer: Answer) -> None:
    result, *pictures = client.predict(text=NEGATION, api_name="/compare")
    assert len(result["heads"]) == 72
    assert set(result["heads"][0]) == {"attention", "layer", "head", *COLUMNS, *FLOORS}
    assert type(result["heads"][0]["jsd_bits"]) is float
    assert result == json.loads(json.dumps(answer.comparison.to_dict()))
    assert [Path(picture).name for picture in pictures] == ["heads.png", "layers.png", "movers.png"]
    assert all(Path(picture).read_bytes().startswith(PNG) for picture in pictures)


def test_noise_gives_what_python_gives(client: Client, embedded_pair: Pair) -> None:
    found, picture = client.predict(text=NEGATION, draws=19, seed=3, api_name="/noise")
    assert found == json.loads(json.dumps(noise_of(embedded_pair, NEGATION, draws=19, seed=3).to_dict()))
    assert np.shape(found["draws_bits"]) == (19, 6, 12)
    assert type(found["heads"][0]["floor_p"]) is float
    assert found["heads_moved"] == sum(row["moved"] for row in found["heads"])
    assert Path(picture).name == "noise.png"
    assert Path(picture).read_bytes().startswith(PNG)


def test_compare_fills_the_floors_when_asked(client: Client) -> None:
    result, heads, *_ = client.predict(text=NEGATION, floor=19, api_name="/compare")
    plain, without, *_ = client.predict(text=NEGATION, api_name="/compare")
    found, _ = client.predict(text=NEGATION, draws=19, api_name="/noise")
    jsonschema.validate(result, SCHEMA)
    assert plain["noise"] is None
    assert {row[name] for row in plain["heads"] for name in FLOORS} == {None}
    assert [[row[name] for name in FLOORS] for row in result["heads"]] == [
        [row[name] for name in FLOORS] for row in found["heads"]
    ]
    assert result["noise"] == {name: found[name] for name in result["noise"]}
    assert found["sentence"] in result["verdict"]
    assert Path(heads).read_bytes() != Path(without).read_bytes()


def test_other_trainings_come_as_ids(client: Client) -> None:
    found, _ = client.predict(
        text=NEGATION, draws=3, replicates=["assets/movie-sentiment/step-0350"], api_name="/noise"
    )
    assert found["replicates"]["ids"] == ["assets/movie-sentiment/final", "assets/movie-sentiment/step-0350"]
    assert np.shape(found["replicates"]["between_bits"]) == (1, 6, 12)
    assert found["heads_moved"] is None
    assert {row["floor_p"] for row in found["heads"]} == {None}


def test_two_calls_agree(client: Client) -> None:
    first, second = (client.predict(text="A warm picture.", api_name="/compare") for _ in range(2))
    assert first[0] == second[0]
    assert [Path(path).read_bytes() for path in first[1:]] == [Path(path).read_bytes() for path in second[1:]]


def test_head_gives_both_maps(client: Client) -> None:
    maps, picture = client.predict(text=NEGATION, layer=3, head=9, api_name="/head")
    assert (maps["layer"], maps["head"]) == (3, 9)
    base, tuned, delta = (np.array(maps[name]) for name in ("base", "tuned", "delta"))
    assert base.shape == tuned.shape == (len(maps["tokens"]),) * 2
    np.testing.assert_allclose(base.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(delta, tuned - base, atol=1e-6)
    assert Path(picture).read_bytes().startswith(PNG)


def test_rollout_gives_all_tokens_or_one(client: Client) -> None:
    whole, picture = client.predict(text=NEGATION, api_name="/rollout")
    one, _ = client.predict(text=NEGATION, token=2, api_name="/rollout")
    some, _ = client.predict(text=NEGATION, layers=2, api_name="/rollout")
    assert (some["layers"], some["partial"], whole["partial"]) == ([0, 1], True, False)
    assert one["queries"] == [2]
    np.testing.assert_allclose(one["base"], whole["base"][2:3], atol=1e-6)
    np.testing.assert_allclose(np.sum(whole["tuned"], 1), 1, atol=1e-5)
    assert Path(picture).read_bytes().startswith(PNG)


def test_a_long_causal_text_has_one_row(client: Client, long_pair: tuple[str, str]) -> None:
    base, tuned = long_pair
    result, _ = client.predict(base=base, tuned=tuned, text=LONG_TEXT, api_name="/rollout")
    assert result["queries"] == [599]
    whole, *_ = client.predict(base=base, tuned=tuned, text=LONG_TEXT, api_name="/compare")
    assert whole["rollout"] is None
    assert "512" in whole["rollout_omitted"]


def test_a_reading_is_the_same_for_every_endpoint(client: Client) -> None:
    reading = {"text_pair": "The actors do what they can."}
    whole, *_ = client.predict(text=NEGATION, reading=reading, api_name="/compare")
    words = [token["text"] for token in whole["tokens"]]
    assert [token["segment"] for token in whole["tokens"]].count(1) == 8
    assert whole["reading"]["texts"] == [NEGATION, "The actors do what they can."]
    maps, _ = client.predict(text=NEGATION, layer=3, head=9, reading=reading, api_name="/head")
    assert maps["tokens"] == words
    routes, _ = client.predict(text=NEGATION, reading=reading, api_name="/rollout")
    np.testing.assert_allclose(routes["base"], whole["rollout"]["base"], atol=1e-6)
    reach, _ = client.predict(text=NEGATION, reading=reading, api_name="/reach")
    assert reach["tokens"] == words


def test_a_level_may_stand_in_either_place(client: Client) -> None:
    first, *_ = client.predict("", "", "An unbelievable film.", "word", api_name="/compare")
    second, *_ = client.predict(text="An unbelievable film.", reading={"level": "word"}, api_name="/compare")
    assert first == second
    assert first["level"] == "word"


def test_a_window_is_a_part_of_the_whole_map(client: Client) -> None:
    whole, _ = client.predict(text=NEGATION, layer=3, head=9, api_name="/head")
    part, picture = client.predict(text=NEGATION, layer=3, head=9, queries=[2, 6], keys=[1, 15], api_name="/head")
    assert (part["queries"], part["keys"]) == ([2, 6], [1, 15])
    np.testing.assert_array_equal(part["tuned"], np.array(whole["tuned"])[2:6, 1:15])
    assert part["jsd_bits"] == whole["jsd_bits"]
    assert Path(picture).read_bytes().startswith(PNG)


def test_a_window_opens_maps_of_a_text_too_long_for_whole_ones(client: Client, long_pair: tuple[str, str]) -> None:
    asked = {"base": long_pair[0], "tuned": long_pair[1], "text": LONG_TEXT, "layer": 1, "head": 2}
    whole, _ = client.predict(**asked, api_name="/head")
    assert whole["base"] is None
    assert "window" in whole["maps_omitted"]
    part, _ = client.predict(**asked, queries=[590, 600], keys=[100, 600], api_name="/head")
    rows = np.array(part["base"], float)
    assert rows.shape == (10, 500)
    assert 0 < np.nansum(rows, 1).min() <= np.nansum(rows, 1).max() < 1
    assert np.isnan(rows[0, 491:]).all()  # query 590 sees keys up to itself
    assert part["jsd_bits"] == whole["jsd_bits"]


def test_reach_gives_shares_that_sum_to_1(client: Client, long_pair: tuple[str, str]) -> None:
    reach, picture = client.predict(*long_pair, LONG_TEXT, api_name="/reach")
    rows = reach["heads"]
    assert len(rows) == 12
    for row in rows:
        for side in ("base", "tuned", "uniform"):
            assert sum(row[f"{band}_{side}"] for band in ("near", "mid", "far")) == pytest.approx(1, abs=1e-5)
    assert all(link["distance"] > 64 for link in reach["links"])
    assert len(reach["links"]) > 0
    assert Path(picture).read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("/compare", {"text": ""}, "The text is empty"),
        ("/compare", {"text": "A film.", "level": "syllable"}, "Level 'syllable' is not known"),
        ("/compare", {"text": "A film.", "level": 3}, "Expected level to be a string, got int"),
        ("/compare", {"text": "A film.", "level": "token", "reading": {"level": "word"}}, "Expected one level"),
        ("/compare", {"text": "A film.", "reading": "chat"}, "Expected reading to be an object"),
        ("/compare", {"text": "A film.", "reading": {"chat": True}}, "A chat template is for decoders"),
        ("/compare", {"text": "A film.", "reading": {"target": "Un film."}}, "A target is for encoder-decoders"),
        ("/compare", {"text": "A film.", "reading": {"attention": "cross"}}, "no attention 'cross'"),
        ("/compare", {"text": "A film.", "reading": {"attention": "sideways"}}, "no attention 'sideways'"),
        ("/compare", {"text": "A film.", "reading": {"generate": {}}}, "can't generate text"),
        ("/compare", {"text": "A film.", "reading": {"generate": {"max_new_tokens": 257}}}, "has 1 to 256 tokens"),
        ("/reach", {"text": "A film.", "reading": {"attention": "cross"}}, "no attention 'cross'|no distances"),
        ("/head", {"text": "A film.", "queries": [0]}, r"Expected queries to be \[start, stop\] or null, got \[0\]"),
        ("/head", {"text": "A film.", "keys": [0, "5"]}, "Expected keys to be a whole number, got '5'"),
        ("/head", {"text": "A film.", "keys": [3, 3]}, r"keys must be a window \(start, stop\) within 0 to 5"),
        ("/head", {"text": "A film.", "queries": [0, 99]}, "queries must be a window"),
        ("/compare", {"text": 5}, "Expected text to be a string, got int"),
        ("/compare", {"text": "A film.", "base": ["x"]}, "Expected base to be a string, got list"),
        ("/compare", {"text": "a" * (MAX_CHARACTERS + 1)}, "at most 200,000"),
        ("/compare", {"text": "film " * 600}, "at most 512"),
        ("/compare", {"text": "A film.", "tuned": "no such id!"}, "Expected a hub id"),
        ("/compare", {"text": "A film.", "base": "org/name"}, "Give the tuned checkpoint"),
        ("/compare", {"text": "A film.", "floor": 2}, "Expected floor to be 3 to 199, got 2"),
        ("/compare", {"text": "A film.", "floor": "many"}, "Expected floor to be a whole number, got 'many'"),
        ("/noise", {"text": "A film.", "draws": 200}, "Expected draws to be 3 to 199, got 200"),
        ("/noise", {"text": "A film.", "draws": 0}, "Expected draws to be 3 to 199, got 0"),
        ("/noise", {"text": "A film.", "draws": "39"}, "Expected draws to be a whole number, got '39'"),
        ("/noise", {"text": "A film.", "draws": 10**400}, "Expected draws to be 3 to 199"),
        ("/noise", {"text": "A film.", "seed": -1}, "Expected seed to be a whole number from 0"),
        ("/noise", {"text": "A film.", "replicates": "org/name"}, "Expected replicates to be a list of ids"),
        ("/noise", {"text": "A film.", "replicates": ["a/b", 3]}, "Expected replicates to be a list of ids"),
        ("/noise", {"text": "A film.", "replicates": ["a/b"] * 2}, "'a/b' is given twice"),
        (
            "/noise",
            {"text": "A film.", "replicates": ["no such id!"]},
            "'no such id!' can't be used: Expected a hub id",
        ),
        ("/noise", {"text": "A film.", "replicates": list("abcde")}, "At most 3 other trainings"),
        ("/noise", {"text": "", "draws": 3}, "The text is empty"),
        ("/head", {"text": "A film.", "layer": 7}, "L7.H0 does not exist"),
        ("/head", {"text": "A film.", "layer": -1}, "L-1.H0 does not exist"),
        ("/head", {"text": "A film.", "layer": "7"}, "Expected layer to be a whole number, got '7'"),
        ("/head", {"text": "A film.", "head": 1.5}, "Expected head to be a whole number, got 1.5"),
        ("/rollout", {"text": "A film.", "token": 99}, "Token 99 does not exist"),
        ("/rollout", {"text": "A film.", "token": "last"}, "Expected token to be a whole number, got 'last'"),
    ],
)
def test_bad_input_gets_one_sentence(
    client: Client, capfd: pytest.CaptureFixture[str], name: str, options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(AppError, match=expected) as raised:
        client.predict(**options, api_name=name)
    assert "\n" not in str(raised.value)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_strangers_open_no_folder(public_page: Served, long_pair: tuple[str, str]) -> None:
    stranger = Client(public_page.url, verbose=False)
    with pytest.raises(AppError, match="not opened here"):
        stranger.predict(base=long_pair[0], tuned=long_pair[1], text="A film.", api_name="/compare")
    with pytest.raises(AppError, match="not opened here"):
        stranger.predict(text="A film.", draws=3, replicates=[long_pair[1]], api_name="/noise")
