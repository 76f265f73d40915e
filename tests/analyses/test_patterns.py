"""Examples of patterns among the heads of real and tiny models, against the whole maps."""

import json

import numpy as np
import pytest

import attncompare
from attncompare.analyses import blocks
from attncompare.analyses.patterns import THRESHOLDS, Patterns, patterns
from attncompare.errors import BadInput
from tests.conftest import TEXT, tiny_pair

FILM = "The film is not good, and the dialogue is painfully dull."


@pytest.fixture(scope="module")
def found(embedded_pair) -> Patterns:
    return patterns(embedded_pair, FILM)


@pytest.mark.parametrize("family", ["bert", "gpt2", "mistral"])
def test_scores_are_those_of_the_maps(family: str, tmp_path_factory) -> None:
    pair = tiny_pair(tmp_path_factory.mktemp(f"patterns-{family}"), family)
    result = attncompare.compare(pair, TEXT)
    scores = patterns(pair, TEXT)
    size = len(result.tokens)
    near = np.abs(np.subtract.outer(range(size), range(size))) <= 1
    special = [i for i, token in enumerate(result.tokens) if token.special]
    for layer, head in ((0, 1), (2, 3)):
        maps = result.head(layer, head)
        for ours, rows in ((scores.base, maps.base), (scores.tuned, maps.tuned)):
            rows = np.nan_to_num(rows)
            assert ours["diagonal"][layer, head] == pytest.approx((rows * near).sum(1).mean(), abs=1e-5)
            vertical = max(rows.mean(0).max(), rows[:, special].sum(1).mean())
            assert ours["vertical"][layer, head] == pytest.approx(vertical, abs=1e-5)
        seen = ~np.isnan(maps.base)
        assert scores.null["diagonal"][layer] == pytest.approx(((seen & near).sum(1) / seen.sum(1)).mean(), abs=1e-6)
    assert np.isnan(scores.tuned["block"]).all()  # no punctuation in it
    assert "single segment" in scores.answers[-1]


def test_several_blocks_give_the_same(embedded_pair, found, monkeypatch) -> None:
    monkeypatch.setattr(blocks, "MIN_ROWS", 4)
    monkeypatch.setattr(blocks, "BLOCK_CELLS", {"cpu": 0})
    monkeypatch.setattr(blocks, "PLAIN_ROWS", (3, 5))
    small = patterns(embedded_pair, FILM)
    for name in THRESHOLDS:
        assert small.tuned[name] == pytest.approx(found.tuned[name], abs=1e-6)
        assert small.null[name] == pytest.approx(found.null[name], abs=1e-6)
    assert small.answers == found.answers


def test_an_example_is_the_head_with_the_largest_score(embedded_pair, found) -> None:
    first, second, third = found.examples
    assert [example.pattern for example in found.examples] == ["diagonal", "vertical", "block"]
    for example in (first, second):
        scores = found.tuned[example.pattern]
        assert example.score == pytest.approx(float(scores.max()))
    assert found.tuned["diagonal"][third.maps.layer, third.maps.head] < 0.5
    for example in found.examples:
        at = example.maps.layer, example.maps.head
        assert example.score == pytest.approx(float(found.tuned[example.pattern][at]))
        assert example.base == pytest.approx(float(found.base[example.pattern][at]))
        alone = attncompare.head_maps(embedded_pair, FILM, *at)
        assert np.array_equal(example.maps.tuned, alone.tuned)
        assert example.sentence() in found.answers
    assert first.where == "mostly on the token before"
    key = int(second.maps.tuned.mean(0).argmax())
    assert f"goes to ‘{found.tokens[key].text}’" in second.where


def test_it_is_said_where_no_head_shows_a_pattern(tmp_path) -> None:
    scores = patterns(tiny_pair(tmp_path, "gpt2"), TEXT)
    for example in scores.examples:
        enough = example.score >= max(THRESHOLDS[example.pattern], example.null + 0.1)
        assert example.clear is enough
        assert ("no head shows it clearly" in example.sentence()) is not enough
    assert not all(example.clear for example in scores.examples)


def test_segments_are_the_texts_of_a_pair_or_what_punctuation_sets_apart(embedded_pair) -> None:
    clauses = patterns(embedded_pair, "One, two; three.").examples[-1]
    assert (clauses.pattern, clauses.where) == ("block", "within 3 segments")
    texts = patterns(embedded_pair, "One, two; three.", text_pair="Four, five.").examples[-1]
    assert (texts.pattern, texts.where) == ("block", "within 2 segments")


def test_a_long_text_is_shown_in_part(embedded_pair) -> None:
    text = " ".join([FILM] * 5)
    for example in patterns(embedded_pair, text).examples:
        assert example.maps.base.shape == (32, 32)
        assert example.maps.queries == example.maps.keys


def test_frame_and_json(found) -> None:
    frame = found.frame()
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(frame) == 72
    line = frame[(frame["layer"] == 3) & (frame["head"] == 9)].iloc[0]
    assert line["vertical_tuned"] == pytest.approx(written["tuned"]["vertical"][3][9])
    assert line["block_null"] == pytest.approx(written["null"]["block"][3])
    assert written["answers"] == list(found.answers)
    assert [example["threshold"] for example in written["examples"]] == list(THRESHOLDS.values())


def test_cross_attention_has_no_patterns(embedded_pair) -> None:
    with pytest.raises(BadInput, match="Cross-attention has no such patterns"):
        patterns(embedded_pair, FILM, attention="cross")
