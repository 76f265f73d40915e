"""How far heads look, against the whole maps of the same models."""

import json
from dataclasses import replace

import numpy as np
import pytest

import attncompare
from attncompare.analyses import blocks
from attncompare.errors import BadInput
from attncompare.metrics.reach import BANDS
from tests.conftest import WORDS, tiny_pair

LONG = " ".join(WORDS[3 + (11 * i + i * i) % 90] for i in range(100))
"""A text of 100 words: some of them are far from each other."""


@pytest.fixture(scope="module", params=["bert", "gpt2", "mistral"])
def pair(request, tmp_path_factory) -> attncompare.Pair:
    return tiny_pair(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def found(pair) -> attncompare.Reach:
    return attncompare.reach(pair, LONG)


def test_masses_are_those_of_the_maps(pair, found) -> None:
    result = attncompare.compare(pair, LONG)
    size = len(result.tokens)
    distance = np.abs(np.arange(size)[:, None] - np.arange(size))
    inside = {"near": distance <= 8, "mid": (distance > 8) & (distance <= 64), "far": distance > 64}
    for layer, head in ((0, 0), (2, 3)):
        maps = result.head(layer, head)
        seen = ~np.isnan(maps.base)
        for band in BANDS:
            for ours, rows in ((found.base, maps.base), (found.tuned, maps.tuned)):
                expected = np.nansum(np.where(inside[band], rows, 0), axis=1).mean()
                assert ours[band][layer, head] == pytest.approx(expected, abs=1e-5)
            uniform = ((seen & inside[band]).sum(1) / seen.sum(1)).mean()
            assert found.uniform[band][layer] == pytest.approx(uniform, abs=1e-6)
    for side in (found.base, found.tuned, found.uniform):
        assert sum(side[band] for band in BANDS) == pytest.approx(1, abs=1e-5)


def test_links_are_each_heads_largest_far_content_cell(pair, found) -> None:
    result = attncompare.compare(pair, LONG)
    size = len(result.tokens)
    allowed = np.abs(np.arange(size)[:, None] - np.arange(size)) > 64
    allowed[:, list(result.sinks)] = False
    strengths = {}
    for layer in result.layers:
        for head in range(4):
            maps = result.head(layer, head)
            strengths[layer, head] = (np.nan_to_num(np.maximum(maps.base, maps.tuned)) * allowed).max()
    assert [link.strength for link in found.links] == sorted((link.strength for link in found.links), reverse=True)
    assert {(link.layer, link.head) for link in found.links} == {at for at, value in strengths.items() if value > 0}
    for link in found.links:
        maps = result.head(link.layer, link.head)
        assert link.distance == abs(link.query - link.key) > 64
        assert link.strength == pytest.approx(strengths[link.layer, link.head], abs=1e-6)
        assert link.base == pytest.approx(float(maps.base[link.query, link.key]), abs=1e-6)
        assert link.tuned == pytest.approx(float(maps.tuned[link.query, link.key]), abs=1e-6)


def test_several_blocks_give_the_same(pair, found, monkeypatch) -> None:
    monkeypatch.setattr(blocks, "MIN_ROWS", 7)
    monkeypatch.setattr(blocks, "BLOCK_CELLS", {"cpu": 0})
    small = attncompare.reach(pair, LONG)
    for band in BANDS:
        assert small.tuned[band] == pytest.approx(found.tuned[band], abs=1e-6)
    assert [(link.query, link.key) for link in small.links] == [(link.query, link.key) for link in found.links]


def test_a_short_text_has_no_far_links(pair) -> None:
    result = attncompare.reach(pair, " ".join(LONG.split()[:20]))
    assert result.links == ()
    assert not result.base["far"].any()
    assert not result.uniform["far"].any()


def test_distances_are_those_of_the_maps(pair, found) -> None:
    result = attncompare.compare(pair, LONG)
    size = len(result.tokens)
    away = np.abs(np.arange(size)[:, None] - np.arange(size))
    for layer, head in ((0, 0), (2, 3)):
        maps = result.head(layer, head)
        seen = ~np.isnan(maps.base)
        for side, rows in (("base", maps.base), ("tuned", maps.tuned)):
            assert found.distance[side][layer, head] == pytest.approx(np.nansum(rows * away, axis=1).mean(), abs=1e-4)
        even = ((seen * away).sum(1) / seen.sum(1)).mean()
        assert found.distance_uniform[layer] == pytest.approx(even, abs=1e-5)
    if result.causal and seen.sum() == size * (size + 1) / 2:
        assert found.distance_uniform[0] == pytest.approx((size - 1) / 4, abs=1e-5)


PARAGRAPHS = "\n\n".join(" ".join(LONG.split()[at : at + 12]) for at in (0, 12, 24))


def test_links_across_are_each_heads_largest_cell_between_paragraphs(pair) -> None:
    found, result = attncompare.reach(pair, PARAGRAPHS), attncompare.compare(pair, PARAGRAPHS)
    tokens = result.tokens
    words = [i for i, token in enumerate(tokens) if not token.special]
    expected = {i: PARAGRAPHS[: tokens[i].start].count("\n\n") for i in words}
    assert {i: found.paragraphs[i] for i in words} == expected
    assert all(found.paragraphs[i] == -1 for i in set(range(len(tokens))) - set(words))
    strengths = {}
    for layer in result.layers:
        for head in range(4):
            maps = result.head(layer, head)
            larger = np.nan_to_num(np.maximum(maps.base, maps.tuned))
            strengths[layer, head] = max(
                larger[i, j]
                for i in words
                for j in words
                if expected[i] != expected[j] and abs(i - j) > 8 and j not in result.sinks
            )
    assert {(link.layer, link.head) for link in found.across} == {at for at, value in strengths.items() if value > 0}
    for link in found.across:
        assert link.strength == pytest.approx(strengths[link.layer, link.head], abs=1e-6)
        assert expected[link.query] != expected[link.key]
    if not found.across:  # a sliding window of 8
        assert found.furthest == "near"
        return
    token = tokens[found.across[0].key]
    shown = found.passage(found.across[0].key)
    assert f"[{token.text}]" in shown
    plain = " ".join(PARAGRAPHS.split())
    assert shown.replace("[", "").replace("]", "").strip("…") in plain
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))["across"][0]
    assert written["key_text"] == shown
    assert "Of links between the 3 paragraphs" in " ".join(found.answers)


def test_a_text_of_one_paragraph_has_no_links_across(found) -> None:
    assert found.across == ()


def test_frame_and_json_carry_the_same_numbers(found) -> None:
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    frame = found.frame()
    assert len(frame) == len(written["heads"]) == 12
    for row, entry in zip(frame.to_dict("records"), written["heads"], strict=True):
        assert entry == pytest.approx(row)
        assert entry["far_delta"] == pytest.approx(entry["far_tuned"] - entry["far_base"], abs=1e-6)


def test_the_answers_say_whether_the_heads_look_further(pair, found) -> None:
    if found.furthest == "near":  # a sliding window of 8
        assert found.answers == ("All attention is near: no layer looks further than 8 positions.",)
        return
    base, tuned = found.base["far"], found.tuned["far"]
    overall, heads, beside, away, link, limits = found.answers
    assert f"{found.distance['base'].mean():.1f} positions in base and {found.distance['tuned'].mean():.1f}" in away
    if abs(tuned.mean() - base.mean()) < 5e-4:
        assert (
            f"look as far as before: attention to keys more than 64 positions away stays at {base.mean():.1%}"
            in overall
        )
    else:
        assert f"look {'further' if tuned.mean() > base.mean() else 'nearer'}" in overall
        assert f"from {base.mean():.1%} to {tuned.mean():.1%}" in overall
    row, head = np.unravel_index(np.abs(tuned - base).argmax(), base.shape)
    assert heads.startswith(f"L{row}.H{head} from {base[row, head]:.0%} to {tuned[row, head]:.0%}")
    uniform = found.uniform["far"][:, None]
    assert f"{(base > uniform).sum()} of 12 heads" in beside
    assert f"{(tuned > uniform).sum()} in tuned" in beside
    assert found.links[0].name in link
    assert "not that the model uses" in limits
    assert found.furthest == "far"


def test_the_answers_of_short_texts_are_about_what_they_have(pair) -> None:
    middle = attncompare.reach(pair, " ".join(LONG.split()[:20]))
    if middle.furthest == "mid":
        assert "keys 9 to 64 positions away" in middle.answers[0]
    else:
        assert "no layer looks further" in middle.answers[0]
    short = attncompare.reach(pair, " ".join(LONG.split()[:4]))
    assert short.answers == ("All attention is near: no two positions are more than 8 apart.",)


def test_two_models_that_are_the_same_look_as_far(pair) -> None:
    same = attncompare.reach(replace(pair, tuned=pair.base, key=f"{pair.key} twice"), LONG)
    assert "look as far as before" in same.answers[0] or same.furthest == "near"
    assert not any("changed most" in sentence for sentence in same.answers)


def test_cross_attention_has_no_distances(pair) -> None:
    with pytest.raises(BadInput, match="Cross-attention has no distances"):
        attncompare.reach(pair, LONG, attention="cross")
