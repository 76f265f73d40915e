"""Many sentences: files in published formats, and accuracies against one sentence at a time."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import attncompare
from attncompare.analyses.coreference import coreference
from attncompare.analyses.coreference_items import OCCUPATIONS, Item, Items, read_items
from attncompare.analyses.coreference_many import built_in, coreference_of_many
from attncompare.analyses.winograd import SENTENCES
from attncompare.errors import BadInput
from attncompare.metrics.coreference import halves
from tests.conftest import tiny_pair

PRO = (
    "1 [The developer] argued with the designer because [he] did not like the plan.",
    "2 The developer argued with [the designer] because [her] plan was poor.",
    "3 The cook gave [the construction worker] a soup and [he] ate it.",
    "4 [The cook] gave the construction worker a soup and [his] pot was empty.",
)
ANTI = tuple(line.replace("[he]", "[she]").replace("[his]", "[her]") for line in PRO)

SCHEMAS = (
    "sentid\tsentence",
    "baker.guest.0.male.txt\tThe baker told the guest that he had no bread.",
    "baker.guest.1.female.txt\tThe baker told the guest that she could pay later.",
    "baker.someone.1.neutral.txt\tThe baker told someone that they could pay later.",
)

HEADER = "ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL"
SNIPPETS = (
    HEADER,
    "one\tAnn met Bea before she left.\tshe\t19\tAnn\t0\tTRUE\tBea\t8\tFALSE\turl",
    'two\tBob "the king" met Dan; his hat fell.\this\t24\tBob\t0\tFALSE\tDan\t19\tTRUE\turl',
    "three\tAnn met Bea before she left.\tshe\t19\tAnn\t0\tFALSE\tBea\t8\tFALSE\turl",
)


def saved(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def words(item: Item) -> tuple[str, list[str], str]:
    """The pronoun, the candidates, and the right one."""
    candidates = [item.text[slice(*span)] for span in item.candidates]
    return item.text[slice(*item.pronoun)], candidates, candidates[item.correct]


def test_winobias_is_read_from_its_brackets(tmp_path) -> None:
    files = [saved(tmp_path, "pro_type1.dev", *PRO), saved(tmp_path, "anti_type1.dev", *ANTI)]
    found = read_items(files, "winobias").items
    assert found[0].text == "The developer argued with the designer because he did not like the plan."
    assert [words(item) for item in found[:4]] == [
        ("he", ["developer", "designer"], "developer"),
        ("her", ["developer", "designer"], "designer"),
        ("he", ["cook", "construction worker"], "construction worker"),
        ("his", ["cook", "construction worker"], "cook"),
    ]
    assert found[0].labels == (("stereotype", "pro"), ("gender", "male"))
    assert found[4].labels == (("stereotype", "anti"), ("gender", "female"))
    assert found[0].group == found[1].group == found[4].group == found[5].group != found[2].group
    assert len(OCCUPATIONS) == len(set(OCCUPATIONS)) == 40


def test_winobias_as_it_is_found_in_the_wild(tmp_path) -> None:
    lines = (
        "The tailor made a sweater for [the tailor] and charged [him] much.",
        "The teacher asked the [ physician] what to do and believed [him].",
        "[The cook] met the writer because [she] broke [her] leg.",
        "[The cook] met a stranger because [she] was lost.",
    )
    found = read_items([saved(tmp_path, "list.txt", *lines)], "winobias")
    assert [words(item) for item in found.items] == [
        ("him", ["tailor", "tailor"], "tailor"),
        ("him", ["teacher", "physician"], "physician"),
        ("she", ["cook", "writer"], "cook"),
    ]
    assert found.items[0].candidates == ((4, 10), (34, 40))
    assert found.items[1].text == "The teacher asked the physician what to do and believed him."
    assert found.left_out == {"no other occupation": 1}
    own = read_items([saved(tmp_path, "l.txt", lines[3])], "winobias", saved(tmp_path, "names", "stranger", "cook"))
    assert words(own.items[0]) == ("she", ["cook", "stranger"], "cook")
    assert own.items[0].labels == (("gender", "female"),)


def test_winogender_is_read_from_its_ids(tmp_path) -> None:
    found = read_items([saved(tmp_path, "all.tsv", *SCHEMAS)], "winogender").items
    assert [words(item) for item in found] == [
        ("he", ["baker", "guest"], "baker"),
        ("she", ["baker", "guest"], "guest"),
        ("they", ["baker", "someone"], "someone"),
    ]
    assert found[2].labels == (("gender", "neutral"), ("participant", "someone"))
    assert found[0].group == found[1].group


def test_gap_is_read_by_its_offsets(tmp_path) -> None:
    found = read_items([saved(tmp_path, "gap.tsv", *SNIPPETS)], "gap")
    assert [words(item) for item in found.items] == [
        ("she", ["Ann", "Bea"], "Ann"), ("his", ["Bob", "Dan"], "Dan"),
    ]  # fmt: skip
    assert found.left_out == {"the pronoun means neither name": 1}
    assert dict(found.items[1].labels) == {"gender": "male"}


@pytest.mark.parametrize(
    ("format", "lines", "expected"),
    [
        (
            "winobias",
            (*PRO, "No brackets here."),
            "Line 5 of .*: expected a sentence with two brackets, .*got 'No brackets",
        ),
        ("winobias", ("[The cook] met [the writer].",), "Line 1 of .*expected a sentence with two brackets"),
        ("winobias", ("",), "holds no item: expected lines with a sentence with two brackets"),
        ("winogender", SNIPPETS, "Line 1 of .*expected occupation.participant.answer.gender.txt, a tab"),
        ("winogender", (*SCHEMAS, "baker.guest.2.male.txt\tThe baker met the guest and he fell."), "Line 5 of "),
        ("gap", SCHEMAS, "Line 1 of .* is not what gap begins with: expected the header ID, Text, Pronoun"),
        ("gap", (HEADER, SNIPPETS[1].replace("\t19\t", "\t18\t")), "Line 2 of .*whose offsets find their words"),
        ("gap", (HEADER, SNIPPETS[1].replace("TRUE", "yes")), "Line 2 of "),
        ("gap", (HEADER, SNIPPETS[1] + "\tmore"), "Line 2 of "),
        ("wsc", PRO, "There is no format 'wsc': choose one of winobias, winogender, gap"),
    ],
)
def test_a_wrong_file_is_refused_by_its_line(tmp_path, format, lines, expected) -> None:
    path = saved(tmp_path, "file", *lines)
    with pytest.raises(BadInput, match=expected) as raised:
        read_any(path, format)
    assert "\n" not in str(raised.value)


def read_any(path: Path, format: str) -> object:
    """Past the check of signatures that tests run under."""
    return getattr(read_items, "__wrapped__", read_items)([path], format)


def test_files_that_can_t_be_read(tmp_path) -> None:
    with pytest.raises(BadInput, match="can't be read: No such file"):
        read_items([tmp_path / "none"], "gap")
    (tmp_path / "latin").write_bytes("café".encode("latin-1"))
    with pytest.raises(BadInput, match="is no text in UTF-8"):
        read_items([tmp_path / "latin"], "winobias")
    with pytest.raises(BadInput, match="No file was given"):
        read_items([], "gap")
    with pytest.raises(BadInput, match="A list of occupations is for winobias"):
        read_items([tmp_path / "latin"], "gap", tmp_path / "latin")


@pytest.fixture(scope="module")
def many(embedded_pair):
    return built_in(embedded_pair)


def test_credits_are_those_of_one_sentence_at_a_time(embedded_pair, many) -> None:
    for number in (0, 5, 23):
        sentence = SENTENCES[number]
        one = coreference(embedded_pair, sentence.text, sentence.pronoun, sentence.candidates, correct=sentence.correct)
        assert one.correct is not None
        for side in ("base", "tuned"):
            np.testing.assert_array_equal(many.heads[side][number], one.choice(side)[one.correct])
            assert many.measures["mas"][side][number] == (one.mas(side).argmax() == one.correct)
            assert many.measures["mean"][side][number] == (one.mean(side).argmax() == one.correct)


def test_a_head_is_scored_on_the_half_that_it_was_not_chosen_on(many) -> None:
    first = halves([item.group for item in many.items], many.seed)
    assert first.sum() == 12
    for side in ("base", "tuned"):
        flat = many.heads[side].reshape(24, -1)
        expected = np.empty(24)
        for half in (first, ~first):
            expected[half] = flat[half][:, flat[~half].sum(0).argmax()]
        np.testing.assert_array_equal(many.measures["held_out"][side], expected)


def test_scores_have_scipys_intervals_and_tests(many) -> None:
    for side in ("base", "tuned"):
        score = many.score("mas", side)
        interval = stats.binomtest(int(score.right), score.total).proportion_ci(method="wilson")
        assert (score.low, score.high) == pytest.approx((interval.low, interval.high))
    written = many.to_dict()["measures"]["held_out"]["mcnemar"]
    more, less = written["tuned_righter"], written["base_righter"]
    assert written["p"] == pytest.approx(stats.binomtest(more, more + less).pvalue)
    assert f"other half, {more} righter in tuned and {less} in base (p = {written['p']:.2g})" in many.answers[3]
    score = many.score("mas", "base")
    assert (
        f"{score.share:.0%} of 24 sentences in base (95% interval {score.low:.0%} to {score.high:.0%})"
        in many.answers[0]
    )
    assert " and ".join(many.chosen["tuned"]) in many.answers[2]


def test_baselines_know_no_model(many, tmp_path) -> None:
    assert {name: credit.mean() for name, credit in many.baselines.items()} == {"nearest": 0.5, "first": 0.5}
    meant_first = [item.correct == 0 for item in many.items]
    np.testing.assert_array_equal(many.baselines["first"], meant_first)
    np.testing.assert_array_equal(many.baselines["nearest"], np.logical_not(meant_first))


def test_whoever_takes_the_same_word_is_right_on_one_of_two_twins() -> None:
    assert [sentence.twin for sentence in SENTENCES] == [at // 2 + 1 for at in range(24)]
    for one, other in zip(SENTENCES[::2], SENTENCES[1::2], strict=True):
        assert (one.candidates, one.pronoun) == (other.candidates, other.pronoun)
        assert {one.correct, other.correct} == set(one.candidates)
        assert one.item.candidates == other.item.candidates
        assert max(end for _, end in one.item.candidates) < one.item.pronoun[0]


def test_frame_and_json_carry_the_same_numbers(many) -> None:
    written = json.loads(json.dumps(many.to_dict(), allow_nan=False))
    frame = many.frame()
    assert np.ravel(written["accuracy"]["tuned"]) == pytest.approx(frame["accuracy_tuned"], rel=1e-6)
    row, head, score = many.best("base")
    assert frame["right_base"].max() == score.right == many.heads["base"][:, row, head].sum()
    assert written["items"] == 24
    assert written["measures"]["mas"]["base"]["total"] == 24
    assert "Looking is not resolving" in written["answers"][-1]


def test_groups_and_the_gap_are_told(embedded_pair, tmp_path) -> None:
    files = [saved(tmp_path, "pro_x", *PRO), saved(tmp_path, "anti_x", *ANTI)]
    found = coreference_of_many(embedded_pair, read_items(files, "winobias").items)
    shares = {}
    for value in ("pro", "anti"):
        inside = [("stereotype", value) in item.labels for item in found.items]
        shares[value] = found.measures["mas"]["tuned"][inside].mean()
        assert found.to_dict()["labels"]["stereotype"][value]["tuned"]["accuracy"] == pytest.approx(shares[value])
    said = next(sentence for sentence in found.answers if sentence.startswith("By stereotype"))
    gap = f"{100 * (shares['pro'] - shares['anti']):+.1f}".replace("-", "−")
    assert f"tuned pro {shares['pro']:.0%}, anti {shares['anti']:.0%}, a gap of {gap} points" in said
    assert any(sentence.startswith("By gender") for sentence in found.answers)


@pytest.fixture(scope="module")
def causal(tmp_path_factory) -> attncompare.Pair:
    return tiny_pair(tmp_path_factory.mktemp("gpt2"), "gpt2")


def test_what_can_t_be_counted_is_told(causal) -> None:
    after = Item("When she left w3 met w4", (5, 8), ((14, 16), (21, 23)), 0, "after")
    merged = Item("w3 met w4, and she", (15, 18), ((0, 2), (7, 9)), 0, "merged")  # the comma is in the token
    fine = [sentence.item for sentence in SENTENCES[:4]]
    found = coreference_of_many(causal, [after, merged, *fine])
    assert len(found.items) == 4
    assert found.left_out == {"the pronoun can't see a candidate": 1, "the models can't read it": 1}
    assert (
        "4 sentences count; left out: 1 (the pronoun can't see a candidate) and 1 (the models can't read it)."
        in found.answers
    )
    read = coreference_of_many(causal, Items(tuple(fine), {"no other occupation": 2}))
    assert "4 sentences count; left out: 2 (no other occupation)." in read.answers
    with pytest.raises(
        BadInput, match="None of the 2 sentences can be used: .*can't see a candidate.* is read as a part of"
    ):
        coreference_of_many(causal, [after, merged])
    with pytest.raises(BadInput, match="None of the 0 sentences can be used: there are none"):
        coreference_of_many(causal, [])


def test_one_group_has_no_halves(embedded_pair) -> None:
    found = coreference_of_many(embedded_pair, [sentence.item for sentence in SENTENCES[:2]])
    assert set(found.measures) == {"mean", "mas"}
    assert found.chosen == {"base": (), "tuned": ()}
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert not any("one half" in sentence for sentence in found.answers)


def test_progress_names_the_sentence_and_may_stop(embedded_pair) -> None:
    steps: list[str] = []
    items = [sentence.item for sentence in SENTENCES[:2]]
    coreference_of_many(embedded_pair, items, progress=lambda step, *_: steps.append(step))
    assert {"sentence 1 of 2", "sentence 2 of 2"} <= set(steps)

    def stop(*_: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        coreference_of_many(embedded_pair, items, progress=stop)
