"""What both models' answer rests on: units, looks, agreement, sentences, and what is refused."""

import json
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import scipy.stats
import torch

import attncompare
from attncompare.analyses.asking import require_choice
from attncompare.analyses.attribution import Attribution
from attncompare.analyses.scores import Baseline, Method
from attncompare.errors import BadInput, PairMismatch, UnsupportedModel
from attncompare.models import gradients
from attncompare.models.erasing import Erasing
from attncompare.models.pair import Pair
from attncompare.models.reading import prepare
from attncompare.models.traces import TRACES
from tests.conftest import TEXT, tiny_pair
from tests.models import readers
from tests.models.checkpoints import refused
from tests.models.test_gradients import CLASSIFIER, Unfollowed

SENTENCE = "The film is not good, and the dialogue is painfully dull."
TARGET = "a painfully dull film"
METHODS: tuple[Method, ...] = ("integrated_gradients", "gradient_x_input", "saliency", "occlusion")
UNIT: dict[str, Any] = {"baseline": "unk"}
"""The only token of the tiny tokenizers that can stand for others."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Pair:
    return tiny_pair(tmp_path_factory.mktemp("attribution"), "bert")


@pytest.fixture(scope="module")
def found(pair) -> Attribution:
    return attncompare.attribution(pair, TEXT, answer="LABEL_1", against="LABEL_0")


@pytest.fixture(scope="module")
def words() -> Pair:
    """A decoder whose words are several tokens."""
    return readers.pair("gpt2")


def swapped(pair: Pair) -> Pair:
    return replace(pair, base=pair.tuned, tuned=pair.base, key=f"{pair.key} swapped")


def test_integrated_gradients_explain_the_difference_and_nothing_rests_on_special_tokens(found) -> None:
    for side in ("base", "tuned"):
        total = getattr(found, side).sum()
        difference = found.outputs[side] - found.baselines[side]
        assert found.errors[side] <= 0.05
        assert abs(total - difference) == pytest.approx(found.errors[side] * abs(difference), abs=1e-4)
        assert [getattr(found, side)[i] for i in (0, -1)] == [0, 0]
    assert "[UNK] in place of every token that is not special" in found.how
    assert np.array_equal(found.delta, found.tuned - found.base)


@pytest.mark.parametrize("method", METHODS)
def test_swapping_the_models_negates_the_change(pair, method: Method) -> None:
    options: dict[str, Any] = {"method": method, "answer": "LABEL_0"}
    there, back = (attncompare.attribution(one, TEXT, **options) for one in (pair, swapped(pair)))
    assert np.nanmax(np.abs(there.delta)) > 1e-2
    np.testing.assert_array_equal(back.delta, -there.delta)
    np.testing.assert_array_equal(back.tau["base"], there.tau["tuned"])


@pytest.mark.parametrize("method", METHODS)
def test_of_a_pair_of_one_model_nothing_changes(pair, method: Method) -> None:
    same = replace(pair, tuned=replace(pair.base), key=f"one model by {method}")
    result = attncompare.attribution(same, TEXT, method=method)
    assert np.nanmax(np.abs(result.delta)) == 0
    assert np.nanmax(np.abs(result.tau["tuned"] - result.tau["base"])) == 0
    assert "No token is worth more or less to the tuned model" in result.answers[1]
    assert "no head came closer or went away" in result.answers[2]


@pytest.mark.parametrize("method", METHODS[:3])
def test_a_word_has_the_sum_of_its_tokens(words, method: Method) -> None:
    options: dict[str, Any] = {"method": method, "answer": "the"}
    tokens = attncompare.attribution(words, SENTENCE, **options)
    merged = attncompare.attribution(words, SENTENCE, level="word", **options)
    assert [word.text for word in merged.tokens][:4] == ["The", "film", "is", "not"]
    assert merged.about.level == "word"
    groups = prepare(words, SENTENCE, level="word").keys
    assert max(map(len, groups.base)) > 2
    for side in ("base", "tuned"):
        look, whole = merged.looks[side].heads, tokens.looks[side].heads
        for word, group in enumerate(getattr(groups, side)):
            at = list(group)
            assert getattr(merged, side)[word] == pytest.approx(getattr(tokens, side)[at].sum(), abs=1e-4)
            assert look[..., word] == pytest.approx(whole[..., at].sum(-1), abs=1e-6)


def test_two_tokenizers_are_laid_side_by_side() -> None:
    pair = readers.pair("gpt2", readers.byte_level(bos=True), readers.sentence_piece())
    found = attncompare.attribution(pair, SENTENCE, answer="a")
    assert found.about.level == "shared"
    for name in ("base", "tuned"):
        own = getattr(pair, name)
        alone = replace(pair, base=own, tuned=own, key=f"only the {name}")
        tokens = attncompare.attribution(alone, SENTENCE, answer="a", baseline="pad")
        for unit, group in enumerate(getattr(prepare(pair, SENTENCE).keys, name)):
            assert getattr(found, name)[unit] == pytest.approx(tokens.tuned[list(group)].sum(), abs=1e-4)


def test_what_has_no_partner_is_left_out_and_said() -> None:
    pair = readers.pair("gpt2", readers.byte_level(bos=True), readers.byte_level())
    found = attncompare.attribution(pair, SENTENCE, method="gradient_x_input", answer="the")
    assert any("Tokens that the other model doesn't share have" in note and "the base" in note for note in found.notes)


def test_occlusion_is_the_fall_without_one_unit_at_a_time(pair) -> None:
    question = attncompare.attribution(pair, TEXT, method="occlusion", answer="LABEL_1")
    ids = pair.tuned.tokenizer(TEXT)["input_ids"]
    assert np.isnan(question.tuned[[0, -1]]).all()

    def logit(numbers: list[int]) -> float:
        with torch.no_grad():
            return float(pair.tuned.model(torch.tensor([numbers])).logits[0, 1])

    for at in range(1, len(ids) - 1):
        expected = logit(ids) - logit(ids[:at] + ids[at + 1 :])
        assert question.tuned[at] == pytest.approx(expected, abs=1e-4)
    assert question.how.endswith("with one token deleted.")
    assert question.steps == {"base": None, "tuned": None}
    assert np.isnan([*question.errors.values(), *question.baselines.values()]).all()


@pytest.mark.parametrize("family", ["bert", "llama", "gemma2"])
def test_looks_are_the_rows_of_the_place_that_is_read(tmp_path, family: str) -> None:
    pair = tiny_pair(tmp_path, family)
    found = attncompare.attribution(pair, TEXT, method="saliency")
    place = 0 if family == "bert" else len(found.tokens) - 1
    rolled = attncompare.rollout(pair, TEXT, token=place)
    for side in ("base", "tuned"):
        look = found.looks[side]
        assert look.read == (place,)
        for row, layer in enumerate(found.layers):
            for head in range(4):
                maps = np.nan_to_num(getattr(attncompare.head_maps(pair, TEXT, layer, head), side))
                assert look.heads[row, head] == pytest.approx(maps[place], abs=1e-6)
        assert look.mean == pytest.approx(look.heads.mean((0, 1)))
        assert look.rollout == pytest.approx(getattr(rolled, side)[0], abs=1e-6)


def test_looks_of_texts_whose_traces_are_not_kept(pair, found, monkeypatch) -> None:
    from attncompare.models import traces

    TRACES.drop(lambda key: True)
    monkeypatch.setattr(traces, "TRACE_LIMIT_BYTES", 0)
    again = attncompare.attribution(pair, TEXT, answer="LABEL_1", against="LABEL_0")
    assert len(TRACES) == 0
    for side in ("base", "tuned"):
        assert again.looks[side].heads == pytest.approx(found.looks[side].heads, abs=1e-6)
        assert again.looks[side].rollout == pytest.approx(found.looks[side].rollout, abs=1e-6)


def test_all_tokens_are_read_where_a_decoder_reads_its_encoder() -> None:
    pair = readers.pair("bart", readers.sentence_piece(), output_kind="next_token")
    found = attncompare.attribution(pair, SENTENCE, method="saliency", target=TARGET)
    look = found.looks["tuned"]
    assert look.read == tuple(range(len(found.tokens)))
    maps = attncompare.head_maps(pair, SENTENCE, 1, 2, target=TARGET)
    assert look.heads[1, 2] == pytest.approx(maps.tuned.mean(0), abs=1e-6)


@pytest.mark.parametrize("attention", ["decoder", "cross"])
def test_the_other_stacks_of_an_encoder_decoder(attention: Any) -> None:
    pair = readers.pair("t5", readers.sentence_piece(), output_kind="next_token")
    reading: dict[str, Any] = {"target": TARGET, "attention": attention, "method": "gradient_x_input"}
    found = attncompare.attribution(pair, SENTENCE, **reading)
    texts = [token.text for token in found.tokens]
    assert ("dull." in SENTENCE and "." in texts) == (attention == "cross")
    maps = attncompare.head_maps(pair, SENTENCE, 0, 1, target=TARGET, attention=attention)
    assert found.looks["base"].read == (maps.base.shape[0] - 1,)
    assert found.looks["base"].heads[0, 1] == pytest.approx(maps.base[-1], abs=1e-6)
    assert (found.looks["base"].rollout is None) == (attention == "cross")
    assert found.frame()["rollout_base"].isna().all() == (attention == "cross")
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_logit_sink_takes_what_heads_lack_to_one() -> None:
    from tests.analyses.test_stacks import of_config
    from tests.families.configs import tiny_config

    config = tiny_config("gpt_oss")
    config.vocab_size = readers.VOCABULARY
    pair = of_config(config)
    found = attncompare.attribution(pair, SENTENCE, method="saliency", answer="the")
    assert len(found.tokens) == found.looks["base"].heads.shape[-1]
    sums = found.looks["base"].heads.sum(-1)
    assert sums.max() < 1 + 1e-6
    assert sums.min() < 0.9999


def test_agreement_is_scipys_over_the_content_and_overlap_that_of_sets(found) -> None:
    at = list(found.content)
    assert at == list(range(1, len(found.tokens) - 1))
    assert found.top == -(-len(at) // 4)
    for side in ("base", "tuned"):
        sizes = np.abs(getattr(found, side)[at])
        best = set(np.argsort(-sizes)[: found.top].tolist())
        for row in range(3):
            for head in range(4):
                look = found.looks[side].heads[row, head][at]
                expected = scipy.stats.kendalltau(look, sizes).statistic
                assert found.tau[side][row, head] == pytest.approx(expected, abs=1e-6)
                shared = best & set(np.argsort(-look)[: found.top].tolist())
                assert found.overlap[side][row, head] == pytest.approx(len(shared) / found.top)


def test_few_tokens_have_no_correlation(pair) -> None:
    few = attncompare.attribution(pair, "w1 w2 w3 w4")
    assert np.isnan(few.tau["base"]).all()
    assert np.isfinite(few.overlap["base"]).all()
    assert "can't be said of so few content tokens" in few.answers[2]
    assert any(note.startswith("With 4 content tokens (5 are needed)") for note in few.notes)
    only = attncompare.attribution(readers.pair("gpt2", readers.byte_level(bos=True)), "a", method="saliency")
    assert (only.content, only.top) == ((1,), 1)


def test_sentences_say_what_the_numbers_say(found) -> None:
    first, changed, heads, caution = found.answers
    order = np.argsort(-np.abs(found.tuned))[:3]
    assert first.index(f"‘{found.tokens[order[0]].text}’") < first.index(f"‘{found.tokens[order[1]].text}’")
    assert f"({found.tuned[order[0]]:+.2g})" in first
    assert "borrowed" not in " ".join(found.answers)
    most = int(np.abs(found.delta).argmax())
    assert f"‘{found.tokens[most].text}’" in changed
    assert f"from {found.base[most]:.2g} to {found.tuned[most]:.2g} logits" in changed
    row, head = np.unravel_index(np.nanargmax(found.tau["tuned"]), found.tau["tuned"].shape)
    assert heads.startswith(f"L{found.layers[row]}.H{head} looks most where the tuned answer rests")
    closer = int((found.tau["tuned"] > found.tau["base"]).sum())
    assert f"{closer} of 12 agree more, {12 - closer} less" in heads
    assert "does not say that attention explains the answer" in caution


def test_heads_came_closer_only_where_most_and_their_median_did(found) -> None:
    def said(base: list[float], tuned: list[float]) -> str:
        taus = {"base": np.reshape(base, (3, 4)), "tuned": np.reshape(tuned, (3, 4))}
        return replace(found, tau=taus).answers[2]

    assert "closer to it: 12 of 12" in said([0] * 12, [0.1] * 12)
    assert "away from it: 0 of 12" in said([0] * 12, [-0.1] * 12)
    seven_rise = [-0.4] * 6 + [0.51] + [-0.45] * 5
    assert "neither closer to nor away from it: 7 of 12" in said([-0.5] * 6 + [0.5] * 6, seven_rise)


def test_a_borrowed_head_is_said_and_sizes_are_not_compared(embedded_pair) -> None:
    result = attncompare.attribution(embedded_pair, "A painfully dull film, and not a good one.")
    assert result.readout.base_head == "borrowed"
    assert "under the tuned model's head (borrowed)" in result.answers[0]
    assert not any(character.isdigit() for character in result.answers[1])
    assert "only its order of tokens can be compared" in result.answers[1]
    assert any("borrowed" in note for note in result.notes)
    assert result.to_dict()["readout"]["base_head"] == "borrowed"


def test_what_did_not_converge_or_has_nothing_to_explain_is_said(pair, monkeypatch) -> None:
    from attncompare.models import gradients

    monkeypatch.setattr(gradients, "STEPS", (1,))
    monkeypatch.setattr(gradients, "CONVERGED", 1e-9)
    notes = attncompare.attribution(pair, TEXT).notes
    assert sum("did not converge: after 1 steps they miss" in note for note in notes) == 2
    monkeypatch.setattr(gradients, "SMALLEST_DIFFERENCE", 1e9)
    result = attncompare.attribution(pair, TEXT)
    assert np.isnan(list(result.errors.values())).all()
    assert sum("so no share of that is missed" in note for note in result.notes) == 2
    assert result.to_dict()["errors"] == {"base": None, "tuned": None}


def test_records_hold_what_was_measured(found) -> None:
    frame = found.frame()
    assert list(frame["text"]) == [token.text for token in found.tokens]
    assert frame["delta"].to_numpy() == pytest.approx(found.delta)
    assert frame["attention_tuned"].to_numpy() == pytest.approx(found.looks["tuned"].mean)
    assert frame["rollout_base"].to_numpy() == pytest.approx(found.looks["base"].rollout)
    heads = found.head_frame()
    line = heads[(heads["layer"] == 1) & (heads["head"] == 2)].iloc[0]
    assert line["tau_delta"] == pytest.approx(found.tau["tuned"][1, 2] - found.tau["base"][1, 2])
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["schema_version"] == 1
    assert record["readout"]["name"] == "logit(LABEL_1) − logit(LABEL_0)"
    assert record["delta"] == pytest.approx(found.delta.tolist())
    assert record["steps"] == {"base": found.steps["base"], "tuned": found.steps["tuned"]}
    assert len(record["heads"]) == 12
    for array in (found.base, found.tuned, found.looks["base"].heads, found.tau["base"], found.overlap["tuned"]):
        assert array.dtype == np.float32
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"baseline": "mask"}, ("no mask token in common", "choose another baseline")),
        ({"answer": "LABEL_7"}, ("no class 'LABEL_7'", "LABEL_0")),
        ({"against": "LABEL_0"}, ("is missing",)),
        ({"level": "line"}, ("Level 'line' is not known",)),
        ({"attention": "cross"}, ("no attention 'cross'",)),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(
    pair, options: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with refused(BadInput, *parts):
        attncompare.attribution(pair, TEXT, **options)


@pytest.mark.parametrize("choices", [Method, Baseline, Erasing])
def test_options_that_there_are_not(choices: Any) -> None:
    """Asked of the check itself: these tests also check types, which come first."""
    for choice in get_args(choices):
        require_choice("option", choice, choices)
    with refused(BadInput, "no option 'blank'", *get_args(choices)):
        require_choice("option", "blank", choices)


def test_pairs_that_can_not_answer(pair, words) -> None:
    with refused(PairMismatch, "What these models answer can't be compared"):
        attncompare.attribution(replace(pair, output_kind="none"), TEXT)
    with refused(BadInput, "Nothing would be left", "'hide'"):
        attncompare.attribution(words, "a", method="occlusion")


def test_where_there_are_no_gradients_occlusion_remains() -> None:
    pair = readers.pair("bert", **CLASSIFIER)
    pair = replace(pair, tuned=replace(pair.tuned, model=Unfollowed(pair.tuned.model)))
    for method in METHODS[:3]:
        with refused(UnsupportedModel, "org/tuned gives no gradient", "occlusion"):
            attncompare.attribution(pair, SENTENCE, method=method)
    found = attncompare.attribution(pair, SENTENCE, method="occlusion")
    assert np.isfinite(found.tuned).all()
    assert found.looks["tuned"].read == (0,)


def test_families_on_the_dense_way(tmp_path) -> None:
    pair = readers.pair("bloom")
    assert pair.base.info.attention_path == "tap"  # what readers.pair says of every model
    sides = (replace(side, info=replace(side.info, attention_path="dense")) for side in (pair.base, pair.tuned))
    base, tuned = sides
    found = attncompare.attribution(replace(pair, base=base, tuned=tuned), SENTENCE, answer="the", baseline="eos")
    assert found.looks["tuned"].read == (len(found.tokens) - 1,)
    assert found.looks["tuned"].assumed
    assert any("could not be followed" in note for note in found.notes)
    assert found.errors["tuned"] <= 0.05
    tapped = attncompare.attribution(readers.pair("llama"), SENTENCE, answer="the", baseline="eos")
    assert not tapped.looks["tuned"].assumed
    assert not any("could not be followed" in note for note in tapped.notes)


def test_gradients_that_would_not_fit_are_refused_first(monkeypatch) -> None:
    """Where all attention weights are kept for the backward pass; SDPA keeps none."""
    monkeypatch.setattr(gradients, "available", lambda device: 10**6)
    pair = readers.pair("gemma2")
    sides = (replace(side, info=replace(side.info, attention_path="tap-own")) for side in (pair.base, pair.tuned))
    base, tuned = sides
    with pytest.raises(UnsupportedModel, match="needs .* of memory and 0.001 GB are free: shorten the text; occlusion"):
        attncompare.attribution(replace(pair, base=base, tuned=tuned), SENTENCE, answer="the")
    found = attncompare.attribution(readers.pair("llama"), SENTENCE, answer="the")
    assert np.isfinite(found.tuned).all()


@pytest.mark.parametrize("method", METHODS)
def test_progress_can_stop_it_at_every_step(pair, method: Method) -> None:
    TRACES.drop(lambda key: True)
    heard: list[str] = []
    attncompare.attribution(pair, TEXT, method=method, progress=lambda step, done, total: heard.append(step))
    assert len(set(heard)) >= 4

    def stop(step: str, done: int, total: int) -> None:
        if step == heard[-1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attncompare.attribution(pair, TEXT, method=method, progress=stop)
