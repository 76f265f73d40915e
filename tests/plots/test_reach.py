"""How far heads look: the grid of changes, the strips beside it, the links below, and the words for all three."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from attncompare import plots
from attncompare.analyses.distance import Link
from attncompare.attention import About
from attncompare.plots import colors
from tests.plots.records import continued, hostile, reach, token, tokens

BANDS = ("near", "mid", "far")


def grid_of(figure):
    return figure.axes[0]


def labelled(figure, name):
    return next(axes for axes in figure.axes if axes.get_label() == name)


def written(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_the_grid_holds_the_change_of_far_mass_about_0():
    found = reach()
    image = grid_of(plots.reach(found)).images[0]
    np.testing.assert_allclose(image.get_array(), found.tuned["far"] - found.base["far"])
    low, high = image.get_clim()
    assert low == -high == pytest.approx(-np.abs(found.tuned["far"] - found.base["far"]).max())
    assert image.get_cmap() is colors.DIVERGING
    assert grid_of(plots.reach(found, limits=(-1, 1))).images[0].get_clim() == (-1, 1)


def test_the_grid_names_and_outlines_true_layers_and_clicks_find_them():
    found = reach(layers=(1, 3, 5), heads=4)
    figure = plots.reach(found)
    assert [label.get_text() for label in grid_of(figure).get_yticklabels()] == ["L1", "L3", "L5"]
    assert [label.get_text() for label in labelled(figure, "strips").get_yticklabels()] == ["L1", "L3", "L5"]
    change = found.tuned["far"] - found.base["far"]
    row, head = np.unravel_index(np.abs(change).argmax(), change.shape)
    assert {patch.get_xy() for patch in grid_of(figure).patches} == {(head - 0.5, row - 0.5)}
    assert f"Outlined: L{found.layers[row]}.H{head} " in written(figure)
    figure.draw_without_rendering()
    x, y = grid_of(figure).transData.transform((head, row))
    assert plots.heads_cell(found.layers, 4, x, figure.bbox.height - y) == (found.layers[row], head)


def test_strips_stack_the_bands_and_mark_uniform_attention():
    found = reach()
    axes = labelled(plots.reach(found), "strips")
    stacks = {bars.get_label(): bars for bars in axes.containers}
    assert list(stacks) == [f"{side} {band}" for side in ("base", "tuned") for band in BANDS]
    for side, masses in (("base", found.base), ("tuned", found.tuned)):
        left = np.zeros(6)
        for band in BANDS:
            bars = stacks[f"{side} {band}"]
            np.testing.assert_allclose([bar.get_x() for bar in bars], left, atol=1e-6)
            np.testing.assert_allclose([bar.get_width() for bar in bars], masses[band].mean(1), rtol=1e-5)
            left = left + masses[band].mean(1)
        np.testing.assert_allclose(left, 1, atol=1e-5)
    marks = [lines for lines in axes.collections if lines.get_gid() == "uniform"]
    ends = [[segment[0][0] for segment in lines.get_segments()] for lines in marks]
    near, mid = found.uniform["near"][0], found.uniform["mid"][0]
    np.testing.assert_allclose(ends, [[near] * 6, [near + mid] * 6], rtol=1e-5)
    shades = [colors.lightness(color) for color in colors.BANDS]
    assert shades[0] - shades[1] > 15
    assert shades[1] - shades[2] > 15


def test_base_stands_above_tuned_and_says_so():
    axes = labelled(plots.reach(reach()), "strips")
    names = [text.get_text().split()[0] for text in axes.texts]
    assert names == ["base"] * 6 + ["tuned"] * 6
    base, tuned = axes.containers[0], axes.containers[3]
    assert all(upper.get_y() < lower.get_y() for upper, lower in zip(base, tuned, strict=True))  # rows count downwards
    thin = plots.reach(reach(layers=40))
    assert not labelled(thin, "strips").texts
    assert "Of two bars, the upper is base." in written(thin)


def test_links_are_rows_with_neighbours_distance_and_both_values():
    found = reach()
    figure = plots.reach(found, count=3)
    said = [text.get_text() for text in figure.texts]
    for word in ("word297", "word298", "[SEP]", "[CLS]", "word1", "word2", "298", "297", "L5.H0"):
        assert word in said
    bold = [
        text.get_text() for text in figure.texts if text.get_text().startswith("word") and text.get_weight() == "bold"
    ]
    assert bold == ["word298", "word1", "word297", "word2", "word296", "word3"]
    axes = labelled(figure, "links")
    widths = [bar.get_width() for bars in axes.containers for bar in bars]
    np.testing.assert_allclose(widths, [0.9, 0.5, 0.88, 0.52, 0.86, 0.54])
    assert [text.get_text() for text in axes.texts] == ["0.90", "0.50", "0.88", "0.52", "0.86", "0.54"]
    assert axes.containers[0][0].get_facecolor()[:3] == pytest.approx(to_rgb(colors.BASE))
    assert axes.containers[1][0].get_facecolor()[:3] == pytest.approx(to_rgb(colors.TUNED))


def test_a_new_token_of_a_link_is_green():
    texts = continued(60, 40)
    found = replace(reach(texts=texts), links=(Link(0, 0, 90, 2, 0.4, 0.6),))
    ends = {text.get_text(): text.get_color() for text in plots.reach(found).texts if text.get_weight() == "bold"}
    assert (ends["word90"], ends["word2"]) == (colors.NEW, colors.INK)


@pytest.mark.parametrize("count", [66, 300])
def test_a_long_text_shows_far_mass(count):
    assert written(plots.reach(reach(count))).startswith("Far attention by head, tuned minus base")
    assert "far: keys more than 64 tokens away" in written(plots.reach(reach(count)))


@pytest.mark.parametrize("count", [10, 15, 65])
def test_a_text_without_far_keys_shows_middle_distance_and_says_why(count):
    found = reach(count)
    figure = plots.reach(found)
    np.testing.assert_allclose(grid_of(figure).images[0].get_array(), found.tuned["mid"] - found.base["mid"])
    said = written(figure)
    assert said.startswith("Attention at middle distance by head, tuned minus base")
    assert f"A text of {count} tokens has nothing far (more than 64 away)" in said
    assert "Strongest links" not in said
    alt = plots.reach_alt(found)
    assert f"A text of {count} tokens has nothing far" in alt
    assert "Strongest far link" not in alt
    assert "keys 9 to 64 tokens away" in alt


def test_a_text_of_a_few_tokens_is_all_near():
    found = reach(5)
    assert "all keys are near" in written(plots.reach(found))
    assert "No head changed." in plots.reach_alt(found)
    assert {text.get_text() for text in grid_of(plots.reach(found)).texts} <= {"0"}


def local_and_global():
    """Layers 1 and 2 have a window that ends before far."""
    found = reach(layers=4)
    sides = [{band: masses.copy() for band, masses in side.items()} for side in (found.base, found.tuned)]
    uniform = {band: values.copy() for band, values in found.uniform.items()}
    for masses in (*sides, uniform):
        masses["mid"][1:3] += masses["far"][1:3]
        masses["far"][1:3] = 0
    return replace(found, base=sides[0], tuned=sides[1], uniform=uniform)


def test_layers_that_may_not_look_far_are_hatched_not_zero():
    figure = plots.reach(local_and_global())
    axes = grid_of(figure)
    np.testing.assert_array_equal(np.ma.getmaskarray(axes.images[0].get_array())[:, 0], [False, True, True, False])
    assert axes.patch.get_hatch()
    assert "Hatched: layers that may not look that far." in written(figure)
    assert [text.get_text() for text in labelled(figure, "strips").texts].count("base .00") == 0
    assert "Hatched" not in written(plots.reach(reach()))


def test_a_long_text_under_windows_everywhere_says_that_no_layer_looks_far():
    found = local_and_global()
    cut = [{band: masses[1:3] for band, masses in side.items()} for side in (found.base, found.tuned, found.uniform)]
    only = replace(found, layers=(1, 2), base=cut[0], tuned=cut[1], uniform=cut[2], links=())
    assert "No layer looks further than 64 tokens: nothing is far" in written(plots.reach(only))


@pytest.mark.parametrize(
    "found",
    [
        lambda: reach(), lambda: reach(layers=(1, 30, 126), heads=2), lambda: reach(layers=80, heads=64), lambda: reach(15),
        lambda: reach(layers=1, heads=1), lambda: reach(texts=hostile() * 8),
        lambda: reach(texts=tuple(token("W" * 40) for _ in range(100))),
    ],
)  # fmt: skip
def test_nothing_leaves_the_picture_and_the_columns_of_links_stand_apart(found):
    figure = plots.reach(replace(found(), about=About("decoder", "shared", True)))
    figure.draw_without_rendering()
    frame = figure.bbox
    ticks = [label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    inside = [text for axes in figure.axes for text in axes.texts]
    for text in (*figure.texts, *ticks, *inside):
        box = text.get_window_extent()
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1
    rows = {}
    for text in figure.texts:
        rows.setdefault(round(text.get_position()[1], 6), []).append(text.get_window_extent())
    for row in rows.values():
        row.sort(key=lambda box: box.x0)
        assert all(left.x1 <= right.x0 + 1 for left, right in zip(row, row[1:], strict=False))


def test_alt_text_has_true_names_and_numbers():
    found = reach(layers=(1, 3, 5), heads=4)
    change = found.tuned["far"] - found.base["far"]
    row, head = np.unravel_index(np.abs(change).argmax(), change.shape)
    alt = plots.reach_alt(found)
    assert "Grid of 3 layers by 4 heads: share of attention on keys more than 64 tokens away" in alt
    sign = "+" if change[row, head] > 0 else "−"
    before, after = found.base["far"][row, head], found.tuned["far"][row, head]
    assert (
        f"Largest change: L{found.layers[row]}.H{head} {sign}{abs(change[row, head]):.2f} ({before:.2f} to {after:.2f})"
        in alt
    )
    assert f"far {found.base['far'].mean():.2f} to {found.tuned['far'].mean():.2f}" in alt
    uniform = ", ".join(f"{found.uniform[band][0]:.2f}" for band in BANDS)
    assert f"uniform attention would give {uniform}." in alt
    assert "Strongest far link: ‘word298’ to ‘word1’, 297 tokens apart, L5.H0: 0.90 in base, 0.50 in tuned." in alt
    assert "Layers that are missing here don't attend." in alt


def test_merged_positions_are_named():
    figure = plots.reach(reach(about=About("decoder", "word", True)))
    assert "Far attention by decoder head, tuned minus base · words" in written(figure)
    assert "more than 64 words away, of a text of 300 words" in written(figure)
    alt = plots.reach_alt(reach(about=About("decoder", "word", True)))
    assert "4 words apart" not in alt
    assert "297 words apart" in alt
    assert "Positions are words, not tokens" in alt


def test_repeated_words_of_the_alt_text_have_their_position():
    texts = (*tokens(70)[:-1], *tokens(70)[1:])
    found = replace(reach(texts=texts), links=(Link(0, 0, 100, 3, 0.4, 0.6),))
    assert f"‘{texts[100].text} (100)’ to ‘{texts[3].text} (3)’, 97 tokens apart" in plots.reach_alt(found)
