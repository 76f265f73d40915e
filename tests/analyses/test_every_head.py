"""All heads' codes against each head's own maps, over every kind of attention; reduced ones against a naive loop."""

import numpy as np
import pytest
import transformers

import attncompare
from attncompare.analyses import blocks
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.every_head import REDUCED_BYTES, WHOLE_BYTES, EveryHead, Form, coded_head, fitting
from attncompare.errors import TraceGone
from attncompare.models.traces import TRACES
from tests.analyses.test_stacks import TARGET, TEXT, TINY, of_config
from tests.models import readers

KINDS = (
    "encoder", "words", "causal", "grouped", "window", "alternating", "cross", "decoder", "null", "shared",
)  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def result(request: pytest.FixtureRequest) -> Comparison:
    kind = request.param
    if kind in ("cross", "decoder"):
        pair = readers.pair("t5", readers.sentence_piece())
        return attncompare.compare(pair, TEXT, target=TARGET, attention=kind)
    if kind == "shared":
        pair = readers.pair("gpt2", readers.byte_level(), readers.byte_level(bos=True, size=270))
        return attncompare.compare(pair, TEXT)
    if kind == "null":
        config = transformers.GptOssConfig(
            **TINY, num_hidden_layers=2, num_key_value_heads=2, head_dim=8, sliding_window=8, num_local_experts=2,
            num_experts_per_tok=1,
        )  # fmt: skip
        return attncompare.compare(of_config(config, scale=0.2), TEXT)
    family = {"causal": "gpt2", "grouped": "llama", "window": "mistral", "alternating": "gemma2"}.get(kind, "bert")
    return attncompare.compare(readers.pair(family), TEXT, level="word" if kind == "words" else "auto")


def values(codes: np.ndarray) -> np.ndarray:
    return (codes.astype(np.float64) / (255 if codes.dtype == np.uint8 else 65535)) ** 2


@pytest.mark.parametrize(("bits", "error"), [(16, 2e-5), (8, 1 / 255)])
def test_every_head_is_the_one_that_is_asked_for(result: Comparison, bits: int, error: float) -> None:
    every = result.every_head(Form(bits))
    assert every.layers == result.layers
    assert every.base.shape == (*result.heads["tvd"].shape, len(result.tokens), len(result.key_tokens))
    hidden = 0
    for row, layer in enumerate(result.layers):
        for head in range(every.base.shape[1]):
            maps = result.head(layer, head)
            for codes, expected in ((every.base, maps.base), (every.tuned, maps.tuned)):
                np.testing.assert_allclose(values(codes[row, head]), np.nan_to_num(expected), rtol=0, atol=error)
                masked = np.isnan(expected)
                hidden += int(masked.sum())
                seen = np.ones_like(masked) if every.visible is None else every.visible[row]
                assert np.array_equal(~masked, seen)
    assert (every.visible is None) is (hidden == 0)
    assert (every.visible is not None) is (result.causal or result.attention == "decoder")
    assert np.abs(every.base.astype(float) - every.tuned).max() > 10


@pytest.mark.parametrize("step", [2, 3, 5])
def test_reduced_cells_are_sums_over_keys_and_means_over_queries(result: Comparison, step: int) -> None:
    every = result.every_head(Form(16, step))
    queries, keys = len(result.tokens), len(result.key_tokens)
    assert every.base.shape[2:] == (-(-queries // step), -(-keys // step))
    for row, layer in enumerate(result.layers):
        maps = result.head(layer, 1)
        for down in range(0, queries, step):
            for across in range(0, keys, step):
                piece = slice(down, down + step), slice(across, across + step)
                at = down // step, across // step
                for codes, whole in ((every.base, maps.base), (every.tuned, maps.tuned)):
                    cells = whole[piece]
                    expected = sum(float(np.nan_to_num(one).sum()) for one in cells) / len(cells)
                    assert values(codes[row, 1][at]) == pytest.approx(expected, abs=2e-5)
                seen = bool((~np.isnan(maps.base[piece])).any())
                assert seen is (every.visible is None or bool(every.visible[row][at]))
        assert values(every.base[row]).sum(-1) == pytest.approx(1, abs=1e-3)


def read(content: bytes, every: EveryHead, bits: int) -> list[np.ndarray]:
    """What a page makes of the file."""
    shape, kind = every.base.shape, "<u2" if bits == 16 else "u1"
    count, size = every.base.size, bits // 8
    sides = [np.frombuffer(content, kind, count, at * count * size).reshape(shape) for at in (0, 1)]
    left = np.unpackbits(np.frombuffer(content, "u1", offset=2 * count * size))
    cells = shape[0] * shape[2] * shape[3]
    return [*sides, left[:cells].reshape(shape[0], *shape[2:]).astype(bool)] if len(left) else sides


@pytest.mark.parametrize("form", [Form(16), Form(8), Form(8, 4)])
def test_the_file_holds_all_of_it(result: Comparison, form: Form) -> None:
    every = result.every_head(form)
    found = read(every.content(), every, form.bits)
    for ours, expected in zip(found, (every.base, every.tuned, every.visible), strict=False):
        assert np.array_equal(ours, expected)
    assert len(found) == (2 if every.visible is None else 3)


def test_one_head_is_written_in_the_same_way(result: Comparison) -> None:
    layer = result.layers[-1]
    maps = result.head(layer, 2, queries=(1, 5), keys=(0, 4))
    content, hides = coded_head(maps)
    assert hides is bool(np.isnan(maps.base).any())
    sides = np.frombuffer(content, "<u2", 32).reshape(2, 4, 4)
    for codes, expected in zip(sides, (maps.base, maps.tuned), strict=True):
        np.testing.assert_allclose(values(codes), np.nan_to_num(expected), rtol=0, atol=2e-5)
    assert len(content) == 64 + 2 * hides
    if hides:
        seen = np.unpackbits(np.frombuffer(content, "u1", offset=64)).reshape(4, 4)
        assert np.array_equal(seen, ~np.isnan(maps.base))


def test_merging_words_afterwards_equals_comparing_words() -> None:
    pair = readers.pair("bert")
    tokens, merged = (attncompare.compare(pair, TEXT, level=level) for level in ("token", "word"))
    words = tokens.words()
    assert words is not None
    assert [unit.text for unit in words.units] == [token.text for token in merged.tokens]
    assert merged.words() is None
    for layer in tokens.layers:
        for head in range(4):
            maps, expected = tokens.head(layer, head), merged.head(layer, head)
            for ours, theirs in ((maps.base, expected.base), (maps.tuned, expected.tuned)):
                summed = np.stack([ours[:, group].sum(1) for group in map(list, words.groups)], 1)
                means = np.stack([summed[list(group)].mean(0) for group in words.groups])
                np.testing.assert_allclose(means, theirs, atol=1e-6)


def test_words_are_offered_where_they_differ_from_tokens(result: Comparison, embedded_pair: attncompare.Pair) -> None:
    words = result.words()
    possible = result.level == "token" and result.key_tokens is result.tokens
    assert (words is not None) is possible
    if words is not None:
        assert sorted(i for group in words.groups for i in group) == list(range(len(result.tokens)))
    assert attncompare.compare(embedded_pair, "The film is dull.").words() is None  # every token is a word


def test_the_most_exact_form_that_fits_is_chosen() -> None:
    assert (fitting(72, 90, 90), fitting(72, 130, 130)) == (Form(16), Form(8))
    for heads, queries, keys in ((72, 512, 512), (1024, 300, 300), (144, 100, 4096), (4096, 4096, 4096)):
        form = fitting(heads, queries, keys)
        assert form.bits == 8
        assert form.step > 1
        assert 2 * heads * form.cells(queries) * form.cells(keys) <= REDUCED_BYTES
        finer = Form(8, form.step - 1)
        limit = WHOLE_BYTES if finer.step == 1 else REDUCED_BYTES
        assert 2 * heads * finer.cells(queries) * finer.cells(keys) > limit


def test_a_long_text_is_coded_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few queries that don't end where cells do give the same codes as a single one."""
    pair = readers.pair("gpt2")
    result = attncompare.compare(pair, TEXT)
    whole = [result.every_head(form) for form in (Form(16), Form(16, 3))]
    monkeypatch.setitem(blocks.BLOCK_CELLS, "cpu", 1)
    monkeypatch.setattr(blocks, "PLAIN_ROWS", (5, 5))
    for before, form in zip(whole, (Form(16), Form(16, 3)), strict=True):
        after = result.every_head(form)
        assert np.abs(before.base.astype(int) - after.base).max() <= 1
        assert np.array_equal(before.visible, after.visible)


def test_without_a_trace_there_is_nothing_to_code() -> None:
    result = attncompare.compare(readers.pair("bert"), TEXT)
    TRACES.drop(lambda key: True)
    with pytest.raises(TraceGone, match=r"run compare\(pair, text\) again"):
        result.every_head()
