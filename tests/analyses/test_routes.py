"""Rollout of long texts and of causal models."""

import numpy as np
import pytest

import attncompare
from attncompare.analyses import routes
from attncompare.errors import BadInput
from attncompare.models.traces import TRACES
from tests.conftest import TEXT, tiny_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> attncompare.Pair:
    return tiny_pair(tmp_path_factory.mktemp("routes"), "gpt2")


@pytest.mark.parametrize("kept", [True, False])
def test_one_row_of_a_long_text_equals_the_full_matrix(pair, monkeypatch, kept: bool) -> None:
    full = attncompare.rollout(pair, TEXT)
    if not kept:
        TRACES.drop(lambda key: True)
    monkeypatch.setattr(routes, "FULL_TOKENS", 5)
    for token in (3, 21):
        row = attncompare.rollout(pair, TEXT, token=token)
        assert row.queries == (token,)
        assert row.base == pytest.approx(full.base[token : token + 1], abs=1e-7)
        assert row.tuned == pytest.approx(full.tuned[token : token + 1], abs=1e-7)
    assert attncompare.rollout(pair, TEXT).queries == (21,)


def test_the_causal_lift_is_over_the_uniform_null(pair) -> None:
    result = attncompare.rollout(pair, TEXT)
    assert result.lift_omitted is None
    assert result.log2_lift_base is not None
    uniform = np.tril(np.ones((22, 22))) / np.arange(1, 23)[:, None]
    null = np.linalg.matrix_power(uniform / 2 + np.eye(22) / 2, 3)
    shown = ~np.isnan(result.log2_lift_base)
    assert np.array_equal(shown, null > 1e-4)
    expected = np.log2(result.base[shown] / null[shown])
    assert result.log2_lift_base[shown] == pytest.approx(expected, abs=1e-4)


def test_where_the_null_says_nothing_there_is_no_lift_and_a_reason(pair, monkeypatch) -> None:
    monkeypatch.setattr(routes, "CROWDED_NULL", 0.1)
    result = attncompare.rollout(pair, TEXT)
    assert result.log2_lift_base is None
    assert result.lift_omitted is not None
    assert "only the difference means something" in result.lift_omitted


def test_an_encoder_has_no_null(embedded_pair) -> None:
    result = attncompare.rollout(embedded_pair, "A dull film.")
    assert result.log2_lift_tuned is None
    assert result.to_dict()["log2_lift_tuned"] is None
    assert result.base.sum(-1) == pytest.approx(1, abs=1e-6)


def test_frame_has_a_line_per_pair_of_tokens(embedded_pair) -> None:
    result = attncompare.rollout(embedded_pair, "A dull film.")
    frame = result.frame()
    assert len(frame) == result.base.size
    line = frame[(frame["query"] == 2) & (frame["token"] == 1)].iloc[0]
    assert line["delta"] == pytest.approx(result.delta[2, 1])


def test_a_token_that_is_not_there(embedded_pair) -> None:
    with pytest.raises(BadInput, match="this text has tokens 0 to 5"):
        attncompare.rollout(embedded_pair, "A dull film.", token=6)
