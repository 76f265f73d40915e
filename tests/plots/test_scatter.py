"""Divergence against effect: every head where its numbers are, its verdict seen without colour, its name on no other."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from attncompare import plots
from attncompare.attention import About, frozen
from attncompare.plots.placing import Box, placed
from attncompare.plots.scatter_marks import ORDER, heads_of
from tests.plots.layout import judge, labelled, written
from tests.plots.records_of_causes import patched, readout


def blank(field, **more):
    return replace(patched(), **{field: frozen(np.full((6, 12), np.nan)), **more})


def still():
    zero = frozen(np.zeros((6, 12)))
    return replace(patched(), jsd_bits=zero, heads={"into_base": zero, "into_tuned": zero}, critical=zero)


RECORDS = {
    "usual": patched,
    "borrowed": lambda: patched(borrowed=True, readout=readout(answer="\u202e$x" * 20, against="😀" * 30)),
    "output": lambda: patched(what="output", about=About("decoder", "word", True)),
    "many": lambda: patched(24, 16),
    "thousands": lambda: patched(80, 128),
    "holes": lambda: patched((1, 3, 110), 4),
    "one head": lambda: patched(1, 1),
    "two heads": lambda: patched(1, 2),
    "no change": still,
    "not measured": lambda: blank("jsd_bits"),
    "not switched off": lambda: blank("critical"),
    "tiny": lambda: replace(patched(), heads={name: frozen(values * 1e-6) for name, values in patched().heads.items()}),
}


@cache
def usual():
    return plots.scatter(patched())


def ranked(record, verdict):
    return heads_of(record).ranked(verdict)


def heads(figure):
    return labelled(figure, "heads")


def points(figure, verdict):
    found = next(marks for marks in heads(figure).collections if marks.get_gid() == verdict)
    return np.ma.filled(found.get_offsets(), np.nan), found


@pytest.mark.parametrize("name", RECORDS)
def test_every_measured_head_is_a_mark_where_it_belongs(name):
    record = RECORDS[name]()
    figure = plots.scatter(record)
    x, y = record.jsd_bits, np.abs(record.heads["into_tuned"])
    measured = np.isfinite(x) & np.isfinite(y)
    for verdict in ORDER:
        chosen = measured & (record.verdicts == verdict)
        drawn, _ = points(figure, verdict)
        expected = np.column_stack([x[chosen], y[chosen]])
        assert len(drawn) == len(expected)
        order = [np.lexsort(each.T) for each in (drawn, expected)]
        np.testing.assert_allclose(drawn[order[0]], expected[order[1]], rtol=1e-6)
    (left, right), (low, high) = heads(figure).get_xlim(), heads(figure).get_ylim()
    assert left == low == 0
    assert right > np.nan_to_num(x).max()
    assert high > np.nan_to_num(y).max()


@pytest.mark.parametrize("name", RECORDS)
def test_words_stay_inside_and_apart(name):
    figure = plots.scatter(RECORDS[name]())
    judge(figure, 3)
    frame = heads(figure).get_window_extent()
    for text in heads(figure).texts:
        box = text.get_window_extent()
        assert frame.x0 - 3 <= box.x0
        assert box.x1 <= frame.x1 + 3
    assert plots.scatter_alt(RECORDS[name]())


def test_the_most_important_heads_of_each_verdict_have_names():
    record = patched()
    named = {text.get_text() for text in heads(usual()).texts if text.get_gid() == "name"}
    for verdict in ORDER:
        first = ranked(record, verdict)[:1]
        assert all(f"L{row}.H{head}" in named for row, head in first)


def test_names_stand_at_their_heads():
    record, figure = patched(), usual()
    figure.draw_without_rendering()
    x, y = record.jsd_bits, np.abs(record.heads["into_tuned"])
    for text in heads(figure).texts:
        if text.get_gid() != "name":
            continue
        row, head = (int(part) for part in text.get_text()[1:].split(".H"))
        mark = heads(figure).transData.transform((x[row, head], y[row, head]))
        box = text.get_window_extent()
        nearest = np.clip(mark, (box.x0, box.y0), (box.x1, box.y1))
        assert np.hypot(*(nearest - mark)) < 110


def test_verdicts_differ_in_marker_and_fill():
    figure = usual()
    looks = set()
    for verdict in ORDER:
        _, marks = points(figure, verdict)
        looks.add((len(marks.get_paths()[0].vertices), tuple(marks.get_facecolor()[0].round(2))))
    assert len(looks) == 4
    assert len({vertices for vertices, _ in looks}) >= 3


def test_marks_grow_with_what_the_head_is_needed_for():
    record = patched()
    size, needed = heads_of(record).diameters, np.abs(record.critical)
    for verdict in ORDER:
        chosen = record.verdicts == verdict
        order = np.argsort(needed[chosen])
        assert (np.diff(size[chosen][order]) >= 0).all()
    critical = record.verdicts == "unchanged but critical"
    assert size[critical].min() > np.median(size[record.verdicts == "neither"])


def test_borders_part_what_changed_and_what_matters():
    record = patched()
    lines = {line.get_gid(): line for line in heads(usual()).lines}
    x, y = record.jsd_bits, np.abs(record.heads["into_tuned"])
    for name, values, beyond in (
        ("changed", x, record.changed), ("unchanged", x, ~record.unchanged),
        ("matters", y, record.matters), ("idle", y, ~record.idle),
    ):  # fmt: skip
        at = (lines[name].get_xdata() if values is x else lines[name].get_ydata())[0]
        np.testing.assert_array_equal(values > at, beyond)
    assert lines["changed"].get_linestyle() == "-"
    assert lines["unchanged"].get_linestyle() != "-"


def test_the_key_counts_and_names_the_heads_of_each_verdict():
    record = patched()
    said = written(plots.scatter(record))
    for verdict in ORDER[:-1]:
        cells = ranked(record, verdict)
        assert f"{verdict} · {len(cells)}" in said
        if cells:
            assert f"{verdict} · {len(cells)} L{cells[0][0]}.H{cells[0][1]}" in said
    assert f"neither · {(record.verdicts == 'neither').sum()}" in said
    assert "changed and matters · 0 no head" in written(plots.scatter(still()))
    big = patched(80, 128)
    assert f"and {len(ranked(big, 'changed but idle'))}" not in written(plots.scatter(big))


def test_the_alt_text_has_every_verdict_with_true_numbers():
    record = patched((1, 3, 110), 8)
    alt = plots.scatter_alt(record)
    assert "A mark for each of 24 heads" in alt
    for verdict in ORDER[:-1]:
        cells = ranked(record, verdict)
        assert f"{verdict.capitalize()} ({len(cells)}): " in alt
        for row, head in cells[:1]:
            assert f"L{record.layers[row]}.H{head} ({record.jsd_bits[row, head]:.2g} bits, effect " in alt
    assert "72 heads were not measured." in plots.scatter_alt(blank("jsd_bits"))
    assert "Positions are words" in plots.scatter_alt(RECORDS["output"]())


def test_what_is_put_back_is_said():
    assert "gets the base's version back (where it looks)" in written(usual())
    assert "gets the base's version back (all that it gives)" in written(plots.scatter(patched(what="output")))
    title = plots.scatter(RECORDS["output"]()).texts[0].get_text()
    assert title == "Which changed decoder heads matter? · words"


def test_placed_names_never_overlap_and_give_up_where_there_is_no_room():
    rng = np.random.default_rng(0)
    centers = [tuple(point) for point in rng.uniform(0, 200, (30, 2)).tolist()]
    boxes = placed(centers, [6.0] * 30, [(40.0, 16.0)] * 30, np.zeros((0, 4)), Box(0, 0, 200, 200))
    there = [box for box in boxes if box is not None]
    assert 8 < len(there) < 30
    for index, one in enumerate(there):
        assert not one.overlap(np.array(there[:index], float).reshape(-1, 4)).any()
        assert min(one.left, one.top) >= 0
        assert max(one.right, one.bottom) <= 200


def test_a_name_keeps_off_marks_where_it_can():
    marks = np.array([[100, 40, 160, 60]], float)  # right of the mark to be named
    (box,) = placed([(90.0, 50.0)], [5.0], [(40.0, 16.0)], marks, Box(0, 0, 200, 100))
    assert not box.overlap(marks).any()
