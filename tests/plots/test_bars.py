"""Bars: divergence by layer, and what the heads that moved most look at now."""

import numpy as np
import pytest

from attncompare import plots
from attncompare.analyses.movers import Mover
from attncompare.plots import colors
from attncompare.plots.cells import grid
from tests.plots.records import NULL, comparison, continued, token, tokens


def written(figure):
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return " ".join(text.get_text() for text in texts)


def test_the_stack_of_a_layer_is_its_mean_divergence():
    result = comparison()
    axes = plots.layers(result).axes[0]
    stacks = {bars.get_label(): bars for bars in axes.containers}
    assert list(stacks) == ["sink_bits", "within_sink_bits", "content_bits"]
    for name, bars in stacks.items():
        np.testing.assert_allclose([bar.get_width() for bar in bars], result.metric(name).mean(1), rtol=1e-5)
    ends = [bar.get_x() + bar.get_width() for bar in stacks["content_bits"]]
    np.testing.assert_allclose(ends, result.metric("jsd_bits").mean(1), rtol=1e-5)
    assert [text.get_text() for text in axes.texts] == [f"{mean:.3f}" for mean in result.metric("jsd_bits").mean(1)]
    assert axes.get_xlim() == (0, pytest.approx(result.metric("jsd_bits").mean(1).max()))


@pytest.mark.parametrize("size", [(6, 12), (48, 12), (80, 64), (1, 1)])
def test_layers_stand_where_the_grid_has_them(size):
    result = comparison(*size)
    rows, cells = plots.layers(result), plots.heads(result)
    place = grid(*size)
    for figure in (rows, cells):
        box = figure.axes[0].get_window_extent()
        assert figure.bbox.height - box.y1 == pytest.approx(place.top, abs=1e-3)
        assert box.height == pytest.approx(place.height, abs=1e-3)


def test_numbers_of_thin_layers_never_touch():
    figure = plots.layers(comparison(80, 64))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(upper.y0 >= lower.y1 - 2 for upper, lower in zip(boxes, boxes[1:], strict=False))


def test_a_layer_without_attention_says_so():
    columns = {name: comparison().metric(name).copy() for name in ("sink_bits", "within_sink_bits", "content_bits")}
    for values in columns.values():
        values[2] = np.nan
    result = comparison(**columns)
    assert plots.layers(result).axes[0].texts[2].get_text() == "not measured"
    assert "of 6 layers" in plots.layers_alt(result)
    for values in columns.values():
        values[:] = np.nan
    nothing = comparison(**columns)
    assert plots.png(plots.layers(nothing))
    assert plots.layers_alt(nothing).endswith("No layer was measured.")


def test_layers_alt_gives_the_largest_with_its_parts():
    result = comparison()
    means = result.metric("jsd_bits").mean(1)
    alt = plots.layers_alt(result)
    assert f"Largest: layer {means.argmax()}, {means.max():.3f}" in alt
    assert f"Smallest: layer {means.argmin()}, {means.min():.3f}" in alt
    assert f"sink mass moved {result.metric('sink_bits').mean(1)[means.argmax()]:.3f}" in alt


def test_losses_go_left_and_gains_right_each_with_its_token():
    result = comparison()
    figure = plots.movers(result)
    axes = figure.axes[0]
    bars = [[(bar.get_width(), bar.get_facecolor()) for bar in container] for container in axes.containers]
    widths = [[round(width, 6) for width, _ in side] for side in bars]
    assert widths == [[-0.35, -0.07], [0.59, 0.07, 0.01], [-0.2], [0.3], [], [0.004]]
    for side in bars:
        for width, color in side:
            expected = colors.GAINED if width > 0 else colors.LOST
            assert color == pytest.approx(colors.to_rgb(expected) + (1,))
    said = [text.get_text() for text in axes.texts]
    assert said[:4] == ["[CLS]", "−0.35", "word2", "−0.07"]
    assert "L3.H9" in written(figure)
    assert f"{result.metric('jsd_bits')[3, 9]:.2f} bits" in written(figure)


def test_both_sides_share_one_scale():
    axes = plots.movers(comparison()).axes[0]
    pixels = axes.transData.transform([(-0.35, 0), (0, 0), (0.35, 0)])[:, 0]
    assert pixels[1] - pixels[0] == pytest.approx(pixels[2] - pixels[1])


@pytest.mark.parametrize("texts", [tokens(15), tuple(token("W" * 40) for _ in range(15))])
def test_labels_stay_inside_the_picture_and_off_the_names(texts):
    figure = plots.movers(comparison(texts=texts))
    figure.draw_without_rendering()
    labels = [text.get_window_extent() for text in figure.axes[0].texts]
    names = [text.get_window_extent() for text in figure.texts if text.get_text() == "L3.H9"]
    assert max(box.x1 for box in labels) < figure.bbox.x1 - 20
    assert min(box.x0 for box in labels) > names[0].x1
    headers = [text.get_window_extent() for text in figure.texts if "attention" in text.get_text()]
    assert all(figure.bbox.x0 < box.x0 and box.x1 < figure.bbox.x1 for box in headers)


def test_names_and_bits_of_heads_with_few_keys_never_touch():
    figure = plots.movers(comparison())
    figure.draw_without_rendering()
    named = [text for text in figure.texts if text.get_text().startswith("L") or text.get_text().endswith("bits")]
    boxes = [text.get_window_extent() for text in named]
    assert len(boxes) == 6
    assert all(upper.y0 > lower.y1 for upper, lower in zip(boxes, boxes[1:], strict=False))


@pytest.mark.parametrize(
    "mover",
    [Mover(0, 0, ((0, -0.2),), (), (), ()), Mover(0, 0, (), ((0, 0.2),), (), ()), Mover(0, 0, (), (), (), ())],
)
def test_a_head_with_changes_to_one_side_or_none_fits(mover):
    figure = plots.movers(comparison(movers=(mover,)))
    figure.draw_without_rendering()
    for text in (*figure.texts, *figure.axes[0].texts):
        box = text.get_window_extent()
        assert 0 <= box.x0
        assert box.x1 <= figure.bbox.x1


def test_limits_are_arguments():
    assert plots.layers(comparison(), limits=(0, 1)).axes[0].get_xlim() == (0, 1)
    axes = plots.movers(comparison(), limits=(-1, 1)).axes[0]
    wide, narrow = (figure.axes[0].containers[1][0].get_window_extent().width for figure in _wide_and_narrow())
    assert axes.get_xlim()[0] < -1
    assert wide > narrow


def _wide_and_narrow():
    for limits in (None, (-1.0, 1.0)):
        figure = plots.movers(comparison(), limits=limits)
        figure.draw_without_rendering()
        yield figure


def test_count_limits_the_heads():
    figure = plots.movers(comparison(), count=1)
    assert "L4.H10" not in written(figure)
    assert "1 of 3 heads that moved." in written(figure)
    assert "L4.H10" not in plots.movers_alt(comparison(), count=1)


def test_a_pair_that_does_not_differ_says_so():
    still = comparison(movers=())
    assert "No head moved" in written(plots.movers(still))
    assert plots.png(plots.movers(still))
    assert plots.movers_alt(still).startswith("No head moved")


def test_movers_alt_names_heads_keys_and_changes():
    alt = plots.movers_alt(comparison())
    assert "lost ‘[CLS]’ −0.35, ‘word2’ −0.07; gained ‘word12’ +0.59, ‘word4’ +0.07, ‘word5’ +0.01." in alt
    assert "lost nothing; gained ‘word3’ +0.004." in alt


def test_layers_with_holes_have_their_own_numbers():
    result = comparison((1, 3, 11), 4)
    figure = plots.layers(result)
    means = result.metric("jsd_bits").mean(1)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["L1", "L3", "L11"]
    assert "Layers that are missing here don't attend." in written(figure)
    alt = plots.layers_alt(result)
    assert f"Largest: layer {result.layers[means.argmax()]}, {means.max():.3f}" in alt
    assert f"Smallest: layer {result.layers[means.argmin()]}, {means.min():.3f}" in alt


def test_a_mover_of_a_model_with_holes_has_the_bits_of_its_own_layer():
    result = comparison((1, 3, 11), 4, movers=(Mover(11, 2, ((0, -0.2),), ((1, 0.2),), (), ()),))
    bits = result.metric("jsd_bits")[2, 2]
    assert "L11.H2" in written(plots.movers(result))
    assert f"{bits:.2f} bits" in written(plots.movers(result))
    assert f"L11.H2 ({bits:.2f} bits)" in plots.movers_alt(result)


def test_movers_name_keys_of_the_source_text_and_of_no_token():
    source = (*(token(f"source{index}") for index in range(4)), NULL)
    result = comparison(
        attention="cross", encoder_decoder=True, texts=tokens(3), keys=source,
        movers=(Mover(0, 0, ((4, -0.2),), ((3, 0.2),), ((0, 4, -0.2),), ()),),
    )  # fmt: skip
    figure = plots.movers(result)
    assert [text.get_text() for text in figure.axes[0].texts] == ["no token", "−0.20", "source3", "+0.20"]
    assert "“no token”: what the model's logit sink takes." in written(figure)
    assert "Keys are the source text." in written(figure)
    assert "special and sink tokens" not in written(figure)
    assert "lost ‘no token’ −0.20; gained ‘source3’ +0.20." in plots.movers_alt(result)


def test_movers_mark_what_a_model_wrote():
    result = comparison(texts=continued(6, 5), movers=(Mover(0, 0, ((1, -0.2),), ((8, 0.2),), (), ()),))
    figure = plots.movers(result)
    look = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert (look["word1"], look["word8"]) == (colors.INK, colors.NEW)
    assert "Green: written by a model." in written(figure)
    assert "Green" not in written(plots.movers(comparison()))
