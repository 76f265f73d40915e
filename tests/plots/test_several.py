"""Small multiples, the pinned comparison and the patterns: one scale, every word inside, hostile texts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from attncompare import plots
from attncompare.analyses.glance import Glance
from attncompare.analyses.outputs import Outputs
from attncompare.analyses.pinned import Beside
from attncompare.analyses.several import Several
from tests.plots.layout import judge, labelled, written
from tests.plots.records import HOSTILE, comparison

SAID = Outputs("label", (("negative", 0.6),), (("positive", 0.9),), "own", 0.2, False)


def glance(text: str, layers: int = 6, heads: int = 12, seed: int = 0, **more: Any) -> Glance:
    made = Glance.of(comparison(layers, heads))
    bits = np.random.default_rng(seed).uniform(0, 0.1 + seed / 10, (layers, heads)).astype(np.float32)
    return replace(made, text=text, bits=bits, outputs=SAID, **more)


def several(count: int, layers: int = 6, heads: int = 12, text: str = "a text that is read") -> Several:
    return Several(tuple(glance(f"{text} {i}", layers, heads, i) for i in range(count)))


@pytest.mark.parametrize(
    ("count", "shape"), [(2, (6, 12)), (5, (6, 12)), (8, (6, 12)), (4, (32, 32)), (3, (1, 1)), (2, (80, 64))]
)
def test_words_fit(count: int, shape: tuple[int, int]) -> None:
    judge(plots.several(several(count, *shape)))


def test_every_grid_is_on_the_same_scale_and_holds_its_numbers() -> None:
    found = several(5)
    figure = plots.several(found)
    far = max(float(one.bits.max()) for one in found.glances)
    for number, one in enumerate(found.glances, 1):
        image = labelled(figure, f"{number}. {one.text}").images[0]
        np.testing.assert_array_equal(np.asarray(image.get_array()), one.bits)
        assert image.get_clim() == pytest.approx((0, far))
        row, head = np.unravel_index(one.bits.argmax(), one.bits.shape)
        assert f"outlined: L{row}.H{head}, {one.bits[row, head]:.2g} bits" in written(figure)
    assert "base negative 0.60 → tuned positive 0.90" in written(figure)


def test_hostile_texts() -> None:
    texts = [*HOSTILE, "x" * 5000, "word " * 900]
    for start in range(0, len(texts), 8):
        found = Several(tuple(glance(text, 2, 2, i) for i, text in enumerate(texts[start : start + 8])))
        judge(plots.several(found))
        assert "\u202e" not in plots.several_alt(found)
    judge(plots.beside(Beside(glance(texts[-1]), glance(texts[6]))))


def test_no_head_moved_and_nothing_measured() -> None:
    still = glance("still", seed=1)
    blank = replace(still, bits=np.full((6, 12), np.nan, np.float32))
    figure = plots.several(Several((replace(still, bits=np.zeros((6, 12), np.float32)), blank)))
    judge(figure)
    assert "no head moved" in written(figure)
    assert "Hatched: not measured." in written(figure)


def test_alt_texts_name_every_text_and_its_largest_heads() -> None:
    found = several(4)
    alt = plots.several_alt(found)
    for one in found.glances:
        row, head = np.unravel_index(one.bits.argmax(), one.bits.shape)
        assert f"“{one.text}”: largest L{row}.H{head} {one.bits[row, head]:.3g}" in alt
    both = plots.beside_alt(Beside(*found.glances[:2]))
    assert "Pinned, “a text that is read 0”" in both
    assert "Now, “a text that is read 1”" in both


@pytest.mark.parametrize("shapes", [((6, 12), (6, 12)), ((6, 12), (3, 4)), ((48, 25), (12, 12))])
def test_two_comparisons_of_any_shapes(shapes: Any) -> None:
    found = Beside(glance("then", *shapes[0], 1), glance("now", *shapes[1], 2, base="org/" + "b" * 120))
    figure = plots.beside(found)
    judge(figure)
    then, now = labelled(figure, "Pinned: then").images[0], labelled(figure, "Now: now").images[0]
    assert then.get_array().shape == shapes[0]
    assert now.get_array().shape == shapes[1]
    assert then.get_clim() == now.get_clim()
