"""Several texts, and a pinned comparison beside a new one: against single comparisons and scipy."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kendalltau

import attncompare
from attncompare.analyses.glance import Glance, rank_agreement
from attncompare.analyses.pinned import Beside
from attncompare.analyses.several import CAUTION, Several, several
from attncompare.errors import BadInput
from tests.conftest import TEXT, tiny_pair

TEXTS = (
    "The film is not good, and the dialogue is painfully dull.",
    "A warm, quick-witted picture.",
    "The trophy would not fit into the brown suitcase because it was too large.",
)


@pytest.fixture(scope="module")
def found(embedded_pair) -> Several:
    return several(embedded_pair, TEXTS)


def test_each_text_is_a_comparison_of_its_own(embedded_pair, found) -> None:
    assert found.texts == TEXTS
    for glance, text in zip(found.glances, TEXTS, strict=True):
        alone = attncompare.compare(embedded_pair, text)
        assert np.array_equal(glance.bits, alone.heads["jsd_bits"])
        assert glance.tokens == len(alone.tokens)
        assert glance.outputs.to_dict() == alone.outputs.to_dict()
        assert [(found.layers[row], head) for row, head in glance.most(5)] == [
            (mover.layer, mover.head) for mover in alone.movers[:5]
        ]
    assert found.bits.shape == (3, 6, 12)


def test_the_order_agrees_as_scipy_says(found) -> None:
    expected = [kendalltau(one.ravel(), two.ravel()).statistic for one, two in combinations(found.bits, 2)]
    assert found.agreements == pytest.approx(np.array(expected), abs=1e-9)
    assert f"{np.mean(expected):.2f} ({min(expected):.2f} to {max(expected):.2f})" in " ".join(found.answers)


def test_heads_that_were_not_measured_are_left_out_of_the_order(found) -> None:
    one, two = found.glances[:2]
    holed = one.bits.copy()
    holed[0, :5] = np.nan
    kept = np.isfinite(holed)
    expected = kendalltau(holed[kept], two.bits[kept]).statistic
    assert rank_agreement(replace(one, bits=holed), two) == pytest.approx(expected, abs=1e-9)


def test_the_answers_count_the_heads_that_recur(found) -> None:
    counts = np.zeros((6, 12), int)
    for bits in found.bits:
        for at in np.argsort(-bits.ravel())[:5]:
            counts.flat[at] += 1
    often = {f"L{row}.H{head}": counts[row, head] for row, head in np.argwhere(counts >= 2).tolist()}
    first = found.answers[0]
    assert often
    for part in first.removeprefix("Among the 5 most moved heads: ").removesuffix(".").split("; "):
        names, _, count = part.partition(" on ")
        for name in names.replace(" and ", ", ").split(", "):
            assert often.pop(name) == (3 if count.startswith("all") else int(count[0]))
    assert not often
    assert found.answers[-1] == CAUTION
    means = [float(bits.mean()) for bits in found.bits]
    assert f"most on text {int(np.argmax(means)) + 1}" in " ".join(found.answers)


def test_nothing_recurs_where_every_text_moves_other_heads(found) -> None:
    bits = np.zeros((3, 6, 12), np.float32)
    for i in range(3):
        bits[i].flat[5 * i : 5 * i + 5] = 0.1
    apart = Several(tuple(replace(one, bits=part) for one, part in zip(found.glances, bits, strict=True)))
    assert apart.answers[0] == "No head is among the 5 most moved on more than half of the 3 texts."


def test_frame_and_json(found) -> None:
    frame = found.frame()
    assert list(frame.columns) == ["layer", "head", "mean_bits", "bits_1", "bits_2", "bits_3"]
    assert frame["mean_bits"].is_monotonic_decreasing
    line = frame.iloc[0]
    at = int(line["layer"]), int(line["head"])
    assert line["bits_2"] == pytest.approx(found.bits[1][at])
    assert line["mean_bits"] == pytest.approx(found.bits.mean(0)[at])
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert written["answers"] == list(found.answers)
    assert written["texts"][2]["jsd_bits"][4][3] == pytest.approx(float(found.bits[2, 4, 3]))
    assert len(written["tops"]) == 3
    assert len(written["tau_b"]) == 3


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["one"], "2 to 8 texts, got 1"),
        (["text"] * 9, "2 to 8 texts, got 9"),
        (["one", "  "], "Text 2 is empty"),
        (["one", "film " * 600], "Text 2 .*film.* can't be compared: .*512"),
    ],
)
def test_bad_texts_are_named(embedded_pair, texts: list[str], expected: str) -> None:
    with pytest.raises(BadInput, match=expected):
        several(embedded_pair, texts)


def test_progress_says_which_text_and_can_stop(embedded_pair) -> None:
    told: list[str] = []

    def stop(step: str, done: int, total: int) -> None:
        told.append(step)
        if step.startswith("text 2 of 3:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        several(embedded_pair, TEXTS, progress=stop)
    assert told[0] == "text 1 of 3"
    assert not any(step.startswith("text 3") for step in told)


def test_one_comparison_beside_another(found) -> None:
    both = Beside(found.glances[0], found.glances[2])
    then, now = both.then.bits.ravel(), both.now.bits.ravel()
    said = " ".join(both.answers)
    word = "more" if now.mean() > then.mean() else "less"
    assert (
        f"moved {word} than in the pinned comparison: {now.mean():.2g} bits a head now, {then.mean():.2g} then" in said
    )
    more, less = int((now - then).argmax()), int((now - then).argmin())
    assert f"L{more // 12}.H{more % 12} ({then[more]:.2g} to {now[more]:.2g} bits)" in said
    assert f"L{less // 12}.H{less % 12} ({then[less]:.2g} to {now[less]:.2g} bits)" in said
    assert f"agrees by {kendalltau(then, now).statistic:.2f}" in said
    assert len(both.frame()) == 144
    json.dumps(both.to_dict(), allow_nan=False)
    swapped = " ".join(Beside(both.now, both.then).answers)
    assert ("more" if word == "less" else "less") + " than in the pinned" in swapped


def test_the_same_comparison_twice(found) -> None:
    said = Beside(found.glances[0], found.glances[0]).answers
    assert "as much as in the pinned" in said[0]
    assert not any("moved more now" in sentence or "moved less now" in sentence for sentence in said)


def test_other_models_and_other_lengths_are_said(found, tmp_path) -> None:
    tiny = Glance.of(attncompare.compare(tiny_pair(tmp_path, "gpt2"), TEXT))
    both = Beside(found.glances[0], tiny)
    assert not both.matched
    assert "other layers or heads" in both.answers[0]
    assert not any("agrees by" in sentence for sentence in both.answers)
    long = Beside(found.glances[1], replace(found.glances[2], tokens=90))
    assert "divergence grows with length" in long.answers[-1]
    words = Beside(found.glances[0], replace(found.glances[2], about=replace(found.glances[2].about, level="word")))
    assert any("share no scale" in sentence for sentence in words.answers)
