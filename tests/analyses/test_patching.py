"""Ablation and patching as questions: what is in a result, what it says, and what is refused."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import attncompare
from attncompare.analyses.ablation import OWN_MEAN, SAID, Ablating, judge_references
from attncompare.analyses.asking import require_choice
from attncompare.analyses.patching import Swapped
from attncompare.errors import BadInput, PairMismatch, UnsupportedModel
from attncompare.metrics.concentration import carriers
from tests.conftest import TEXT, tiny_pair
from tests.models import readers

SENTENCE = "The film is not good, and the dialogue is painfully dull."


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> attncompare.Pair:
    return tiny_pair(tmp_path_factory.mktemp("patching"), "llama")


@pytest.fixture(scope="module")
def swapped(pair) -> attncompare.Patching:
    return attncompare.patching(pair, TEXT)


def reversed_pair(pair: attncompare.Pair) -> attncompare.Pair:
    return replace(pair, base=pair.tuned, tuned=pair.base, key=pair.key + " reversed")


def test_the_divergence_beside_effects_is_the_comparisons(pair, swapped) -> None:
    compared = attncompare.compare(pair, TEXT)
    assert np.array_equal(swapped.jsd_bits, compared.heads["jsd_bits"])
    assert swapped.layers == compared.layers


def test_swapping_the_models_swaps_the_directions(pair, swapped) -> None:
    answer = swapped.readout.answer
    there = attncompare.patching(pair, TEXT, answer=answer)
    back = attncompare.patching(reversed_pair(pair), TEXT, answer=answer)
    assert back.heads["into_base"] == pytest.approx(there.heads["into_tuned"], abs=1e-5)
    assert back.whole_layers["into_tuned"] == pytest.approx(there.whole_layers["into_base"], abs=1e-5)
    assert back.everything["into_base"] == pytest.approx(there.everything["into_tuned"], abs=1e-5)
    assert back.gap("into_base") == pytest.approx(there.gap("into_tuned"), abs=1e-6)


def test_shares_are_effects_over_the_gap_and_refused_where_the_models_agree(pair, swapped) -> None:
    gap = swapped.outputs["tuned"] - swapped.outputs["base"]
    assert abs(gap) > 0.05
    assert swapped.share("into_base") == pytest.approx(swapped.heads["into_base"] / gap, rel=1e-5)
    assert swapped.share("into_tuned") == pytest.approx(swapped.heads["into_tuned"] / -gap, rel=1e-5)
    close = replace(swapped, outputs={"base": 1.0, "tuned": 1.049})
    assert close.share("into_base") is None
    assert close.share("into_tuned") is None
    assert close.to_dict()["shares"] == {"into_base": None, "into_tuned": None}
    assert close.frame()["share_into_base"].isna().all()
    assert "%" not in " ".join(close.answers)


def test_a_pair_of_one_model_has_no_effects_and_says_so(pair) -> None:
    same = replace(pair, tuned=replace(pair.base), key="one model")
    for what in ("pattern", "output"):
        found = attncompare.patching(same, TEXT, what=what)
        assert np.abs(found.heads["into_base"]).max() < 1e-4
        assert np.abs(found.heads["into_tuned"]).max() < 1e-4
        assert not found.changed.any()
        assert found.share("into_base") is None
        assert found.answers[0].startswith("The two models attend and answer identically")
        assert any("no shares of so small a gap" in note for note in found.notes)


def test_verdicts_follow_from_divergence_effect_and_need(swapped) -> None:
    """By a plain loop over heads, each sorted list cut where half, or nine tenths, is reached."""

    def fewest(sizes: np.ndarray, share: float) -> set[tuple[int, ...]]:
        places = sorted(np.ndindex(sizes.shape), key=lambda at: -sizes[at])
        total, chosen = 0.0, set()
        for at in places:
            if total >= share * float(sizes.astype(float).sum()):
                break
            total += float(sizes[at])
            chosen.add(at)
        return chosen

    bits, effect, need = swapped.jsd_bits, np.abs(swapped.heads["into_tuned"]), np.abs(swapped.critical)
    for at in np.ndindex(bits.shape):
        expected = "neither"
        if at in fewest(bits, 0.5) & fewest(effect, 0.5):
            expected = "changed and matters"
        elif at in fewest(bits, 0.5) and at not in fewest(effect, 0.9):
            expected = "changed but idle"
        elif at not in fewest(bits, 0.9) and at in fewest(need, 0.5):
            expected = "unchanged but critical"
        assert swapped.verdicts[at] == expected


def test_carriers_of_nothing() -> None:
    assert not carriers(np.zeros((2, 3))).any()
    assert not carriers(np.full((2, 3), np.nan)).any()
    assert carriers(np.ones(4)).sum() == 2
    assert carriers(np.ones(10), 0.9).sum() == 9


def test_results_travel_as_tables_and_json(swapped) -> None:
    sent = json.loads(json.dumps(swapped.to_dict(), allow_nan=False))
    assert sent["schema_version"] == 1
    assert sent["readout"]["kind"] == "log_probability"
    assert np.array(sent["heads"]["into_base"]) == pytest.approx(swapped.heads["into_base"])
    assert sent["gap"] == pytest.approx(swapped.gap("into_base"))
    frame = swapped.frame()
    assert len(frame) == swapped.jsd_bits.size
    line = frame.iloc[5]
    assert line["into_tuned"] == swapped.heads["into_tuned"][int(line["layer"]), int(line["head"])]
    assert line["verdict"] == swapped.verdicts[int(line["layer"]), int(line["head"])]
    with pytest.raises(ValueError, match="read-only"):
        swapped.heads["into_base"][0, 0] = 1


def test_effects_of_the_embedded_pair_are_those_of_single_passes(embedded_pair) -> None:
    """The head that moves the answer most, by a hook-free second way: its output in the tuned model, taken apart."""
    found = attncompare.patching(embedded_pair, SENTENCE, what="output")
    assert found.readout.name == "logit(negative) − logit(positive)"
    assert found.outputs["tuned"] > 3
    assert found.everything["into_tuned"] / found.gap("into_tuned") > 0.8
    assert "L3.H9" in found.answers[0]
    assert any("borrowed" in note for note in found.notes)
    alone = attncompare.ablation(embedded_pair, SENTENCE)
    assert found.critical == pytest.approx(alone.heads["tuned"], abs=2e-5)


@pytest.mark.parametrize("how", SAID)
def test_ablation_of_both_models_is_each_models_own(pair, how: Any) -> None:
    there = attncompare.ablation(pair, TEXT, how=how)
    answer = there.readout.answer
    back = attncompare.ablation(reversed_pair(pair), TEXT, how=how, answer=answer)
    assert back.heads["base"] == pytest.approx(there.heads["tuned"], abs=1e-5)
    assert back.importance["tuned"] == pytest.approx(there.importance["base"], abs=1e-5)
    assert there.delta == pytest.approx(np.abs(there.heads["tuned"]) - np.abs(there.heads["base"]))
    assert back.delta == pytest.approx(-there.delta, abs=2e-5)
    assert (there.importance["base"] >= 0).all()
    sent = json.loads(json.dumps(there.to_dict(), allow_nan=False))
    assert sent["how"] == how
    assert np.array(sent["importance"]["delta"]) == pytest.approx(there.importance_delta)
    assert there.frame()["effect_tuned"].to_numpy() == pytest.approx(there.heads["tuned"].ravel())
    assert SAID[how] in there.answers[0]


def test_a_mean_over_other_texts_is_the_mean_of_their_means(pair) -> None:
    others = ("w0 w7 w14 w21", "w3 w6 w9 w12 w15 w18 w21 w24")
    first, second, both = (
        attncompare.ablation(pair, TEXT, how="mean", references=texts) for texts in (others[:1], others[1:], others)
    )
    own = attncompare.ablation(pair, TEXT, how="mean")
    assert own.notes == (OWN_MEAN,)
    assert both.notes == ()
    results = [one.heads["tuned"] for one in (first, second, both, own)]
    assert all(not np.allclose(a, b, atol=1e-4) for i, a in enumerate(results) for b in results[:i])
    again = attncompare.ablation(pair, TEXT, how="mean", references=(TEXT,))
    assert again.heads["tuned"] == pytest.approx(own.heads["tuned"], abs=1e-5)


def test_a_borrowed_head_is_said_and_its_sizes_are_not_compared(embedded_pair) -> None:
    found = attncompare.ablation(embedded_pair, SENTENCE)
    assert any("borrowed" in note for note in found.notes)
    said = " ".join(found.answers)
    assert "trained for another body" in said
    assert "differs most" not in said
    own = replace(found, readout=replace(found.readout, base_head="own"))
    assert "differs most" in " ".join(own.answers)


def test_models_without_comparable_outputs_are_refused() -> None:
    none = readers.pair("bert")
    for ask in (attncompare.patching, attncompare.ablation):
        with pytest.raises(PairMismatch, match="can't be compared.*value zeroing remain"):
            ask(none, SENTENCE)


def test_models_that_read_other_tokens_can_be_ablated_but_not_patched() -> None:
    other = readers.pair("llama", readers.byte_level(), readers.byte_level(bos=True))
    with pytest.raises(PairMismatch, match="read this text as different tokens.*ablation remain"):
        attncompare.patching(other, SENTENCE, answer="!")
    assert np.isfinite(attncompare.ablation(other, SENTENCE, answer="!").heads["tuned"]).all()


def test_models_on_the_dense_way_are_refused() -> None:
    pair = readers.pair("bloom")
    sides = [replace(side, info=replace(side.info, attention_path="dense")) for side in (pair.base, pair.tuned)]
    dense = replace(pair, base=sides[0], tuned=sides[1])
    for ask in (attncompare.patching, attncompare.ablation, attncompare.value_zeroing):
        with pytest.raises(UnsupportedModel, match="can be read but not changed"):
            ask(dense, SENTENCE)


def test_what_is_no_choice_is_refused() -> None:
    require_choice("ablation", "mean", Ablating)
    with pytest.raises(BadInput, match="There is no ablation 'half': choose one of zero, mean, uniform"):
        require_choice("ablation", "half", Ablating)
    with pytest.raises(BadInput, match="choose one of pattern, output"):
        require_choice("part", ["pattern"], Swapped)


@pytest.mark.parametrize(("ask", "parts"), [(attncompare.patching, 3), (attncompare.ablation, 2)])
def test_both_tell_how_far_they_are_and_stop_when_told(pair, ask: Any, parts: int) -> None:
    told: list[tuple[str, int, int]] = []
    ask(pair, TEXT, progress=lambda *step: told.append(step))
    ours = [step for step in told if step[0] == "changing heads"]
    assert ours[-1][1] == ours[-1][2] == parts * (12 + 3 + 1)
    assert [step[1] for step in ours] == sorted(step[1] for step in ours)

    def stop(step: str, done: int, total: int) -> None:
        if step == "changing heads":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        ask(pair, TEXT, progress=stop)


def test_references_are_for_a_mean_and_a_list_of_texts(pair) -> None:
    with pytest.raises(BadInput, match="References are what a mean is over, and 'zero' takes none"):
        attncompare.ablation(pair, TEXT, references=["w1 w2"])
    for wrong, kind in (("w1 w2", "str"), (None, "NoneType")):
        with pytest.raises(BadInput, match=f"Expected references to be a list of texts, got {kind}"):
            judge_references("mean", wrong)
