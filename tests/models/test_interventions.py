"""Heads changed by the tap: beside weights and hooks on copies, in batches and in batches that grow on their way."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attncompare.analyses.ablation import one_by_one
from attncompare.analyses.asking import asked
from attncompare.errors import UnsupportedModel
from attncompare.models import edits, tap
from attncompare.models.gates import gates, read_places
from attncompare.models.interventions import Clean, Interventions
from attncompare.models.pair import Pair, Side, common_stacks
from attncompare.models.passes import answered, repeated
from attncompare.models.question import PairText
from tests.models import readers

TEXT = "The film is not good, and the dialogue is painfully dull."
OPTIONS: dict[str, dict[str, Any]] = {
    "bert": {"kind": "AutoModelForSequenceClassification", "output_kind": "label", "labels": ("no", "yes")},
    "t5": {"output_kind": "next_token"},
    "bart": {"output_kind": "next_token"},
}
FAMILIES = ("bert", "gpt2", "llama", "mistral", "gemma2", "t5", "bart")
STACKS = [(family, "self") for family in FAMILIES] + [("t5", "decoder"), ("t5", "cross"), ("bart", "cross")]
QUERY_KEY = ("query.", "key.", "q_proj.", "k_proj.", "SelfAttention.q.", "SelfAttention.k.")
VALUE = ("value.", "v_proj.", "SelfAttention.v.")


def made(family: str) -> Pair:
    return readers.pair(family, **OPTIONS.get(family, {}))


def question_of(pair: Pair, attention: str = "self") -> tuple[PairText, Any]:
    reading = {"attention": attention, "target": "a dull film"} if pair.encoder_decoder else {}
    return asked(pair, TEXT, None if pair.output_kind == "label" else "!", None, None, **reading)


def interventions(pair: Pair, attention: str = "self") -> tuple[Interventions, Interventions]:
    question, readout = question_of(pair, attention)
    base, tuned = (Interventions(pair, question, side, readout) for side in (pair.base, pair.tuned))
    return base, tuned


def unheard(*_: Any) -> None:
    """Progress that nobody watches."""


def only(layers: int, heads: int, *chosen: tuple[int, int]) -> Tensor:
    wanted = torch.zeros(len(chosen), layers, heads, dtype=torch.bool)
    for row, (layer, head) in enumerate(chosen):
        wanted[row, layer, head] = True
    return wanted


def tuned_in(family: str, parts: tuple[str, ...]) -> Pair:
    """A pair whose tuned side differs from the base only in the weights whose names have one of these parts."""
    pair = made(family)
    model = copy.deepcopy(pair.base.model)
    changed = 0
    torch.manual_seed(3)
    for name, weight in model.named_parameters():
        if any(part in name for part in parts):
            weight.data += 0.3 * torch.randn_like(weight)
            changed += 1
    assert changed
    tuned = replace(pair.tuned, model=model)
    return replace(pair, tuned=tuned, stacks=common_stacks(pair.base.layout, tuned.layout))


def attention_inputs(model: Any, change: Any) -> list[Any]:
    """Hooks on every output projection of the copy's self-attention; ``change(layer, z)`` edits its input in place."""
    names = ("attention.output.dense", "self_attn.o_proj", "self_attn.out_proj", "attn.c_proj", "SelfAttention.o")
    found = [m for name, m in model.named_modules() if name.endswith(names) and "decoder" not in name]
    return [
        module.register_forward_pre_hook(lambda _, args, layer=layer: (change(layer, args[0].clone()),))
        for layer, module in enumerate(found)
    ]


def hooked(side: Side, change: Any) -> Side:
    model = copy.deepcopy(side.model)
    assert len(attention_inputs(model, change)) == 2
    return replace(side, model=model)


def readout_of(pair: Pair, side: Side, question: PairText, readout: Any, name: str = "base") -> float:
    with torch.no_grad():
        logits = answered(pair, side, repeated((question.base if name == "base" else question.tuned).inputs, 1, "cpu"))
    return float(readout.value(logits, name)[0])


@pytest.mark.parametrize(("family", "attention"), STACKS)
def test_a_heads_own_pattern_is_the_unchanged_row_bit_for_bit(family: str, attention: str) -> None:
    pair = made(family)
    model, _ = interventions(pair, attention)
    batch = 5
    seen = 0

    def own_pattern_back(place: Any, call: tap.Running) -> Tensor:
        nonlocal seen
        output = call.output()
        if place.attention != attention:
            return output
        # What row 0 has here, put into rows 1 and 3: they are then what rows 0, 2 and 4 are.
        recorded = replace(model.clean.calls[place.layer], query=call.query[:1], key=call.key[:1])
        rows = torch.tensor([1, 3])
        back = call.looking_as(recorded, call.value[rows])
        assert torch.equal(back, output[rows])
        output[rows] = back
        seen += 1
        return output

    question, _ = question_of(pair, attention)
    with torch.no_grad(), tap.editing(pair.base.layout, own_pattern_back):
        logits = answered(pair, pair.base, repeated(question.base.inputs, batch, "cpu"))
    assert seen == 2
    assert torch.equal(logits[1], logits[0])
    assert torch.equal(logits[3], logits[2])
    with torch.no_grad():
        plain = answered(pair, pair.base, repeated(question.base.inputs, 1, "cpu"))
    torch.testing.assert_close(logits[:1], plain, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("family", "attention"), STACKS)
def test_a_recorded_pattern_put_back_does_nothing(family: str, attention: str) -> None:
    model, _ = interventions(made(family), attention)
    shape = len(model.clean.calls), model.clean.calls[0].heads
    wanted = one_by_one(*shape)
    for edit in (edits.pattern(model.clean), edits.output(model.clean)):
        assert model.effects(wanted, edit, unheard).abs().max() < 1e-4


@pytest.mark.parametrize(("family", "attention"), STACKS)
def test_batches_that_rows_join_at_their_layer_equal_whole_ones_and_single_ones(family: str, attention: str) -> None:
    pair = made(family)
    base, tuned = interventions(pair, attention)
    wanted = one_by_one(len(base.clean.calls), base.clean.calls[0].heads)
    edit = edits.pattern(tuned.clean)
    assert base._layered is not None
    grown = base.effects(wanted, edit, unheard)
    assert base._layered is not None, "it fell back to whole passes"
    base._layered = None
    whole = base.effects(wanted, edit, unheard)
    alone = torch.cat([base.effects(row[None], edit, unheard) for row in wanted])
    assert grown.abs().max() > 1e-3
    torch.testing.assert_close(grown, whole, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(alone, whole, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "gemma2", "bart"])
def test_zero_mean_and_output_equal_hooks_on_a_copy(family: str) -> None:
    pair = made(family)
    question, readout = question_of(pair)
    model, other = interventions(pair)
    layers, heads = len(model.clean.calls), model.clean.calls[0].heads
    layer, head = 1, 2
    given = {
        "zero": torch.zeros_like(model.clean.outputs[layer][0, :, head]),
        "mean": model.clean.outputs[layer][0, :, head].mean(0, keepdim=True),
        "output": other.clean.outputs[layer][0, :, head],
    }
    ours = {"zero": edits.zero, "mean": edits.mean([model.clean]), "output": edits.output(other.clean)}
    for name, edit in ours.items():
        width = model.clean.outputs[layer].shape[-1]

        def put(at: int, z: Tensor, name: str = name, width: int = width) -> Tensor:
            if at == layer:
                z[..., head * width : (head + 1) * width] = given[name]
            return z

        expected = readout_of(pair, hooked(pair.base, put), question, readout) - model.output
        found = float(model.effects(only(layers, heads, (layer, head)), edit, unheard)[0])
        assert abs(expected) > 1e-4
        assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("family", ["bert", "llama", "mistral", "gemma2"])
def test_uniform_is_the_mean_of_visible_values_by_a_plain_loop(family: str) -> None:
    pair = made(family)
    model, _ = interventions(pair)
    question, _ = question_of(pair)
    checked = 0

    def compare(place: Any, call: tap.Running) -> Tensor:
        nonlocal checked
        rows = torch.tensor([0])
        found = edits.uniform(model.clean)(place.layer, call, rows)[0]
        allowed = model.clean.calls[place.layer].rows(list(range(place.heads))) > 0
        group = call.query.shape[1] // call.value.shape[1]
        for head in range(place.heads):
            for query in range(call.query.shape[2]):
                seen = [key for key in range(call.key.shape[2]) if allowed[head, query, key]]
                expected = torch.stack([call.value[0, head // group, key] for key in seen]).mean(0)
                torch.testing.assert_close(found[query, head], expected)
                checked += 1
        return call.output()

    with torch.no_grad(), tap.editing(pair.base.layout, compare):
        answered(pair, pair.base, repeated(question.base.inputs, 1, "cpu"))
    assert checked == 2 * 4 * len(question.query_tokens)


@pytest.mark.parametrize("family", ["bert", "llama", "t5", "bart"])
def test_with_other_queries_and_keys_only_all_patterns_make_the_tuned_model(family: str) -> None:
    pair = tuned_in(family, QUERY_KEY)
    base, tuned = interventions(pair)
    assert abs(tuned.output - base.output) > 1e-3
    everything = one_by_one(len(base.clean.calls), base.clean.calls[0].heads)[-1:]
    into_base = base.effects(everything, edits.pattern(tuned.clean), unheard)
    into_tuned = tuned.effects(everything, edits.pattern(base.clean), unheard)
    if not pair.encoder_decoder:  # its decoder's queries and keys differ too
        assert base.output + float(into_base[0]) == pytest.approx(tuned.output, abs=1e-5)
        assert tuned.output + float(into_tuned[0]) == pytest.approx(base.output, abs=1e-5)
    else:
        assert abs(float(into_base[0])) > 1e-4


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_with_other_queries_keys_and_values_only_all_outputs_make_the_tuned_model(family: str) -> None:
    pair = tuned_in(family, QUERY_KEY + VALUE)
    base, tuned = interventions(pair)
    assert abs(tuned.output - base.output) > 1e-3
    everything = one_by_one(len(base.clean.calls), base.clean.calls[0].heads)[-1:]
    given = base.effects(everything, edits.output(tuned.clean), unheard)
    looked = base.effects(everything, edits.pattern(tuned.clean), unheard)
    assert base.output + float(given[0]) == pytest.approx(tuned.output, abs=1e-5)
    assert abs(base.output + float(looked[0]) - tuned.output) > 1e-4, "patterns alone must not be enough here"


@pytest.mark.parametrize("family", ["bert", "llama", "gpt2"])
def test_all_heads_off_is_a_pass_without_attention_output(family: str) -> None:
    pair = made(family)
    question, readout = question_of(pair)
    base, _ = interventions(pair)
    silent = hooked(pair.base, lambda layer, z: torch.zeros_like(z))
    everything = one_by_one(len(base.clean.calls), base.clean.calls[0].heads)[-1:]
    found = base.output + float(base.effects(everything, edits.zero, unheard)[0])
    assert found == pytest.approx(readout_of(pair, silent, question, readout), abs=1e-5)
    assert abs(found - base.output) > 1e-3


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "gemma2"])
def test_gates_equal_finite_differences(family: str) -> None:
    pair = made(family)
    double = Side(pair.base.info, copy.deepcopy(pair.base.model).double(), pair.base.tokenizer, pair.base.layout)
    question, readout = question_of(pair)
    found = gates(pair, pair.base, question.base, "self", readout, "base")
    layers, heads = found.shape
    width = pair.base.model.config.hidden_size // heads
    step = 1e-2
    for layer in range(layers):
        for head in range(heads):

            def scaled(by: float, layer: int = layer, head: int = head) -> float:
                def scale(at: int, z: Tensor) -> Tensor:
                    if at == layer:
                        z[..., head * width : (head + 1) * width] *= by
                    return z

                with torch.no_grad():
                    logits = (
                        hooked(double, scale).model(**question.base.inputs).logits
                    )  # answered() would round to float32
                return float(readout.value(logits if pair.output_kind == "label" else logits[:, -1], "base")[0])

            slope = (scaled(1 + step) - scaled(1 - step)) / (2 * step)
            assert float(found[layer, head]) == pytest.approx(slope, rel=1e-3, abs=2e-4)


def test_where_the_answer_is_read_from() -> None:
    places, last = {}, {}
    for family in ("bert", "gpt2", "llama", "t5"):
        pair = made(family)
        question, readout = question_of(pair)
        places[family] = read_places(pair, pair.base, question.base, "self", readout, "base")
        last[family] = len(question.query_tokens) - 1
    assert last["gpt2"] == last["llama"]
    assert places["bert"] == (0,)
    assert places["gpt2"] == places["llama"] == (last["gpt2"],)
    assert len(places["t5"]) > 1, "a decoder reads every token of its source"


def test_where_the_answer_is_read_from_takes_no_graph_of_the_layers_below() -> None:
    pair = made("llama")
    question, readout = question_of(pair)
    for weight in pair.base.model.parameters():
        weight.requires_grad_(False)
    saved: list[int] = []

    def count(x: Tensor) -> Tensor:
        saved.append(x.ndim)
        return x

    with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
        read_places(pair, pair.base, question.base, "self", readout, "base")
        below = len(saved)
        gates(pair, pair.base, question.base, "self", readout, "base")
    assert 0 < below
    assert 4 not in saved[:below], "queries and keys are kept"
    assert 4 in saved[below:]
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_gates_whatever_mode_the_caller_is_in(mode: Any) -> None:
    pair = made("bert")
    with mode():
        question, readout = question_of(pair)
        inside = gates(pair, pair.base, question.base, "self", readout, "base")
        assert read_places(pair, pair.base, question.base, "self", readout, "base") == (0,)
        assert not torch.is_grad_enabled()
    torch.testing.assert_close(inside, gates(pair, pair.base, question.base, "self", readout, "base"))


def test_several_heads_at_once_are_one_row() -> None:
    base, _ = interventions(made("bert"))
    both = only(2, 4, (0, 1), (1, 3)).any(0, keepdim=True)
    everything = base.effects(torch.cat((both, only(2, 4, (0, 1)), only(2, 4, (1, 3)))), edits.zero, unheard)
    assert float(everything[0]) != pytest.approx(float(everything[1:].sum()), abs=1e-6)
    assert torch.isfinite(everything).all()


def test_batches_are_told_and_can_be_stopped() -> None:
    base, _ = interventions(made("bert"))
    wanted = one_by_one(2, 4)
    told = []
    base.effects(wanted, edits.zero, lambda *step: told.append(step), done=3, total=50)
    assert [step[0] for step in told] == ["changing heads"] * len(told)
    assert told[-1][1:] == (3 + len(wanted), 50)

    def stop(*_: Any) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        base.effects(wanted, edits.zero, stop)
    again = base.effects(wanted, edits.zero, unheard)
    assert torch.isfinite(again).all()


def test_no_model_is_modified() -> None:
    pair = made("llama")
    before = {name: value.clone() for name, value in pair.base.model.state_dict().items()}
    base, tuned = interventions(pair)
    base.effects(one_by_one(2, 4), edits.pattern(tuned.clean), unheard)
    after = pair.base.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not any(module._forward_pre_hooks for module in pair.base.model.modules())


def test_a_model_on_the_dense_way_is_refused() -> None:
    pair = readers.pair("bloom")
    assert pair.base.layout
    dense = replace(pair.base, info=replace(pair.base.info, attention_path="dense"))
    question, readout = question_of(pair)
    with pytest.raises(UnsupportedModel, match="can be read but not changed: divergence, rollout"):
        Interventions(replace(pair, base=dense), question, dense, readout)
    with pytest.raises(UnsupportedModel, match="can be read but not changed"):
        gates(pair, dense, question.base, "self", readout, "base")


def test_a_classifier_that_depends_on_its_neighbours_is_refused() -> None:
    pair = made("bert")
    base, _ = interventions(pair)

    class Neighbours(nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner, self.config, self.dtype = inner, inner.config, inner.dtype

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            found = self.inner(*args, **kwargs)
            found.logits = found.logits + len(found.logits)
            return found

    base.side = replace(base.side, model=Neighbours(pair.base.model))
    base._layered = None
    with pytest.raises(UnsupportedModel, match="something else for a text among others"):
        base.effects(one_by_one(2, 4), edits.zero, unheard)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_classifier_on_a_decoder_without_a_padding_number_runs_one_at_a_time(family: str) -> None:
    """It refuses a batch, and what one row gives is what rows of a batch give where there is such a number."""
    pair = readers.pair(family, kind="AutoModelForSequenceClassification", output_kind="label", labels=("no", "yes"))
    assert pair.base.model.config.pad_token_id is None
    question, readout = asked(pair, TEXT, None, None, None)
    padded = [replace(side, model=copy.deepcopy(side.model)) for side in (pair.base, pair.tuned)]
    for side in padded:
        side.model.config.pad_token_id = 2
    batched = replace(pair, base=padded[0], tuned=padded[1])
    wanted = one_by_one(2, 4)
    alone, other = (Interventions(pair, question, side, readout) for side in (pair.base, pair.tuned))
    together = Interventions(batched, question, padded[0], readout)
    for edit in (edits.zero, edits.pattern(other.clean)):
        found = alone.effects(wanted, edit, unheard)
        assert found.abs().max() > 1e-3
        torch.testing.assert_close(found, together.effects(wanted, edit, unheard), atol=1e-5, rtol=1e-4)
    assert alone.effects(wanted, edits.output(alone.clean), unheard).abs().max() < 1e-5


def test_clean_passes_of_a_pair_are_what_it_records() -> None:
    pair = made("llama")
    base, _ = interventions(pair)
    assert isinstance(base.clean, Clean)
    for layer, call in base.clean.calls.items():
        rows = call.rows(list(range(4)))
        assert rows.sum(-1) == pytest.approx(torch.ones(rows.shape[:2]), abs=1e-5)
        assert base.clean.outputs[layer].shape == (1, call.queries, 4, 8)
