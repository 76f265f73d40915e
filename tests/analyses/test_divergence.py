"""The divergence alone: the same numbers as a full comparison's, by plain and by own rows."""

from dataclasses import replace

import pytest
import torch

import attncompare
from attncompare.analyses import blocks as blocks_module
from attncompare.analyses.blocks import blocks
from attncompare.analyses.divergence import divergence
from attncompare.metrics.divergence import jsd_bits
from attncompare.metrics.kernel import LayerKernel
from attncompare.models.reading import prepare
from attncompare.models.traces import pair_trace
from tests.conftest import TEXT, tiny_pair


@pytest.fixture(scope="module", params=["bert", "gpt2", "llama", "mistral", "gemma2"])
def pair(request, tmp_path_factory) -> attncompare.Pair:
    return tiny_pair(tmp_path_factory.mktemp("divergence"), request.param)


def test_equals_the_comparisons_column(pair) -> None:
    bits = divergence(pair, TEXT)
    assert bits.shape == (len(pair.stacks["self"].layers), 4)
    assert bits.min() > 0
    assert bits == pytest.approx(attncompare.compare(pair, TEXT).heads["jsd_bits"], abs=1e-6)
    assert not bits.flags.writeable


def test_a_model_does_not_differ_from_itself(pair) -> None:
    assert (divergence(replace(pair, tuned=pair.base, key="itself"), TEXT) == 0).all()


def test_progress_may_stop_it(pair) -> None:
    def stop(step: str, done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        divergence(pair, TEXT, progress=stop)


@pytest.mark.parametrize("apart", [(64, 128), (3, 3), (1, 7)])
@pytest.mark.parametrize("cells", [2**18, 150, 1])
def test_every_way_to_cut_a_layer_gives_the_same_numbers(pair, monkeypatch, apart: tuple[int, int], cells: int) -> None:
    """Blocks of all heads, of some and of one, many queries and few, rows computed fast or by the family."""
    monkeypatch.setattr(blocks_module, "BLOCK_CELLS", {"cpu": cells})
    monkeypatch.setattr(blocks_module, "PLAIN_ROWS", apart)
    monkeypatch.setattr(blocks_module, "MIN_ROWS", apart[0])
    soft_capped = pair.base.info.model_type == "gemma2"
    trace = pair_trace(pair, prepare(pair, TEXT), lambda step, done, total: None)
    own = tuple(replace(call, plain=False) for call in trace.layer("self", 1))
    plain = own if soft_capped else tuple(replace(call, plain=True) for call in own)
    whole = [call.rows([0, 1, 2, 3]) for call in own]
    expected = jsd_bits(*whole)
    for base, tuned in (own, plain, (own[0], plain[1])):
        kernel = LayerKernel(4, len(expected[0]), [0])
        for block in blocks(base, tuned):
            kernel.add(block)
        numbers = kernel.numbers()
        several = base.visible(0, base.queries).sum(-1) > 1
        assert numbers.columns["jsd_bits"].tolist() == pytest.approx(
            expected[:, several].double().mean(-1).tolist(), abs=1e-6
        )
        assert numbers.seen.tolist() == base.visible(0, base.queries).sum(0).tolist()
        assert torch.allclose(numbers.received_tuned, whole[1].double().sum(1), atol=1e-5)
        assert numbers.forbidden == 0
        assert numbers.worst_sum < 1e-5
        for block in blocks(base, tuned, head=2):
            expected_rows = whole[0][2, block.start :][: block.base.shape[1], : block.base.shape[2]]
            assert torch.allclose(block.base[0], expected_rows, atol=2e-6)
