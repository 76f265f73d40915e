"""Claims: each sentence against numbers counted again from the record, and the picture that it sends a reader to."""

import re
from collections import Counter
from dataclasses import replace
from typing import get_args

import pytest

import attncompare
from attncompare import Comparison, Pair, compare
from attncompare.analyses.verdict import TOP_MOVERS, View, caution, claims, matter_claims
from tests.conftest import TEXT, save_tiny, tiny_tokenizer

TROPHY = "The trophy would not fit into the brown suitcase because it was too large."


@pytest.fixture(scope="module")
def result(embedded_pair: Pair) -> Comparison:
    return compare(embedded_pair, TROPHY)


def of(result: Comparison, view: View) -> list[str]:
    return [claim.sentence for claim in result.claims if claim.view == view]


def test_the_verdict_is_its_claims(result: Comparison) -> None:
    assert result.verdict == " ".join(claim.sentence for claim in result.claims)
    assert {claim.view for claim in result.claims} <= set(get_args(View))
    assert result.claims[-1].sentence == caution(None)
    assert all(claim.about and claim.sentence.endswith(".") for claim in result.claims)


def test_the_head_that_moved_most_is_named_with_its_tokens_and_whether_they_are_sinks(result: Comparison) -> None:
    (claim,) = (claim for claim in result.claims if claim.view == "one-head")
    top = result.movers[0]
    assert claim.head == top.name
    (lost, loss), (gained, gain) = top.lost[0], top.gained[0]
    names = [
        ("the sink " if result.key_tokens[key].sink else "") + f"‘{result.key_tokens[key].text}’"
        for key in (lost, gained)
    ]
    assert f"away from {names[0]} ({loss:+.2f}), towards {names[1]} ({gain:+.2f})" in claim.sentence


def test_the_crowd_is_counted_over_the_heads_that_the_picture_shows(result: Comparison) -> None:
    (sentence,) = of(result, "movers")
    found = re.fullmatch(
        r"Of the (\d+) heads that moved most, (\d+) lost most on (?:the sink )?‘(.+?)’.* and (\d+) gained most on "
        r"(?:the sink )?‘(.+?)’.*\.",
        sentence,
    )
    assert found
    count, losers, lost, gainers, gained = found.groups()
    shown = result.movers[:TOP_MOVERS]
    assert int(count) == len(shown)
    for many, text, side in ((losers, lost, "lost"), (gainers, gained, "gained")):
        firsts = Counter(getattr(mover, side)[0][0] for mover in shown)
        assert int(many) == max(firsts.values())
        assert text in {result.key_tokens[key].text for key, often in firsts.items() if often == int(many)}


def test_the_split_between_sinks_and_content_is_that_of_the_numbers(result: Comparison) -> None:
    split, layers = of(result, "layers")
    total = content = 0.0
    held = {"base": 0.0, "tuned": 0.0}
    for row in range(6):
        for head in range(12):
            total += float(result.heads["jsd_bits"][row, head])
            content += float(result.heads["content_bits"][row, head])
            for side in held:
                held[side] += float(result.heads[f"sink_mass_{side}"][row, head]) / 72
    assert split.startswith(f"{1 - content / total:.0%} of the change moves attention to, from or among sinks")
    assert split.endswith(f"{content / total:.0%} is between content tokens.")
    assert f"{held['base']:.0%} of all attention in the base, {held['tuned']:.0%} in the tuned model" in split
    assert "‘[CLS]’" in split
    means = [float(row.mean()) for row in result.heads["jsd_bits"]]
    assert layers.startswith(f"Layer {means.index(max(means))} moved most")


def test_noise_stands_where_it_was_asked_for_once_it_is_measured(embedded_pair: Pair, result: Comparison) -> None:
    noise = attncompare.noise(embedded_pair, TROPHY, draws=3)
    beside = result.with_noise(noise)
    assert [claim.sentence for claim in beside.claims if claim.about == "More than noise?"] == list(noise.answers)
    assert beside.claims[0] == result.claims[0]
    assert beside.claims[-1].sentence == caution(noise)
    assert len(beside.claims) == len(result.claims) + len(noise.answers)


def test_a_head_alone_has_no_crowd_and_identical_models_no_caution(tmp_path, result: Comparison) -> None:
    folder = save_tiny(tmp_path / "same", "bert", seed=3)
    same = compare(attncompare.load_pair(folder, folder, device="cpu"), TEXT)
    assert [claim.view for claim in same.claims] == ["heads", "outputs"]
    assert not any("without a yardstick" in claim.sentence for claim in same.claims)
    lonely = replace(result.movers[0], gained=())
    said = claims(dict(result.heads), (lonely,), result._question, result.outputs)
    assert "movers" not in [claim.view for claim in said]


def test_a_text_without_sinks_says_so(tmp_path) -> None:
    base = save_tiny(tmp_path / "base", "bert", seed=4)
    tuned = save_tiny(tmp_path / "tuned", "bert", seed=4, tune=0.15)
    for folder in (base, tuned):
        tiny_tokenizer(causal=True).save_pretrained(folder)  # it adds no [CLS] and no [SEP]
    result = compare(attncompare.load_pair(base, tuned, device="cpu"), TEXT)
    assert not result.sinks
    assert "this text has no sink" in result.verdict


def test_swapped_heads_say_whether_it_matters(embedded_pair: Pair) -> None:
    found = attncompare.patching(embedded_pair, TROPHY)
    said = matter_claims(found)
    assert [claim.sentence for claim in said] == list(found.answers[:4])
    assert said[2].sentence.startswith("Changed and matters")
    assert said[3].sentence.startswith("Changed but idle")
    assert {claim.view for claim in said} == {"patching"}
