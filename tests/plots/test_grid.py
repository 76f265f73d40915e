"""The grid of heads: what its artists hold, and that every pixel finds its head."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from attncompare import plots
from attncompare.errors import BadInput
from attncompare.metrics import FLOORS, METRICS
from attncompare.plots import colors
from attncompare.plots.cells import grid
from attncompare.plots.wording import decimals, scale_limits, signed
from tests.plots.records import NULL, comparison, noise, tokens

SIZES = [(6, 12), (12, 12), (2, 4), (1, 1), (24, 16), (32, 32), (80, 64), (3, 128)]


@pytest.mark.parametrize("size", SIZES)
def test_every_cell_is_found_from_its_pixels(size):
    figure = plots.heads(comparison(*size))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    height = figure.bbox.height
    for layer in range(size[0]):
        for head in range(size[1]):
            corners = [(head + dx, layer + dy) for dx in (-0.49, 0, 0.49) for dy in (-0.49, 0, 0.49)]
            for x, y in axes.transData.transform(corners):
                assert plots.heads_cell(tuple(range(size[0])), size[1], x, height - y) == (layer, head)


def test_pixels_outside_the_grid_give_the_nearest_cell():
    assert plots.heads_cell(tuple(range(6)), 12, -50, -50) == (0, 0)
    assert plots.heads_cell(tuple(range(6)), 12, 10_000, 10_000) == (5, 11)


def test_the_cells_of_the_png_have_the_colors_of_the_values():
    values = np.arange(72.0).reshape(6, 12) / 72
    figure = plots.heads(comparison(jsd_bits=values))
    plots.png(figure)
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255
    place = grid(6, 12)
    for layer, head in ((0, 0), (2, 7), (5, 11)):
        x, y = place.left + head * place.cell_width + 6, place.top + layer * place.cell_height + 6
        expected = colors.SEQUENTIAL(float(np.float32(values[layer, head])) / float(np.float32(values.max())))
        np.testing.assert_allclose(pixels[y, x], expected[:3], atol=0.02)


@pytest.mark.parametrize("metric", METRICS)
def test_image_limits_and_unit_of_every_metric(metric):
    result = comparison(measured=noise() if metric in FLOORS else None)
    figure = plots.heads(result, metric)
    image = figure.axes[0].images[0]
    np.testing.assert_array_equal(image.get_array(), result.metric(metric))
    low, high = image.get_clim()
    kind = METRICS[metric].kind
    if kind == "delta":
        assert low == -high
        assert high == pytest.approx(np.abs(result.metric(metric)).max())
        assert image.get_cmap() is colors.DIVERGING
    elif kind == "similarity":
        assert high == 1
    else:
        assert low == 0
        assert high == pytest.approx(result.metric(metric).max())
    written = [text.get_text() for text in figure.texts]
    assert METRICS[metric].unit in written
    assert any(text.startswith(METRICS[metric].title) for text in written)
    assert " ".join(METRICS[metric].reading.split()) in " ".join(written)


def test_limits_are_an_argument():
    image = plots.heads(comparison(), limits=(0, 1)).axes[0].images[0]
    assert image.get_clim() == (0, 1)


def test_numbers_stand_in_cells_while_they_are_big_enough():
    values = np.full((6, 12), 0.05)
    values[3, 9] = 0.52
    texts = plots.heads(comparison(jsd_bits=values)).axes[0].texts
    assert [text.get_text() for text in texts].count(".05") == 71
    peak = next(text for text in texts if text.get_text() == ".52")
    assert peak.get_position() == (9, 3)
    assert peak.get_color() == "white"
    assert len(plots.heads(comparison(24, 16)).axes[0].texts) == 24 * 16
    assert not plots.heads(comparison(32, 32)).axes[0].texts


def test_head_names_never_touch():
    for size in SIZES:
        figure = plots.heads(comparison(*size))
        figure.draw_without_rendering()
        labels = [label for label in figure.axes[0].get_xticklabels() if label.get_text()]
        boxes = [label.get_window_extent() for label in labels]
        assert all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:], strict=False))


def test_what_was_not_measured_is_blank_and_said():
    values = comparison().metric("jsd_bits").copy()
    values[1] = np.nan
    result = comparison(jsd_bits=values)
    figure = plots.heads(result)
    axes = figure.axes[0]
    assert np.ma.getmaskarray(axes.images[0].get_array())[1].all()
    assert axes.images[0].to_rgba(axes.images[0].get_array())[1, 0, 3] == 0
    assert axes.patch.get_hatch()
    assert len(axes.texts) == 60
    assert "Hatched: not measured." in " ".join(text.get_text() for text in figure.texts)
    assert "12 heads were not measured." in plots.heads_alt(result)
    assert not plots.heads(comparison()).axes[0].patch.get_hatch()


def test_a_comparison_without_change_or_measures_is_drawn():
    same = comparison(jsd_bits=np.zeros((6, 12)))
    figure = plots.heads(same)
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert {text.get_text() for text in figure.axes[0].texts} == {"0"}
    assert not [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    nothing = comparison(jsd_bits=np.full((6, 12), np.nan))
    plots.png(plots.heads(nothing))
    assert plots.heads_alt(nothing).endswith("No head was measured.")


@pytest.mark.parametrize("tiny", [1e-4, 3e-7])
def test_numbers_that_would_all_read_zero_are_left_to_the_color_bar(tiny):
    figure = plots.heads(comparison(jsd_bits=np.full((6, 12), tiny)))
    assert not figure.axes[0].texts
    assert figure.axes[1].get_yticklabels()[-1].get_text() == f"{tiny:.2g}".replace("-", "−")


def test_the_outlined_head_is_the_largest_or_the_selected_one():
    values = np.full((6, 12), 0.1)
    values[4, 2] = 0.3
    largest, chosen = (plots.heads(comparison(jsd_bits=values), selected=cell) for cell in (None, (5, 11)))
    assert {patch.get_xy() for patch in largest.axes[0].patches} == {(1.5, 3.5)}
    assert {patch.get_xy() for patch in chosen.axes[0].patches} == {(10.5, 4.5)}
    assert "Outlined: L4.H2 (0.3)." in " ".join(text.get_text() for text in largest.texts)


def test_alt_text_names_the_heads_furthest_from_unchanged():
    values = np.full((6, 12), 0.01)
    values[3, 9], values[4, 10] = 0.52, 0.36
    alt = plots.heads_alt(comparison(jsd_bits=values))
    assert "6 layers by 12 heads" in alt
    assert "Largest: L3.H9 0.52, L4.H10 0.36" in alt
    assert "Values run from 0.01 to 0.52" in alt
    cosine = np.full((6, 12), 0.9)
    cosine[1, 2] = 0.4
    assert "Lowest: L1.H2 0.4," in plots.heads_alt(comparison(cosine=cosine), "cosine")
    sharper = comparison(entropy_base_nats=np.full((6, 12), 2.0), entropy_tuned_nats=np.full((6, 12), 2.0) - cosine)
    assert "−0.9" in plots.heads_alt(sharper, "entropy_delta_nats")


def test_layers_with_holes_have_their_own_numbers_everywhere():
    values = np.full((3, 4), 0.1)
    values[2, 1], values[1, 3] = 0.4, 0.3
    result = comparison((1, 3, 11), 4, jsd_bits=values)
    figure = plots.heads(result)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["L1", "L3", "L11"]
    said = " ".join(text.get_text() for text in figure.texts)
    assert "Outlined: L11.H1 (0.4)." in said
    assert "Layers that are missing here don't attend." in said
    assert {patch.get_xy() for patch in figure.axes[0].patches} == {(0.5, 1.5)}
    chosen = plots.heads(result, selected=(3, 0))
    assert {patch.get_xy() for patch in chosen.axes[0].patches} == {(-0.5, 0.5)}
    alt = plots.heads_alt(result)
    assert "Largest: L11.H1 0.4, L3.H3 0.3" in alt
    assert "Grid of 3 layers by 4 heads" in alt
    assert "missing" not in plots.heads_alt(comparison())
    with pytest.raises(BadInput, match="Layer 2 is not in this comparison: choose one of 1, 3, 11"):
        plots.heads(result, selected=(2, 0))


def test_clicks_on_layers_with_holes_give_true_numbers():
    figure = plots.heads(comparison((1, 3, 11), 4))
    figure.draw_without_rendering()
    for row, layer in enumerate((1, 3, 11)):
        x, y = figure.axes[0].transData.transform((2, row))
        assert plots.heads_cell((1, 3, 11), 4, x, figure.bbox.height - y) == (layer, 2)


@pytest.mark.parametrize(
    ("draw", "metric"),
    [
        ("heads", "jsd_bits"),
        ("heads", "within_sink_bits"),
        ("heads", "content_jsd_bits"),
        ("layers", ""),
        ("movers", ""),
    ],
)
@pytest.mark.parametrize(
    ("attention", "encoder_decoder", "named"),
    [
        ("self", False, ""),
        ("self", True, "encoder "),
        ("decoder", True, "decoder "),
        ("cross", True, "cross-attention "),
    ],
)
def test_the_stack_is_named_and_no_title_is_cut(draw, attention, encoder_decoder, named, metric):
    result = comparison(attention=attention, encoder_decoder=encoder_decoder, level="word")
    figure = plots.heads(result, metric) if draw == "heads" else getattr(plots, draw)(result)
    assert f"{named}{'layer' if draw == 'layers' else 'head'}" in figure.texts[0].get_text()
    if not named:
        assert "coder" not in figure.texts[0].get_text()
    figure.draw_without_rendering()
    assert all(text.get_window_extent().x1 <= figure.bbox.x1 - 20 for text in figure.texts)
    words = {"heads": plots.heads_alt, "layers": plots.layers_alt, "movers": plots.movers_alt}[draw](result)
    assert named in words


def test_merged_positions_are_named_and_tokens_are_not():
    def said(result):
        drawn = [draw(result) for draw in (plots.heads, plots.layers, plots.movers)]
        return [" ".join(text.get_text() for text in figure.texts) for figure in drawn]

    for picture in said(comparison(level="word")):
        assert "15 words" in picture or "· words" in picture
        assert "compare only with numbers over words." in picture
    for picture in said(comparison(level="shared")):
        assert "units both tokenizers share" in picture
        assert "compare only with numbers over such units." in picture
    assert not any("Positions are" in picture for picture in said(comparison()))
    for alt in (plots.heads_alt, plots.layers_alt, plots.movers_alt):
        assert "Positions are words, not tokens" in alt(comparison(level="word"))
        assert "Positions are" not in alt(comparison())
    far = plots.heads(comparison(level="word"), "distance_delta")
    assert "words" in [text.get_text() for text in far.texts]
    assert "(units)" in plots.heads_alt(comparison(level="shared"), "distance_delta")


def test_both_texts_of_cross_attention_are_counted():
    result = comparison(attention="cross", encoder_decoder=True, texts=tokens(6), keys=(*tokens(9), NULL))
    assert "6 target and 9 source tokens" in " ".join(text.get_text() for text in plots.heads(result).texts)


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="no metric 'jsd'"):
        plots.heads(comparison(), "jsd")


def test_the_sequential_scale_falls_evenly_in_lightness_from_white():
    levels = np.array([colors.lightness(color[:3]) for color in colors.SEQUENTIAL(np.linspace(0, 1, 41))])
    assert levels[0] == pytest.approx(100)
    steps = np.diff(levels)
    assert (steps < 0).all()
    assert steps.min() > 2 * steps.mean()


def test_text_stands_out_on_every_color_of_every_scale():
    for scale in (colors.SEQUENTIAL, colors.REVERSED, colors.DIVERGING):
        for color in scale(np.linspace(0, 1, 101)):
            ground, ink = (colors.luminance(each) + 0.05 for each in (color[:3], to_rgb(colors.text_on(color[:3]))))
            assert max(ground, ink) / min(ground, ink) > 4


def test_base_and_tuned_and_lost_and_gained_differ_without_hue():
    for pair in ((colors.BASE, colors.TUNED), (colors.SINK, colors.WITHIN), (colors.WITHIN, colors.CONTENT)):
        assert abs(colors.lightness(pair[0]) - colors.lightness(pair[1])) > 10


def test_scales_have_a_length_even_for_constant_data():
    for name in ("jsd_bits", "cosine", "entropy_delta_nats"):
        low, high = scale_limits(METRICS[name], np.full((2, 2), 1.0 if name == "cosine" else 0.0))
        assert low < high


def test_short_numbers_keep_cells_apart():
    assert [decimals(high) for high in (0.05, 0.52, 1.0, 3.2, 14)] == [3, 2, 2, 1, 0]
    assert [signed(value) for value in (0.0, 0.3, -0.3, 0.004)] == ["+0.00", "+0.30", "−0.30", "+0.004"]


def test_a_page_that_marks_the_open_head_itself_gets_no_outline():
    result = comparison(6, 12)
    frames = [
        sum(isinstance(patch, Rectangle) and patch.get_zorder() in (3, 4) for patch in figure.axes[0].patches)
        for figure in (plots.heads(result), plots.heads(result, outline=False))
    ]
    assert frames == [2, 0]
    foot = " ".join(text.get_text() for text in plots.heads(result, outline=False).texts)
    assert "Outlined" not in foot
    assert len(plots.heads(result, selected=(0, 0), outline=False).axes[0].patches) > 0
