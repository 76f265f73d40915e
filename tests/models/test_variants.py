"""A base in other arithmetic: computed really otherwise, beside an untouched base, with nearly the same result."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attncompare.errors import UnsupportedModel
from attncompare.models import routing, tap
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.opening import load_pair
from attncompare.models.pair import Pair, Side, unwrapped
from attncompare.models.reading import prepare
from attncompare.models.tokens import Encoding
from attncompare.models.variants import PADDING, VARIANTS
from attncompare.models.views import Fitted
from tests.conftest import draw_weights, mean_normalised_entropy
from tests.models.checkpoints import TEXT, tensors
from tests.models.readers import CONFIGS, SENTENCES, byte_level, pair

FAMILIES = ("bert", "gpt2", "llama", "mistral", "gemma2", "t5", "bart", "bloom")
WITH_SDPA = ("bert", "gpt2", "llama", "mistral", "t5", "bart")
"""Families that run on SDPA; the others run their own eager attention anyway."""
LIMITS = {"implementation": 1e-5, "padding": 1e-5, "dtype": 0.1}
"""Mean total variation of a row that is explained: summing in another order, or 8 bits of a number."""


@cache
def opened(family: str) -> tuple[Pair, Side, Encoding]:
    """A pair, its base as loading describes it, and what that reads."""
    made = pair(family, byte_level(bos=family == "bert", eos=True))
    draw_weights(
        made.base.model, seed=1, scale=0.12 if family == "t5" else 0.2
    )  # rounding grows with the scores, and T5 does not scale them
    options = {"target": SENTENCES[1]} if CONFIGS[family].is_encoder_decoder else {}
    question = prepare(made, SENTENCES[0], **options)
    base = replace(made.base, info=replace(made.base.info, attention_path=routing.route(made.base.model)))
    return made, base, question.base


def read(side: Side, encoding: Encoding) -> tuple[list[tuple[Place, AttentionCall]], Tensor]:
    """Every attention call, and what the model computes for the last position."""
    calls: list[tuple[Place, AttentionCall]] = []
    output = tap.record(side.model, encoding.inputs, side.layout, lambda place, call: calls.append((place, call)))
    found = output.logits if hasattr(output, "logits") else output.last_hidden_state
    return calls, found[0].float()


def variation(one: AttentionCall, other: AttentionCall) -> float:
    """Mean over heads and rows of the total variation, after fitting the other call to the one."""
    rows, expected = (call.block(0, one.queries)[0] for call in (Fitted(other, one), one))
    return float((rows - expected).abs().sum(-1).mean() / 2)


def state(made: nn.Module) -> dict[str, tuple[int, Tensor]]:
    return {name: (tensor.data_ptr(), tensor.clone()) for name, tensor in made.state_dict().items()}


RUN = [
    (family, name) for family in FAMILIES for name in VARIANTS if name != "implementation" or family in WITH_SDPA
]  # fmt: skip


@pytest.mark.parametrize(("family", "name"), RUN)
def test_nearly_the_same_beside_an_untouched_base(family: str, name: str) -> None:
    made, base, encoding = opened(family)
    before, implementation = state(base.model), tap.implementation(base.model)
    plain, expected = read(base, encoding)
    inputs = {key: value.clone() for key, value in encoding.inputs.items()}

    side, other = VARIANTS[name](base, encoding, made.max_tokens)
    calls, found = read(side, other)
    assert mean_normalised_entropy([call.block(0, call.queries)[0] for _, call in plain]) < 0.9
    assert [place for place, _ in calls] == [place for place, _ in plain]
    for (_, one), (place, another) in zip(plain, calls, strict=True):
        assert variation(one, another) <= LIMITS[name], place
    drift = (found[: len(expected)] - expected).abs().mean() / expected.abs().mean()
    assert drift <= 10 * LIMITS[name]

    assert tap.implementation(base.model) == implementation
    after = state(base.model)
    assert after.keys() == before.keys()
    assert all(at == after[key][0] and torch.equal(old, after[key][1]) for key, (at, old) in before.items())
    assert encoding.inputs.keys() == inputs.keys()
    assert all(torch.equal(encoding.inputs[key], inputs[key]) for key in inputs)
    again = read(base, encoding)[1]
    assert torch.equal(again, expected)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in WITH_SDPA])
def test_one_implementation_only(family: str) -> None:
    made, base, encoding = opened(family)
    with pytest.raises(UnsupportedModel, match="one attention implementation only"):
        VARIANTS["implementation"](base, encoding, made.max_tokens)


@pytest.mark.parametrize("family", WITH_SDPA)
def test_the_other_implementation_is_the_familys_own(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SDPA is what the base runs and the copy does not; the copy costs no weights."""
    made, base, encoding = opened(family)
    side, other = VARIANTS["implementation"](base, encoding, made.max_tokens)
    assert (tap.implementation(base.model), tap.implementation(side.model)) == (tap.SDPA_NAME, tap.OWN_NAME)
    assert tensors(side.model) == tensors(base.model)
    assert other is encoding
    ran: list[None] = []
    sdpa = nn.functional.scaled_dot_product_attention

    def counted(*args: Any, **options: Any) -> Tensor:
        ran.append(None)
        return sdpa(*args, **options)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", counted)
    read(side, encoding)
    assert not ran
    read(base, encoding)
    assert len(ran) == len(base.layout)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_other_precision_is_really_another(family: str) -> None:
    made, base, encoding = opened(family)
    side, other = VARIANTS["dtype"](base, encoding, made.max_tokens)
    assert {parameter.dtype for parameter in side.model.parameters()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in base.model.parameters()} == {torch.float32}
    for name, parameter in side.model.named_parameters():
        assert torch.equal(parameter, base.model.get_parameter(name).bfloat16())

    def ties(model: nn.Module) -> list[str]:
        once = dict(model.named_parameters())
        return [name for name, _ in model.named_parameters(remove_duplicate=False) if name not in once]

    assert ties(side.model) == ties(base.model)
    assert other is encoding
    plain, calls = read(base, encoding)[0], read(side, encoding)[0]
    assert any(variation(one, another) > 1e-5 for (_, one), (_, another) in zip(plain, calls, strict=True))


def test_half_precision_is_held_against_single() -> None:
    _, base, encoding = opened("llama")
    half, _ = VARIANTS["dtype"](base, encoding, None)
    single, _ = VARIANTS["dtype"](half, encoding, None)
    assert {parameter.dtype for parameter in single.model.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.bfloat16}
    plain, calls = read(half, encoding)[0], read(single, encoding)[0]
    assert max(variation(one, another) for (_, one), (_, another) in zip(plain, calls, strict=True)) < LIMITS["dtype"]


# ---- padding


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_is_there_and_changes_nothing(family: str) -> None:
    made, base, encoding = opened(family)
    side, longer = VARIANTS["padding"](base, encoding, made.max_tokens)
    count = len(encoding.tokens)
    assert side is base
    assert len(longer.tokens) == len(longer.ids) == count + PADDING
    assert longer.tokens[:count] == encoding.tokens
    assert longer.inputs["attention_mask"][0].tolist() == [1] * count + [0] * PADDING
    assert longer.ids == encoding.ids + (made.base.tokenizer.pad_token_id,) * PADDING
    assert (longer.target, longer.target_ids) == (encoding.target, encoding.target_ids)
    for (_, one), (place, other) in zip(read(base, encoding)[0], read(base, longer)[0], strict=True):
        queries = 0 if place.attention in ("decoder", "cross") else PADDING
        keys = 0 if place.attention == "decoder" else PADDING
        assert (other.queries, other.keys) == (one.queries + queries, one.keys + keys)
        rows, expected = (call.block(0, one.queries)[0] for call in (Fitted(other, one), one))
        torch.testing.assert_close(rows, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", ["bert", "t5", "bart"])
def test_a_wrong_mask_would_show(family: str) -> None:
    """Padding that the encoder sees moves its rows: the check above can fail. A causal model never sees it anyway."""
    made, base, encoding = opened(family)
    _, longer = VARIANTS["padding"](base, encoding, made.max_tokens)
    ones = torch.ones_like(longer.inputs["attention_mask"])
    wrong = replace(longer, inputs=longer.inputs | {"attention_mask": ones})
    for (_, one), (place, other) in zip(read(base, encoding)[0], read(base, wrong)[0], strict=True):
        if place.attention != "decoder" or place.layer > 0:
            assert variation(one, other) > 100 * LIMITS["padding"], place


@pytest.mark.parametrize(("room", "count"), [(None, PADDING), (100, PADDING), (PADDING, PADDING), (3, 3), (1, 1)])
def test_as_much_padding_as_there_is_room_for(room: int | None, count: int) -> None:
    _, base, encoding = opened("gpt2")
    most = None if room is None else len(encoding.tokens) + room
    assert len(VARIANTS["padding"](base, encoding, most)[1].ids) == len(encoding.ids) + count


@pytest.mark.parametrize("room", [0, -2])
def test_no_room_for_padding(room: int) -> None:
    _, base, encoding = opened("gpt2")
    with pytest.raises(UnsupportedModel, match="no room for padding"):
        VARIANTS["padding"](base, encoding, len(encoding.tokens) + room)


def test_a_model_without_a_mask() -> None:
    _, base, encoding = opened("gpt2")
    bare = replace(encoding, inputs={"input_ids": encoding.inputs["input_ids"]})
    with pytest.raises(UnsupportedModel, match="takes no mask"):
        VARIANTS["padding"](base, bare, None)


@pytest.mark.parametrize(("pad", "fill"), [(7, 7), (0, 0), (None, None), (10**6, None)])
def test_what_the_padding_is_made_of(pad: int | None, fill: int | None) -> None:
    """The tokenizer's padding; where it has none, or one that the model has no embedding for, the text's first token."""

    class Tokenizer:
        pad_token_id = pad

    _, base, encoding = opened("gpt2")
    _, longer = VARIANTS["padding"](replace(base, tokenizer=Tokenizer()), encoding, None)
    assert longer.ids[len(encoding.ids) :] == (encoding.ids[0] if fill is None else fill,) * PADDING


def test_a_source_as_long_as_the_target() -> None:
    """The decoder's text is not padded."""
    made = pair("bart", byte_level(eos=True))
    question = prepare(made, SENTENCES[0], target=SENTENCES[1])
    source = question.base.inputs["decoder_input_ids"]
    encoding = replace(
        question.base,
        inputs=question.base.inputs | {"input_ids": source.clone(), "attention_mask": torch.ones_like(source)},
        tokens=question.base.target,
    )
    _, longer = VARIANTS["padding"](made.base, encoding, None)
    assert longer.inputs["input_ids"].shape[1] == source.shape[1] + PADDING
    assert torch.equal(longer.inputs["decoder_input_ids"], source)


# ---- a base with an adapter


@pytest.fixture(scope="module")
def adapted_base(ready: Path) -> Iterator[Pair]:
    """Two adapters on one base: both sides are wrapped."""
    from attncompare.models.pair import PAIRS

    yield load_pair(ready / "bert/adapter", ready / "bert/adapter", device="cpu")
    PAIRS.drop(lambda key: True)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_base_with_an_adapter(adapted_base: Pair, name: str) -> None:
    base, encoding = adapted_base.base, prepare(adapted_base, TEXT).base
    before = state(base.model)
    plain, expected = read(base, encoding)
    side, other = VARIANTS[name](base, encoding, adapted_base.max_tokens)
    assert type(side.model) is type(base.model)
    calls, found = read(side, other)
    for (_, one), (_, another) in zip(plain, calls, strict=True):
        assert variation(one, another) <= LIMITS[name]
    assert (found - expected).abs().max() <= 10 * LIMITS[name]
    assert tap.implementation(unwrapped(base.model)) == tap.SDPA_NAME
    assert all(
        torch.equal(old, tensor)
        for (_, old), (_, tensor) in zip(before.values(), state(base.model).values(), strict=True)
    )
