"""Grid, layers and movers of a comparison whose noise was measured: what is loud moved, what is quiet did not."""

import numpy as np
import pytest

from attncompare import plots
from attncompare.analyses.movers import Mover
from attncompare.metrics import FLOORS, METRICS
from attncompare.plots import colors
from attncompare.plots.cells import grid
from tests.plots.records import comparison, noise, tokens

DIVERGENCES = [name for name, metric in METRICS.items() if metric.kind == "divergence"]


def beside(layers=6, heads=12, *, columns=None, **more):
    """A comparison with its noise."""
    return comparison(layers, heads, measured=noise(layers, heads, **more), **(columns or {}))


def named(figure, gid):
    return [artist for artist in figure.axes[0].collections if artist.get_gid() == gid]


def written(figure):
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return " ".join(text.get_text() for text in texts)


def apart(figure):
    """Asserts that no word overlaps another or leaves the card."""
    figure.draw_without_rendering()
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    texts += [label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    for index, (said, one) in enumerate(boxes):
        assert figure.bbox.x0 <= one.x0, said
        assert one.x1 <= figure.bbox.x1 - 10, said
        for other, box in boxes[:index]:
            wide = min(one.x1, box.x1) - max(one.x0, box.x0)
            tall = min(one.y1, box.y1) - max(one.y0, box.y0)
            assert wide <= 0.5 or tall <= 4, (said, other)


# The grid.


@pytest.mark.parametrize("metric", DIVERGENCES)
def test_numbers_of_heads_that_moved_are_bold_and_cells_of_others_smaller(metric):
    result = beside()
    figure = plots.heads(result, metric)
    bold = {text.get_position()[::-1] for text in figure.axes[0].texts if text.get_weight() == "bold"}
    assert bold == {tuple(cell) for cell in np.argwhere(result.noise.moved).tolist()}
    (frames,) = named(figure, "quiet")
    middles = {
        tuple(np.round(path.get_extents().get_points().mean(0)).astype(int)[::-1]) for path in frames.get_paths()
    }
    assert middles == {tuple(cell) for cell in np.argwhere(~result.noise.moved).tolist()}
    assert "Bold: beyond a random change of the same size; smaller cells: within." in written(figure)


@pytest.mark.parametrize("size", [(6, 12), (24, 24), (32, 32), (80, 64)])
def test_what_is_left_of_a_quiet_cell_keeps_the_color_of_its_value(size):
    result = beside(*size, beyond=12)
    figure = plots.heads(result)
    plots.png(figure)
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255
    image, place = figure.axes[0].images[0], grid(*size)
    assert image.get_clim() == (0, pytest.approx(result.metric("jsd_bits").max()))
    quiet = np.argwhere(~result.noise.moved)
    row, head = quiet[np.argmax(result.metric("jsd_bits")[tuple(quiet.T)])]
    x, y = place.left + head * place.cell_width, place.top + row * place.cell_height
    inset = round(0.14 * min(place.cell_width, place.cell_height)) + 2
    expected = image.to_rgba(image.get_array())[row, head, :3]
    np.testing.assert_allclose(pixels[y + inset, x + inset], expected, atol=0.02)
    frame = max(1, round(0.07 * min(place.cell_width, place.cell_height)))
    np.testing.assert_allclose(pixels[y + frame, x + place.cell_width // 2], 1, atol=0.02)
    row, head = np.argwhere(result.noise.moved)[0]
    corner = pixels[place.top + row * place.cell_height + 2, place.left + head * place.cell_width + 3]
    np.testing.assert_allclose(corner, image.to_rgba(image.get_array())[row, head, :3], atol=0.02)


@pytest.mark.parametrize("size", [(32, 32), (80, 64)])
def test_small_cells_of_heads_that_moved_have_a_dot(size):
    result = beside(*size, beyond=40)
    figure = plots.heads(result)
    (dots,) = named(figure, "loud")
    assert {tuple(at) for at in dots.get_offsets().data[:, ::-1].astype(int).tolist()} == {
        tuple(cell) for cell in np.argwhere(result.noise.moved).tolist()
    }
    assert "Dotted: beyond a random change of the same size; smaller cells: within." in written(figure)


def test_divergences_too_small_for_numbers_get_dots():
    record = noise()
    result = comparison(measured=noise(bits=record.jsd_bits * 1e-4, numeric=None))
    assert not plots.heads(result).axes[0].texts
    assert "Bold" not in written(plots.heads(result))
    strong = comparison(measured=record, jsd_bits=record.jsd_bits * 1e-4)
    figure = plots.heads(strong)
    assert len(named(figure, "loud")[0].get_offsets()) == record.moved.sum()
    assert "Dotted: beyond" in written(figure)


@pytest.mark.parametrize("metric", [name for name in METRICS if name not in DIVERGENCES])
def test_metrics_that_are_no_divergence_have_no_quiet_heads(metric):
    figure = plots.heads(beside(), metric)
    assert not named(figure, "quiet")
    assert not [text for text in figure.axes[0].texts if text.get_weight() == "bold"]
    assert "beyond a random change" not in written(figure)


@pytest.mark.parametrize("draws", [0, 5])
def test_without_a_test_no_head_is_quiet(draws):
    figure = plots.heads(beside(draws=draws))
    assert not named(figure, "quiet")
    assert not [text for text in figure.axes[0].texts if text.get_weight() == "bold"]
    assert "beyond" not in written(figure)
    assert "beyond" not in plots.heads_alt(beside(draws=draws))
    assert "within" not in plots.movers_alt(beside(draws=draws))


def test_a_head_that_was_not_measured_is_neither():
    bits = np.array(noise().jsd_bits)
    bits[2] = np.nan
    result = comparison(measured=noise(bits=bits))
    figure = plots.heads(result)
    assert len(named(figure, "quiet")[0].get_paths()) == 60 - result.noise.moved.sum()
    assert "Hatched: not measured." in written(figure)


def test_alt_text_counts_and_names_heads_beyond():
    result = beside()
    alt = plots.heads_alt(result)
    bits = np.where(result.noise.moved, result.metric("jsd_bits"), 0)
    row, head = np.unravel_index(bits.argmax(), bits.shape)
    assert f"9 heads moved beyond a random change of the same size: largest L{row}.H{head} {bits.max():.3g}, " in alt
    assert "No head moved beyond a random change" in plots.heads_alt(beside(beyond=0))
    assert "beyond" not in plots.heads_alt(comparison())


# The columns of the floor.


@pytest.mark.parametrize(
    ("size", "metric"),
    [*(((6, 12), metric) for metric in FLOORS), *((size, FLOORS[0]) for size in [(2, 4), (16, 16), (32, 32), (1, 1)])],
)
def test_every_column_of_the_floor_is_drawn_with_its_unit(metric, size):
    figure = plots.heads(beside(*size), metric)
    apart(figure)
    assert METRICS[metric].unit in [text.get_text() for text in figure.texts]
    assert not figure.axes[0].patch.get_hatch()
    assert "minus" not in figure.texts[0].get_text()
    assert "base to tuned" not in figure.texts[0].get_text()


@pytest.mark.parametrize("metric", FLOORS)
def test_a_column_that_was_not_measured_is_hatched_and_says_why(metric):
    figure = plots.heads(comparison(), metric)
    apart(figure)
    assert figure.axes[0].patch.get_hatch()
    assert not figure.axes[0].texts
    assert "Hatched: the noise of this comparison was not measured." in written(figure)
    assert plots.heads_alt(comparison(), metric).endswith("No head was measured.")


def test_a_p_of_too_few_draws_is_hatched_and_says_why():
    result = beside(draws=5)
    figure = plots.heads(result, "floor_p")
    assert figure.axes[0].patch.get_hatch()
    assert f"Hatched: not measured. {result.noise.sentence()}" in written(figure)


def test_a_p_has_a_logarithmic_scale_that_is_dark_where_it_counts():
    image = plots.heads(beside(), "floor_p").axes[0].images[0]
    assert image.get_clim() == (pytest.approx(0.025), 1)
    shade = [colors.lightness(image.to_rgba(value)[:3]) for value in (0.025, 0.05, 0.2, 1)]
    assert shade[3] == pytest.approx(100)
    assert shade[1] < 30
    assert shade[2] > 45
    quiet = plots.heads(beside(beyond=0), "floor_p").axes[0].images[0]
    assert quiet.get_clim()[0] == pytest.approx(0.05)
    assert plots.png(plots.heads(beside(), "floor_p", limits=(0, 1)))


def test_the_color_bar_of_a_p_says_what_its_colors_are():
    figure = plots.heads(beside(), "floor_p")
    image, bar = figure.axes[0].images[0], figure.axes[1]
    ramp = bar.images[0]
    for place, label in zip(bar.get_yticks(), bar.get_yticklabels(), strict=True):
        shown = ramp.to_rgba(ramp.get_array())[round(place * 255), 0]
        np.testing.assert_allclose(shown, image.to_rgba(float(label.get_text())), atol=0.03)


def test_large_multiples_fit_their_cells():
    record = noise(16, 16)
    strong = comparison(16, 16, measured=noise(16, 16, bits=record.jsd_bits * 0 + 0.9, numeric=None))
    for metric in ("floor_multiple", "floor_z"):
        apart(plots.heads(strong, metric))
    huge = comparison(16, 16, measured=record, floor_multiple=record.floor.multiple * 1e4)
    figure = plots.heads(huge, "floor_multiple")
    apart(figure)
    assert "k" in figure.axes[0].texts[0].get_text()
    assert "e+" not in figure.axes[1].get_yticklabels()[-1].get_text()


# The layers.


@pytest.mark.parametrize("size", [(6, 12), (32, 32), (1, 1)])
def test_a_tick_on_each_bar_is_the_mean_floor_of_the_layer(size):
    result = beside(*size)
    figure = plots.layers(result)
    (ticks,) = named(figure, "floor")
    strokes = np.array(ticks.get_segments())
    np.testing.assert_allclose(strokes[:, 0, 0], result.metric("floor_jsd_bits").mean(1), rtol=1e-5)
    np.testing.assert_allclose(strokes[:, :, 1].mean(1), range(size[0]))
    assert "floor" in [text.get_text() for text in figure.texts]
    apart(figure)


def test_a_floor_longer_than_its_bar_is_inside_the_axis_and_before_the_number():
    parts = ("sink_bits", "within_sink_bits", "content_bits")
    result = beside(columns={part: np.full((6, 12), 1e-4) for part in parts})
    figure = plots.layers(result)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    floor = result.metric("floor_jsd_bits").mean(1)
    assert axes.get_xlim()[1] == pytest.approx(floor.max())
    for mean, row, text in zip(floor, range(6), axes.texts, strict=True):
        assert text.get_window_extent().x0 > axes.transData.transform((mean, row))[0]


def test_layers_without_noise_have_no_tick_and_do_not_speak_of_one():
    for result in (comparison(), beside(draws=0)):
        figure = plots.layers(result)
        assert not [stroke for ticks in named(figure, "floor") for stroke in ticks.get_segments()]
        assert "loor" not in written(figure)
        assert "floor" not in plots.layers_alt(result)


def test_layers_alt_lists_the_floors():
    result = beside((1, 3, 11), 4)
    floor = result.metric("floor_jsd_bits").mean(1)
    assert f"layer 1 {floor[0]:.2g}, layer 3 {floor[1]:.2g}, layer 11 {floor[2]:.2g}." in plots.layers_alt(result)


def test_layers_limits_may_leave_floors_out():
    figure = plots.layers(beside(), limits=(0, 0.005))
    assert len(named(figure, "floor")[0].get_segments()) == (beside().metric("floor_jsd_bits").mean(1) <= 0.005).sum()


# The movers.


def loud_and_quiet(result):
    """Two movers: the largest head that moved, the largest that did not."""
    cells = []
    for chosen in (result.noise.moved, ~result.noise.moved):
        bits = np.where(chosen, result.metric("jsd_bits"), 0)
        cells.append(tuple(int(i) for i in np.unravel_index(bits.argmax(), bits.shape)))
    return cells, tuple(Mover(*cell, ((0, -0.2),), ((3, 0.3), (4, 0.1)), (), ()) for cell in cells)


def test_a_mover_within_a_random_change_is_pale_and_says_so():
    (loud, quiet), movers = loud_and_quiet(beside())
    result = comparison(measured=noise(), movers=movers, texts=tokens(15))
    figure = plots.movers(result)
    apart(figure)
    bars = [bar for container in figure.axes[0].containers for bar in container]
    assert [bar.get_alpha() for bar in bars] == [None] * 3 + [0.4] * 3
    assert [bar.get_width() for bar in bars] == pytest.approx([-0.2, 0.3, 0.1] * 2)
    weight = {text.get_text(): text.get_weight() for text in figure.texts}
    assert weight[f"L{loud[0]}.H{loud[1]}"] == "bold"
    assert weight[f"L{quiet[0]}.H{quiet[1]}"] == "normal"
    multiple = result.noise.floor.multiple
    assert f"{multiple[loud]:.0f}× floor" in written(figure)
    assert f"{multiple[quiet]:.1f}× floor" in written(figure)
    assert "Floor: the mean of random changes of the weights of the same size. Pale: within such a change." in written(
        figure
    )
    alt = plots.movers_alt(result)
    bits = result.metric("jsd_bits")
    assert f"L{loud[0]}.H{loud[1]} ({bits[loud]:.2f} bits, {multiple[loud]:.0f}× floor) lost" in alt
    assert f"({bits[quiet]:.2f} bits, {multiple[quiet]:.1f}× floor, within a random change) lost" in alt


def test_movers_are_not_said_to_have_moved_where_the_noise_decides_that():
    _, movers = loud_and_quiet(beside())
    assert "1 of 2 heads that changed." in written(plots.movers(comparison(measured=noise(), movers=movers), count=1))
    assert "1 of 2 heads that moved." in written(plots.movers(comparison(movers=movers), count=1))


def test_movers_with_too_few_draws_have_multiples_and_none_is_pale():
    _, movers = loud_and_quiet(beside())
    figure = plots.movers(comparison(measured=noise(draws=5), movers=movers))
    assert written(figure).count("× floor") == 2
    assert {bar.get_alpha() for container in figure.axes[0].containers for bar in container} == {None}
    assert "Pale" not in written(figure)
    assert "× floor" not in written(plots.movers(comparison(measured=noise(draws=0), movers=movers)))
