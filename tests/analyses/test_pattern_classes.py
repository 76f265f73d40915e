"""Classes of heads against the rules told on whole maps, changes of class, and copying heads against eager attention."""

import json
import random

import numpy as np
import pytest
import torch

import attncompare
from attncompare.analyses.copying import LENGTH, SEQUENCES
from attncompare.analyses.pattern_classes import classes_alone, pattern_classes
from attncompare.analyses.pattern_record import SETTLED, PatternClasses
from attncompare.errors import BadInput
from attncompare.metrics.pattern_rules import CLASSES, Thresholds
from attncompare.models import repeated
from attncompare.models.reading import prepare
from attncompare.models.repeated import repeated_rows
from tests.conftest import TEXT, eager_attentions, tiny_pair
from tests.metrics.test_pattern_rules import named

TROPHY = "The trophy would not fit into the brown suitcase because it was too large."


@pytest.fixture(scope="module")
def found(embedded_pair) -> PatternClasses:
    return pattern_classes(embedded_pair, TROPHY)


@pytest.fixture(scope="module")
def decoders(tmp_path_factory) -> attncompare.Pair:
    return tiny_pair(tmp_path_factory.mktemp("classes-gpt2"), "gpt2")


def test_classes_are_those_of_the_rules_on_whole_maps(embedded_pair, found) -> None:
    result = attncompare.compare(embedded_pair, TROPHY)
    size = len(result.tokens)
    away = np.abs(np.subtract.outer(range(size), range(size)))
    special = [i for i, token in enumerate(result.tokens) if token.special]
    for row, head in ((0, 2), (1, 8), (2, 7), (3, 9), (4, 3), (5, 11)):
        maps = result.head(row, head)
        for side, rows in ((found.base, maps.base), (found.tuned, maps.tuned)):
            band = (rows * (away <= 1)).sum(1).mean()
            vertical = max(rows.mean(0).max(), rows[:, special].sum(1).mean())
            entropy = (-(rows * np.log(np.maximum(rows, 1e-30))).sum(1) / np.log(size)).mean()
            scores = [float(side.scores[name][row, head]) for name in ("band", "vertical", "block", "entropy")]
            assert [scores[0], scores[1], scores[3]] == pytest.approx([band, vertical, entropy], abs=1e-5)
            assert side.scores["first"][row, head] == pytest.approx(rows[:, 0].mean(), abs=1e-5)
            null = [(3 * size - 2) / size**2, len(special) / size, 0.0, 1.0]
            assert side.name((row, head)) == named(np.nan_to_num(scores, nan=-1).tolist(), null)


def test_flows_count_every_head_once(found) -> None:
    assert sum(found.flows.values()) == found.changed.size
    assert sum(n for (one, two), n in found.flows.items() if one != two) == found.changed.sum()
    for name in CLASSES:
        assert sum(n for (one, _), n in found.flows.items() if one == name) == found.base.count(name)
        assert sum(n for (_, two), n in found.flows.items() if two == name) == found.tuned.count(name)


def test_a_head_beside_a_threshold_is_no_clear_change(embedded_pair, found) -> None:
    assert found.clear.sum() < found.changed.sum()
    for cell in map(tuple, np.argwhere(found.clear)):
        assert min(found.base.margins[cell], found.tuned.margins[cell]) >= SETTLED
    # A threshold put between what a head was and is: it changes class, and not clearly where the two stand close together.
    band = found.base.scores["band"], found.tuned.scores["band"]
    close = np.abs(band[0] - band[1])
    cell = tuple(np.argwhere((close > 1e-4) & (close < 0.02) & (band[0] > 0.3))[0])
    between = float(band[0][cell] + band[1][cell]) / 2
    moved = pattern_classes(embedded_pair, TROPHY, thresholds=Thresholds(diagonal=between, together=2.0))
    assert moved.changed[cell]
    assert not moved.clear[cell]


def test_a_pair_that_is_the_same_model_changes_nothing(embedded_pair) -> None:
    base = embedded_pair.base.info.id
    same = pattern_classes(attncompare.load_pair(base, base), TROPHY)
    assert not same.changed.any()
    assert same.answers[0] == "All 72 heads are of the same class in base and tuned."


def test_examples_are_heads_of_their_class(found) -> None:
    assert [name for name, _ in found.examples] == [name for name in CLASSES if found.tuned.count(name)]
    for name, maps in found.examples:
        cell = maps.layer, maps.head
        assert found.tuned.name(cell) == name
        assert found.tuned.margins[cell] == found.tuned.margins[found.tuned.classes == CLASSES.index(name)].max()


def test_an_example_is_shown_more_closely(embedded_pair, found) -> None:
    for name, maps in found.examples:
        cell = maps.layer, maps.head
        more = found.more(name, maps)
        assert more.endswith(f"{found.base.name(cell)} in base" if found.changed[cell] else "the same class in base")
        assert more.startswith(found.tuned.kinds[cell])
        assert np.array_equal(maps.tuned, attncompare.head_maps(embedded_pair, TROPHY, *cell).tuned)


def test_an_example_of_a_long_text_is_a_part_of_it(embedded_pair) -> None:
    for _, maps in classes_alone(embedded_pair, " ".join([TROPHY] * 4)).examples:
        assert maps.base.shape == (32, 32)
        assert maps.queries == maps.keys


def test_the_text_alone_has_the_same_classes_and_no_copying_scores(decoders) -> None:
    whole, alone = pattern_classes(decoders, TEXT), classes_alone(decoders, TEXT)
    assert np.array_equal(whole.tuned.classes, alone.tuned.classes)
    assert (alone.copying, alone.uncopied) == (None, "")
    assert whole.copying is not None


def test_kinds_of_diagonals_and_verticals(found) -> None:
    for side in (found.base, found.tuned):
        for cell in np.ndindex(side.classes.shape):
            name, kind = side.name(cell), side.kinds[cell]
            assert bool(kind) == (name in ("diagonal", "vertical"))
            if name == "diagonal":
                scores = {one: side.scores[one][cell] for one in ("previous", "self", "next")}
                word = {"previous": "previous", "self": "same", "next": "next"}[max(scores, key=scores.__getitem__)]
                assert kind == f"{word} token"


def test_the_record_as_json_and_as_a_table(found) -> None:
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(written["heads"]) == len(found.frame()) == 72
    assert written["thresholds"] == Thresholds().to_dict()
    assert written["copying"] is None
    assert sum(step["heads"] for step in written["flows"]) == 72
    assert {"class_base", "class_tuned", "margin_base", "block_null", "clear"} <= written["heads"][0].keys()


def test_short_texts_are_said_to_be_short(embedded_pair) -> None:
    assert "under 16 a diagonal says little" in " ".join(pattern_classes(embedded_pair, "A dull film.").answers)


def test_cross_attention_is_refused(embedded_pair) -> None:
    with pytest.raises(BadInput, match="no such patterns"):
        pattern_classes(embedded_pair, TROPHY, attention="cross")


def test_copying_scores_of_a_decoder_against_eager_attention(decoders) -> None:
    """The same random sequences through the family's own ``output_attentions``, summed in a loop."""
    found = pattern_classes(decoders, TEXT)
    question = prepare(decoders, TEXT)
    drawn: dict[int, list[int]] = {}
    ordinary, start = repeated._ordinary(decoders), repeated._start(decoders, question)
    assert len(start) + 2 * LENGTH == found_length(decoders, question)
    for number in range(SEQUENCES):
        half = random.Random(f"0-{number}").sample(ordinary, LENGTH)
        assert len(set(half)) == LENGTH
        drawn[number] = [*start, *half, *half]
    for side, ours in ((decoders.base, found.copying.base), (decoders.tuned, found.copying.tuned)):
        sums = np.zeros((2, *ours.shape[1:]))
        for ids in drawn.values():
            for layer, rows in enumerate(eager_attentions(side.model, torch.tensor([ids]))):
                for query in range(len(start) + LENGTH, len(ids)):
                    sums[0, layer] += rows[:, query, query - LENGTH + 1].numpy() / LENGTH / SEQUENCES
                    sums[1, layer] += rows[:, query, query - LENGTH].numpy() / LENGTH / SEQUENCES
        assert ours == pytest.approx(sums, abs=1e-5)
    assert "Induction heads" in " ".join(found.answers)
    assert {"induction_base", "duplicate_tuned"} <= set(found.frame().columns)
    assert json.loads(json.dumps(found.to_dict()))["copying"]["tokens"] == LENGTH


def found_length(pair, question) -> int:
    return next(repeated_rows(pair, question, LENGTH, 1, 0, lambda *_: None))[3].shape[-1]


def test_encoders_have_no_copying_scores(found) -> None:
    assert (found.copying, found.uncopied) == (None, "")


def test_why_copying_was_not_measured_is_said(tmp_path, monkeypatch) -> None:
    pair = tiny_pair(tmp_path, "gpt2")
    monkeypatch.setattr("attncompare.analyses.copying.LENGTH", 5000)
    found = pattern_classes(pair, TEXT)
    assert found.copying is None
    assert "share too few tokens" in " ".join(found.answers)
