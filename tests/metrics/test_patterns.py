"""Pattern scores against maps whose scores are known, and against naive loops."""

import pytest
import torch
from torch import Tensor

from attncompare.metrics.patterns import NO_SEGMENT, PatternScores, PatternSums
from attncompare.metrics.rollout import uniform_rows

SIZE = 20


def scores(
    rows: Tensor,
    *,
    special: tuple[int, ...] = (),
    segments: Tensor | None = None,
    visible: Tensor | None = None,
    step: int = 7,
) -> PatternScores:
    """Of one map or several, ``[query key]`` or ``[head query key]``, handed over in blocks."""
    rows = rows if rows.ndim == 3 else rows[None]
    marked = torch.zeros(rows.shape[2], dtype=torch.bool)
    marked[list(special)] = True
    parts = torch.zeros(rows.shape[2], dtype=torch.long) if segments is None else segments
    parts = torch.where(marked, NO_SEGMENT, parts)
    sums = PatternSums(len(rows), marked, parts, parts[: rows.shape[1]])
    for start in range(0, rows.shape[1], step):
        inside = None if visible is None else visible[start : start + step]
        sums.add(start, rows[:, start : start + step], inside)
    return sums.scores()


def halves() -> Tensor:
    return (torch.arange(SIZE) >= SIZE // 2).long()


def test_the_identity_is_a_diagonal_on_the_token_itself() -> None:
    found = scores(torch.eye(SIZE))
    assert float(found.band) == pytest.approx(1)
    assert found.offsets[:, 0].tolist() == pytest.approx([0, 1, 0])
    assert float(found.vertical) == pytest.approx(1 / SIZE)


@pytest.mark.parametrize(("offset", "place"), [(-1, 0), (1, 2)])
def test_a_shifted_diagonal_is_on_the_neighbour(offset: int, place: int) -> None:
    rows = torch.zeros(SIZE, SIZE)
    for i in range(SIZE):
        rows[i, min(max(i + offset, 0), SIZE - 1)] = 1
    found = scores(rows)
    assert float(found.band) == pytest.approx(1)
    expected = [0.0, 1 / SIZE, 0.0]
    expected[place] = (SIZE - 1) / SIZE
    assert found.offsets[:, 0].tolist() == pytest.approx(expected)


def test_a_distance_of_two_is_no_diagonal() -> None:
    assert float(scores(torch.roll(torch.eye(SIZE), 2, dims=1)).band) == pytest.approx(0)


def test_one_column_is_a_vertical_line() -> None:
    rows = torch.zeros(SIZE, SIZE)
    rows[:, 4] = 1
    found = scores(rows)
    assert float(found.vertical) == pytest.approx(1)
    assert int(found.received[0].argmax()) == 4
    assert float(found.special) == 0
    assert float(found.band) == pytest.approx(3 / SIZE)


def test_several_special_keys_make_one_vertical_score() -> None:
    rows = torch.zeros(SIZE, SIZE)
    rows[:, 0], rows[:, -1], rows[:, 5] = 0.4, 0.4, 0.2
    found = scores(rows, special=(0, SIZE - 1))
    assert float(found.special) == pytest.approx(0.8)
    assert float(found.vertical) == pytest.approx(0.8)
    assert float(found.received.max()) == pytest.approx(0.4)


def test_two_blocks() -> None:
    same = halves()[:, None] == halves()
    found = scores(same / same.sum(1, keepdim=True), segments=halves())
    assert float(found.block) == pytest.approx(1)
    across = ~same / (~same).sum(1, keepdim=True)
    assert float(scores(across, segments=halves()).block) == pytest.approx(-1)


@pytest.mark.parametrize("causal", [False, True])
def test_uniform_rows_make_no_blocks(causal: bool) -> None:
    visible = torch.ones(SIZE, SIZE, dtype=torch.bool)
    visible = visible.tril() if causal else visible
    found = scores(uniform_rows(visible), segments=halves(), visible=visible)
    assert float(found.block) == pytest.approx(0, abs=1e-12)
    if not causal:
        assert float(found.band) == pytest.approx((3 * SIZE - 2) / SIZE**2)
        assert float(found.vertical) == pytest.approx(1 / SIZE)
    else:
        harmonic = sum(1 / i for i in range(1, SIZE + 1))
        assert float(found.offsets[1]) == pytest.approx(harmonic / SIZE)
        assert float(found.vertical) == pytest.approx(harmonic / SIZE)


def test_one_segment_has_no_block_score() -> None:
    assert torch.isnan(scores(torch.eye(SIZE)).block).all()


def test_special_keys_are_left_out_of_blocks() -> None:
    """Rows that give 90% to a sink and the rest within their segment are blocks all the same."""
    same = (halves()[:, None] == halves()).float()
    same[:, 0] = same[0] = 0
    rows = 0.1 * same / same.sum(1, keepdim=True).clamp_min(1)
    rows[:, 0] += 0.9
    rows[0] = torch.eye(SIZE)[0]
    assert float(scores(rows, special=(0,), segments=halves()).band) < 0.2
    assert float(scores(rows, special=(0,), segments=halves()).block) == pytest.approx(1, abs=1e-5)


def test_against_a_loop_in_blocks_of_any_size() -> None:
    generator = torch.Generator().manual_seed(0)
    visible = torch.ones(SIZE, SIZE, dtype=torch.bool).tril()
    raw = torch.rand(3, SIZE, SIZE, generator=generator) ** 4 * visible
    rows = raw / raw.sum(-1, keepdim=True)
    parts = torch.tensor([NO_SEGMENT, *[0] * 6, *[1] * 8, *[2] * 5])
    whole = scores(rows, special=(0,), segments=parts, visible=visible, step=SIZE)
    pieces = scores(rows, special=(0,), segments=parts, visible=visible, step=3)
    for head in range(3):
        band = sum(float(rows[head, i, j]) for i in range(SIZE) for j in range(SIZE) if abs(i - j) <= 1) / SIZE
        within, even, counted = 0.0, 0.0, 0
        for i in range(1, SIZE):
            keys = [j for j in range(1, i + 1)]
            mass = sum(float(rows[head, i, j]) for j in keys)
            own = [j for j in keys if parts[j] == parts[i]]
            if mass < 0.1 or len(own) == len(keys):
                continue
            counted += 1
            within += sum(float(rows[head, i, j]) for j in own) / mass
            even += len(own) / len(keys)
        expected = (within / counted - even / counted) / (1 - even / counted)
        for found in (whole, pieces):
            assert float(found.band[head]) == pytest.approx(band, abs=1e-6)
            assert float(found.block[head]) == pytest.approx(expected, abs=1e-6)


def test_a_diagonal_under_a_sink() -> None:
    """The band is small where a sink has most of the mass; near tells what the rest does."""
    rows = 0.2 * torch.eye(SIZE)
    rows[:, 0] += 0.8
    found = scores(rows, special=(0,))
    assert float(found.near) == pytest.approx(1)
    assert float(found.band) == pytest.approx((1 + 1 + (SIZE - 2) * 0.2) / SIZE)
    assert float(scores(torch.roll(torch.eye(SIZE), 5, dims=1)).near) == pytest.approx(0)
