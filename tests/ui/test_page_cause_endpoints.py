"""The named endpoints about answers through a real client."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from attncompare import Pair, ablation, attribution, erasure, patching, value_zeroing
from tests.ui.conftest import Served

PNG = b"\x89PNG\r\n\x1a\n"
TEXT = "A dull film."


@pytest.fixture(scope="module")
def client(page: Served, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(page.url, download_files=str(tmp_path_factory.mktemp("downloads")), verbose=False)


def same(told: Any, record: Any) -> bool:
    """Whether a client was told what Python says."""
    return bool(told == json.loads(json.dumps(record.to_dict())))


@pytest.mark.parametrize(
    ("name", "options", "function", "pictures"),
    [
        ("/attribution", {"method": "saliency"}, attribution, ["attribution", "overlay", "agreement"]),
        (
            "/attribution",
            {"method": "occlusion", "answer": "positive", "erasing": "mask"},
            attribution,
            ["attribution", "overlay", "agreement"],
        ),
        ("/erasure", {"draws": 11, "seed": 3, "answer": "negative"}, erasure, ["erasure"]),
        ("/patching", {"what": "output"}, patching, ["scatter", "patching"]),
        ("/ablation", {"how": "mean", "references": ["A warm picture."]}, ablation, ["ablation"]),
    ],
)
def test_an_endpoint_gives_what_python_gives(
    client: Client, embedded_pair: Pair, name: str, options: dict[str, Any], function: Any, pictures: list[str]
) -> None:
    told, *files = client.predict(text=TEXT, **options, api_name=name)
    assert same(told, function(embedded_pair, TEXT, **options))
    assert told["schema_version"] == 1
    assert told["readout"]["base_head"] == "borrowed"
    assert [Path(file).name for file in files] == [f"{picture}.png" for picture in pictures]
    assert all(Path(file).read_bytes().startswith(PNG) for file in files)


def test_value_zeroing_gives_what_python_gives(client: Client, embedded_pair: Pair) -> None:
    told, picture = client.predict(text=TEXT, api_name="/value_zeroing")
    assert same(told, value_zeroing(embedded_pair, TEXT))
    np.testing.assert_allclose(np.sum(told["tuned"], 1), 1, atol=1e-5)
    assert Path(picture).read_bytes().startswith(PNG)


def test_an_attribution_is_laid_over_the_attention_that_is_named(client: Client) -> None:
    asked = {"text": TEXT, "method": "saliency", "api_name": "/attribution"}
    pictures = [client.predict(**asked, overlay=over)[2] for over in ("mean", "rollout", "L3.H9")]
    assert len({Path(picture).read_bytes() for picture in pictures}) == 3


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("/attribution", {"text": ""}, "The text is empty"),
        ("/attribution", {"method": "guess"}, "Expected method to be one of 'integrated_gradients', .* got 'guess'"),
        ("/attribution", {"method": None}, "Expected method to be one of"),
        ("/attribution", {"baseline": "noise"}, "Expected baseline to be one of"),
        ("/attribution", {"baseline": "eos"}, "no end token"),
        ("/attribution", {"erasing": 3}, "Expected erasing to be one of"),
        ("/attribution", {"overlay": "everything"}, "can't be laid over 'everything'"),
        ("/attribution", {"overlay": 3}, "can't be laid over 3"),
        ("/attribution", {"method": "saliency", "overlay": "L9.H0"}, "There is no head 0 of layer 9"),
        ("/attribution", {"answer": 3}, "Expected answer to be a string or null, got int"),
        ("/attribution", {"answer": "spam"}, "no class 'spam'"),
        ("/attribution", {"against": "negative"}, "name both, or none"),
        ("/attribution", {"text": "film " * 600}, "at most 512"),
        ("/erasure", {"draws": 9}, "Expected draws to be 10 to 100, got 9"),
        ("/erasure", {"draws": "many"}, "Expected draws to be a whole number"),
        ("/erasure", {"seed": -1}, "Expected seed to be a whole number from 0"),
        ("/erasure", {"text": "film"}, "Nothing can be erased"),
        ("/erasure", {"reading": {"level": "token"}}, "Erasure is of whole words"),
        ("/patching", {"what": "both"}, "Expected what to be one of 'pattern', 'output', got 'both'"),
        ("/patching", {"answer": "positive", "against": "positive"}, "against itself"),
        ("/ablation", {"how": ["zero"]}, "Expected how to be one of"),
        ("/ablation", {"how": "mean", "references": "A film."}, "Expected references to be a list of texts"),
        ("/ablation", {"how": "mean", "references": ["a"] * 17}, "at most 16 texts"),
        ("/value_zeroing", {"reading": {"attention": "cross"}}, "no attention 'cross'"),
    ],
)
def test_bad_input_gets_one_sentence(
    client: Client, capfd: pytest.CaptureFixture[str], name: str, options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(AppError, match=expected) as raised:
        client.predict(**{"text": TEXT, **options}, api_name=name)
    assert "\n" not in str(raised.value)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_strangers_open_no_folder(public_page: Served) -> None:
    stranger = Client(public_page.url, verbose=False)
    for name in ("/attribution", "/erasure", "/patching", "/ablation", "/value_zeroing"):
        with pytest.raises(AppError, match="not opened here"):
            stranger.predict(base="./base", tuned="./tuned", text=TEXT, api_name=name)
