"""Maps of a head and of rollout, by their artists."""

import numpy as np
import pytest

from attncompare import plots
from attncompare.plots import colors
from attncompare.plots.sides import binned, side
from tests.plots.records import head_maps, routes, tokens


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
    figure.canvas.draw()
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
