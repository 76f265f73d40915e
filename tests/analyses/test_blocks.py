"""Every column of a layer of some length, computed fast and block by block, against whole maps in float64."""

import pytest
import torch
from torch import Tensor, nn

from attncompare.analyses import blocks as blocks_module
from attncompare.analyses.blocks import Together, blocks
from attncompare.metrics import COLUMNS
from attncompare.metrics.kernel import MIN_CONTENT_MASS, LayerKernel
from attncompare.models import tap
from attncompare.models.calls import LayerCall
from tests.conftest import installed_model

TOKENS, HEADS, SIZE, SINKS = 300, 6, 16, [0, 17, 299]
EXACT = 5e-6


def call(seed: int, *, causal: bool, groups: int, sharpness: float = 1.5) -> LayerCall:
    generator = torch.Generator().manual_seed(seed)
    query = sharpness * torch.randn(1, HEADS, TOKENS, SIZE, generator=generator)
    key = sharpness * torch.randn(1, HEADS // groups, TOKENS, SIZE, generator=generator)
    return LayerCall(nn.Identity(), query, key, None, SIZE**-0.5, {}, causal_without_mask=causal, plain=True)


def maps(call: LayerCall) -> Tensor:
    key = call.key[0].double().repeat_interleave(HEADS // call.key.shape[1], dim=0)
    scores = call.query[0].double() @ key.mT * SIZE**-0.5
    return scores.masked_fill(~call.visible(0, TOKENS), -torch.inf).softmax(-1)


def divergence(p: Tensor, q: Tensor, weight: Tensor) -> Tensor:
    """Weighted Jensen-Shannon divergence of rows in bits."""
    mixed, entropy = weight[..., None] * p + (1 - weight[..., None]) * q, torch.special.entr
    nats = entropy(mixed).sum(-1) - weight * entropy(p).sum(-1) - (1 - weight) * entropy(q).sum(-1)
    return nats / torch.log(torch.tensor(2.0).double())


def expected(p: Tensor, q: Tensor, several: Tensor) -> dict[str, Tensor]:
    content = [key for key in range(TOKENS) if key not in SINKS]
    far = (torch.arange(TOKENS)[:, None] - torch.arange(TOKENS)).abs().double()
    half = torch.full(p.shape[:2], 0.5).double()
    a, b = p[..., SINKS].sum(-1), q[..., SINKS].sum(-1)
    inner = divergence(
        p[..., content] / (1 - a)[..., None], q[..., content] / (1 - b)[..., None], (1 - a) / (2 - a - b)
    )
    kept = (1 - a >= MIN_CONTENT_MASS) & (1 - b >= MIN_CONTENT_MASS) & several
    rows = {
        "jsd_bits": divergence(p, q, half),
        "sink_bits": divergence(torch.stack((a, 1 - a), -1), torch.stack((b, 1 - b), -1), half),
        "within_sink_bits": (a + b)
        / 2
        * divergence(p[..., SINKS] / a[..., None], q[..., SINKS] / b[..., None], a / (a + b)),
        "content_bits": ((2 - a - b) / 2 * inner).nan_to_num(0),
        "tvd": (p - q).abs().sum(-1) / 2,
        "hellinger": ((p.sqrt() - q.sqrt()).square().sum(-1) / 2).sqrt(),
        "cosine": (p * q).sum(-1) / ((p * p).sum(-1) * (q * q).sum(-1)).sqrt(),
        "entropy_base_nats": torch.special.entr(p).sum(-1),
        "entropy_tuned_nats": torch.special.entr(q).sum(-1),
    }
    columns = {name: values[:, several].mean(-1) for name, values in rows.items()}
    columns["content_jsd_bits"] = inner.where(kept, 0).sum(-1) / kept.sum(-1)
    columns["content_rows_share"] = kept.sum(-1) / several.sum()
    for name, side in (("base", p), ("tuned", q)):
        columns[f"distance_{name}"] = (side * far).sum(-1).mean(-1)
        columns[f"sink_mass_{name}"] = side[..., SINKS].sum(-1).mean(-1)
    return columns


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("groups", [1, 3])
def test_every_column_equals_float64(causal: bool, groups: int) -> None:
    base, tuned = (call(seed, causal=causal, groups=groups) for seed in (1, 2))
    kernel = LayerKernel(HEADS, TOKENS, SINKS)
    for block in blocks(base, tuned):
        kernel.add(block)
    numbers = kernel.numbers()
    p, q = maps(base), maps(tuned)
    several = base.visible(0, TOKENS).sum(-1) > 1
    found = expected(p, q, several)
    assert found.keys() == set(COLUMNS)
    for name, column in found.items():
        scale = TOKENS if name.startswith("distance") else 1
        assert torch.allclose(numbers.columns[name], column, atol=EXACT * scale, rtol=0), name
    for sums, side in ((numbers.received_base, p), (numbers.received_tuned, q)):
        assert torch.allclose(sums, side.sum(1), atol=1e-4)


@pytest.mark.parametrize("causal", [False, True])
def test_a_layer_does_not_differ_from_itself(causal: bool) -> None:
    same = call(3, causal=causal, groups=3)
    kernel = LayerKernel(HEADS, TOKENS, SINKS)
    for block in blocks(same, call(3, causal=causal, groups=3)):
        kernel.add(block)
    columns = kernel.numbers().columns
    for name in (
        "jsd_bits", "sink_bits", "within_sink_bits", "content_bits", "content_jsd_bits", "tvd", "hellinger",
    ):  # fmt: skip
        assert columns[name].tolist() == [0] * HEADS, name
    assert columns["cosine"].tolist() == [1] * HEADS


def test_small_differences_keep_their_digits() -> None:
    """What rounding to half precision does to a model is 1e-8 bits, and has to be told from what it does not do."""
    base = call(4, causal=True, groups=1, sharpness=1.0)
    noise = torch.randn(base.query.shape, generator=torch.Generator().manual_seed(5))
    tuned = LayerCall(nn.Identity(), base.query + 3e-4 * noise, base.key, None, SIZE**-0.5, {}, True, plain=True)
    kernel = LayerKernel(HEADS, TOKENS, SINKS)
    for block in blocks(base, tuned):
        kernel.add(block)
    # Terms in float64, as the difference of entropies has no digits left at this size even there.
    p, q = maps(base), maps(tuned)
    ratio = (2 * p / (p + q)).log().nan_to_num(0), (2 * q / (p + q)).log().nan_to_num(0)
    bits = (p * ratio[0] + q * ratio[1]).sum(-1)[:, 1:].mean(-1) / 2 / torch.log(torch.tensor(2.0).double())
    assert 1e-10 < float(bits.max()) < 1e-7
    assert torch.allclose(kernel.numbers().columns["jsd_bits"], bits, rtol=0.01)


@pytest.mark.parametrize("cells", [2**18, 4 * 24 * 24 * 2, 4 * 24 * 24, 50])
@pytest.mark.parametrize("family", ["bert", "llama", "mistral", "gemma2"])
def test_stacked_layers_are_the_layers(family: str, cells: int, ids: Tensor, monkeypatch) -> None:
    """All layers at once, two at a time, each alone; a family that is not plain is never stacked."""
    monkeypatch.setattr(blocks_module, "BLOCK_CELLS", {"cpu": cells})
    sides: list[list[LayerCall]] = [[], []]
    for seed, side in enumerate(sides):
        model, layout = installed_model(family, seed=seed)
        tap.record(model, {"input_ids": ids}, layout, lambda _, call, side=side: side.append(call))
    assert all(call.plain is (family != "gemma2") for call in sides[0])
    counts, numbers = [], []

    def each(base: LayerCall, tuned: LayerCall, count: int) -> None:
        kernel = LayerKernel(base.heads, 24, [0])
        for block in blocks(base, tuned):
            kernel.add(block)
        counts.append(count)
        numbers.extend(kernel.numbers().split(count))

    together = Together(each)
    for base, tuned in zip(*sides, strict=True):
        together.visit(base, tuned)
    together.end()
    layers = len(sides[0])
    assert sum(counts) == len(numbers) == layers
    assert max(counts) == (1 if family == "gemma2" else max(1, min(layers, cells // (4 * 24 * 24))))
    for of_layer, base, tuned in zip(numbers, *sides, strict=True):
        kernel = LayerKernel(4, 24, [0])
        for block in blocks(base, tuned):
            kernel.add(block)
        alone = kernel.numbers()
        for name, column in alone.columns.items():
            assert torch.allclose(of_layer.columns[name], column, atol=1e-6), name
        assert torch.allclose(of_layer.received_tuned, alone.received_tuned, atol=1e-5)
        assert torch.equal(of_layer.seen, alone.seen)
        assert torch.equal(of_layer.gained.key, alone.gained.key)
        assert torch.equal(of_layer.lost.query, alone.lost.query)
