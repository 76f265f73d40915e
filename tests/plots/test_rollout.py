"""Rollout: full maps, the lift of causal models, and bars for one output token."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from attncompare import plots
from attncompare.attention import About
from attncompare.plots import colors
from tests.plots.records import continued, pair_of_texts, routes, tokens
from tests.plots.test_maps import lines_of, maps_of, written


def test_a_causal_model_has_its_lift_in_a_second_row():
    result = routes(causal=True, lift=True)
    figure = plots.rollout(result)
    maps = maps_of(figure)
    assert list(maps) == ["base", "tuned", "tuned − base", "lift, base", "lift, tuned"]
    lifts = maps["lift, base"].images[0], maps["lift, tuned"].images[0]
    np.testing.assert_array_equal(np.ma.filled(lifts[0].get_array(), np.nan), result.log2_lift_base)
    assert lifts[0].get_clim() == lifts[1].get_clim()
    assert lifts[0].get_clim()[0] == -lifts[0].get_clim()[1]
    assert maps["lift, base"].get_position().y1 < maps["base"].get_position().y0
    assert "No lift" not in written(figure)
    assert plots.rollout(result, lift_limit=2).axes
    assert maps_of(plots.rollout(result, lift_limit=2))["lift, base"].images[0].get_clim() == (-2, 2)


def test_why_a_causal_model_has_no_lift_is_said():
    assert "No lift: the null leaves nothing to compare." in written(plots.rollout(routes(causal=True)))
    assert "No lift" not in written(plots.rollout(routes()))


def test_one_output_token_is_drawn_as_bars():
    result = routes(query=4)
    figure = plots.rollout(result)
    panels = maps_of(figure)
    assert list(panels) == ["share of rollout", "tuned − base"]
    base, tuned = (bars for bars in panels["share of rollout"].collections if isinstance(bars, LineCollection))
    np.testing.assert_allclose([segment[1][1] for segment in base.get_segments()], result.base[0], rtol=1e-6)
    np.testing.assert_allclose([segment[1][1] for segment in tuned.get_segments()], result.tuned[0], rtol=1e-6)
    names = [label.get_text() for label in panels["tuned − base"].get_xticklabels()]
    assert names == [token.text for token in tokens(15)]
    assert "token 4" in written(figure)
    assert "word4" in written(figure)


def test_bars_of_a_causal_model_leave_masked_tokens_out():
    figure = plots.rollout(routes(causal=True, lift=True, query=4))
    panels = maps_of(figure)
    assert list(panels) == ["share of rollout", "tuned − base", "log2 lift over uniform attention"]
    assert all(len(axes.collections[0].get_segments()) == 5 for axes in panels.values())
    assert "Later tokens are masked and left out." in written(figure)


def test_gained_is_red_and_lost_is_blue():
    result = routes(query=4)
    bars = maps_of(plots.rollout(result))["tuned − base"].collections[0]
    for color, change in zip(bars.get_colors(), result.delta[0], strict=True):
        expected = colors.GAINED if change > 0 else colors.LOST
        assert tuple(color) == pytest.approx(colors.to_rgb(expected) + (1,))


def test_bars_of_a_long_text_are_merged_and_say_so():
    result = routes(600, query=0)
    figure = plots.rollout(result)
    bars = maps_of(figure)["share of rollout"].collections[0].get_segments()
    assert len(bars) == 120
    assert bars[3][1][1] == pytest.approx(result.base[0, 15:20].sum())
    assert "600 tokens in 120 bins of 5: each cell is the sum over its keys" in written(figure)


@pytest.mark.parametrize("query", [None, 4])
@pytest.mark.parametrize("count", [15, 300])
@pytest.mark.parametrize("causal", [False, True])
def test_nothing_leaves_the_picture(count, causal, query):
    figure = plots.rollout(routes(count, causal=causal, lift=causal, query=query))
    figure.draw_without_rendering()
    frame = figure.bbox
    labels = [label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    labels += [text for axes in figure.axes for text in axes.texts]
    for text in (*figure.texts, *labels):
        box = text.get_window_extent()
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1


def test_alt_texts():
    full = routes()
    alt = plots.rollout_alt(full)
    query, key = np.unravel_index(full.base.argmax(), full.base.shape)
    names = [token.text for token in full.tokens]
    assert f"Strongest in base: ‘{names[query]}’ to ‘{names[key]}’ {full.base.max():.2f}" in alt
    assert "second row" not in alt
    assert "second row" in plots.rollout_alt(routes(causal=True, lift=True))
    one = routes(query=4)
    assert "output token 4 over 15 input tokens" in plots.rollout_alt(one)
    assert f"‘word4’ to ‘{names[int(one.base[0].argmax())]}’ {one.base.max():.2f}" in plots.rollout_alt(one)
    assert "Nothing changed." in plots.rollout_alt(
        type(full)(full.tokens, full.queries, full.base, full.base, None, None, "only causal models need a null")
    )


def test_pairs_and_new_tokens_have_their_border_in_rollout_too():
    pair = plots.rollout(routes(texts=pair_of_texts(6, 5)))
    assert all(lines_of(axes) == [("segment", 7.5, None), ("segment", None, 7.5)] for axes in maps_of(pair).values())
    assert "Solid line: where the second text begins." in written(pair)
    bars = plots.rollout(routes(texts=continued(6, 5), causal=True, lift=True, query=10))
    for axes in maps_of(bars).values():
        assert ("generated", None, 5.5) in lines_of(axes)
    names = maps_of(bars)["log2 lift over uniform attention"].get_xticklabels()
    assert [label.get_color() for label in names] == [colors.FAINT, *[colors.INK] * 5, *[colors.NEW] * 5]
    assert "Green names, from the dashed line: written by a model." in written(bars)


def test_stack_and_level_are_named():
    about = About("decoder", "word", True)
    full = plots.rollout(routes(causal=True, about=about))
    assert full.texts[0].get_text() == "Attention rollout through the decoder, base to tuned · words"
    assert "share of each input word (key) in each output word (query)" in written(full)
    one = plots.rollout(routes(query=4, about=about))
    assert one.texts[0].get_text() == "Attention rollout of word 4 through the decoder, base to tuned · words"
    for query in (None, 4):
        alt = plots.rollout_alt(routes(query=query, about=about))
        assert "attention rollout through the decoder" in alt
        assert "15 input words" in alt
        assert "Positions are words, not tokens" in alt


@pytest.mark.parametrize("query", [None, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_value_zeroing_is_called_so_and_has_no_lift(query, causal):
    mixed = replace(
        routes(query=query, causal=causal), mixer="value_zeroing", lift_omitted="value zeroing needs no null"
    )
    figure, alt = plots.rollout(mixed), plots.rollout_alt(mixed)
    title = figure.texts[0].get_text()
    assert title.startswith(
        "Value zeroing, base to tuned" if query is None else "Value zeroing of token 4, base to tuned"
    )
    assert "value zeroing" in alt
    for said in (written(figure), alt):
        assert "rollout" not in said.lower()
        assert "No lift" not in said
    assert "values" in written(figure)
    stacked = replace(mixed, about=About("decoder", "word", True))
    assert "through the decoder, base to tuned · words" in plots.rollout(stacked).texts[0].get_text()
    assert "share of the mix" in maps_of(figure) or query is None
