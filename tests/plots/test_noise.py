"""The picture of noise: every mark where its number is, every head a dot, and nothing said that is not so."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from attncompare import plots
from attncompare.attention import About, frozen
from attncompare.plots import colors
from attncompare.plots.noise_layout import ROWS, groups, places
from tests.plots.records import noise


def axes_of(figure):
    return next(axes for axes in figure.axes if axes.get_label() == "heads")


def marks(figure, gid):
    """Lines with this name in the plot itself."""
    return [line for line in axes_of(figure).lines if line.get_gid() == gid]


def segments(figure, gid):
    """x of the upright strokes with this name."""
    lines = [lines for lines in axes_of(figure).collections if lines.get_gid() == gid]
    return [np.array([stroke[0][0] for stroke in each.get_segments()]) for each in lines]


def bands(figure, label):
    """Left and right end of each bar with this name."""
    bars = next(bars for bars in axes_of(figure).containers if bars.get_label() == label)
    return np.array([(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars])


def written(figure):
    return " ".join(text.get_text() for text in figure.texts)


def filled(line):
    return line.get_markerfacecolor() != "white"


def numbered(**more):
    """72 heads of which some hardly move, some do not move at all, and some are not measured."""
    bits = np.array(noise().jsd_bits)
    bits[0, :6], bits[1, 3:5], bits[5, 7] = 0, np.nan, 3e-7
    return noise(bits=bits, **more)


RECORDS = {
    "usual": noise,
    "seeds": lambda: noise(trainings=4),
    "no draws": lambda: noise(draws=0, notes=("The tuned model equals the base: there is no change to match.",)),
    "few draws": lambda: noise(draws=5),
    "nothing moved": lambda: noise(beyond=0),
    "all moved": lambda: noise(2, 8, beyond=16),
    "one head": lambda: noise(1, 1, beyond=1),
    "one quiet head": lambda: noise(1, 1, beyond=0),
    "large": lambda: noise(32, 32, beyond=140, trainings=3),
    "holes": lambda: noise((1, 3, 110), 128, beyond=3, draws=999, about=About("cross", "word", True)),
    "zeros and gaps": numbered,
    "not measured": lambda: noise(bits=np.full((6, 12), np.nan)),
    "all zero": lambda: noise(bits=np.zeros((6, 12))),
    "coarse arithmetic": lambda: noise(numeric=0.006),
    "arithmetic explains some": lambda: noise(numeric=0.05),
    "no arithmetic": lambda: noise(numeric=None),
    "no ceiling": lambda: replace(noise(), unrelated=frozen(np.full((6, 12), np.nan))),
    "still draws": lambda: replace(noise(), draws=frozen(np.zeros((39, 6, 12)))),
    "tiny draws": lambda: replace(noise(), draws=frozen(noise().draws * 1e-6)),
}


@pytest.mark.parametrize("name", RECORDS)
def test_every_measured_head_is_a_dot_where_its_divergence_is_and_filled_where_it_moved(name):
    record = RECORDS[name]()
    measured = record.jsd_bits[np.isfinite(record.jsd_bits)]
    if not measured.size:
        assert written(plots.noise(record)).startswith("No head was measured.")
        return
    figure = plots.noise(record)
    low, high = axes_of(figure).get_xlim()
    strip = marks(figure, "strip")
    drawn = np.sort(np.concatenate([line.get_xdata() for line in strip]))
    np.testing.assert_allclose(drawn, np.sort(np.clip(measured, low, high)))
    assert sum(len(line.get_xdata()) for line in strip if filled(line)) == record.moved.sum()
    rows = marks(figure, "rows")
    shown = sum(len(line.get_xdata()) for line in rows)
    assert shown == min(measured.size, ROWS)
    for line in rows:
        expected = record.jsd_bits[record.moved == filled(line)]
        assert np.isclose(np.array(line.get_xdata())[:, None], np.clip(expected, low, high)).any(1).all()
    ends = "At an end of the axis: beyond it, or 0." in written(figure)
    assert not ends or (record.draws < low).any() or (measured < low).any()


@pytest.mark.parametrize("name", RECORDS)
def test_words_neither_overlap_nor_leave_the_picture(name):
    figure = plots.noise(RECORDS[name]())
    figure.draw_without_rendering()
    texts = [text for text in figure.texts if text.get_text()]
    for axes in figure.axes:
        texts += [label for label in axes.get_xticklabels() if label.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    assert all(figure.bbox.x0 + 20 <= box.x0 and box.x1 <= figure.bbox.x1 - 20 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)
    for index, one in enumerate(boxes):
        for other, text in zip(boxes[:index], texts, strict=False):
            wide = min(one.x1, other.x1) - max(one.x0, other.x0)
            tall = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert wide <= 0 or tall <= 4, (texts[index].get_text(), text.get_text())


def test_bands_and_ticks_are_the_draws_of_the_heads_with_rows():
    record = noise()
    figure, at = plots.noise(record), places(record)
    cells = tuple(np.transpose([cell for cell, _ in at.rows]))
    draws = record.draws[:, *cells]
    np.testing.assert_allclose(bands(figure, "floor"), np.transpose([draws.min(0), draws.max(0)]), rtol=1e-5)
    np.testing.assert_allclose(segments(figure, "floor mean")[0], draws.mean(0), rtol=1e-5)
    names = [f"L{row}.H{head}" for (row, head), _ in at.rows]
    said = [text.get_text() for text in figure.texts]
    for name, cell in zip(names, (cell for cell, _ in at.rows), strict=True):
        place = said.index(name)
        multiple = record.floor.multiple[cell]
        times = f"{multiple:.0f}×" if multiple >= 9.95 else f"{multiple:.1f}×"
        assert said[place + 1 : place + 4] == [f"{record.jsd_bits[cell]:.2g}", times, f"{record.floor.p[cell]:.2g}"]


def test_rows_stand_at_their_names():
    figure, at = plots.noise(noise()), places(noise())
    figure.draw_without_rendering()
    dots = {float(y): float(x) for line in marks(figure, "rows") for x, y in zip(*line.get_data(), strict=True)}
    for (row, head), middle in at.rows:
        name = next(text for text in figure.texts if text.get_text() == f"L{row}.H{head}")
        extent = name.get_window_extent()
        pixel = axes_of(figure).transData.transform((dots[middle], middle))
        assert extent.y0 < pixel[1] < extent.y1
        assert dots[middle] == pytest.approx(float(noise().jsd_bits[row, head]))


def test_heads_beyond_come_first_and_some_within_always_follow():
    for record in (noise(), noise(32, 32, beyond=140), noise(beyond=0)):
        beyond, rest = groups(record)
        assert {*beyond.cells} == {tuple(cell) for cell in np.argwhere(record.moved).tolist()}
        assert len(beyond.cells) + len(rest.cells) == record.jsd_bits.size
        assert beyond.shown + rest.shown == ROWS
        assert rest.shown >= 5
        for group in (beyond, rest):
            bits = [record.jsd_bits[cell] for cell in group.cells]
            assert bits == sorted(bits, reverse=True)
    said = written(plots.noise(noise(32, 32, beyond=140)))
    assert "All 1024 heads, a dot each" in said
    assert "140 heads beyond a random change: the 13 largest" in said
    assert "884 heads within a random change: the 5 largest" in said


def test_the_title_is_the_answer():
    for record in (RECORDS[name]() for name in RECORDS if name != "not measured"):
        lines = [text.get_text() for text in plots.noise(record).texts]
        answer = record.sentence()
        assert answer.startswith(lines[0])
        assert all(line.count("(") == line.count(")") for line in lines[:3])
        assert re.sub(r"\W", "", answer) in re.sub(r"\W", "", " ".join(lines[:3]))


def test_unrelated_heads_are_a_dashed_line_with_a_name():
    figure = plots.noise(noise())
    (line,) = marks(figure, "ceiling")
    assert set(line.get_xdata()) == {noise().ceiling_bits}
    assert line.get_linestyle() == "--"
    assert f"unrelated heads: {noise().ceiling_bits:.2g}" in written(figure)
    blank = plots.noise(RECORDS["no ceiling"]())
    assert not marks(blank, "ceiling")
    assert "unrelated" not in written(blank)
    assert "Dashed" not in written(blank)


def test_arithmetic_is_marked_where_it_is_or_at_the_left_end():
    far = plots.noise(noise())
    assert set(marks(far, "arithmetic off")[0].get_xdata()) == {axes_of(far).get_xlim()[0]}
    assert "arithmetic alone: at most 2e-8" in written(far)
    near = plots.noise(noise(numeric=0.006))
    assert marks(near, "arithmetic")[0].get_xdata() == pytest.approx([0.006] * ROWS)
    assert "at most" not in written(near)
    none = plots.noise(noise(numeric=None))
    assert not [x for line in (*marks(none, "arithmetic"), *marks(none, "arithmetic off")) for x in line.get_xdata()]
    assert "rithmetic" not in written(none)


def test_a_head_that_arithmetic_moves_as_far_is_hollow_and_said():
    record = noise(numeric=0.05)
    figure = plots.noise(record)
    assert record.moved.sum() < noise().moved.sum()
    assert sum(len(line.get_xdata()) for line in marks(figure, "strip") if filled(line)) == record.moved.sum()
    assert "A head that another precision or implementation moves as far is within, whatever its p." in written(figure)
    assert "whatever its p" not in written(plots.noise(noise()))


def test_replicates_have_marks_and_a_band_of_their_own():
    record = noise(trainings=3)
    figure, at = plots.noise(record), places(record)
    cells = tuple(np.transpose([cell for cell, _ in at.rows]))
    apart = record.replicates.between[:, *cells]
    np.testing.assert_allclose(bands(figure, "between"), np.transpose([apart.min(0), apart.max(0)]), rtol=1e-5)
    drawn = segments(figure, "trainings")
    assert len(drawn) == 3
    np.testing.assert_allclose(drawn, record.replicates.from_base[:, *cells], rtol=1e-5)
    (lines,) = [lines for lines in axes_of(figure).collections if lines.get_gid() == "trainings"][:1]
    assert [width > 2 for width in lines.get_linewidths()] == record.replicates.beyond[*cells].tolist()
    assert record.replicates.sentence() in written(figure)
    assert record.replicates.sentence() in plots.noise_alt(record)
    assert "between trainings" in written(figure)
    assert "training" not in written(plots.noise(noise())).split("The yardstick")[0]


def test_without_a_test_nothing_is_called_beyond_or_within():
    few, none = plots.noise(noise(draws=5)), plots.noise(RECORDS["no draws"]())
    for figure in (few, none):
        assert not [line for gid in ("strip", "rows") for line in marks(figure, gid) if filled(line)]
        assert {line.get_marker() for line in marks(figure, "rows")} == {"D"}
        assert not re.search("beyond|within", written(figure).split("At an end")[0].split("These are bits")[0])
    said = [text.get_text() for text in few.texts]
    assert "× floor" in said
    assert "p" not in said
    assert len(bands(few, "floor")) == ROWS
    said = [text.get_text() for text in none.texts]
    assert "× floor" not in said
    assert "p" not in said
    assert not axes_of(none).containers
    assert "there is no change to match" in written(none)


def test_what_chance_lifts_out_of_its_floor_is_explained_where_it_happens():
    bits = np.array(noise(beyond=0).jsd_bits)
    bits[5, 8] = noise(beyond=0).draws[:, 5, 8].max() * 1.02
    record = noise(beyond=0, bits=bits)
    assert not record.moved.any()
    assert "Right of its floor and yet within" in written(plots.noise(record))
    assert "Right of its floor" not in written(plots.noise(noise(beyond=0, bits=record.draws.mean(0))))


def test_heads_that_did_not_change_stand_at_the_end_of_the_axis_and_it_is_said():
    record = numbered()
    figure = plots.noise(record)
    low = axes_of(figure).get_xlim()[0]
    assert low > 0
    assert sum((line.get_xdata() == low).sum() for line in marks(figure, "strip")) == 7  # six zeros and the tiny one
    assert "At an end of the axis: beyond it, or 0." in written(figure)
    assert "2 heads were not measured." in written(figure)
    assert "2 heads were not measured." in plots.noise_alt(record)
    assert "All 70 heads, a dot each" in written(figure)


def test_dots_of_a_strip_touch_no_other():
    for record in (noise(), noise(12, 12, beyond=30), noise(20, 24, beyond=60)):
        figure, at = plots.noise(record), places(record)
        pixels = np.concatenate(
            [axes_of(figure).transData.transform(np.transpose(line.get_data())) for line in marks(figure, "strip")]
        )
        apart = np.hypot(*np.moveaxis(pixels[:, None] - pixels[None], -1, 0))
        assert apart[~np.eye(len(apart), dtype=bool)].min() >= at.dot * 0.98
    assert at.dot < places(noise()).dot


def test_filled_and_hollow_differ_without_hue():
    kinds = {line.get_markerfacecolor(): line for line in marks(plots.noise(noise()), "strip")}
    assert set(kinds) == {colors.TUNED, "white"}
    assert colors.lightness("white") - colors.lightness(colors.TUNED) > 35
    assert abs(colors.lightness(colors.FLOOR) - colors.lightness(to_rgb(colors.MUTED))) > 35


def test_the_key_names_what_is_drawn_and_no_more():
    def key(figure):
        figure.draw_without_rendering()
        found = []
        for axes in figure.axes:
            mark = axes.get_window_extent()
            beside = [(text.get_text(), text.get_window_extent()) for text in figure.texts]
            level = [(text, box) for text, box in beside if box.y0 < (mark.y0 + mark.y1) / 2 < box.y1]
            found += [text for text, box in level if axes.get_label() == "key" and 0 < box.x0 - mark.x1 < 12]
        return found

    assert key(plots.noise(noise())) == [
        "beyond a random change", "within", "floor: its 39 random changes and their mean", "arithmetic alone: at most 2e-8",
    ]  # fmt: skip
    assert key(plots.noise(noise(draws=0, numeric=None))) == ["not tested"]
    assert key(plots.noise(noise(trainings=2)))[-3:] == [
        "base to each training",
        "all beyond what these differ by",
        "between trainings",
    ]


def test_limits_are_an_argument():
    axes = axes_of(plots.noise(noise(), limits=(1e-4, 1)))
    assert axes.get_xlim() == (1e-4, 1)
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.0001", "0.001", "0.01", "0.1", "1"]


def test_alt_text_gives_the_answer_and_true_numbers():
    record = noise(notes=("A note.",))
    alt = plots.noise_alt(record)
    assert alt.startswith(record.sentence())
    top = np.unravel_index(np.where(record.moved, record.jsd_bits, 0).argmax(), record.moved.shape)
    multiple = record.floor.multiple[top]
    assert f"Largest beyond: L{top[0]}.H{top[1]} {record.jsd_bits[top]:.2g}, {multiple:.0f}× the mean" in alt
    rest = np.unravel_index(np.where(record.moved, 0, record.jsd_bits).argmax(), record.moved.shape)
    assert f"Largest within: L{rest[0]}.H{rest[1]} {record.jsd_bits[rest]:.2g}, " in alt
    assert f"Unrelated heads: {record.ceiling_bits:.2g}." in alt
    assert "Arithmetic alone: at most 2e-8." in alt
    assert alt.endswith("A note.")
    assert plots.noise_alt(RECORDS["not measured"]()).endswith("No head was measured.")
    crossing = plots.noise_alt(RECORDS["holes"]())
    assert "of 384 cross-attention heads" in crossing
    assert "L110.H" in crossing
    assert crossing.endswith("compare only with numbers over words.")


def test_layers_with_holes_keep_their_numbers():
    record = RECORDS["holes"]()
    said = [text.get_text() for text in plots.noise(record).texts]
    assert {name.split(".")[0] for name in said if re.fullmatch(r"L\d+\.H\d+", name)} <= {"L1", "L3", "L110"}
    assert any("Layers that are missing here don't attend." in line for line in [" ".join(said)])


def test_what_was_drawn_and_what_not_to_conclude_stand_below():
    said = written(plots.noise(noise()))
    assert "24 weight matrices" in said
    assert "rank (8) kept" in said
    assert "0.025 is the least that 39 can show" in said
    assert "it does not say that another training run would not do the same" in said
