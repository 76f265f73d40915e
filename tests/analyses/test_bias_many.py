"""The bias probe on many texts against the probe of each, and intervals over texts."""

import json
from dataclasses import replace

import numpy as np
import pytest

from attncompare.analyses.bias import bias
from attncompare.analyses.bias_many import bias_of_many
from attncompare.analyses.counterfactuals import lean, swapped
from attncompare.errors import BadInput
from attncompare.metrics.intervals import mean_interval

TEXTS = [
    "She led a team of six for four years.",
    "He managed the budget of a theatre.",
    "Ms. Laura Brown has ten years of experience and her patients praise her.",
    "Mr. Smith designed bridges and his work won.",
    "They repaired engines in all weathers.",
    "He told her about the years.",
    "She built a bakery and sold it.",
    "Her degree is in physics.",
    "His career began in sales.",
]


@pytest.fixture(scope="module")
def found(embedded_pair):
    return bias_of_many(embedded_pair, TEXTS)


def test_each_text_has_the_numbers_of_its_own_probe(embedded_pair, found):
    for at in (0, 1, 2, 5):
        one = bias(embedded_pair, TEXTS[at], answer="positive", against="negative")
        for part, name in enumerate(found.parts):
            for side in ("base", "tuned"):
                ours = found.shares[side][at, part]
                if name != "rest" and not one.found[name]:
                    assert np.isnan(ours).all()
                else:
                    np.testing.assert_allclose(ours, one.shares[side][part], atol=1e-6)
        for side in ("base", "tuned"):
            np.testing.assert_allclose(found.leakage[side][at], one.leakage.share[side], atol=1e-6)
            assert found.outputs[side][at] == pytest.approx(one.outputs[side], abs=1e-4)
            assert found.swapped[side][at] == pytest.approx(one.swap.outputs[side], abs=1e-4)
    assert found.readout.answer == "positive"
    assert np.isnan(found.leakage["tuned"][4]).all()
    assert np.isnan(found.swapped["tuned"][4])


def test_the_gap_is_the_female_version_minus_the_male_one(found):
    assert [np.sign(one) for one in found.leans] == [1, -1, 1, -1, 0, 0, 1, 1, -1]
    change = found.outputs["tuned"].astype(float) - found.swapped["tuned"]
    gap = found.gap("tuned")
    np.testing.assert_allclose(gap[[0, 2]], change[[0, 2]])
    np.testing.assert_allclose(gap[[1, 3]], -change[[1, 3]])
    assert np.isnan(gap[[4, 5]]).all()
    assert found.gaps["tuned"].texts == 7
    assert float(found.gaps["tuned"].mean) == pytest.approx(np.nanmean(gap))
    assert found.gaps["tuned"].low == pytest.approx(mean_interval(gap[np.isfinite(gap)]).low)


def test_a_text_and_its_counterfactual_have_the_same_gap_which_counts_once(embedded_pair, found):
    others = [swapped(text).text for text in TEXTS[:2]]
    asked = {"answer": "positive", "against": "negative"}
    apart = bias_of_many(embedded_pair, others, **asked)
    assert apart.gap("tuned") == pytest.approx(found.gap("tuned")[:2], abs=1e-4)
    both = bias_of_many(embedded_pair, [TEXTS[0], others[0], TEXTS[4], TEXTS[1]], **asked)
    assert both.gap("tuned") == pytest.approx(found.gap("tuned")[[0, 4, 4, 1]], abs=1e-4, nan_ok=True)
    assert both.gaps["tuned"].texts == both.moves["tuned"].texts == 2
    assert np.isfinite(both.leakage["tuned"][1]).all()  # what is read of it counts
    assert "Swaps of an earlier text: 1 of 4. A swap both ways counts once." in both.notes
    assert lean(swapped(TEXTS[0]).changes) == 1


def test_intervals_are_over_texts_of_the_group(found):
    female = found.parts.index("female")
    of_texts = found.shares["tuned"][:, female].astype(float) - found.shares["base"][:, female]
    kept = [at for at in range(len(TEXTS)) if np.isfinite(of_texts[at]).any()]
    assert kept == [0, 2, 5, 6, 7]
    assert found.texts_with("female") == 5
    expected = mean_interval(of_texts[kept])
    for name in ("mean", "low", "high"):
        np.testing.assert_allclose(getattr(found.head_deltas, name)[female], getattr(expected, name))
    assert found.means["tuned"].mean[female] == pytest.approx(
        np.mean([np.nanmean(found.shares["tuned"][at, female]) for at in kept]), abs=1e-6
    )


def test_few_texts_are_too_few_to_test(embedded_pair, found):
    few = bias_of_many(embedded_pair, TEXTS[:4])
    assert any("4 texts are too few to test (8 are needed)" in sentence for sentence in few.answers)
    assert not any("0 out" in sentence for sentence in few.answers)
    assert not any("too few" in sentence for sentence in found.answers)
    assert any("leave 0 out" in sentence for sentence in found.answers)
    assert "not a verdict" in few.answers[-1]


def test_leakage_is_tested_where_texts_enough_have_gendered_words(found):
    """Where nothing changed, few values would leave 0 out by far too often."""
    noise = np.random.default_rng(0).normal(size=found.leakage["base"].shape).astype(np.float32)
    noise[2:] = np.nan
    few = replace(found, leakage={"base": noise, "tuned": noise[::-1][[-1, -2, *range(len(noise) - 2)]]})
    assert few.leakage_delta.texts == 2
    assert few.too_few == "2 texts with gendered words: too few to test leakage (8 are needed)."
    assert few.too_few in few.answers
    assert not any("heads leave 0 out" in sentence for sentence in few.answers)
    assert found.leaks_enough
    assert found.too_few == ""


def test_frame_and_json(found):
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    frame = found.frame()
    assert len(frame) == 72
    np.testing.assert_allclose(frame["leakage_delta"], np.array(written["leakage_delta"]["mean"]).ravel())
    assert written["intervals"] == {"level": 0.95, "kind": "Student's t", "unit": "text"}
    assert written["texts_with"]["female"] == 5


def test_progress_names_the_text(embedded_pair):
    said = []
    bias_of_many(embedded_pair, TEXTS[:2], progress=lambda step, *_: said.append(step))
    assert {step.split(":")[0] for step in said} == {"text 1 of 2", "text 2 of 2"}


@pytest.mark.parametrize(
    ("texts", "how", "said"),
    [
        (TEXTS[:1], {}, "There are 1 text: expected 2 to 1,000"),
        (["a b", "c d"], {}, "No word of any group"),
        ([TEXTS[0], "x " * 600], {}, r"Text 2 \(‘x x .*’\) can't be probed"),
        (TEXTS, {"text_pair": "more"}, "leave text_pair and target out"),
        (TEXTS, {"answer": "spam"}, "^The models know no class 'spam'"),
    ],
)
def test_what_is_refused(embedded_pair, texts, how, said):
    with pytest.raises(BadInput, match=said):
        bias_of_many(embedded_pair, texts, **how)


def test_models_without_outputs_have_shares_and_leakage(embedded_pair):
    mute = replace(embedded_pair, output_kind="none", key=f"{embedded_pair.key} mute")
    found = bias_of_many(mute, TEXTS[:3])
    assert found.readout is None
    assert np.isnan(found.outputs["tuned"]).all()
    assert found.answers[0].startswith("‘female’ draws")
    json.dumps(found.to_dict(), allow_nan=False)
    with pytest.raises(BadInput, match="leave the answer out"):
        bias_of_many(mute, TEXTS[:3], answer="positive")
