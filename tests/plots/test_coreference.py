"""Whom a pronoun looks at and how often it is right, as pictures and as words."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from attncompare import plots
from attncompare.attention import About, frozen
from attncompare.plots import colors
from tests.plots.layout import judge, labelled, written
from tests.plots.records_of_probes import counted, looked


def test_the_grids_hold_preferences_on_one_scale_with_names_on_its_ends() -> None:
    found = looked(layers=(1, 3, 5), heads=4)
    figure = plots.coreference(found)
    for side in ("base", "tuned"):
        image = labelled(figure, side).images[0]
        first, second = found.scores(side)
        np.testing.assert_allclose(image.get_array(), (first - second) / (first + second), atol=1e-6)
        assert image.get_clim() == (-1, 1)
        assert image.get_cmap() is colors.DIVERGING
        assert [label.get_text() for label in labelled(figure, side).get_yticklabels()] == ["L1", "L3", "L5"]
    said = written(figure)
    assert said.startswith("Whom does ‘it’ look at: ‘trophy’ or ‘suitcase’?")
    assert "← ‘suitcase’  ·  ‘trophy’ →" in said
    counts = (found.choice("base") == 1).sum((1, 2))
    assert f"of 12 heads look most: {counts[0]} at ‘trophy’, {counts[1]} at ‘suitcase’" in said


def test_heads_that_changed_are_outlined_in_both_grids() -> None:
    found = looked()
    figure = plots.coreference(found)
    expected = {(head - 0.46, row - 0.44) for row, head in np.argwhere(found.changed).tolist()}
    assert expected
    for side in ("base", "tuned"):
        frames = {patch.get_xy() for patch in labelled(figure, side).patches if patch.get_gid() == "changed"}
        assert frames == expected
    assert f"Outlined: {len(expected)} heads" in written(figure)
    same = plots.coreference(replace(found, tuned=found.base))
    assert not labelled(same, "tuned").patches
    assert "Outlined" not in written(same)


def test_small_cells_tell_the_sides_apart_without_colour() -> None:
    found = looked(layers=12, heads=32)
    figure = plots.coreference(found)
    for side in ("base", "tuned"):
        axes = labelled(figure, side)
        assert not axes.texts
        dashes = next(marks for marks in axes.collections if marks.get_gid() == "other")
        at = {(int(row), int(head)) for head, row in dashes.get_offsets()}
        assert at == {(row, head) for row, head in np.argwhere(found.preference(side) < 0).tolist()}
    assert "A dash: ‘suitcase’." in written(figure)
    assert "A dash" not in written(plots.coreference(looked()))


def test_bars_are_means_beside_uniform_attention() -> None:
    found = looked()
    axes = labelled(plots.coreference(found), "means")
    bars = {bar.get_label(): bar[0] for bar in axes.containers}
    for side, color in (("base", colors.BASE), ("tuned", colors.TUNED)):
        for number in (0, 1):
            assert bars[f"{side} {number}"].get_width() == pytest.approx(found.scores(side)[number].mean(), rel=1e-5)
            assert bars[f"{side} {number}"].get_facecolor()[:3] == pytest.approx(to_rgb(color))
    marks = [lines for lines in axes.collections if lines.get_gid() == "uniform"]
    assert [mark.get_segments()[0][0][0] for mark in marks] == pytest.approx([0.06, 0.06])
    assert f"base {found.base[0].mean():.1%} · MAS {found.mas('base')[0]:.0%}" in written(plots.coreference(found))


def test_bars_of_the_swap_count_heads() -> None:
    found = looked()
    axes = labelled(plots.coreference(found), "swap")
    widths = {bar.get_label(): bar[0].get_width() for bar in axes.containers}
    for side in ("base", "tuned"):
        word, place = found.follows(side)
        assert (widths[f"{side} word"], widths[f"{side} place"]) == (word.sum(), place.sum())
    assert not [one for one in plots.coreference(looked(names=("a", "b", "c"))).axes if one.get_label() == "swap"]


def test_what_the_pronoun_can_t_see_is_said_and_hatched() -> None:
    found = looked(hidden=(1,))
    figure = plots.coreference(found)
    assert labelled(figure, "base").patch.get_hatch()
    assert np.ma.getmaskarray(labelled(figure, "base").images[0].get_array()).all()
    assert "not visible to the pronoun" in written(figure)
    assert "fewer than two candidates are visible" in written(figure)
    assert "Not visible to the pronoun: ‘suitcase’." in plots.coreference_alt(found)
    three = plots.coreference(looked(names=("a", "b", "c"), hidden=(0,)))
    assert "← ‘c’  ·  ‘b’ →" in written(three)


LONG = "supercalifragilisticexpialidocious"


@pytest.mark.parametrize(
    "found",
    [
        lambda: looked(), lambda: looked(1, 1), lambda: looked(24, 16), lambda: looked(80, 64),
        lambda: looked((0, 30, 126), 2),
        lambda: looked(names=(LONG, LONG * 3), pronoun=LONG * 2, text=LONG * 100),
        lambda: looked(names=tuple("abcdefghij")), lambda: looked(hidden=(0, 1)), lambda: looked(hidden=(0,)),
        lambda: looked(names=("$\\frac{$", "</script>"), pronoun="\u202eevil", text="日本 \x00 😀 $x$"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("about", [About(), About("self", "word", True)])
def test_nothing_is_cut_and_nothing_overlaps(found, about) -> None:
    record = replace(found(), about=about)
    judge(plots.coreference(record))
    assert plots.coreference_alt(record)


def test_alt_text_has_true_names_and_numbers() -> None:
    found = looked((1, 3, 5), 4)
    alt = plots.coreference_alt(found)
    change = found.preference("tuned") - found.preference("base")
    row, head = np.unravel_index(np.abs(change).argmax(), change.shape)
    assert "Two grids of 3 layers by 4 heads" in alt
    assert f"changed most in L{found.layers[row]}.H{head}" in alt
    assert f"‘suitcase’ {found.tuned[1].mean():.1%}" in alt
    assert f"{found.changed.sum()} heads look most at another" in alt
    assert f"{found.follows('tuned')[0].sum()} heads follow the word" in alt
    assert "Layers that are missing here don't attend." in alt


def test_accuracies_have_their_intervals_chance_and_baselines() -> None:
    found = counted(stereotypes=True)
    axes = labelled(plots.coreference_many(found), "accuracies")
    marks = {line.get_gid(): line.get_xdata()[0] for line in axes.lines}
    bars = {one.get_gid(): one.get_segments()[0] for one in axes.collections if one.get_gid()}
    for side in ("base", "tuned"):
        for measure, name in (("mas", "maximum attention score"), ("held_out", "head chosen on the other half")):
            score = found.score(measure, side)
            assert marks[f"{side} {name}"] == pytest.approx(found.measures[measure][side].mean())
            assert bars[f"{side} {name}"][:, 0] == pytest.approx([score.low, score.high])
        inside = found.labelled("stereotype", "anti")
        shown = marks[f"{side} maximum attention score, anti-stereotypical"]
        assert shown == pytest.approx(found.measures["mas"][side][inside].mean())
        row, head, best = found.best(side)
        assert marks[f"{side} L{row}.H{head}, best in {side} on these"] == pytest.approx(best.share)
    assert bars["chance"][:, 0].tolist() == [0.5, 0.5]
    assert marks[" nearest candidate"] == pytest.approx(found.baselines["nearest"].mean())


@pytest.mark.parametrize(
    "found",
    [
        lambda: counted(), lambda: counted(4, 1, 1), lambda: counted(4000, (0, 40, 126), 2),
        lambda: counted(stereotypes=True),
        lambda: counted(about=About("self", "shared", True)),
    ],
)  # fmt: skip
def test_the_picture_of_many_is_whole(found) -> None:
    record = found()
    figure = plots.coreference_many(record)
    judge(figure)
    assert f"{len(record.items)} sentences" in written(figure)
    assert "3 sentences are left out" in written(figure)
    alt = plots.coreference_many_alt(record)
    score = record.score("mas", "tuned")
    assert f"tuned {score.share:.0%} ({score.right:g} of {score.total})" in alt
    assert "right by selection" in written(figure)


def test_a_head_without_a_choice_is_said_to_have_none() -> None:
    found = counted()
    none = {side: frozen(np.full(len(found.items), np.nan)) for side in ("base", "tuned")}
    record = replace(found, measures={**found.measures, "mean": none})
    assert "Mean over heads: base no choice, tuned no choice." in plots.coreference_many_alt(record)
    judge(plots.coreference_many(record))
