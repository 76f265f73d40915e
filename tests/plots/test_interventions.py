"""Ablation and patching: cells and bars at their numbers, on scales that compare what may be compared."""

from functools import cache

import numpy as np
import pytest

from attncompare import plots
from attncompare.attention import About, frozen
from attncompare.plots import colors
from attncompare.plots.readouts import fixed, shares
from tests.plots.layout import judge, labelled, written
from tests.plots.records_of_causes import BORROWED, ablated, patched, readout

SIZES = [(6, 12), (1, 1), (80, 128), ((1, 3, 110), 2)]


@cache
def swapped():
    return plots.patching(patched())


@cache
def ablation_drawn():
    return plots.ablation(ablated())


def image(figure, name):
    return labelled(figure, name).images[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("draw", ["ablation", "patching"])
def test_grids_of_every_size_fit(size, draw):
    record = (ablated if draw == "ablation" else patched)(*size, borrowed=True, about=About("cross", "shared", True))
    figure = getattr(plots, draw)(record)
    judge(figure, 6)
    assert figure.bbox.width < 2150
    assert figure.bbox.height < 2300
    assert "cross-attention heads" in getattr(plots, f"{draw}_alt")(record)


def test_ablation_shows_effects_importance_and_their_differences():
    record, figure = ablated(), ablation_drawn()
    np.testing.assert_array_equal(image(figure, "base").get_array(), record.heads["base"])
    np.testing.assert_array_equal(image(figure, "tuned").get_array(), record.heads["tuned"])
    np.testing.assert_allclose(image(figure, "difference").get_array(), record.delta, rtol=1e-5)
    np.testing.assert_array_equal(image(figure, "tuned: importance").get_array(), record.importance["tuned"])
    difference = image(figure, "difference of importance").get_array()
    np.testing.assert_allclose(difference, record.importance_delta, atol=1e-6)
    assert image(figure, "base").get_clim() == image(figure, "tuned").get_clim()
    assert image(figure, "base: importance").get_clim() == image(figure, "tuned: importance").get_clim()
    assert image(figure, "base").get_cmap() is colors.DIVERGING
    assert image(figure, "base: importance").get_cmap() is colors.SEQUENTIAL
    assert "A head that is off gives nothing. Both models share one scale." in written(figure)
    assert "reads 3.87 · all heads off: −3.77" in written(figure)


@pytest.mark.parametrize("side", ["base", "tuned"])
def test_whole_layers_are_bars_beside_the_grid(side):
    record = ablated()
    axes = labelled(ablation_drawn(), f"{side}: layers")
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(widths, record.whole_layers[side], rtol=1e-5)
    far = max(np.abs(values).max() for values in record.whole_layers.values())
    assert axes.get_xlim() == pytest.approx((-far, far))
    assert [text.get_text() for text in axes.texts] == [fixed(float(value), far) for value in record.whole_layers[side]]


def test_under_a_borrowed_head_scales_are_apart_and_differences_are_of_shares():
    record = ablated(borrowed=True)
    figure = plots.ablation(record)
    assert image(figure, "base (borrowed head)").get_clim() != image(figure, "tuned").get_clim()
    shown = image(figure, "difference").get_array()
    np.testing.assert_allclose(
        shown, 100 * (shares(record.heads["tuned"]) - shares(record.heads["base"])), rtol=1e-4, atol=1e-5
    )
    assert "Each model has its own scale." in written(figure)
    assert BORROWED in written(figure)
    alt = plots.ablation_alt(record)
    assert "Base (borrowed head), reading 0.14" in alt
    assert "Share of all effects, tuned minus base: largest" in alt
    assert "Size of effect" not in alt


def test_ablation_alt_names_the_largest_heads():
    record = ablated((1, 3, 110), 4)
    row, head = np.unravel_index(np.abs(record.heads["tuned"]).argmax(), (3, 4))
    alt = plots.ablation_alt(record)
    value = f"{record.heads['tuned'][row, head]:+.2f}".replace("-", "−")
    assert f"Tuned, reading 3.87: largest effects L{record.layers[row]}.H{head} {value}" in alt
    assert "all heads off −3.77" in alt


def test_importance_without_gradients_is_hatched():
    blank = {side: frozen(np.full((3, 4), np.nan)) for side in ("base", "tuned")}
    figure = plots.ablation(ablated(importance=blank))
    assert labelled(figure, "tuned: importance").patch.get_hatch()
    assert not labelled(figure, "tuned").patch.get_hatch()
    assert "Hatched: not measured." in written(figure)
    assert "Michel" not in written(figure)
    assert "most important none" in plots.ablation_alt(ablated(importance=blank))
    assert plots.png(figure)


def test_a_model_that_no_head_changes_is_drawn():
    still = {side: frozen(np.zeros((3, 4))) for side in ("base", "tuned")}
    layers = {side: frozen(np.zeros(3)) for side in still}
    record = ablated(importance=still, whole_layers=layers, everything={"base": 0.0, "tuned": 0.0})
    record = type(record)(**{**{name: getattr(record, name) for name in record.__dataclass_fields__}, "heads": still})
    assert image(plots.ablation(record), "tuned").get_clim() == (-1, 1)
    assert "largest effects none" in plots.ablation_alt(record)


NAMES = {"into_base": "tuned's pattern into base", "into_tuned": "base's pattern into tuned"}


def test_patching_is_two_grids_on_one_scale():
    record, figure = patched(), swapped()
    far = max(np.abs(values).max() for values in record.heads.values())
    for direction, name in NAMES.items():
        np.testing.assert_array_equal(image(figure, name).get_array(), record.heads[direction])
        assert image(figure, name).get_clim() == pytest.approx((-far, far))
        bars = [bar.get_width() for bar in labelled(figure, f"{name}: layers").patches]
        np.testing.assert_allclose(bars, record.whole_layers[direction], rtol=1e-5)
    limits = [labelled(figure, f"{name}: layers").get_xlim() for name in NAMES.values()]
    assert limits[0] == limits[1]
    assert "reads 0.14, gap +3.73 · all heads: +0.90, 24% of it" in written(figure)
    assert "reads 3.87, gap −3.73 · all heads: −1.50, 40% of it" in written(figure)


def test_shares_of_a_small_gap_are_not_given():
    record = patched(outputs=(0.30, 0.33))
    for said in (written(plots.patching(record)), plots.patching_alt(record)):
        assert "gap +0.03 · all heads: +0.90" in said
        assert "% of" not in said
    row, head = np.unravel_index(np.abs(patched().heads["into_tuned"]).argmax(), (6, 12))
    value = patched().heads["into_tuned"][row, head]
    share = value / patched().gap("into_tuned")
    expected = f"largest L{row}.H{head} {value:+.2f} ({share:.0%} of the gap)".replace("-", "−")
    assert expected in plots.patching_alt(patched())


def test_what_is_swapped_is_named():
    assert "base's output into tuned" in written(plots.patching(patched(what="output")))
    assert "All that a head gives comes from the other model." in written(plots.patching(patched(what="output")))
    assert "into base (borrowed head)" in written(plots.patching(patched(borrowed=True)))
    title = plots.patching(patched(readout=readout(answer=" he", against=None))).texts[0].get_text()
    assert title.startswith("What log p(' he') gains")


def test_heads_that_were_not_swapped_are_hatched():
    effects = {name: np.array(values) for name, values in patched().heads.items()}
    effects["into_base"][1] = np.nan
    record = patched()
    record = type(record)(**{**{name: getattr(record, name) for name in record.__dataclass_fields__}, "heads": effects})
    figure = plots.patching(record)
    assert labelled(figure, NAMES["into_base"]).patch.get_hatch()
    assert not labelled(figure, NAMES["into_tuned"]).patch.get_hatch()
    assert "Hatched: not measured." in written(figure)
    assert "nan" not in plots.patching_alt(record)
