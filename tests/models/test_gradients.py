"""Gradients through embeddings: beside captum, closed forms, finite differences and hooks on copies."""

import copy
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from captum.attr import LayerIntegratedGradients
from torch import Tensor, nn

from attncompare.errors import UnsupportedModel
from attncompare.models import gradients
from attncompare.models.gradients import Embedded, embedded, integrated
from attncompare.models.pair import Pair, unwrapped
from attncompare.models.passes import answered
from attncompare.models.reading import prepare
from attncompare.models.readout import Readout
from attncompare.models.tokens import Encoding, encode
from tests.models import readers
from tests.models.checkpoints import refused

SENTENCE = "The film is not good, and the dialogue is painfully dull."
LABELS: dict[str, Any] = {"output_kind": "label", "labels": ("no", "yes")}
CLASSIFIER = LABELS | {"kind": "AutoModelForSequenceClassification"}
OPTIONS: dict[str, dict[str, Any]] = {
    "bert": CLASSIFIER,
    "t5": {"output_kind": "next_token"},
    "bart": {"output_kind": "next_token"},
}
FAMILIES = ("bert", "gpt2", "llama", "mistral", "gemma2", "t5", "bart")
CLASS = Readout("logit_difference", "yes", "no", "own", (1, 0), (1, 0))
TOKEN = Readout("log_probability", "x", None, "own", (40,), (40,))
PAD = 2


def unheard(*_: Any) -> None:
    """Progress that nobody watches."""


def asked(family: str, **options: Any) -> tuple[Pair, Encoding, Readout]:
    pair = readers.pair(family, **{**OPTIONS.get(family, {}), **options})
    target = {"target": "a dull film"} if pair.encoder_decoder else {}
    question = prepare(pair, SENTENCE, **target)
    return pair, question.tuned, CLASS if pair.output_kind == "label" else TOKEN


def value_of_ids(pair: Pair, inputs: dict[str, Tensor], readout: Readout) -> Tensor:
    with torch.no_grad():
        return readout.value(answered(pair, pair.tuned, inputs), "tuned")


def embedding_of(model: Any) -> nn.Module:
    """The embedding of the source, apart from the decoder's."""
    if not model.config.is_encoder_decoder:
        return model.get_input_embeddings()
    encoder = model.get_encoder()
    encoder.set_input_embeddings(copy.deepcopy(encoder.get_input_embeddings()))
    return encoder.get_input_embeddings()


def captums(pair: Pair, encoding: Encoding, readout: Readout, ids: Tensor) -> Tensor:
    """Captum's integrated gradients, by its hooks on the embedding of a copy, from a baseline of ids."""
    model = copy.deepcopy(unwrapped(pair.tuned.model))
    own = replace(pair, tuned=replace(pair.tuned, model=model))
    others = {name: value for name, value in encoding.inputs.items() if name != "input_ids"}

    def forward(tokens: Tensor) -> Tensor:
        rows = {name: value.expand(len(tokens), -1) for name, value in others.items()}
        return readout.value(answered(own, own.tuned, {"input_ids": tokens, **rows}), "tuned")

    found = LayerIntegratedGradients(forward, embedding_of(model)).attribute(
        encoding.inputs["input_ids"], ids, n_steps=50, method="gausslegendre"
    )
    return found[0].sum(-1)


def padded(encoding: Encoding, filler: int = PAD) -> tuple[Tensor, Tensor]:
    """Which tokens a baseline keeps, and its ids."""
    keep = torch.tensor([token.special for token in encoding.tokens])
    return keep, torch.where(keep, encoding.inputs["input_ids"], filler)


@pytest.mark.parametrize("family", FAMILIES)
def test_integrated_gradients_equal_captums(family: str) -> None:
    pair, encoding, readout = asked(family)
    keep, ids = padded(encoding)
    of = embedded(pair, pair.tuned, encoding, readout, "tuned")
    start = gradients.baseline(of, keep, "pad")
    ours = gradients._integral(of, start, 50, unheard)
    theirs = captums(pair, encoding, readout, ids)
    assert float(theirs.abs().max()) > 0.05
    torch.testing.assert_close(ours.float(), theirs, atol=2e-4 * float(theirs.abs().max()), rtol=1e-3)
    assert ours[keep].abs().max() == 0 if keep.any() else True


@pytest.mark.parametrize("name", ["base", "tuned"])
def test_integrated_gradients_of_the_embedded_pair_equal_captums(embedded_pair, name: Any) -> None:
    pair = embedded_pair if name == "tuned" else replace(embedded_pair, tuned=embedded_pair.base)
    encoding = encode(pair.tuned.tokenizer, "A painfully dull film.")
    keep, ids = padded(encoding, pair.tuned.tokenizer.pad_token_id)
    readout = Readout("logit_difference", "negative", "positive", "borrowed", (0, 1), (0, 1))
    of = embedded(pair, pair.tuned, encoding, readout, "tuned")
    found = integrated(of, gradients.baseline(of, keep, "pad"), unheard)
    assert (found.steps, found.converged) == (50, True)
    theirs = captums(pair, encoding, readout, ids)
    torch.testing.assert_close(found.attribution.float(), theirs, atol=1e-4 * float(theirs.abs().max()), rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_attributions_sum_to_the_difference_from_the_baseline(family: str) -> None:
    pair, encoding, readout = asked(family)
    keep, ids = padded(encoding)
    of = embedded(pair, pair.tuned, encoding, readout, "tuned")
    found = integrated(of, gradients.baseline(of, keep, "pad"), unheard)
    text = float(value_of_ids(pair, encoding.inputs, readout)[0])
    floor = float(value_of_ids(pair, {**encoding.inputs, "input_ids": ids}, readout)[0])
    assert found.output == pytest.approx(text, abs=1e-4)
    assert found.baseline == pytest.approx(floor, abs=1e-4)
    missed = float(found.attribution.sum()) - (text - floor)
    assert found.missed == pytest.approx(missed, abs=1e-3)
    assert found.error == pytest.approx(abs(missed / (text - floor)), abs=1e-3)
    assert found.converged == (abs(missed) <= 0.05 * abs(text - floor))


def test_a_baseline_is_of_the_models_own_embeddings() -> None:
    pair, encoding, readout = asked("llama")
    of = embedded(pair, pair.tuned, encoding, readout, "tuned")
    keep = torch.zeros(len(encoding.tokens), dtype=torch.bool)
    keep[3] = True
    weight = pair.tuned.model.get_input_embeddings().weight
    for kind, row in (("pad", weight[2]), ("eos", weight[1]), (None, torch.zeros(32))):
        start = gradients.baseline(of, keep, kind)
        assert torch.equal(start[3], of.text[3])
        assert torch.equal(start[~keep], row.expand(len(keep) - 1, -1))


def test_of_an_encoder_decoder_the_decoders_tokens_too() -> None:
    pair, encoding, readout = asked("bart")
    of = embedded(pair, pair.tuned, encoding, readout, "tuned", decoder=True)
    assert encoding.target is not None
    keep = torch.tensor([token.special for token in encoding.target])
    assert keep.tolist() == [True] + [False] * (len(keep) - 1)
    found = integrated(of, gradients.baseline(of, keep, "pad"), unheard)
    ids = torch.where(keep, encoding.inputs["decoder_input_ids"], PAD)
    floor = value_of_ids(pair, {**encoding.inputs, "decoder_input_ids": ids}, readout)
    assert found.baseline == pytest.approx(float(floor[0]), abs=1e-4)
    assert found.converged
    assert found.attribution[0] == 0
    assert found.attribution.abs().max() > 0.001


class OfSums(nn.Module):
    """A model whose one logit is some function of the sum of all embeddings' products with a weight."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(4)
        self.embedding = nn.Embedding.from_pretrained(torch.randn(20, 6, generator=generator))
        self.weight = torch.randn(9, 6, generator=generator)
        self.function = function
        self.config = SimpleNamespace(is_encoder_decoder=False, pad_token_id=0, model_type="sums")

    def get_input_embeddings(self) -> nn.Module:
        return self.embedding

    def forward(self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None) -> Any:
        points = self.embedding(input_ids) if inputs_embeds is None else inputs_embeds
        total = (points * self.weight).sum((1, 2))
        return SimpleNamespace(logits=torch.stack((torch.zeros_like(total), self.function(total)), -1))


def of_sums(function: Any) -> tuple[Embedded, Tensor, Tensor]:
    """The readout, a baseline, and each token's share of the way between them."""
    model = OfSums(function)
    pair = readers.pair("bert", **CLASSIFIER)
    pair = replace(pair, tuned=readers.side(model, None, "org/sums"))
    encoding = Encoding({"input_ids": torch.arange(3, 12)[None]}, ())
    of = embedded(pair, pair.tuned, encoding, replace(CLASS, tuned_numbers=(1,)), "tuned")
    start = model.embedding(torch.tensor(0)).expand(9, -1)
    return of, start, (model.weight * (of.text - start)).sum(-1)


def ends(of: Embedded, start: Tensor) -> tuple[float, float]:
    """The sums on the baseline and on the text."""
    weight = of.side.model.weight
    return float((weight * start).sum()), float((weight * of.text).sum())


def test_of_a_linear_model_it_is_exact() -> None:
    of, start, way = of_sums(lambda total: 3 * total - 2)
    found = integrated(of, start, unheard)
    assert found.attribution.tolist() == pytest.approx((3 * way).tolist(), abs=1e-5)
    assert found.steps == 50
    assert found.error < 1e-6
    inputs = 3 * (of.side.model.weight * of.text).sum(-1)
    assert gradients.gradient_x_input(of).tolist() == pytest.approx(inputs.tolist(), abs=1e-5)
    lengths = 3 * of.side.model.weight.norm(dim=-1)
    assert gradients.saliency(of).tolist() == pytest.approx(lengths.tolist(), abs=1e-5)


def test_of_a_cubic_it_is_its_closed_form() -> None:
    of, start, way = of_sums(lambda total: (total / 5) ** 3)
    low, high = (value / 5 for value in ends(of, start))
    expected = way / 5 * (high**3 - low**3) / (high - low)
    found = integrated(of, start, unheard)
    assert found.attribution.tolist() == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-5)


def test_steps_are_doubled_until_it_is_complete_or_said_that_it_is_not() -> None:
    of, start, _ = of_sums(lambda total: total)
    low, high = ends(of, start)
    middle, width = low + 0.501 * (high - low), abs(high - low)

    def rising(steepness: float) -> gradients.Integrated:
        found, start, _ = of_sums(lambda total: torch.tanh(steepness * (total - middle) / width))
        return integrated(found, start, unheard)

    gentle, steep, cliff = rising(10), rising(400), rising(1e6)
    assert (gentle.steps, gentle.converged) == (50, True)
    assert 50 < steep.steps <= 400
    assert steep.converged
    assert steep.error <= 0.05
    assert (cliff.steps, cliff.converged) == (400, False)
    assert cliff.error > 0.05


def test_a_difference_of_nothing_is_no_denominator() -> None:
    of, start, _ = of_sums(lambda total: total)
    middle = sum(ends(of, start)) / 2
    even, start, _ = of_sums(lambda total: ((total - middle) / 5) ** 2)
    found = integrated(even, start, unheard)
    assert abs(found.output - found.baseline) < 1e-3
    assert math.isnan(found.error)
    assert found.converged
    assert found.missed == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("family", ["bert", "llama", "bart"])
def test_gradient_x_input_equals_finite_differences(family: str) -> None:
    pair, encoding, readout = asked(family)
    of = embedded(pair, pair.tuned, encoding, readout, "tuned")
    found = gradients.gradient_x_input(of)
    step = 0.01
    for token in range(0, len(found), 3):
        above, below = of.text.clone(), of.text.clone()
        above[token] *= 1 + step
        below[token] *= 1 - step
        assert (of.value(above) - of.value(below)) / (2 * step) == pytest.approx(
            float(found[token]), abs=0.01 * float(found.abs().max())
        )


@pytest.mark.parametrize("family", ["bert", "gpt2", "gemma2", "bart"])
def test_saliency_equals_the_gradient_at_a_hook_on_a_copy(family: str) -> None:
    pair, encoding, readout = asked(family)
    model = copy.deepcopy(pair.tuned.model)
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1]

    embedding_of(model).register_forward_hook(keep)
    own = replace(pair, tuned=replace(pair.tuned, model=model))
    readout.value(answered(own, own.tuned, encoding.inputs), "tuned").sum().backward()
    assert kept[0].grad is not None
    of = embedded(pair, pair.tuned, encoding, readout, "tuned")
    expected = kept[0].grad[0].norm(dim=-1).double()
    torch.testing.assert_close(gradients.saliency(of), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pad", [None, PAD])
def test_a_classifier_on_a_decoder_with_and_without_a_padding_number(pad: int | None) -> None:
    config = readers.CONFIGS["gpt2"]
    before, config.pad_token_id = config.pad_token_id, pad
    try:
        pair, encoding, readout = asked("gpt2", **CLASSIFIER)
    finally:
        config.pad_token_id = before
    of = embedded(pair, pair.tuned, encoding, readout, "tuned")
    keep, ids = padded(encoding, 1)
    found = integrated(of, gradients.baseline(of, keep, "eos"), unheard)
    floor = float(value_of_ids(pair, {**encoding.inputs, "input_ids": ids}, readout)[0])
    assert found.converged
    assert found.baseline == pytest.approx(floor, abs=1e-4)
    if pad is not None:  # such a classifier answers at the last token that is no padding, which embeddings don't show
        ends_in_padding = encoding.inputs["input_ids"].clone()
        ends_in_padding[0, -1] = pad
        with refused(UnsupportedModel, "something else from embeddings than from tokens", "occlusion"):
            inputs = {**encoding.inputs, "input_ids": ends_in_padding}
            embedded(pair, pair.tuned, Encoding(inputs, encoding.tokens), readout, "tuned")


def test_families_that_take_no_embeddings_are_refused() -> None:
    pair = readers.pair("bart", **CLASSIFIER)
    encoding = encode(pair.tuned.tokenizer, SENTENCE, token_types=False)
    ids = torch.tensor([[*encoding.ids, 1]])
    encoding = Encoding({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, encoding.tokens)
    with refused(
        UnsupportedModel, "BartForSequenceClassification takes no embeddings", "occlusion, erasure by attention"
    ):
        embedded(pair, pair.tuned, encoding, CLASS, "tuned")


@pytest.mark.parametrize("family", ["esm", "gemma3n_text"])
def test_families_that_read_ids_beside_embeddings_are_refused(family: str) -> None:
    """ESM rescales by the mask tokens that it counts; Gemma 3n embeds every token once more for each layer."""
    from tests.families.configs import tiny_config

    kind = {"esm": "EsmForSequenceClassification", "gemma3n_text": "Gemma3nForCausalLM"}[family]
    config = tiny_config(family)
    torch.manual_seed(0)
    model = getattr(transformers, kind)._from_config(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    causal = family != "esm"
    pair = readers.pair("llama", **({} if causal else LABELS))
    pair = replace(pair, tuned=readers.side(model, None, f"org/{family}"))
    encoding = Encoding({"input_ids": torch.arange(5, 25)[None], "attention_mask": torch.ones(1, 20).long()}, ())
    with refused(UnsupportedModel, kind, "embeddings", "ablation and patching remain"):
        embedded(pair, pair.tuned, encoding, TOKEN if causal else CLASS, "tuned")


class Unfollowed(nn.Module):
    """A model that computes as another does, and gives no gradients, as integer weights don't."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner, self.config = inner, inner.config

    def get_input_embeddings(self) -> nn.Module:
        return self.inner.get_input_embeddings()

    def forward(self, **inputs: Any) -> Any:
        with torch.no_grad():
            return self.inner(**inputs)


def test_a_model_without_gradients_is_refused_and_what_remains_is_said() -> None:
    pair, encoding, readout = asked("bert")
    pair = replace(pair, tuned=replace(pair.tuned, model=Unfollowed(pair.tuned.model)))
    of = embedded(pair, pair.tuned, encoding, readout, "tuned")
    for measure in (gradients.saliency, gradients.gradient_x_input, lambda of: integrated(of, of.text * 0, unheard)):
        with refused(UnsupportedModel, "org/tuned gives no gradient", "occlusion", "patching remain"):
            measure(of)


def test_gradients_that_are_no_numbers_are_refused() -> None:
    of, _, _ = of_sums(lambda total: (total - total.detach()).sqrt())
    with refused(UnsupportedModel, "NaN or infinity in float32"):
        gradients.saliency(of)


def test_whatever_mode_the_caller_is_in() -> None:
    pair, encoding, readout = asked("bert")
    plain = gradients.gradient_x_input(embedded(pair, pair.tuned, encoding, readout, "tuned"))
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            made = Encoding({name: value.clone() for name, value in encoding.inputs.items()}, encoding.tokens)
            found = gradients.gradient_x_input(embedded(pair, pair.tuned, made, readout, "tuned"))
        assert torch.equal(found, plain)
    assert all(weight.grad is None for weight in pair.tuned.model.parameters())


def test_threads_share_a_model() -> None:
    """Nothing is hooked: what runs beside it changes nothing."""
    pair, encoding, readout = asked("llama")
    other = Encoding({name: value[:, :7] for name, value in encoding.inputs.items()}, encoding.tokens[:7])

    def find(one: Encoding) -> Tensor:
        of = embedded(pair, pair.tuned, one, readout, "tuned")
        return gradients._integral(of, torch.zeros_like(of.text), 50, unheard)

    alone = [find(one) for one in (encoding, other)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(find, [encoding, other] * 2))
    assert all(torch.equal(found, alone[i % 2]) for i, found in enumerate(together))


def test_progress_can_stop_it_between_batches() -> None:
    pair, encoding, readout = asked("gpt2", **CLASSIFIER)  # no padding number: one row a batch
    of = embedded(pair, pair.tuned, encoding, readout, "tuned")
    heard: list[tuple[str, int, int]] = []

    def stop(*step: Any) -> None:
        heard.append(step)
        if len(heard) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        integrated(of, torch.zeros_like(of.text), stop)
    assert heard == [("integrating the gradients of the tuned model", done, 50) for done in range(3)]
