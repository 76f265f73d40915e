"""Maps of a head and of rollout, by their artists."""

from dataclasses import replace

import numpy as np
import pytest

from attncompare import plots
from attncompare.attention import About
from attncompare.plots import colors
from attncompare.plots.sides import BINNED_ABOVE, binned, side
from tests.plots.records import NULL, continued, head_maps, pair_of_texts, routes, token, tokens


def maps_of(figure):
    return {axes.get_label(): axes for axes in figure.axes if axes.get_label()}


def names_of(axes, axis):
    """Artists that name the keys or the queries of a map."""
    return [text for text in axes.texts if text.get_gid() == axis]


def texts_of(axes, axis):
    return [label.get_text() for label in names_of(axes, axis)]


def written(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_the_three_maps_hold_base_tuned_and_their_difference():
    result = head_maps()
    maps = maps_of(plots.head(result))
    assert list(maps) == ["base", "tuned", "tuned − base"]
    for name, values in (("base", result.base), ("tuned", result.tuned), ("tuned − base", result.delta)):
        np.testing.assert_array_equal(maps[name].images[0].get_array(), values)


@pytest.mark.parametrize("make", [lambda: plots.head(head_maps()), lambda: plots.rollout(routes())])
def test_base_and_tuned_share_a_scale_and_the_difference_is_symmetric(make):
    base, tuned, delta = (axes.images[0] for axes in maps_of(make()).values())
    assert base.get_clim() == tuned.get_clim()
    assert base.get_clim()[0] == 0
    assert base.get_clim()[1] == pytest.approx(max(base.get_array().max(), tuned.get_array().max()))
    assert base.get_cmap() is tuned.get_cmap() is colors.SEQUENTIAL
    low, high = delta.get_clim()
    assert low == -high
    assert high == pytest.approx(np.abs(delta.get_array()).max())


def test_limits_are_arguments():
    base, tuned, delta = (
        axes.images[0] for axes in maps_of(plots.head(head_maps(), limits=(0, 0.5), delta_limit=0.2)).values()
    )
    assert base.get_clim() == tuned.get_clim() == (0, 0.5)
    assert delta.get_clim() == (-0.2, 0.2)


@pytest.mark.parametrize(
    "make", [lambda: plots.head(head_maps(causal=True)), lambda: plots.rollout(routes(causal=True))]
)
def test_masked_cells_are_blank_on_a_hatched_ground(make):
    figure = make()
    for axes in maps_of(figure).values():
        image = axes.images[0]
        np.testing.assert_array_equal(np.ma.getmaskarray(image.get_array()), np.tri(15) == 0)
        assert (image.to_rgba(image.get_array())[..., 3] == np.tri(15)).all()
        assert axes.patch.get_hatch()
    assert "Hatched: keys that the query may not see." in written(figure)


def test_nothing_is_hatched_where_nothing_is_masked():
    figure = plots.head(head_maps())
    assert not any(axes.patch.get_hatch() for axes in figure.axes)
    assert "Hatched" not in written(figure)


def test_query_names_stand_once_and_key_names_on_each_map():
    maps = list(maps_of(plots.head(head_maps())).values())
    names = [token.text for token in tokens(15)]
    assert texts_of(maps[0], "query") == names
    assert [texts_of(axes, "query") for axes in maps[1:]] == [[], []]
    assert all(texts_of(axes, "key") == names for axes in maps)


def test_special_and_sink_tokens_are_grey_and_italic():
    axes = maps_of(plots.head(head_maps()))["base"]
    for index, label in enumerate(names_of(axes, "key")):
        marked = index in (0, 14)
        assert (label.get_fontstyle() == "italic") == marked
        assert (label.get_color() == colors.FAINT) == marked
    first, second = names_of(maps_of(plots.head(head_maps(causal=True)))["base"], "key")[:2]
    assert (first.get_fontstyle(), second.get_fontstyle()) == ("italic", "normal")


@pytest.mark.parametrize(("count", "step"), [(8, 1), (48, 1), (49, 2), (64, 2), (65, 3), (128, 4)])
def test_every_kth_token_is_labelled_above_48(count, step):
    figure = plots.head(head_maps(count))
    names = [token.text for token in tokens(count)]
    for axes in maps_of(figure).values():
        assert texts_of(axes, "key") == names[::step]
        assert [label.get_position()[0] for label in names_of(axes, "key")] == list(range(0, count, step))
    assert ("token is labelled" in written(figure)) == (step > 1)


@pytest.mark.parametrize("count", [8, 15, 32, 48, 49, 128, 300])
@pytest.mark.parametrize("causal", [False, True])
def test_labels_neither_overlap_nor_leave_the_picture(count, causal):
    figure = plots.head(head_maps(count, causal=causal))
    figure.draw_without_rendering()
    frame = figure.bbox
    maps = list(maps_of(figure).values())
    down = [label.get_window_extent() for label in names_of(maps[0], "query")]
    assert all(upper.y0 >= lower.y1 - 2.5 for upper, lower in zip(down, down[1:], strict=False))
    across = [label.get_window_extent() for label in names_of(maps[1], "key")]
    if names_of(maps[1], "key")[0].get_rotation() == 90:
        assert all(left.x1 <= right.x0 + 2.5 for left, right in zip(across, across[1:], strict=False))
    everything = [*down, *across, *(text.get_window_extent() for text in figure.texts)]
    everything += [label.get_window_extent() for label in names_of(maps[2], "key")]
    assert all(
        frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in everything
    )
    # Slanted names of one map end before the next begins.
    assert max(box.x1 for box in across) <= min(label.get_window_extent().x0 for label in names_of(maps[2], "key")) + 2


def test_cells_are_whole_pixels():
    for count in (7, 15, 33, 100, 300):
        figure = plots.head(head_maps(count))
        for axes in maps_of(figure).values():
            place = axes.get_window_extent()
            cells = axes.images[0].get_array().shape[0]
            assert place.width / cells == pytest.approx(round(place.width / cells), abs=1e-3)
            assert place.x0 == pytest.approx(round(place.x0), abs=1e-3)


def test_above_128_tokens_cells_are_merged_and_the_picture_says_how():
    assert maps_of(plots.head(head_maps(128)))["base"].images[0].get_array().shape == (128, 128)
    result = head_maps(300)
    figure = plots.head(result)
    axes = maps_of(figure)["base"]
    assert axes.images[0].get_array().shape == (100, 100)
    assert "300 tokens in 100 bins of 3: each cell is the mean over its queries, sum over its keys" in written(figure)
    assert texts_of(axes, "key")[:2] == ["0 [CLS]", "12 word12"]
    assert axes.images[0].get_array()[2, 5] == pytest.approx(result.base[6:9, 15:18].sum(1).mean())


@pytest.mark.parametrize("count", [129, 300, 257])
@pytest.mark.parametrize("causal", [False, True])
def test_merged_rows_still_sum_to_1(count, causal):
    result = head_maps(count, causal=causal)
    here = side(result.tokens)
    merged = binned(result.base, here, here)
    np.testing.assert_allclose(np.nansum(merged, axis=1), 1, atol=1e-5)
    if causal:  # blank only where no query of the bin sees any key of the bin
        np.testing.assert_array_equal(np.isnan(merged), np.tri(len(merged)) == 0)


def test_merging_what_is_no_mass_takes_the_mean_of_what_is_there():
    here = side(tokens(256))
    matrix = np.full((256, 256), np.nan)
    matrix[0, 0], matrix[1, 1] = 2.0, 4.0
    merged = binned(matrix, here, here, mass=False)
    assert merged[0, 0] == 3
    assert np.isnan(merged[0, 1])


def test_head_and_numbers_are_in_the_heading():
    said = written(plots.head(head_maps()))
    assert "L3.H9 in both models" in said
    assert "0.52 bits" in said
    assert "2.3 tokens" in said


def test_alt_text_names_true_links():
    result = head_maps()
    alt = plots.head_alt(result)
    query, key = np.unravel_index(result.base.argmax(), result.base.shape)
    names = [token.text for token in result.tokens]
    assert f"Strongest link in base: ‘{names[query]}’ to ‘{names[key]}’ {result.base.max():.2f}" in alt
    query, key = np.unravel_index(result.delta.argmin(), result.delta.shape)
    assert f"largest loss: ‘{names[query]}’ to ‘{names[key]}’ −{-result.delta.min():.2f}" in alt
    assert "15 queries" in alt


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_shortest_texts_are_drawn(count):
    causal = head_maps(count, causal=True)
    assert plots.png(plots.head(causal))
    assert plots.png(plots.rollout(routes(count, causal=True)))
    assert plots.head_alt(causal)


WINDOW = ((100, 140), (90, 150))


def lines_of(axes):
    """Borders drawn on a map: kind, and where they run across the queries (or None) and the keys (or None)."""
    found = []
    for line in axes.lines:
        (x0, x1), (y0, y1) = line.get_data()
        found.append((line.get_gid(), y0 if y0 == y1 else None, x0 if x0 == x1 else None))
    return found


def test_a_window_has_true_positions_and_says_which_of_how_many():
    result = head_maps(300, window=WINDOW)
    figure = plots.head(result)
    axes = maps_of(figure)["base"]
    np.testing.assert_array_equal(axes.images[0].get_array(), result.base)
    assert axes.images[0].get_array().shape == (40, 60)
    assert texts_of(axes, "query") == [f"{index} word{index}" for index in range(100, 140)]
    assert texts_of(axes, "key") == [f"{index} word{index}" for index in range(90, 150, 2)]
    said = written(figure)
    assert "L3.H9 in both models: queries 100–139 of 300, keys 90–149 of 300" in said
    assert "whole text: divergence 0.52 bits" in said
    assert "over all keys it sums to 1" in said
    assert "Labelled: every 2nd key. A label starts with the position in the text." in said


def test_a_window_of_one_side_or_of_one_query_is_named_as_such():
    figure = plots.head(head_maps(40, window=((3, 4), (0, 40))))
    assert figure.texts[0].get_text() == "L3.H9 in both models: query 3 of 40"
    assert "A row is one query and sums to 1." in written(figure)
    assert "1 query by 40 keys (query 3 of 40)" in plots.head_alt(head_maps(40, window=((3, 4), (0, 40))))
    assert plots.head(head_maps(40)).texts[0].get_text() == "L3.H9 in both models"


def test_the_alt_text_of_a_window_names_true_tokens():
    result = head_maps(300, window=WINDOW)
    alt = plots.head_alt(result)
    query, key = np.unravel_index(result.tuned.argmax(), result.tuned.shape)
    assert f"in tuned: ‘word{query + 100}’ to ‘word{key + 90}’ {result.tuned.max():.2f}" in alt
    assert "40 queries by 60 keys (queries 100–139 of 300, keys 90–149 of 300)" in alt
    assert "Divergence of the whole text 0.52 bits." in alt


def test_bins_of_a_window_start_at_its_first_token():
    result = head_maps(600, window=((100, 110), (201, 501)))
    figure = plots.head(result)
    axes = maps_of(figure)["base"]
    assert axes.images[0].get_array().shape == (10, 100)
    assert texts_of(axes, "key")[:2] == ["201 word201", "213 word213"]
    assert axes.images[0].get_array()[4, 7] == pytest.approx(result.base[4, 21:24].sum())
    assert "300 keys in 100 bins of 3: each cell is the sum over its keys" in written(figure)
    assert "Labelled: every 4th bin of keys." in written(figure)


@pytest.mark.parametrize(
    "window", [((0, 1), (0, 300)), ((0, 300), (5, 6)), ((0, 300), (0, 40)), ((10, 30), (0, 300)), ((0, 60), (0, 15))]
)
@pytest.mark.parametrize("causal", [False, True])
def test_labels_of_rectangles_neither_overlap_nor_leave_the_picture(window, causal):
    figure = plots.head(head_maps(300, window=window, causal=causal))
    figure.draw_without_rendering()
    frame = figure.bbox
    maps = list(maps_of(figure).values())
    down = [label.get_window_extent() for label in names_of(maps[0], "query")]
    assert all(upper.y0 >= lower.y1 - 2.5 for upper, lower in zip(down, down[1:], strict=False))
    across = [label.get_window_extent() for label in names_of(maps[1], "key")]
    if names_of(maps[1], "key")[0].get_rotation() == 90:
        assert all(left.x1 <= right.x0 + 2.5 for left, right in zip(across, across[1:], strict=False))
    corner = [text.get_window_extent() for text in figure.texts if text.get_text() in ("keys →", "queries ↓")]
    assert all(box.x1 < names_of(maps[0], "key")[0].get_window_extent().x0 for box in corner)
    assert all(box.y0 > down[0].y1 - 2 for box in corner)
    shown = [*down, *(text.get_window_extent() for text in figure.texts)]
    shown += [label.get_window_extent() for axes in maps for label in names_of(axes, "key")]
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in shown)
    assert frame.width < 2400
    assert frame.height < 1400


def test_cross_attention_has_the_source_text_across():
    target, source = tokens(5), tuple(token(f"source{index}") for index in range(9))
    result = head_maps(texts=target, keys=source)
    figure = plots.head(result)
    axes = maps_of(figure)["tuned"]
    assert texts_of(maps_of(figure)["base"], "query") == [each.text for each in target]
    assert texts_of(axes, "key") == [each.text for each in source]
    assert figure.texts[0].get_text() == "L3.H9 in both models · cross-attention"
    assert "Queries are the target, keys the source text." in written(figure)
    query, key = np.unravel_index(result.base.argmax(), result.base.shape)
    alt = plots.head_alt(result)
    assert f"Strongest link in base: ‘{target[query].text}’ to ‘source{key}’" in alt
    assert "cross-attention head L3.H9, 5 queries by 9 keys" in alt


def test_no_token_stands_past_a_line_of_its_own():
    texts = tokens(12, causal=True)
    figure = plots.head(head_maps(texts=texts, keys=(*texts, NULL), causal=True))
    for axes in maps_of(figure).values():
        assert texts_of(axes, "key")[-1] == "no token"
        assert lines_of(axes) == [("null", None, 11.5)]
        assert not np.ma.getmaskarray(axes.images[0].get_array())[:, 12].any()
    assert "“no token”, past the dotted line: what the model's logit sink takes." in written(figure)
    assert "no token" not in written(plots.head(head_maps(12, causal=True)))


@pytest.mark.parametrize("count", [129, 255, 256, 1000])
def test_no_token_is_never_merged_with_tokens(count):
    texts = tokens(count, causal=True)
    result = head_maps(texts=texts, keys=(*texts, NULL), causal=True)
    keys = side(result.key_tokens)
    merged = binned(result.base, side(result.tokens), keys)
    assert keys.cells <= BINNED_ABOVE + 1
    np.testing.assert_allclose(merged[:, -1], 0.25, atol=1e-6)
    np.testing.assert_allclose(np.nansum(merged, axis=1), 1, atol=1e-5)
    assert keys.ticks()[-1].text == "no token"
    cells = [tick.cell for tick in keys.ticks()]
    assert min(np.diff(cells)) >= keys.step


def test_a_line_marks_where_the_second_text_of_a_pair_begins():
    figure = plots.head(head_maps(texts=pair_of_texts(6, 5)))
    for axes in maps_of(figure).values():
        assert lines_of(axes) == [("segment", 7.5, None), ("segment", None, 7.5)]
    assert "Solid line: where the second text begins." in written(figure)
    assert "Solid line" not in written(plots.head(head_maps()))


def test_new_tokens_are_green_past_a_dashed_line():
    figure = plots.head(head_maps(texts=continued(6, 5), causal=True))
    for axes in maps_of(figure).values():
        assert lines_of(axes) == [("generated", 5.5, None), ("generated", None, 5.5)]
        assert all(line.get_linestyle() != "-" for line in axes.lines)
        look = [label.get_color() for label in names_of(axes, "key")]
        assert look == [colors.FAINT, *[colors.INK] * 5, *[colors.NEW] * 5]
    assert "Green names, from the dashed line: written by a model." in written(figure)
    assert "Green" not in written(plots.head(head_maps(causal=True)))


def test_a_window_within_what_a_model_wrote_has_no_line_but_says_so():
    figure = plots.head(head_maps(texts=continued(6, 9), causal=True, window=((8, 12), (8, 12))))
    assert not maps_of(figure)["base"].lines
    assert "Green names: written by a model." in written(figure)


def test_a_border_within_a_bin_is_where_its_token_is():
    figure = plots.head(head_maps(texts=continued(151, 59), causal=True))
    assert maps_of(figure)["base"].images[0].get_array().shape == (105, 105)
    assert lines_of(maps_of(figure)["base"])[0] == ("generated", 75.0, None)  # token 151: half of bin 75


def test_borders_are_seen_on_dark_and_on_light_cells():
    line = maps_of(plots.head(head_maps(texts=pair_of_texts())))["base"].lines[0]
    assert colors.lightness(line.get_color()) < 20
    assert [effect._gc["foreground"] for effect in line.get_path_effects()] == ["white"]
    assert abs(colors.lightness(colors.NEW) - colors.lightness("#ffffff")) > 45


def test_merged_levels_are_named():
    words = plots.head(head_maps(about=About("decoder", "word", True)))
    assert words.texts[0].get_text() == "L3.H9 in both models · decoder · words"
    assert "attention moved 2.3 words on average" in written(words)
    assert "compare only with numbers over words." in written(words)
    assert "units both tokenizers share" in plots.head_alt(head_maps(about=About(level="shared")))
    assert "Positions are" not in written(plots.head(head_maps()))


def test_a_divergence_that_was_not_measured_is_no_number():
    blank = replace(head_maps(1, causal=True), jsd_bits=float("nan"), wasserstein_tokens=float("nan"))
    assert "divergence not measured" in written(plots.head(blank))
    assert "Divergence not measured." in plots.head_alt(blank)
    assert "nan" not in written(plots.head(blank)) + plots.head_alt(blank)
