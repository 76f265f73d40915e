"""Generation against transformers' own on the family's eager attention; draws against their distribution."""

import copy
import dataclasses
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import peft
import pytest
import torch

from attncompare.errors import BadInput, UnsupportedModel
from attncompare.models.generation import CONTINUATIONS, Continuation, Generation, _Choice, continuation
from attncompare.models.pair import PAIRS
from tests.models import readers

FAMILIES = ["gpt2", "llama", "mistral", "gemma2", "bloom", "t5", "bart"]


def inputs(ids: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    ids = readers.prompt() if ids is None else ids
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def written(pair: Any, asked: Generation, ids: torch.Tensor | None = None, room: int = 1000) -> Continuation:
    side = pair.base if asked.by == "base" else pair.tuned
    return continuation(pair, side, inputs(ids), asked, room)


def reference(model: Any, tokens: int) -> list[int]:
    """What transformers itself generates, one token at a time, on a copy that runs eager attention; no end is forced."""
    twin = copy.deepcopy(model)
    twin.set_attn_implementation("eager")
    twin.generation_config.forced_eos_token_id = None
    output = twin.generate(**inputs(), do_sample=False, max_new_tokens=tokens, pad_token_id=2, use_cache=False)
    new = output[0, 1:] if model.config.is_encoder_decoder else output[0, readers.prompt().shape[1] :]
    return [int(number) for number in new]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("by", ["base", "tuned"])
def test_greedy_is_what_transformers_generates(family: str, by: str) -> None:
    pair = readers.pair(family)
    expected = reference(getattr(pair, by).model, 16)
    got = written(pair, Generation(by=by, max_new_tokens=16))
    assert len(expected) > 4
    assert got.ended == (expected[-1] == 1)
    assert list(got.ids) == (expected[:-1] if got.ended else expected)
    assert got.start == getattr(pair.base.model.config, "decoder_start_token_id", None)


def test_an_adapter_writes_as_its_wrapper_would() -> None:
    pair = readers.pair("gpt2")
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules=["c_attn"], fan_in_fan_out=True, init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = peft.get_peft_model(copy.deepcopy(pair.base.model), config).eval()
        expected = copy.deepcopy(adapted).generate(**inputs(), do_sample=False, max_new_tokens=12, pad_token_id=2)
    pair = dataclasses.replace(pair, tuned=readers.side(adapted, pair.base.tokenizer, "org/adapter"))
    before = dict(adapted.base_model.__dict__), dict(adapted.get_base_model().__dict__)
    got = written(pair, Generation(max_new_tokens=12))
    assert list(got.ids) == expected[0, 12:].tolist()
    assert got.ids != written(pair, Generation(by="base", max_new_tokens=12)).ids
    assert (adapted.base_model.__dict__, adapted.get_base_model().__dict__) == before


def test_what_a_checkpoint_asks_for_plays_no_part() -> None:
    plain = written(readers.pair("gpt2"), Generation(max_new_tokens=12))
    pair = readers.pair("gpt2")
    settings = pair.tuned.model.generation_config
    settings.num_beams, settings.repetition_penalty, settings.do_sample, settings.max_length = 4, 3.0, True, 14
    settings.forced_eos_token_id, settings.no_repeat_ngram_size, settings.temperature = 1, 1, 0.1
    assert written(pair, Generation(max_new_tokens=12)) == plain


@pytest.mark.parametrize("family", ["gpt2", "bart"])
def test_a_seed_draws_the_same_tokens_again(family: str) -> None:
    asked = Generation(max_new_tokens=24, temperature=1.0, seed=3)
    first = written(readers.pair(family), asked)
    state = torch.get_rng_state()
    assert written(readers.pair(family), asked) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert written(readers.pair(family), dataclasses.replace(asked, seed=4)) != first
    assert written(readers.pair(family), dataclasses.replace(asked, temperature=0.0)) != first


def test_draws_follow_the_softmax_at_the_temperature() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, float("-inf")]])
    asked = Generation(temperature=0.7, seed=1)
    choice = _Choice(readers.pair("gpt2").base, asked, 1, lambda step, done, total: None)
    draws = torch.cat([choice(torch.zeros(1, 1).long(), logits).argmax(-1) for _ in range(20_000)])
    share = torch.bincount(draws, minlength=5) / len(draws)
    torch.testing.assert_close(share, (logits[0] / 0.7).softmax(-1), atol=0.015, rtol=0)


def test_threads_do_not_disturb_each_other() -> None:
    pair = readers.pair("llama")
    asked = [Generation(max_new_tokens=20, temperature=1.0, seed=seed) for seed in range(12)]
    serial = [written(pair, one) for one in asked]
    CONTINUATIONS.drop(lambda key: True)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda one: written(pair, one), asked)) == serial


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "t5", "bart"])
def test_the_shared_model_is_left_as_it_was(family: str) -> None:
    pair = readers.pair(family)
    model = pair.tuned.model
    before = model.config.to_dict(), model.generation_config.to_dict(), dict(model.__dict__)
    weights = {name: (value.data_ptr(), value._version) for name, value in model.state_dict(keep_vars=True).items()}
    written(pair, Generation(max_new_tokens=8, temperature=1.0))
    assert (model.config.to_dict(), model.generation_config.to_dict(), model.__dict__) == before
    assert model.config.use_cache is False
    assert {n: (v.data_ptr(), v._version) for n, v in model.state_dict(keep_vars=True).items()} == weights


def test_a_generation_that_never_ends_stops_at_the_limit() -> None:
    pair = readers.pair("gpt2")
    head = pair.tuned.model.lm_head
    head.weight = torch.nn.Parameter(head.weight.clone(), requires_grad=False)
    head.weight[1] = 0  # its end is never the likeliest
    asked = Generation(max_new_tokens=40)
    assert len(written(pair, asked).ids) == 40
    assert len(written(pair, asked, room=7).ids) == 7
    assert not written(pair, asked, room=7).ended


def test_the_end_ends_it_and_is_no_part_of_it() -> None:
    pair = readers.pair("gpt2")
    free = written(pair, Generation(max_new_tokens=20)).ids
    pair = readers.pair("gpt2")
    end = free[6]
    pair.tuned.model.generation_config.eos_token_id = [end, 1]
    assert written(pair, Generation(max_new_tokens=20)) == Continuation(free[: free.index(end)], None, True)


def test_progress_is_told_at_every_token_and_may_stop() -> None:
    pair, told = readers.pair("gpt2"), []
    asked = Generation(max_new_tokens=6, temperature=1.0)

    class Stopped(RuntimeError):
        pass

    def stop(step: str, done: int, total: int) -> None:
        told.append((step, done, total))
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        continuation(pair, pair.tuned, inputs(), asked, 100, stop)
    assert told == [("the tuned model writes", i, 6) for i in range(4)]
    assert len(written(pair, asked).ids) == 6


def test_a_second_question_costs_nothing() -> None:
    pair, told = readers.pair("gpt2"), []
    first = written(pair, Generation(max_new_tokens=5))
    again = continuation(
        pair, pair.tuned, inputs(), Generation(max_new_tokens=5), 1000, lambda *news: told.append(news)
    )
    assert again is first
    assert told == []
    assert written(pair, Generation(by="base", max_new_tokens=5)) != first
    for forget in PAIRS.on_evict:
        forget(pair.key, pair)
    assert written(pair, Generation(max_new_tokens=5)) is not first


def test_one_thread_makes_what_two_ask_for() -> None:
    pair, told = readers.pair("gpt2"), []
    start = threading.Barrier(2)

    def ask() -> Continuation:
        start.wait()
        return continuation(
            pair, pair.tuned, inputs(), Generation(max_new_tokens=5), 9, lambda *news: told.append(news)
        )

    with ThreadPoolExecutor(2) as pool:
        one, two = (future.result() for future in [pool.submit(ask), pool.submit(ask)])
    assert one == two
    assert len(told) == 5


def test_not_a_number_is_an_error() -> None:
    pair = readers.pair("gpt2")
    pair.tuned.model.transformer.ln_f.weight[:] = float("nan")
    with pytest.raises(UnsupportedModel, match="org/tuned computes NaN on this text in float32"):
        written(pair, Generation(max_new_tokens=5))


def test_a_model_that_fails_says_why() -> None:
    pair = readers.pair("gpt2")
    ids = torch.full((1, 4), 100_000)
    with pytest.raises(
        UnsupportedModel, match=r"org/tuned can't generate text \(index out of range.*give the whole text"
    ):
        written(pair, Generation(max_new_tokens=5), ids)


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (lambda: readers.pair("bert"), r"org/tuned \(BertModel\) can't generate text"),
        (lambda: readers.pair("gpt2", kind="AutoModelForSequenceClassification"), r"\(GPT2For.*can't generate text"),
        (lambda: readers.pair("gpt2", kind="AutoModel"), r"\(GPT2Model\) can't generate text"),
        (lambda: readers.pair("gpt2", output_kind="none"), "has no trained output head"),
    ],
)
def test_models_that_continue_no_text(pair: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        written(pair(), Generation(max_new_tokens=5))


def judged(**options: Any) -> None:
    """The checks alone: in tests, and only there, values of another type are stopped before them."""
    asked = object.__new__(Generation)
    for name, value in (dataclasses.asdict(Generation()) | options).items():
        object.__setattr__(asked, name, value)
    asked.__post_init__()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"by": "both"}, "not by 'both'"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"max_new_tokens": 1025}, "from 1 to 1024"),
        ({"max_new_tokens": True}, "max_new_tokens is True"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": 11}, "from 0.01 to 10"),
        ({"temperature": "hot"}, "temperature is 'hot'"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
    ],
)
def test_options_that_are_none(options: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        judged(**options)


def test_how_a_text_was_continued_in_words() -> None:
    assert Generation().how == "greedy"
    assert Generation(temperature=0.7, seed=3).how == "sampled at temperature 0.7 with seed 3"
