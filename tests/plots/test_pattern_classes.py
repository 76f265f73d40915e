"""Classes of patterns as pictures: cells, outlines, the flow, and the words for them."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import PathPatch, Rectangle

from attncompare import plots
from attncompare.analyses.asking import Source
from attncompare.analyses.pattern_record import PatternClasses, SideClasses
from attncompare.attention import About, frozen
from attncompare.metrics.pattern_rules import CLASSES, SCORES, Thresholds
from attncompare.plots.pattern_classes import COLORS, LETTERS
from tests.plots.layout import judge, written
from tests.plots.records import checkpoint, head_maps, hostile, tokens


def classes(layers: int = 6, heads: int = 12, seed: int = 0, **changes) -> PatternClasses:
    """Random classes, some of them changed, a third of those beside a threshold."""
    rng = np.random.default_rng(seed)
    shape = layers, heads
    base = rng.integers(0, len(CLASSES), shape)
    tuned = np.where(rng.random(shape) < 0.3, rng.integers(0, len(CLASSES), shape), base)
    names = (*SCORES, "previous", "self", "next", "first")

    def side(numbers: np.ndarray) -> SideClasses:
        kinds = np.where(numbers == 1, "previous token", np.where(numbers == 2, "first token", "")).astype(object)
        scores = {name: frozen(rng.random(shape)) for name in names}
        return SideClasses(numbers, frozen(rng.choice([0.01, 0.2, 0.3], shape)), kinds, scores)

    null = {name: frozen(np.full(layers, 0.1)) for name in names}
    examples = tuple((name, replace(head_maps(), layer=0, head=at % heads)) for at, name in enumerate(CLASSES))
    found = PatternClasses(
        Source(checkpoint("base"), checkpoint("tuned"), "a text", {}), tokens(17), tuple(range(layers)), Thresholds(),
        side(base), side(tuned), null, None, "", examples, About(),
    )  # fmt: skip
    return replace(found, **changes)


def test_cells_have_the_colour_and_the_letters_of_their_class() -> None:
    found = classes()
    for axes, side in zip(plots.pattern_classes(found).axes[:2], (found.base, found.tuned), strict=True):
        cells = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_fill()]
        letters = [text.get_text() for text in axes.texts]
        for number, cell, letter in zip(side.classes.ravel(), cells, letters, strict=True):
            assert cell.get_facecolor() == to_rgba(COLORS[number])
            assert letter == LETTERS[number]


def test_changed_heads_are_outlined_and_clear_ones_are_solid() -> None:
    found = classes()
    for axes in plots.pattern_classes(found).axes[:2]:
        outlines = [patch for patch in axes.patches if not patch.get_fill()]
        at = {(round(patch.get_y() + 0.44), round(patch.get_x() + 0.44)): patch.get_linestyle() for patch in outlines}
        assert set(at) == set(map(tuple, np.argwhere(found.changed).tolist()))
        assert {cell for cell, line in at.items() if line == "solid"} == set(
            map(tuple, np.argwhere(found.clear).tolist())
        )
        assert 0 < found.clear.sum() < found.changed.sum()


def test_bands_of_the_flow_are_as_wide_as_they_have_heads() -> None:
    found = classes()
    axes = plots.pattern_classes(found).axes[2]
    bands = [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    assert len(bands) == len(found.flows)
    right = np.array([np.diff(band.get_path().vertices[3:5, 1])[0] for band in bands])
    counts = np.array(list(found.flows.values()))
    assert right / right[0] == pytest.approx(counts / counts[0])


@pytest.mark.parametrize(("layers", "heads"), [(6, 12), (1, 1), (24, 16), (48, 25)])
def test_nothing_is_cut_or_covered(layers: int, heads: int) -> None:
    found = classes(layers, heads)
    judge(plots.pattern_classes(found))
    judge_maps(plots.class_examples(found))


def judge_maps(figure) -> None:
    """Names of tokens stand beside their maps, and all writing inside the picture."""
    figure.draw_without_rendering()
    for text in [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0, text.get_text()
        assert box.x1 <= figure.bbox.x1, text.get_text()
        assert figure.bbox.y0 <= box.y0, text.get_text()
        assert box.y1 <= figure.bbox.y1, text.get_text()


def test_no_change_and_hostile_tokens() -> None:
    found = classes()
    same = replace(found, tuned=found.base)
    assert "Outlined" not in written(plots.pattern_classes(same))
    assert "No head changed class." in plots.pattern_classes_alt(same)
    odd = replace(head_maps(texts=hostile()), layer=0, head=0)
    judge_maps(plots.class_examples(replace(found, examples=tuple((name, odd) for name, _ in found.examples))))


def test_words_for_the_picture_count_the_steps() -> None:
    found = classes()
    said = plots.pattern_classes_alt(found)
    for (one, two), count in found.flows.items():
        assert (f"{count} from {one} to {two}" in said) == (one != two)
    assert all(name in plots.class_examples_alt(found) for name in CLASSES)
