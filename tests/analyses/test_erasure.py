"""Erasing words by rankings, beside plain loops that delete ids one version at a time."""

import json
import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import attncompare
from attncompare.analyses.asking import Source
from attncompare.analyses.erasure import BINS, RANKINGS, Erasure, beyond
from attncompare.attention import About, CheckpointInfo, Token, frozen
from attncompare.errors import BadInput, PairMismatch
from attncompare.models import gradients
from attncompare.models.pair import Pair
from attncompare.models.reading import prepare
from attncompare.models.readout import Readout
from tests.conftest import TEXT, tiny_pair
from tests.models import readers
from tests.models.checkpoints import refused
from tests.models.test_gradients import CLASSIFIER, Unfollowed

SENTENCE = "The film is not good, and the dialogue is painfully dull."
SIDES = ("base", "tuned")


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Pair:
    return tiny_pair(tmp_path_factory.mktemp("erasure"), "bert")


@pytest.fixture(scope="module")
def found(pair) -> Erasure:
    return attncompare.erasure(pair, TEXT, answer="LABEL_1", draws=12, seed=3)


@pytest.fixture(scope="module")
def words() -> Pair:
    """A decoder whose words are several tokens."""
    return readers.pair("gpt2")


def probability(pair: Pair, side: str, ids: list[int], readout: Readout) -> float:
    with torch.no_grad():
        logits = getattr(pair, side).model(torch.tensor([ids])).logits[0]
    logits = logits if pair.output_kind == "label" else logits[-1]
    return float(logits.softmax(-1)[getattr(readout, f"{side}_numbers")[0]])


def naive(pair: Pair, side: str, question: Any, readout: Readout, gone: list[int]) -> float:
    """The answer's probability without some units, by a list of ids."""
    erased = {token for unit in gone for token in getattr(question.keys, side)[unit]}
    kept = [number for i, number in enumerate(getattr(question, side).ids) if i not in erased]
    return probability(pair, side, kept, readout)


def check(pair: Pair, text: str, found: Erasure, orders: dict[str, list[list[int]]], random: list[list[int]]) -> None:
    """Every probability of a result, again, from orders of the erasable words."""
    question = prepare(pair, text, level="word")

    @cache
    def known(side: str, gone: tuple[int, ...]) -> float:
        return naive(pair, side, question, found.readout, list(gone))

    for side in SIDES:
        for rows, without, only in (
            (orders[side], found.without[side], found.only[side]),
            (random, found.random_without[side], found.random_only[side]),
        ):
            assert without.shape == only.shape == (len(rows), len(BINS))
            for at, order in enumerate(rows):
                for bin_, share in enumerate(BINS):
                    count = math.ceil(share * len(order))
                    chosen, rest = (tuple(sorted(part)) for part in (order[:count], order[count:]))
                    assert without[at, bin_] == pytest.approx(known(side, chosen), abs=1e-5)
                    assert only[at, bin_] == pytest.approx(known(side, rest), abs=1e-5)


def ranked(found: Erasure) -> dict[str, list[list[int]]]:
    """The orders that the scores of a result stand for, as units."""
    return {
        side: [
            sorted(found.erasable, key=lambda unit: -dict(zip(found.erasable, row, strict=True))[unit]) for row in rows
        ]
        for side, rows in found.scores.items()
    }


@pytest.mark.parametrize("which", ["pair", "words"])
def test_every_probability_equals_a_plain_loop(request, which: str) -> None:
    pair, text = request.getfixturevalue(which), TEXT if which == "pair" else SENTENCE
    found = attncompare.erasure(pair, text, answer="LABEL_1" if which == "pair" else "the", seed=3)
    chance = np.random.default_rng(3)
    random = [[found.erasable[i] for i in chance.permutation(len(found.erasable))] for _ in range(10)]
    check(pair, text, found, ranked(found), random)
    question = prepare(pair, text, level="word")
    for side in SIDES:
        assert found.full[side] == pytest.approx(naive(pair, side, question, found.readout, []), abs=1e-5)
    if which == "words":
        assert [word.text for word in found.words][:3] == ["The", "film", "is"]
        assert max(map(len, question.keys.base)) > 2


def test_scores_are_what_looks_and_attribution_say_of_the_words(words) -> None:
    found = attncompare.erasure(words, SENTENCE, answer="the", against="is")
    assert found.rankings == RANKINGS
    for row, method in ((2, "gradient_x_input"), (3, "integrated_gradients")):
        other = attncompare.attribution(words, SENTENCE, level="word", method=method, answer="the", against="is")
        for side in SIDES:
            at = list(found.erasable)
            assert found.scores[side][row] == pytest.approx(getattr(other, side)[at], abs=1e-6)
            assert found.scores[side][0] == pytest.approx(other.looks[side].mean[at], abs=1e-6)
            assert found.scores[side][1] == pytest.approx(other.looks[side].rollout[at], abs=1e-6)


def test_the_golden_value_of_the_area() -> None:
    """DeYoung et al. 2020 as published code computes it: the plain mean over the bins."""
    found = made(without=[[0.85, 0.8, 0.7, 0.5, 0.2]], only=[[0.3, 0.3, 0.5, 0.6, 0.8]])
    assert found.comprehensiveness("base").tolist() == pytest.approx([0.29])
    assert found.sufficiency("tuned").tolist() == pytest.approx([0.4])


def test_bins_of_a_short_text_that_erase_the_same_words_count_once() -> None:
    found = made(without=[[0.8, 0.8, 0.8, 0.5, 0.2]], only=[[0.3, 0.3, 0.3, 0.6, 0.9]], counts=(1, 1, 1, 2, 5))
    assert found.comprehensiveness("base").tolist() == pytest.approx([0.9 - (0.8 + 0.5 + 0.2) / 3])
    assert found.sufficiency("base").tolist() == pytest.approx([0.9 - (0.3 + 0.6 + 0.9) / 3])
    assert found.random_comprehensiveness("base").tolist() == pytest.approx([0.0] * 10, abs=1e-6)


def made(
    without: list[list[float]],
    only: list[list[float]],
    random: Any = None,
    *,
    names: tuple[str, ...] = ("attention",),
    counts: tuple[int, ...] = (1, 2, 3, 4, 5),
) -> Erasure:
    """A result of these probabilities on both sides; ``random`` by draw and bin."""
    random = np.full((10, 5), 0.9) if random is None else random
    both: Any = {side: frozen(without) for side in SIDES}
    info = CheckpointInfo("org/made", None, "0" * 16, "BertModel", "bert", "float32", "cpu", False, "tap")
    return Erasure(
        source=Source(info, info, " ".join("abcdefghij"), {}),
        about=About(level="word"),
        readout=Readout("logit", "yes", None, "own", (1,), (1,)),
        erasing="delete",
        words=tuple(Token(name, name, 0, 1, False, False) for name in "abcdefghij"),
        erasable=tuple(range(10)),
        bins=BINS,
        counts=counts,
        rankings=names,
        scores={side: frozen(np.zeros((len(names), 10))) for side in SIDES},
        full=dict.fromkeys(SIDES, 0.9),
        without=both,
        only={side: frozen(only) for side in SIDES},
        random_without={side: frozen(random) for side in SIDES},
        random_only={side: frozen(random) for side in SIDES},
        seed=0,
        notes=(),
    )


def test_a_random_ranking_is_the_stated_baseline(pair, found) -> None:
    """Its draws again, by a loop of its own; the same ones in both models."""
    question, chance = prepare(pair, TEXT, level="word"), np.random.default_rng(3)
    falls: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(12):
        order = [found.erasable[i] for i in chance.permutation(len(found.erasable))]
        for side in SIDES:
            left = [
                naive(pair, side, question, found.readout, order[: math.ceil(share * len(order))]) for share in BINS
            ]
            falls[side].append(
                probability(pair, side, list(getattr(question, side).ids), found.readout) - np.mean(left)
            )
    for side in SIDES:
        assert found.random_comprehensiveness(side).tolist() == pytest.approx(falls[side], abs=1e-5)
    frame = found.frame()
    shown = frame[(frame["side"] == "tuned") & (frame["ranking"] == "random")]
    assert shown["without"].to_numpy() == pytest.approx(found.random_without["tuned"].mean(0))


def test_another_seed_draws_other_orders_and_the_same_seed_the_same(pair, found) -> None:
    same, other = (attncompare.erasure(pair, TEXT, answer="LABEL_1", draws=12, seed=seed) for seed in (3, 4))
    np.testing.assert_array_equal(same.random_without["base"], found.random_without["base"])
    assert not np.array_equal(other.random_without["base"], found.random_without["base"])
    np.testing.assert_array_equal(other.without["base"], found.without["base"])


@pytest.mark.parametrize("words", [2, 3, 10, 20, 70, 100])
def test_a_bin_erases_its_share_rounded_up(words: int) -> None:
    pair = readers.pair("gpt2", kind="AutoModelForCausalLM")
    found = attncompare.erasure(pair, "a" + " a" * (words - 1), answer="the")
    exact = {2: (1, 1, 1, 1, 1), 3: (1, 1, 1, 1, 2), 10: (1, 1, 1, 2, 5), 20: (1, 1, 2, 4, 10), 70: (1, 4, 7, 14, 35)}
    assert found.counts == exact.get(words, (1, 5, 10, 20, 50))
    distinct = len(set(found.counts))
    assert any(f"of the 5 bins {distinct} erase" in note for note in found.notes) == (distinct < 5)


@pytest.mark.parametrize("erasing", ["mask", "hide"])
def test_other_ways_of_erasing(pair, erasing: Any) -> None:
    found = attncompare.erasure(pair, TEXT, answer="LABEL_1", erasing=erasing)
    ids = pair.tuned.tokenizer(TEXT)["input_ids"]
    best = found.erasable[int(found.scores["tuned"][0].argmax())]
    mask = torch.ones(1, len(ids), dtype=torch.long)
    if erasing == "mask":
        ids[best] = pair.tuned.tokenizer.unk_token_id
        assert any(
            note == "A word is replaced by [UNK], since the models have no mask token in common."
            for note in found.notes
        )
    else:
        mask[0, best] = 0
    with torch.no_grad():
        expected = pair.tuned.model(torch.tensor([ids]), attention_mask=mask).logits.softmax(-1)[0, 1]
    assert found.without["tuned"][0, 0] == pytest.approx(float(expected), abs=1e-5)
    assert found.erasing == erasing


def test_sentences_say_which_ranking_lies_beyond_every_random_order() -> None:
    random = np.linspace(0.8, 0.9, 10)[:, None].repeat(5, 1)  # falls of 0 to 0.1, 0.05 on average
    names = ("attention", "rollout", "integrated_gradients")
    rows = [[0.75] * 5, [0.82] * 5, [0.5] * 5]  # falls of 0.15, 0.08, 0.4
    found = made(rows, rows, random, names=names)
    assert beyond(found, "tuned") == ["integrated_gradients", "attention"]
    best, base, changed, odds, caution = found.answers
    assert best.startswith("In the tuned model integrated gradients is the most faithful ranking")
    assert "p(yes) falls by 0.4 on average (random orders: 0.05, 0 to 0.1 in 10 draws)" in best.replace("-0 to", "0 to")
    assert best.endswith("so does attention.")
    assert base.startswith("In the base integrated gradients")
    assert changed == "The same rankings are beyond every random order in both models."
    assert odds == "A ranking without any merit is beyond 10 random orders once in 11 times."
    few = replace(found, erasable=(0, 1, 2))
    assert few.answers[3].endswith("With 3 words there are few orders at all, so this text is too short to tell.")
    assert "beyond random orders" in caution
    weak: Any = frozen([[0.85] * 5] * 3)
    lost = replace(found, without={"base": found.without["base"], "tuned": weak})
    assert lost.answers[0].startswith("In the tuned model no ranking is beyond every random order")
    assert lost.answers[2] == "Tuning brought attention and integrated gradients back among the random orders."
    gained = replace(found, without={"base": weak, "tuned": found.without["tuned"]})
    assert gained.answers[2] == "Tuning brought attention and integrated gradients beyond every random order."
    borrowed = replace(gained, readout=replace(found.readout, base_head="borrowed"))
    assert borrowed.answers[2] == (
        "Beyond every random order: attention and integrated gradients in the tuned model alone; but the base has no head "
        "of its own to be faithful to."
    )
    neither = replace(found, without={"base": weak, "tuned": weak})
    assert neither.answers[2] == "In neither model is any ranking beyond every random order."


def test_a_borrowed_head_is_said(embedded_pair) -> None:
    found = attncompare.erasure(embedded_pair, "A painfully dull film.")
    assert "In the base (under the tuned model's head, borrowed)" in found.answers[1]
    assert any("borrowed" in note for note in found.notes)
    assert [word.text for word in found.words] == ["[CLS]", "A", "painfully", "dull", "film", ".", "[SEP]"]
    assert found.erasable == (1, 2, 3, 4, 5)


def test_records_hold_what_was_measured(found) -> None:
    frame = found.frame()
    assert len(frame) == 2 * 5 * 5
    line = frame[(frame["side"] == "base") & (frame["ranking"] == "rollout") & (frame["bin"] == 0.2)].iloc[0]
    assert line["count"] == found.counts[3]
    assert (line["without"], line["only"]) == (found.without["base"][1, 3], found.only["base"][1, 3])
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["schema_version"] == 1
    tuned = record["sides"]["tuned"]
    assert tuned["full"] == pytest.approx(found.full["tuned"])
    assert tuned["comprehensiveness"]["rollout"] == pytest.approx(found.comprehensiveness("tuned")[1])
    assert tuned["random_sufficiency"] == pytest.approx(found.random_sufficiency("tuned").tolist())
    assert record["rankings"] == list(found.rankings)
    assert not found.without["base"].flags.writeable


def test_swapping_the_models_swaps_the_sides(pair, found) -> None:
    swapped = replace(pair, base=pair.tuned, tuned=pair.base, key="erasure swapped")
    back = attncompare.erasure(swapped, TEXT, answer="LABEL_1", draws=12, seed=3)
    np.testing.assert_array_equal(back.without["base"], found.without["tuned"])
    np.testing.assert_array_equal(back.random_only["tuned"], found.random_only["base"])


def test_without_gradients_their_rankings_are_left_out_and_said() -> None:
    pair = readers.pair("bert", **CLASSIFIER)
    pair = replace(pair, tuned=replace(pair.tuned, model=Unfollowed(pair.tuned.model)))
    found = attncompare.erasure(pair, SENTENCE)
    assert found.rankings == ("attention", "rollout")
    assert found.scores["base"].shape == found.scores["tuned"].shape
    assert any(
        "Without a ranking by gradient x input and integrated gradients: org/tuned gives no gradient" in note
        for note in found.notes
    )
    json.dumps(found.to_dict(), allow_nan=False)


def test_cross_attention_ranks_without_rollout(monkeypatch) -> None:
    monkeypatch.setattr(gradients, "STEPS", (50,))
    pair = readers.pair("bart", readers.sentence_piece(), output_kind="next_token")
    reading: dict[str, Any] = {"target": "a painfully dull film", "attention": "cross"}
    found = attncompare.erasure(pair, SENTENCE, answer="a", **reading)
    assert found.rankings == ("attention", "gradient_x_input", "integrated_gradients")
    assert "film" in [word.text for word in found.words]


def test_tokens_that_only_one_model_has_stay() -> None:
    pair = readers.pair("gpt2", readers.byte_level(bos=True), readers.byte_level())
    found = attncompare.erasure(pair, SENTENCE, answer="the")
    assert any("stay in every version" in note for note in found.notes)
    question = prepare(pair, SENTENCE, level="word")
    order = ranked(found)["base"][0]
    assert question.base.ids[0] == pair.base.tokenizer.bos_token_id
    assert 0 not in {token for unit in found.erasable for token in question.keys.base[unit]}
    expected = naive(pair, "base", question, found.readout, order[found.counts[-1] :])
    assert found.only["base"][0, -1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"draws": 9}, ("9 random orders", "10 to 199")),
        ({"draws": 200}, ("200 random orders",)),
        ({"seed": -1}, ("seed", "from 0 up", "-1")),
        ({"level": "token"}, ("Erasure is of whole words", "'word'")),
        ({"answer": "LABEL_7"}, ("no class 'LABEL_7'",)),
        ({"attention": "cross"}, ("no attention 'cross'",)),
    ],
)
def test_bad_input(pair, options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refused(BadInput, *parts):
        attncompare.erasure(pair, TEXT, **options)


def test_texts_and_pairs_of_which_nothing_can_be_erased(pair) -> None:
    with refused(BadInput, "Nothing can be erased from a text of 1 word"):
        attncompare.erasure(pair, "w1")
    with refused(PairMismatch, "What these models answer can't be compared"):
        attncompare.erasure(replace(pair, output_kind="none"), TEXT)
    assert attncompare.erasure(pair, "w1 w2", level="auto").counts == (1,) * 5


def test_progress_can_stop_it(pair) -> None:
    heard: list[str] = []
    attncompare.erasure(pair, TEXT, progress=lambda step, done, total: heard.append(step))
    assert heard[-1] == "erasing from the text of the tuned model"

    def stop(step: str, done: int, total: int) -> None:
        if step == heard[-1] and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attncompare.erasure(pair, TEXT, progress=stop)
