"""The block kernel against a naive loop over rows in float64, whatever the block size."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from torch import Tensor

from attncompare.metrics import COLUMNS, DELTAS, FLOORS, METRICS
from attncompare.metrics.block import Block, Sight
from attncompare.metrics.kernel import MIN_CONTENT_MASS, DivergenceKernel, LayerKernel, LayerNumbers

HEADS = 3


def rows(tokens: int, seed: int, *, causal: bool) -> Tensor:
    logits = 3 * torch.randn(HEADS, tokens, tokens, generator=torch.Generator().manual_seed(seed))
    if causal:
        logits = logits.masked_fill(~torch.ones(tokens, tokens, dtype=torch.bool).tril(), -torch.inf)
    return logits.softmax(-1)


def cut(base: Tensor, tuned: Tensor, *, causal: bool, step: int, heads: int = HEADS) -> Iterator[Block]:
    """Blocks of ``step`` queries and ``heads`` heads; a causal block ends at the last key that its queries can see."""
    tokens = base.shape[1]
    visible = torch.ones(tokens, base.shape[-1], dtype=torch.bool).tril() if causal else None
    for start in range(0, tokens, step):
        stop = min(start + step, tokens)
        keys = stop if causal else base.shape[-1]
        sight = Sight(start, stop - start, keys, None if visible is None else visible[start:stop, :keys])
        for first in range(0, HEADS, heads):
            at = slice(first, first + heads)
            yield Block(sight, base[at, start:stop, :keys], tuned[at, start:stop, :keys], at)


def run(base: Tensor, tuned: Tensor, sinks: list[int], *, causal: bool, step: int, heads: int = HEADS) -> LayerNumbers:
    kernel = LayerKernel(HEADS, base.shape[-1], sinks)
    for block in cut(base, tuned, causal=causal, step=step, heads=heads):
        kernel.add(block)
    return kernel.numbers()


def js(p: np.ndarray, q: np.ndarray, weight: float = 0.5) -> float:
    """Weighted Jensen-Shannon divergence in bits from entropies, in float64."""
    mixed = weight * p + (1 - weight) * q
    return float(
        scipy_entropy(mixed, base=2) - weight * scipy_entropy(p, base=2) - (1 - weight) * scipy_entropy(q, base=2)
    )


def naive(base: Tensor, tuned: Tensor, sinks: list[int], *, causal: bool) -> dict[str, list[float]]:
    """Every column, head by head and row by row, straight from the definitions."""
    tokens = base.shape[-1]
    content = [key for key in range(tokens) if key not in sinks]
    result: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for head in range(HEADS):
        found: dict[str, list[float]] = {name: [] for name in COLUMNS}
        kept = several = 0
        for i in range(tokens):
            p, q = (side[head, i].double().numpy() for side in (base, tuned))
            p, q = p / p.sum(), q / q.sum()
            far = np.abs(np.arange(tokens) - i)
            a, b = p[sinks].sum(), q[sinks].sum()
            for side, row, mass in (("base", p, a), ("tuned", q, b)):
                found[f"distance_{side}"].append(float(row @ far))
                found[f"sink_mass_{side}"].append(mass)
            if causal and i == 0:
                continue
            several += 1
            found["tvd"].append(float(np.abs(p - q).sum() / 2))
            found["hellinger"].append(math.sqrt(0.5 * float(((np.sqrt(p) - np.sqrt(q)) ** 2).sum())))
            found["cosine"].append(float(p @ q / np.sqrt((p @ p) * (q @ q))))
            found["entropy_base_nats"].append(float(scipy_entropy(p)))
            found["entropy_tuned_nats"].append(float(scipy_entropy(q)))
            found["jsd_bits"].append(js(p, q))
            sink = js(np.array([a, 1 - a]), np.array([b, 1 - b])) if sinks else 0.0
            within = (a + b) / 2 * js(p[sinks] / a, q[sinks] / b, a / (a + b)) if a > 0 and b > 0 else 0.0
            inner = 0.0
            if 1 - a > 1e-12 and 1 - b > 1e-12:
                inner = js(p[content] / (1 - a), q[content] / (1 - b), (1 - a) / (2 - a - b))
            found["sink_bits"].append(sink)
            found["within_sink_bits"].append(within)
            found["content_bits"].append((2 - a - b) / 2 * inner)
            if 1 - a >= MIN_CONTENT_MASS and 1 - b >= MIN_CONTENT_MASS:
                kept += 1
                found["content_jsd_bits"].append(inner)
        found["content_rows_share"] = [kept / several]
        for name in COLUMNS:
            result[name].append(float(np.mean(found[name])) if found[name] else math.nan)
    return result


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sinks", [[], [0], [0, 10]])
@pytest.mark.parametrize(("step", "heads"), [(1, 3), (4, 1), (11, 3)])
def test_every_column_equals_the_naive_loop(causal: bool, sinks: list[int], step: int, heads: int) -> None:
    base, tuned = rows(11, 1, causal=causal), rows(11, 2, causal=causal)
    numbers = run(base, tuned, sinks, causal=causal, step=step, heads=heads)
    for name, expected in naive(base, tuned, sinks, causal=causal).items():
        assert numbers.columns[name].tolist() == pytest.approx(expected, abs=2e-6, nan_ok=True), name


def test_published_split() -> None:
    base, tuned = (torch.tensor(row).expand(HEADS, 3, 3) for row in ([0.6, 0.3, 0.1], [0.2, 0.2, 0.6]))
    columns = run(base, tuned, [0], causal=False, step=1).columns
    nats = {name: float(columns[name][0]) * math.log(2) for name in ("jsd_bits", "sink_bits", "content_bits")}
    assert nats == pytest.approx(
        {"jsd_bits": 0.1564194946, "sink_bits": 0.0863046217, "content_bits": 0.0701148728}, abs=1e-7
    )
    assert float(columns["within_sink_bits"][0]) == 0


def test_identical_models_are_exactly_unchanged() -> None:
    same = rows(13, 3, causal=True)
    columns = run(same, same.clone(), [0], causal=True, step=5).columns
    for name in (
        "jsd_bits",
        "sink_bits",
        "within_sink_bits",
        "content_bits",
        "content_jsd_bits",
        "tvd",
        "hellinger",
    ):
        assert columns[name].tolist() == [0] * HEADS, name
    assert columns["cosine"].tolist() == [1] * HEADS
    for base, tuned in DELTAS.values():
        assert torch.equal(columns[base], columns[tuned])


def test_rows_of_sinks_alone_leave_content_unmeasured() -> None:
    """Not measured is NaN, never 0."""
    base = torch.tensor([0.95, 0.05]).expand(HEADS, 2, 2)
    columns = run(base, base.clone(), [0], causal=False, step=2).columns
    assert columns["content_jsd_bits"].isnan().all()
    assert columns["content_rows_share"].tolist() == [0] * HEADS


def test_sinks_alone_leave_no_content() -> None:
    base, tuned = rows(2, 4, causal=False), rows(2, 5, causal=False)
    columns = run(base, tuned, [0, 1], causal=False, step=2).columns
    assert columns["content_bits"].tolist() == pytest.approx([0] * HEADS, abs=1e-7)
    assert columns["within_sink_bits"].tolist() == pytest.approx(columns["jsd_bits"].tolist(), abs=1e-7)


def test_uniform_attention_has_closed_forms() -> None:
    """Uniform causal attention over T = 64: distance (T - 1)/4, first-key mass H_T/T; bidirectional (T^2 - 1)/(3T)."""
    tokens = 64
    causal = torch.ones(tokens, tokens).tril()
    causal = (causal / causal.sum(-1, keepdim=True)).expand(HEADS, -1, -1)
    columns = run(causal, causal, [0], causal=True, step=16).columns
    assert float(columns["distance_base"][0]) == pytest.approx(15.75, abs=1e-4)
    assert float(columns["sink_mass_base"][0]) == pytest.approx(0.074123, abs=1e-6)
    flat = torch.full((HEADS, tokens, tokens), 1 / tokens)
    columns = run(flat, flat, [], causal=False, step=16).columns
    assert float(columns["distance_base"][0]) == pytest.approx(21.328125, abs=1e-4)
    assert float(columns["entropy_base_nats"][0]) == pytest.approx(math.log(tokens), abs=1e-5)


def test_attention_received_and_moves() -> None:
    base, tuned = rows(7, 6, causal=True), rows(7, 7, causal=True)
    numbers = run(base, tuned, [0], causal=True, step=3)
    assert torch.allclose(numbers.received_base, base.sum(1).double(), atol=1e-6)
    assert numbers.seen.tolist() == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(("step", "heads"), [(1, 1), (3, 1), (5, 3), (13, 3)])
@pytest.mark.parametrize("tokens", [2, 13])
def test_the_strongest_links_are_found(tokens: int, step: int, heads: int) -> None:
    base, tuned = rows(tokens, 6, causal=True), rows(tokens, 7, causal=True)
    numbers = run(base, tuned, [0], causal=True, step=step, heads=heads)
    for links, moved in ((numbers.gained, tuned - base), (numbers.lost, base - tuned)):
        sizes, keys = moved.max(-1)
        for head in range(HEADS):
            strongest = sorted(range(tokens), key=lambda query, head=head: -sizes[head, query])[:3]
            found = [i for i, size in enumerate(links.size[head].tolist()) if size != 0]  # the first row never moves
            assert links.query[head, found].tolist() == strongest[: len(found)]
            assert links.key[head, found].tolist() == keys[head, strongest[: len(found)]].tolist()
            assert torch.equal(links.size[head].abs().float(), sizes[head, strongest])
    assert bool((numbers.gained.size >= 0).all())
    assert bool((numbers.lost.size <= 0).all())


def test_a_look_into_the_future_is_seen() -> None:
    base = rows(6, 8, causal=False)
    visible = torch.ones(6, 6, dtype=torch.bool).tril()
    for side in ((base, base.tril()), (base.tril(), base)):
        kernel = LayerKernel(HEADS, 6, [0])
        for start in (0, 2, 4):
            at = slice(start, start + 2)
            kernel.add(Block(Sight(start, 2, 6, visible[at]), side[0][:, at], side[1][:, at]))
        assert kernel.numbers().forbidden == pytest.approx(float(base.triu(1).max()))
    assert run(base, base, [0], causal=False, step=2).forbidden == 0
    assert run(2 * base, base, [0], causal=False, step=2).worst_sum == pytest.approx(1, abs=1e-5)


def test_a_row_that_is_no_number_is_not_overlooked() -> None:
    base = rows(6, 8, causal=False)
    broken = base.clone()
    broken[1, 3, 2] = torch.nan
    numbers = run(broken, base, [0], causal=False, step=4)
    assert math.isnan(numbers.worst_sum)
    assert numbers.columns["jsd_bits"].isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("causal", [False, True])
def test_the_divergence_alone_is_that_of_all_columns(causal: bool) -> None:
    base, tuned = rows(11, 1, causal=causal), rows(11, 2, causal=causal)
    kernel = DivergenceKernel(HEADS)
    for block in cut(base, tuned, causal=causal, step=4, heads=1):
        kernel.add(block)
    expected = naive(base, tuned, [0], causal=causal)["jsd_bits"]
    assert kernel.bits().tolist() == pytest.approx(expected, abs=1e-6)
    assert kernel.bits().tolist() == pytest.approx(
        run(base, tuned, [0], causal=causal, step=11).columns["jsd_bits"].tolist(), abs=1e-7
    )


def test_one_token_has_nothing_to_compare() -> None:
    alone = torch.ones(HEADS, 1, 1)
    kernel = DivergenceKernel(HEADS)
    for block in cut(alone, alone, causal=True, step=1):
        kernel.add(block)
    assert kernel.bits().isnan().all()
    assert run(alone, alone, [0], causal=True, step=1).columns["jsd_bits"].isnan().all()


def test_a_null_key_counts_in_everything_but_distance() -> None:
    """The last of 12 keys belongs to no token; the 11 queries spread over 11 tokens and it."""
    base, tuned = (
        (3 * torch.randn(HEADS, 11, 12, generator=torch.Generator().manual_seed(seed))).softmax(-1) for seed in (1, 2)
    )
    kernel = LayerKernel(HEADS, 12, [0, 11], null=True)
    for block in cut(base, tuned, causal=False, step=4, heads=1):
        kernel.add(block)
    numbers = kernel.numbers()
    far = (torch.arange(11)[:, None] - torch.arange(11)[None]).abs().double()
    for name, side in (("base", base), ("tuned", tuned)):
        expected = (side[..., :11].double() * far).sum(-1).mean(-1)
        assert numbers.columns[f"distance_{name}"].tolist() == pytest.approx(expected.tolist(), abs=1e-5)
        assert numbers.columns[f"sink_mass_{name}"].tolist() == pytest.approx(
            side[..., [0, 11]].double().sum(-1).mean(-1).tolist(), abs=1e-6
        )
        entropy = torch.special.entr(side.double()).sum(-1).mean(-1)
        assert numbers.columns[f"entropy_{name}_nats"].tolist() == pytest.approx(entropy.tolist(), abs=1e-6)
    bits = [
        np.mean([js(base[h, i].double().numpy(), tuned[h, i].double().numpy()) for i in range(11)]) for h in range(3)
    ]
    assert numbers.columns["jsd_bits"].tolist() == pytest.approx(bits, abs=1e-6)
    assert torch.allclose(numbers.received_base[:, 11], base[..., 11].double().sum(-1), atol=1e-6)


def test_every_metric_is_a_column_or_a_delta() -> None:
    assert set(METRICS) == (set(COLUMNS) - {"content_rows_share"}) | set(DELTAS) | set(FLOORS)
    assert all(metric.reading.endswith(".") for metric in METRICS.values())
