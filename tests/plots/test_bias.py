"""The bias probe drawn: every mark where its number is, all words inside and apart."""

from dataclasses import replace

import numpy as np
import pytest

from attncompare import plots
from attncompare.plots.bias_rows import ROW
from tests.plots.layout import judge, labelled, written
from tests.plots.records_of_bias import GROUPS, biased, biased_many, mute
from tests.plots.records_of_causes import readout

HOSTILE = {"$\\frac{" + "x" * 300: ("she",), "\u202eevil": ("he",), "a\x00": ("Dr",), "日本": ("led",)}

RECORDS = {
    "own": biased,
    "borrowed": lambda: biased(borrowed=True),
    "hostile": lambda: biased(groups=HOSTILE, asked=readout(answer="\u202e$\\frac{" + "long " * 20)),
    "large": lambda: biased(layers=32, heads=32),
    "wide": lambda: biased(layers=4, heads=128),
    "one head": lambda: biased(layers=1, heads=1),
    "twelve groups": lambda: biased(groups={**GROUPS, **{f"group {at}": (f"w{at}",) for at in range(8)}}),
    "no outputs": lambda: mute(biased()),
    "no gender": lambda: replace(biased(), leakage=None, swap=None, off={}),
    "next token": lambda: biased(asked=readout(answer=" he", against=None)),
}


@pytest.mark.parametrize("name", RECORDS)
def test_words_stay_inside_and_apart(name):
    record = RECORDS[name]()
    judge(plots.bias(record))
    assert plots.bias_alt(record)
    assert record.answers


@pytest.mark.parametrize("texts", [2, 5, 10])
def test_words_of_many_texts_stay_inside_and_apart(texts):
    for record in (biased_many(texts), biased_many(texts, borrowed=True), replace(biased_many(texts), readout=None)):
        judge(plots.bias_many(record))
        assert plots.bias_many_alt(record)


def marks(figure, lane, side):
    lines = [line for line in labelled(figure, lane).lines if line.get_gid() == side]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def test_marks_stand_at_the_shares_of_their_groups():
    record = biased()
    figure = plots.bias(record)
    for side in ("base", "tuned"):
        found = marks(figure, "attention", side)
        assert [x for x, _ in found] == pytest.approx([record.mean(side, name) for name in record.present])
        assert [int(y // ROW) for _, y in found] == [0, 1, 2]
        of = [float(record.attribution[side][record.parts.index(name)]) for name in record.present]
        assert [x for x, _ in marks(figure, "attribution", side)] == pytest.approx(of)
    even = [one for one in labelled(figure, "attention").collections if one.get_gid() == "even"]
    places = [one.get_segments()[0][0][0] for one in even]
    assert places == pytest.approx([record.mean("even", name) for name in record.present])
    assert "male" in written(figure)
    assert record.present == ("female", "titles", "experience")


def test_base_and_tuned_differ_in_shape_and_place():
    axes = labelled(plots.bias(biased()), "attention")
    shapes = {line.get_gid(): line.get_marker() for line in axes.lines if line.get_gid() in ("base", "tuned")}
    assert shapes["base"] != shapes["tuned"]


def test_the_grid_is_the_change_of_leakage_and_its_largest_is_outlined():
    record = biased()
    axes = next(axes for axes in plots.bias(record).axes if axes.images)
    np.testing.assert_allclose(axes.images[0].get_array(), record.leakage.delta)
    low, high = axes.images[0].get_clim()
    assert low == -high
    row, head = record.leakage.moved
    assert {patch.get_xy() for patch in axes.patches} == {(head - 0.5, row - 0.5)}


@pytest.mark.parametrize("borrowed", [False, True])
def test_bars_are_the_change_under_the_swap(borrowed):
    record = biased(borrowed=borrowed)
    figure = plots.bias(record)
    axes = labelled(figure, "swap")
    bars = {bars.get_label(): bars.patches[0] for bars in axes.containers}
    for side in ("base", "tuned"):
        assert bars[side].get_width() == pytest.approx(record.change(side))
    assert bool(bars["base"].get_hatch()) is borrowed
    assert ("base (borrowed head)" in written(figure)) is borrowed


def test_intervals_of_many_texts_are_drawn_where_they_are():
    record = biased_many()
    figure = plots.bias_many(record)
    names = [name for name in GROUPS if record.texts_with(name)]
    assert names == ["female", "titles", "experience"]
    for side in ("base", "tuned"):
        lines = [one for one in labelled(figure, "attention").collections if one.get_gid() == f"{side} interval"]
        for line, name in zip(lines, names, strict=True):
            low, high = (point[0] for point in line.get_segments()[0])
            at = record.parts.index(name)
            assert (low, high) == pytest.approx((record.means[side].low[at], record.means[side].high[at]))
    gap = labelled(figure, "gap")
    bars = {bars.get_label(): bars.patches[0].get_width() for bars in gap.containers}
    assert bars == pytest.approx({side: float(record.gaps[side].mean) for side in bars})
    quiet = next(one for axes in figure.axes for one in axes.collections if one.get_gid() == "quiet")
    assert len(quiet.get_paths()) == (~record.leakage_delta.clear).sum()


def test_few_texts_are_told_and_no_cell_is_called_clear():
    figure = plots.bias_many(biased_many(5))
    assert "5 texts are too few to test" in written(figure)
    assert not any(one.get_gid() == "quiet" for axes in figure.axes for one in axes.collections)


def test_alt_text_has_the_true_numbers():
    record = biased()
    alt = plots.bias_alt(record)
    assert f"female: base {record.mean('base', 'female'):.1%}" in alt
    assert record.name(*record.leakage.moved) in alt
    assert "+0.50 in tuned" in alt


def test_what_was_not_measured_is_told_as_such():
    record = biased()
    blank = replace(
        record,
        swap=replace(record.swap, attribution={side: (np.nan, np.nan) for side in ("base", "tuned")}),
        attribution={side: np.full(5, np.nan, np.float32) for side in ("base", "tuned")},
    )
    judge(plots.bias(blank))
    assert "an unknown share" in " ".join(blank.answers)
    assert blank.to_dict()["swap"]["attribution"]["tuned"] == [None, None]
    several = replace(record, leakage=replace(record.leakage, read={"base": (1, 2), "tuned": (1, 2)}))
    assert any(sentence.startswith("From the 2 words that the answer is read from, L") for sentence in several.answers)
