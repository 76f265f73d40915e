"""Induction and duplicate-token scores on maps made by hand, and against a loop."""

import pytest
import torch

from attncompare.errors import BadInput
from attncompare.metrics.copying import copying_scores


def behind(before: int, length: int, shift: int) -> torch.Tensor:
    """Every query of the second copy on the key ``shift`` behind its first occurrence; the others on the first token."""
    rows = torch.zeros(1, before + 2 * length, before + 2 * length)
    rows[0, : before + length, 0] = 1
    for query in range(before + length, before + 2 * length):
        rows[0, query, query - length + shift] = 1
    return rows


@pytest.mark.parametrize(("before", "length"), [(1, 7), (0, 5), (1, 1)])
def test_perfect_maps(before: int, length: int) -> None:
    assert [float(score) for score in copying_scores(behind(before, length, 1), before, length)] == [1, 0]
    assert [float(score) for score in copying_scores(behind(before, length, 0), before, length)] == [0, 1]


def test_against_a_loop() -> None:
    before, length = 1, 9
    size = before + 2 * length
    rows = torch.rand(4, size, size, generator=torch.Generator().manual_seed(0)).tril()
    rows = rows / rows.sum(2, keepdim=True)
    induction, duplicate = copying_scores(rows, before, length)
    for head in range(4):
        queries = range(before + length, size)
        assert float(induction[head]) == pytest.approx(
            sum(float(rows[head, q, q - length + 1]) for q in queries) / length
        )
        assert float(duplicate[head]) == pytest.approx(sum(float(rows[head, q, q - length]) for q in queries) / length)


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(BadInput, match="1 \\+ 2 x 4"):
        copying_scores(torch.zeros(1, 8, 8), 1, 4)
