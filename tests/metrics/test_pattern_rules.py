"""The rules of patterns on maps of known kinds, at their thresholds, and what is published about uniform attention."""

import itertools
import random

import pytest
import torch
from torch import Tensor

from attncompare.errors import BadInput
from attncompare.metrics.pattern_rules import CLASSES, Thresholds, classify, margins, rule_scores
from attncompare.metrics.rollout import uniform_rows
from tests.metrics.made_maps import EACH, KINDS, halves, made
from tests.metrics.test_patterns import scores

DEFAULT = Thresholds()


def measured(rows: Tensor, visible: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What the rules go by, of a map and of evenly spread attention."""
    size = len(rows)
    seen = torch.ones(size, size, dtype=torch.bool) if visible is None else visible
    both = (rows, uniform_rows(seen).double())
    first, second = (rule_scores(scores(one, segments=halves(size), visible=visible)) for one in both)
    return first, second


def named(values: list[float], null: list[float], thresholds: Thresholds = DEFAULT) -> str:
    """The rules once more, one head at a time, in the order in which they are told."""
    band, vertical, block, entropy = values
    stands = [value >= floor + thresholds.above_null for value, floor in zip(values, null, strict=True)]
    mixed = band >= thresholds.both and vertical >= thresholds.both and band + vertical >= thresholds.together
    for name, holds, above in (
        ("vertical + diagonal", mixed, stands[0] and stands[1]),
        ("diagonal", band >= thresholds.diagonal, stands[0]),
        ("vertical", vertical >= thresholds.vertical, stands[1]),
        ("block", block >= thresholds.block, stands[2]),
        ("broad", entropy >= thresholds.broad, True),
    ):
        if holds:
            return name if above else "broad"
    return "heterogeneous"


@pytest.mark.parametrize("kind", KINDS)
def test_made_maps_are_what_they_were_made_as(kind: str) -> None:
    found = [CLASSES[int(classify(*measured(made(kind, number)), DEFAULT))] for number in range(EACH)]
    assert found == [KINDS[kind][0]] * EACH


def drawn(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(4, count, generator=generator, dtype=torch.float64)
    return values, torch.rand(4, count, generator=generator, dtype=torch.float64) / 2


def test_against_rules_one_head_at_a_time() -> None:
    values, null = drawn(3000)
    found = [CLASSES[number] for number in classify(values, null, DEFAULT).tolist()]
    assert found == [named(one, floor) for one, floor in zip(values.T.tolist(), null.T.tolist(), strict=True)]
    assert len(set(found)) == len(CLASSES)


def test_a_head_without_segments_is_no_block() -> None:
    values = torch.tensor([[0.1], [0.1], [torch.nan], [0.2]], dtype=torch.float64)
    assert CLASSES[int(classify(values, values, DEFAULT))] == "heterogeneous"


def test_below_its_margin_no_single_score_changes_a_class_and_at_it_one_does() -> None:
    values, null = drawn(200)
    found, at = classify(values, null, DEFAULT), margins(values, null, DEFAULT)
    rng = random.Random(1)
    for head, score in itertools.product(range(values.shape[1]), range(4)):
        moved = values[:, [head]].clone()
        moved[score] += rng.uniform(-1, 1) * min(float(at[head]), 1) * 0.999
        assert int(classify(moved, null[:, [head]], DEFAULT)) == int(found[head])
    finite = at.isfinite()
    assert finite.float().mean() > 0.9
    for head in finite.nonzero().flatten().tolist():
        ends = []
        for score, sign in itertools.product(range(4), (-1, 1)):
            moved = values[:, [head]].clone()
            moved[score] += sign * (at[head] + 1e-7)
            ends.append(int(classify(moved, null[:, [head]], DEFAULT)))
        assert set(ends) != {int(found[head])}


def test_a_score_at_its_threshold_has_no_margin() -> None:
    null = torch.zeros(4, 2, dtype=torch.float64)
    values = torch.tensor([[0.501, 0.499], [0.0, 0.0], [0.0, 0.0], [0.3, 0.3]], dtype=torch.float64)
    assert [CLASSES[number] for number in classify(values, null, DEFAULT).tolist()] == ["diagonal", "heterogeneous"]
    assert margins(values, null, DEFAULT).tolist() == pytest.approx([0.001, 0.001], abs=1e-6)


def test_thresholds_move_the_classes() -> None:
    rows = 0.6 * torch.eye(32, dtype=torch.float64) + 0.4 / 32
    assert CLASSES[int(classify(*measured(rows), DEFAULT))] == "diagonal"
    strict = Thresholds(diagonal=0.9, together=1.9, block=1.0, broad=0.99)
    assert CLASSES[int(classify(*measured(rows), strict))] == "heterogeneous"


@pytest.mark.parametrize("wrong", [{"diagonal": 1.2}, {"vertical": -0.1}, {"together": 2.5}, {"broad": float("nan")}])
def test_a_threshold_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(BadInput, match=name):
        Thresholds(**wrong)


def test_uniform_causal_attention_as_published() -> None:
    """Closed forms: previous (H-1)/(n-1) over the rows that have one, self and first H/n; n = 64."""
    size = 64
    visible = torch.ones(size, size, dtype=torch.bool).tril()
    found = scores(uniform_rows(visible).double(), visible=visible)
    harmonic = sum(1 / i for i in range(1, size + 1))
    assert float(found.offsets[1]) == pytest.approx(harmonic / size, abs=1e-12)
    assert float(found.offsets[0]) * size / (size - 1) == pytest.approx((harmonic - 1) / (size - 1), abs=1e-12)
    alpha = found.received[0] * size / torch.arange(size, 0, -1)  # Gu et al. 2024, eq. 7: over the rows from the key on
    assert float(alpha[0]) == pytest.approx(0.074123, abs=5e-7)
    assert float(alpha[-1]) == pytest.approx(0.015625, abs=1e-12)
    assert float(found.entropy) == pytest.approx(1)


def test_entropy_of_rows_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(3)
    visible = torch.ones(20, 20, dtype=torch.bool).tril()
    rows = torch.rand(20, 20, generator=generator, dtype=torch.float64) * visible
    rows = rows / rows.sum(1, keepdim=True)
    shares = []
    for i in range(1, 20):  # the first row sees one key
        row = rows[i, : i + 1]
        shares.append(float(-(row * row.log()).sum()) / float(torch.tensor(i + 1.0, dtype=torch.float64).log()))
    assert float(scores(rows, visible=visible).entropy) == pytest.approx(sum(shares) / len(shares))
