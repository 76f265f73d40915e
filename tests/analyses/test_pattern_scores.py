"""Pattern scores of layers against the whole maps, and what a segment is."""

import numpy as np
import pytest
import torch

import attncompare
from attncompare.analyses import blocks
from attncompare.analyses.pattern_classes import pattern_classes
from attncompare.analyses.pattern_scores import layer_scores, segments_of
from attncompare.metrics.patterns import NO_SEGMENT
from attncompare.models.reading import prepare
from tests.conftest import TEXT, tiny_pair

FILM = "The film is not good, and the dialogue is painfully dull."


@pytest.mark.parametrize("family", ["bert", "gpt2", "mistral"])
def test_scores_are_those_of_the_maps(family: str, tmp_path_factory) -> None:
    pair = tiny_pair(tmp_path_factory.mktemp(f"patterns-{family}"), family)
    result = attncompare.compare(pair, TEXT)
    question = prepare(pair, TEXT)
    scores = layer_scores(pair, question, segments_of(question.key_tokens), None)
    size = len(result.tokens)
    near = np.abs(np.subtract.outer(range(size), range(size))) <= 1
    special = [i for i, token in enumerate(result.tokens) if token.special]
    for layer, head in ((0, 1), (2, 3)):
        maps = result.head(layer, head)
        for ours, rows in zip(scores[layer], (maps.base, maps.tuned), strict=False):
            rows = np.nan_to_num(rows)
            assert float(ours.band[head]) == pytest.approx((rows * near).sum(1).mean(), abs=1e-5)
            vertical = max(rows.mean(0).max(), rows[:, special].sum(1).mean())
            assert float(ours.vertical[head]) == pytest.approx(vertical, abs=1e-5)
            assert np.isnan(float(ours.block[head]))  # no punctuation in it
        seen = ~np.isnan(maps.base)
        assert float(scores[layer][2].band) == pytest.approx(((seen & near).sum(1) / seen.sum(1)).mean(), abs=1e-6)


def test_several_blocks_give_the_same(embedded_pair, monkeypatch) -> None:
    found = pattern_classes(embedded_pair, FILM)
    monkeypatch.setattr(blocks, "MIN_ROWS", 4)
    monkeypatch.setattr(blocks, "BLOCK_CELLS", {"cpu": 0})
    monkeypatch.setattr(blocks, "PLAIN_ROWS", (3, 5))
    small = pattern_classes(embedded_pair, FILM)
    for name in found.tuned.scores:
        assert small.tuned.scores[name] == pytest.approx(found.tuned.scores[name], abs=1e-6, nan_ok=True)
        assert small.null[name] == pytest.approx(found.null[name], abs=1e-6, nan_ok=True)
    assert small.answers == found.answers


def test_segments_are_the_texts_of_a_pair_or_what_punctuation_sets_apart(embedded_pair) -> None:
    clauses = segments_of(prepare(embedded_pair, "One, two; three.").key_tokens)
    assert clauses.tolist() == [NO_SEGMENT, 0, 0, 1, 1, 2, 2, NO_SEGMENT]
    texts = segments_of(prepare(embedded_pair, "One, two; three.", text_pair="Four, five.").key_tokens)
    content = texts[texts != NO_SEGMENT]
    assert torch.equal(content, torch.tensor([0] * 6 + [1] * 4))
