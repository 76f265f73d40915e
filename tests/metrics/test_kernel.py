"""The block kernel against a naive loop over rows in float64, whatever the block size."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from torch import Tensor

from attncompare.metrics import COLUMNS, DELTAS, METRICS
from attncompare.metrics.kernel import MIN_CONTENT_MASS, Block, LayerKernel, LayerNumbers

HEADS = 3


def rows(tokens: int, seed: int, *, causal: bool) -> Tensor:
    logits = 3 * torch.randn(HEADS, tokens, tokens, generator=torch.Generator().manual_seed(seed))
    if causal:
        logits = logits.masked_fill(~torch.ones(tokens, tokens, dtype=torch.bool).tril(), -torch.inf)
    return logits.softmax(-1)


def run(base: Tensor, tuned: Tensor, sinks: list[int], *, causal: bool, step: int) -> LayerNumbers:
    tokens = base.shape[-1]
    visible = torch.ones(tokens, tokens, dtype=torch.bool).tril() if causal else None
    kernel = LayerKernel(HEADS, tokens, sinks)
    for start in range(0, tokens, step):
        at = slice(start, start + step)
        kernel.add(Block(start, base[:, at], tuned[:, at], None if visible is None else visible[at]))
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
@pytest.mark.parametrize("step", [1, 4, 11])
def test_every_column_equals_the_naive_loop(causal: bool, sinks: list[int], step: int) -> None:
    base, tuned = rows(11, 1, causal=causal), rows(11, 2, causal=causal)
    numbers = run(base, tuned, sinks, causal=causal, step=step)
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
    moved = tuned - base
    assert torch.equal(numbers.gain, moved.max(-1).values)
    assert torch.equal(numbers.loss_key, moved.argmin(-1))


def test_a_look_into_the_future_is_seen() -> None:
    base = rows(6, 8, causal=False)
    assert run(base, base, [0], causal=True, step=2).forbidden > 0.01
    assert run(base, base, [0], causal=False, step=2).forbidden == 0
    assert run(2 * base, base, [0], causal=False, step=2).worst_sum == pytest.approx(1, abs=1e-5)


def test_every_metric_is_a_column_or_a_delta() -> None:
    assert set(METRICS) == (set(COLUMNS) - {"content_rows_share"}) | set(DELTAS)
    assert all(metric.reading.endswith(".") for metric in METRICS.values())
