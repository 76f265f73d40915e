"""Rollout of long texts and of causal models."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import attncompare
from attncompare.analyses import routes
from attncompare.analyses.mixes import CAN, GIVES
from attncompare.errors import BadInput
from attncompare.models.reading import prepare
from attncompare.models.traces import TRACES
from tests.conftest import TEXT, tiny_pair
from tests.models import readers

FILM = "The film is not good, and the dialogue is painfully dull."


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


def mean_maps(pair: attncompare.Pair, text: str, **reading: Any) -> list[list[np.ndarray]]:
    """For base and tuned, every layer's mean over heads, from the maps of single heads; 0 where masked."""
    result = attncompare.compare(pair, text, **reading)
    heads = range(result.heads["jsd_bits"].shape[1])
    maps = [[result.head(layer, head) for head in heads] for layer in result.layers]
    return [
        [np.nan_to_num([getattr(one, side) for one in layer]).mean(0) for layer in maps] for side in ("base", "tuned")
    ]


def naive(layers: list[np.ndarray]) -> np.ndarray:
    """Abnar & Zuidema 2020, Eq 1, a number at a time."""
    size = len(layers[0])
    rolled = [[float(i == j) for j in range(size)] for i in range(size)]
    for layer in layers:
        mixed = [[0.5 * layer[i][j] / sum(layer[i]) + 0.5 * (i == j) for j in range(size)] for i in range(size)]
        rolled = [[sum(mixed[i][k] * rolled[k][j] for k in range(size)) for j in range(size)] for i in range(size)]
    return np.array(rolled)


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "mistral"])
def test_every_prefix_of_the_layers_is_the_naive_product(family: str, tmp_path_factory) -> None:
    made = tiny_pair(tmp_path_factory.mktemp(f"prefix-{family}"), family)
    base, tuned = mean_maps(made, TEXT)
    for count in (1, 2, 3):
        found = attncompare.rollout(made, TEXT, layers=count)
        assert found.base == pytest.approx(naive(base[:count]), abs=1e-5)
        assert found.tuned == pytest.approx(naive(tuned[:count]), abs=1e-5)
        assert (found.layers, found.through, found.partial) == (tuple(range(count)), count - 1, count < 3)
        row = attncompare.rollout(made, TEXT, token=9, layers=count)
        assert np.array_equal(row.base, found.base[9:10])
        assert row.partial is found.partial
    whole = attncompare.rollout(made, TEXT)
    assert np.array_equal(found.base, whole.base)
    assert np.array_equal(found.tuned, whole.tuned)
    compared = attncompare.compare(made, TEXT).rollout
    assert compared.tuned == pytest.approx(whole.tuned, abs=1e-6)
    assert (compared.answers, compared.layers, compared.partial) == (whole.answers, whole.layers, False)
    if made.causal:
        size = len(whole.tokens)
        uniform = [np.tril(np.ones((size, size))) / np.arange(1, size + 1)[:, None]] * 2
        if family == "mistral":  # a sliding window of 8
            seen = np.tril(np.ones((size, size))) * (np.subtract.outer(range(size), range(size)) < 8)
            uniform = [seen / seen.sum(1, keepdims=True)] * 2
        lifted, null = attncompare.rollout(made, TEXT, layers=2), naive(uniform)
        shown = ~np.isnan(lifted.log2_lift_tuned)
        assert np.array_equal(shown, null > 1e-4)
        assert lifted.log2_lift_tuned[shown] == pytest.approx(np.log2(lifted.tuned[shown] / null[shown]), abs=1e-4)


def test_words_are_merged_after_as_many_layers() -> None:
    made = readers.pair("llama", readers.byte_level())
    base, _ = mean_maps(made, FILM)
    spans = prepare(made, FILM, level="word").keys.base
    for count in (1, len(base)):
        tokens = naive(base[:count])
        expected = [[tokens[np.ix_(rows, keys)].sum(1).mean() for keys in spans] for rows in spans]
        found = attncompare.rollout(made, FILM, level="word", layers=count)
        assert found.base == pytest.approx(np.array(expected), abs=1e-5)


@pytest.mark.parametrize("attention", ["self", "decoder"])
def test_layers_of_an_encoder_decoder_are_those_of_one_stack(attention: Any) -> None:
    made = readers.pair("t5", readers.sentence_piece())
    reading = {"target": "Der Film ist nicht gut.", "attention": attention}
    base, tuned = mean_maps(made, FILM, **reading)
    for count in (1, len(base)):
        found = attncompare.rollout(made, FILM, layers=count, **reading)
        assert found.base == pytest.approx(naive(base[:count]), abs=1e-5)
        assert found.tuned == pytest.approx(naive(tuned[:count]), abs=1e-5)
    assert found.read_from == (None if attention == "self" else len(found.tokens) - 1)


@pytest.mark.parametrize("kept", [True, False])
def test_the_row_of_a_long_text_through_some_layers(pair, monkeypatch, kept: bool) -> None:
    full = attncompare.rollout(pair, TEXT, layers=2)
    if not kept:
        TRACES.drop(lambda key: True)
    monkeypatch.setattr(routes, "FULL_TOKENS", 5)
    row = attncompare.rollout(pair, TEXT, token=17, layers=2)
    assert row.tuned == pytest.approx(full.tuned[17:18], abs=1e-7)
    assert (row.through, row.partial) == (1, True)


@pytest.mark.parametrize("layers", [0, 4, -1])
def test_layers_that_are_not_there(pair, layers: int) -> None:
    with pytest.raises(BadInput, match="layers to be 1 to 3"):
        attncompare.rollout(pair, TEXT, layers=layers)


def test_the_answers_are_those_of_the_output_that_is_read(embedded_pair, pair) -> None:
    found = attncompare.rollout(embedded_pair, FILM)
    first, overall, limits = found.answers
    gained, lost = int(found.delta[0].argmax()), int(found.delta[0].argmin())
    assert first.startswith("In the output at ‘[CLS]’, where the answer is read, ")
    assert f"{np.abs(found.delta[0]).sum() / 2:.1%} of the mix" in first
    ends = f"from {found.base[0, gained]:.1%} to {found.tuned[0, gained]:.1%}"
    assert f"‘{found.tokens[gained].text}’ gained most, {ends}" in first
    assert f"‘{found.tokens[lost].text}’ lost most" in first
    mean = found.delta.mean(0)
    assert f"‘{found.tokens[int(mean.argmax())].text}’ gained most" in overall
    assert limits == CAN
    causal = attncompare.rollout(pair, TEXT)
    lift = causal.log2_lift_tuned[-1] - causal.log2_lift_base[-1]
    most = int(np.nan_to_num(lift).argmax())
    assert causal.read_from == 21
    assert (
        f"‘{causal.tokens[most].text}’ gained most, from {2 ** causal.log2_lift_base[-1, most]:.2g}"
        in causal.answers[0]
    )


def test_the_answers_of_one_output_and_of_some_layers(embedded_pair) -> None:
    one = attncompare.rollout(embedded_pair, FILM, token=3)
    assert one.answers[0].startswith("In the output at ‘is’ at position 3, ")
    assert len(one.answers) == 2
    some = attncompare.rollout(embedded_pair, FILM, layers=2).answers
    assert some[0].startswith("Up to layer 1: in the output at ‘[CLS]’, ")
    assert "where the answer is read" not in some[0]
    zeroed = attncompare.value_zeroing(embedded_pair, FILM)
    assert zeroed.answers[-1] == GIVES
    assert (zeroed.layers, zeroed.partial) == (tuple(range(6)), False)


def test_two_models_that_are_the_same(embedded_pair) -> None:
    same = replace(embedded_pair, tuned=embedded_pair.base, key="twice")
    assert attncompare.rollout(same, FILM).answers == (
        "Nothing changed: both models mix the same tokens into every output.",
        CAN,
    )
