"""`compare` against a dense calculation from the models' own eager attention, and its invariants, on real code paths."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

import attncompare
from attncompare.analyses import blocks
from attncompare.analyses.comparison import Comparison, compare
from attncompare.analyses.verdict import Claim
from attncompare.errors import BadInput, TraceGone, UnsupportedModel
from attncompare.metrics import COLUMNS, DELTAS, METRICS
from attncompare.models import traces
from attncompare.models.traces import TRACES
from tests.conftest import TEXT, mean_normalised_entropy, save_tiny, tiny_pair
from tests.metrics.test_kernel import naive

FILM = "The film is not good, and the dialogue is painfully dull."
PAIRS = ("bert", "gpt2", "llama", "embedded")


@pytest.fixture(scope="module", params=PAIRS)
def question(request, tmp_path_factory, embedded_pair) -> tuple[attncompare.Pair, str]:
    if request.param == "embedded":
        return embedded_pair, FILM
    return tiny_pair(tmp_path_factory.mktemp(request.param), request.param), TEXT


@pytest.fixture(scope="module")
def result(question) -> Comparison:
    return compare(*question)


@pytest.fixture
def forgotten(question) -> Iterator[None]:
    """Nothing is kept of the text; the tests that come after find it kept again, whatever their order."""
    TRACES.drop(lambda key: True)
    yield
    compare(*question)


def dense(side, text: str) -> list[Tensor]:
    """Eager ``output_attentions`` of a side's own weights, rows renormalised in float64; a layer is [head, query, key]."""
    model = side.model.get_base_model() if side.info.adapter else side.model
    model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            output = model(**side.tokenizer(text, return_tensors="pt"), output_attentions=True)
    finally:
        model.set_attn_implementation("attncompare")
    rows = [layer[0].double() for layer in output.attentions]
    return [layer / layer.sum(-1, keepdim=True) for layer in rows]


def test_every_number_agrees_with_the_dense_way(question, result: Comparison) -> None:
    pair, text = question
    base, tuned = dense(pair.base, text), dense(pair.tuned, text)
    if len(result.layers) == 3:
        assert mean_normalised_entropy(base) < 0.8
        assert mean_normalised_entropy(tuned) < 0.8
    for layer in result.layers:
        for group in range(0, result.heads["tvd"].shape[1], 3):  # the naive loop takes three heads at a time
            heads = [min(group + i, result.heads["tvd"].shape[1] - 1) for i in range(3)]
            expected = naive(base[layer][heads], tuned[layer][heads], list(result.sinks), causal=result.causal)
            for name in COLUMNS:
                ours = result.heads[name][layer, heads].tolist()
                assert ours == pytest.approx(expected[name], abs=5e-6, nan_ok=True), (layer, heads, name)


def test_rollout_agrees_with_the_dense_way(question, result: Comparison) -> None:
    pair, text = question
    assert result.rollout is not None
    for side, ours in ((pair.base, result.rollout.base), (pair.tuned, result.rollout.tuned)):
        product = np.eye(len(result.tokens))
        for rows in dense(side, text):
            product = (rows.mean(0).numpy() / 2 + np.eye(len(result.tokens)) / 2) @ product
        assert ours == pytest.approx(product, abs=1e-5)
    alone = attncompare.rollout(pair, text, token=len(result.tokens) - 1)
    assert alone.queries == (len(result.tokens) - 1,)
    assert np.array_equal(alone.tuned, result.rollout.tuned[-1:])


def test_tokens_received_are_means_over_the_queries_that_see_them(question, result: Comparison) -> None:
    pair, text = question
    rows = torch.stack(dense(pair.tuned, text)).mean((0, 1))
    queries = torch.arange(len(rows), 0, -1) if result.causal else torch.full((len(rows),), len(rows))
    assert result.received_tuned == pytest.approx((rows.sum(0) / queries).numpy(), abs=1e-6)


def test_a_head_opened_later_shows_the_same_number(question, result: Comparison) -> None:
    pair, text = question
    top = result.movers[0]
    maps = result.head(top.layer, top.head)
    assert maps.jsd_bits == pytest.approx(float(result.heads["jsd_bits"][top.layer, top.head]), abs=1e-6)
    assert np.isnan(maps.base).any() == result.causal
    assert np.nansum(maps.tuned, axis=1) == pytest.approx(1, abs=1e-5)
    again = attncompare.head_maps(pair, text, top.layer, top.head)
    assert np.array_equal(again.delta, maps.delta, equal_nan=True)
    expected = dense(pair.base, text)[top.layer][top.head].numpy()
    assert np.nan_to_num(maps.base) == pytest.approx(expected, abs=1e-5)


def test_a_model_against_itself_has_not_changed(tmp_path) -> None:
    folder = save_tiny(tmp_path / "same", "llama", seed=3)
    result = compare(attncompare.load_pair(folder, folder, device="cpu"), TEXT)
    for name, metric in METRICS.items():
        if metric.kind in ("divergence", "delta"):
            assert not np.nan_to_num(result.metric(name)).any(), name
    assert (result.heads["cosine"] == 1).all()
    assert result.movers == ()
    assert result.outputs.same is True
    assert result.outputs.kl_bits == 0
    assert result.rollout is not None
    assert not result.rollout.delta.any()
    assert result.verdict.startswith("No head moved")


def test_swapping_the_sides_keeps_divergences_and_negates_deltas(tmp_path) -> None:
    base, tuned = save_tiny(tmp_path / "a", "bert", seed=4), save_tiny(tmp_path / "b", "bert", seed=4, tune=0.2)
    there = compare(attncompare.load_pair(base, tuned, device="cpu"), TEXT)
    back = compare(attncompare.load_pair(tuned, base, device="cpu"), TEXT)
    for name, metric in METRICS.items():
        if metric.kind in ("divergence", "similarity"):
            assert there.metric(name) == pytest.approx(back.metric(name), abs=1e-6, nan_ok=True), name
    for name in DELTAS:
        assert np.array_equal(there.metric(name), -back.metric(name)), name
    assert there.received_tuned - there.received_base == pytest.approx(
        back.received_base - back.received_tuned, abs=1e-6
    )


def test_movers_point_at_real_changes(question, result: Comparison) -> None:
    pair, text = question
    order = [float(result.heads["jsd_bits"][mover.layer, mover.head]) for mover in result.movers]
    assert order == sorted(order, reverse=True)
    top = result.movers[0]
    delta = np.nan_to_num(result.head(top.layer, top.head).delta)
    received = delta.sum(0) / (~np.isnan(result.head(top.layer, top.head).delta)).sum(0)
    for key, mass in (*top.lost, *top.gained):
        assert mass == pytest.approx(received[key], abs=1e-6)
    assert top.gained[0][0] == received.argmax()
    assert top.lost[0][0] == received.argmin()
    for query, key, change in (*top.lost_links, *top.gained_links):
        assert change == pytest.approx(delta[query, key], abs=1e-6)
    assert top.gained_links[0][2] == pytest.approx(delta.max(), abs=1e-6)


def test_outputs_are_the_models_own(question, result: Comparison) -> None:
    pair, text = question
    probabilities = []
    for side in (pair.base, pair.tuned):
        with torch.no_grad():
            logits = side.model(**side.tokenizer(text, return_tensors="pt")).logits[0].double()
        probabilities.append((logits[-1] if result.causal else logits).softmax(-1))
    base, tuned = probabilities
    expected = float((tuned * (tuned / base).log2()).sum())
    assert result.outputs.kl_bits == pytest.approx(expected, abs=1e-5)
    assert result.outputs.same == bool(base.argmax() == tuned.argmax())
    name, probability = result.outputs.tuned[0]
    assert probability == pytest.approx(float(tuned.max()), abs=1e-6)
    best = int(tuned.argmax())
    assert name == (pair.tuned.tokenizer.decode([best]) if result.causal else pair.labels[best])


def test_the_verdict_names_what_the_numbers_say(result: Comparison) -> None:
    bits = result.heads["jsd_bits"]
    top = np.unravel_index(bits.argmax(), bits.shape)
    assert f"L{top[0]}.H{top[1]} moved most" in result.verdict
    count = int(result.verdict.split(" of ")[0])
    ordered = np.sort(bits.ravel().astype(float))[::-1]
    assert ordered[:count].sum() >= ordered.sum() / 2 > ordered[: count - 1].sum()
    assert "without a yardstick" in result.verdict


def test_the_receipt_holds(result: Comparison) -> None:
    assert all(check.passed for check in result.checks)
    assert {"same_tokens", "rows_sum_to_1", "masks_respected", "dropout_off"} <= {check.name for check in result.checks}


def test_results_cannot_be_written_into(result: Comparison) -> None:
    with pytest.raises(ValueError, match="read-only"):
        result.heads["jsd_bits"][0, 0] = 1


def test_frame_and_json_carry_the_same_numbers(result: Comparison) -> None:
    frame, written = result.frame(), json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert len(frame) == len(written["heads"]) == result.heads["tvd"].size
    for row, entry in zip(frame.to_dict("records"), written["heads"], strict=True):
        for name in COLUMNS:
            ours = row[name]
            assert entry[name] is None if math.isnan(ours) else entry[name] == pytest.approx(ours), name
        parts = entry["sink_bits"] + entry["within_sink_bits"] + entry["content_bits"]
        assert parts == pytest.approx(entry["jsd_bits"], abs=1e-7)


def test_a_long_text_takes_the_streaming_way_to_the_same_numbers(question, result, forgotten, monkeypatch) -> None:
    """Nothing is kept, layers are dropped as they are visited, and a head's map costs two more passes."""
    pair, text = question
    monkeypatch.setattr(traces, "TRACE_LIMIT_BYTES", 0)
    streamed = compare(pair, text)
    for name in COLUMNS:
        assert np.array_equal(streamed.heads[name], result.heads[name], equal_nan=True), name
    with pytest.raises(TraceGone, match="run compare"):
        streamed.head(0, 0)
    maps = attncompare.head_maps(pair, text, 1, 2)
    assert maps.jsd_bits == pytest.approx(float(result.heads["jsd_bits"][1, 2]), abs=1e-6)


def test_progress_counts_up_and_can_stop_the_work(question, forgotten) -> None:
    pair, text = question
    layers = len(pair.stacks["self"].layers)
    seen: list[tuple[str, int, int]] = []

    def stop(step: str, done: int, total: int) -> None:
        seen.append((step, done, total))
        if len(seen) == layers + 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        compare(pair, text, progress=stop)
    assert [done for _, done, _ in seen] == list(range(1, layers + 2))
    told: list[int] = []
    compare(pair, text, progress=lambda step, done, total: told.append(total - done))
    assert told == sorted(told, reverse=True)
    assert told[-1] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda pair: compare(pair, "  "), "The text is empty"),
        (lambda pair: compare(pair, "dull " * 700), "take at most 512"),
        (lambda pair: compare(pair, FILM, level="letter"), "evel .*'letter'"),
        (lambda pair: compare(pair, FILM, attention="cross"), "no attention 'cross': choose 'self'"),
        (lambda pair: attncompare.head_maps(pair, FILM, 0, 0, queries=(3, 99)), r"within 0 to 15, got \(3, 99\)"),
        (lambda pair: attncompare.head_maps(pair, FILM, 0, 0, keys=(3, 3)), "keys must be a window"),
        (lambda pair: compare(pair, FILM).head(6, 0), "L6.H0 does not exist: these models attend in layers 0 to 5"),
        (lambda pair: attncompare.head_maps(pair, FILM, 0, 12), "heads 0 to 11"),
        (lambda pair: attncompare.head_maps(pair, FILM, -1, 0), "does not exist"),
        (lambda pair: attncompare.head_maps(pair, FILM, True, 0), "must be whole numbers, got True and 0"),
        (lambda pair: attncompare.rollout(pair, FILM, token=-1), "Token -1 does not exist"),
        (lambda pair: compare(pair, FILM).metric("jsd"), "There is no metric 'jsd'"),
        (lambda pair: attncompare.rollout(pair, FILM, token=15), "Token 15 does not exist"),
    ],
)
def test_bad_input_is_one_sentence(embedded_pair, call: Callable[[attncompare.Pair], object], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        call(embedded_pair)
    assert "\n" not in str(caught.value)


def test_step_0_of_the_training_equals_the_base_exactly() -> None:
    pair = attncompare.load_pair(tuned="assets/movie-sentiment/step-0000", device="cpu")
    result = compare(pair, FILM)
    assert not result.heads["jsd_bits"].any()
    assert (result.heads["cosine"] == 1).all()
    assert result.outputs.base == result.outputs.tuned
    assert result.outputs.base_head == "borrowed"


def test_a_notebook_shows_the_verdict_with_its_tokens_escaped(embedded_pair) -> None:
    result = compare(embedded_pair, FILM)
    hostile = Claim("Heads", "‘<script>’ moved & more", "heads")
    shown = dataclasses.replace(result, claims=(hostile,))._repr_html_()
    assert "<script" not in shown
    assert "‘&lt;script&gt;’ moved &amp; more" in shown


def test_several_blocks_give_the_same_numbers_as_one(question, result, monkeypatch) -> None:
    pair, text = question
    monkeypatch.setattr(blocks, "MIN_ROWS", 4)
    monkeypatch.setattr(blocks, "BLOCK_CELLS", {"cpu": 0})
    small = compare(pair, text)
    for name in COLUMNS:
        assert small.heads[name] == pytest.approx(result.heads[name], abs=1e-6, nan_ok=True), name
    assert small.rollout is not None
    assert small.rollout.tuned == pytest.approx(result.rollout.tuned, abs=1e-6)
    assert small.head(1, 1).base == pytest.approx(result.head(1, 1).base, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("queries", [None, (0, 1), (7, 22), (9, 10)])
@pytest.mark.parametrize("keys", [None, (3, 9)])
def test_a_window_is_cut_from_the_whole_map(question, result, monkeypatch, queries, keys) -> None:
    """Its rows come from several blocks, and the divergence stays the whole text's."""
    pair, text = question
    size = len(result.tokens)
    queries = queries and (queries[0], min(queries[1], size))
    whole = result.head(1, 2)
    monkeypatch.setattr(blocks, "MIN_ROWS", 4)
    monkeypatch.setattr(blocks, "BLOCK_CELLS", {"cpu": 0})
    cut = attncompare.head_maps(pair, text, 1, 2, queries=queries, keys=keys)
    (first, last), (left, right) = queries or (0, size), keys or (0, size)
    assert (cut.queries, cut.keys) == ((first, last), (left, right))
    assert cut.whole is (queries is None and keys is None)
    for name in ("base", "tuned"):
        expected = getattr(whole, name)[first:last, left:right]
        assert np.allclose(getattr(cut, name), expected, atol=1e-6, equal_nan=True)
    assert cut.jsd_bits == pytest.approx(whole.jsd_bits, abs=1e-6)
    for line in cut.frame().tail(1).to_dict("records"):  # none where a causal window is masked as a whole
        assert whole.tuned[int(line["query"]), int(line["key"])] == pytest.approx(line["tuned"], abs=1e-6)


def test_maps_of_a_long_text_stay_out_of_the_json(embedded_pair, monkeypatch) -> None:
    maps = attncompare.head_maps(embedded_pair, FILM, 3, 9)
    assert maps.to_dict()["maps_omitted"] is None
    monkeypatch.setattr("attncompare.analyses.maps.FULL_TOKENS", 10)
    assert maps.to_dict()["base"] is None
    assert maps.to_dict()["maps_omitted"] == "above 10 tokens: ask for a window of queries and keys"


def test_one_causal_token_has_nothing_to_compare(tmp_path) -> None:
    pair = tiny_pair(tmp_path, "gpt2")
    result = compare(pair, "w1")
    assert result.verdict.startswith("Nothing to compare")
    written = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert all(head["jsd_bits"] is None for head in written["heads"])
    assert json.loads(json.dumps(result.head(0, 0).to_dict(), allow_nan=False))["jsd_bits"] is None
    assert result.rollout is not None
    assert "only the difference" in str(result.rollout.lift_omitted)


def test_weights_that_give_nan_are_an_error_not_a_result(tmp_path) -> None:
    pair = tiny_pair(tmp_path, "bert")
    row = pair.tuned.tokenizer.convert_tokens_to_ids("w7")
    pair.tuned.model.get_input_embeddings().weight.data[row] = torch.inf
    for question in (compare, attncompare.rollout, lambda *asked: attncompare.head_maps(*asked, 0, 0)):
        with pytest.raises(UnsupportedModel, match="computes NaN or infinity on this text in float32"):
            question(pair, TEXT)
