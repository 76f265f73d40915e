"""Erasure: every curve where its probabilities are, and bold only what is beyond every random ranking."""

from functools import cache

import numpy as np
import pytest

from attncompare import plots
from attncompare.attention import frozen
from tests.plots.layout import judge, labelled, words, written
from tests.plots.records_of_causes import erased, readout


@cache
def usual():
    return plots.erasure(erased())


def curve(figure, panel, ranking):
    line = next(line for line in labelled(figure, panel).lines if line.get_gid() == ranking)
    return np.array(line.get_ydata(), float)


def gaps():
    """A record of models without gradients."""
    record = erased()
    parts = {}
    for name in ("without", "only"):
        parts[name] = {side: np.array(values) for side, values in getattr(record, name).items()}
        for values in parts[name].values():
            values[2:] = np.nan
    return erased(**parts)


RECORDS = {
    "own": erased,
    "borrowed": lambda: erased(borrowed=True),
    "long": lambda: erased(4000, asked=readout(answer="\u202e$\\frac{" + "long " * 20)),
    "two words": lambda: erased(2),
    "one ranking": lambda: erased(
        rankings=("attention",),
        **{
            name: {side: values[:1] for side, values in getattr(erased(), name).items()} for name in ("without", "only")
        },
    ),
    "gaps": gaps,
    "many draws": lambda: erased(draws=199),
}


@pytest.mark.parametrize("name", RECORDS)
def test_words_stay_inside_and_apart(name):
    figure = plots.erasure(RECORDS[name]())
    judge(figure)
    assert round(figure.bbox.width) == 1080
    assert plots.erasure_alt(RECORDS[name]())


@pytest.mark.parametrize("borrowed", [False, True])
def test_curves_and_bands_are_the_probabilities(borrowed):
    record = erased(borrowed=borrowed)
    figure = plots.erasure(record)
    for side in ("base", "tuned"):
        for index, ranking in enumerate(record.rankings):
            falls = curve(figure, f"{side} without", ranking)
            np.testing.assert_allclose(falls, [record.full[side], *record.without[side][index]], rtol=1e-5)
            np.testing.assert_allclose(curve(figure, f"{side} only", ranking), record.only[side][index], rtol=1e-5)
        np.testing.assert_allclose(
            curve(figure, f"{side} only", "random mean"), record.random_only[side].mean(0), rtol=1e-5
        )
        band = next(patch for patch in labelled(figure, f"{side} only").collections if patch.get_gid() == "random")
        corners = band.get_paths()[0].vertices[:, 1]
        assert corners.min() == pytest.approx(record.random_only[side].min(), rel=1e-5)
        assert corners.max() == pytest.approx(record.random_only[side].max(), rel=1e-5)
        whole = next(line for line in labelled(figure, f"{side} only").lines if line.get_gid() == "whole text")
        assert set(whole.get_ydata()) == {record.full[side]}
    limits = [labelled(figure, f"{side} without").get_ylim() for side in ("base", "tuned")]
    assert (limits[0] == limits[1]) == (not borrowed)
    for side, (low, high) in zip(("base", "tuned"), limits, strict=True):
        values = np.concatenate(
            [record.without[side].ravel(), record.only[side].ravel(), record.random_only[side].ravel()]
        )
        assert 0 <= low <= values.min()
        assert values.max() <= high <= 1
        assert high - low >= 0.1


def test_rankings_differ_without_colour():
    axes = labelled(usual(), "tuned without")
    lines = [line for line in axes.lines if line.get_gid() in erased().rankings]
    assert len({line.get_marker() for line in lines}) == 4


def numbers(figure):
    """The numbers of the table: text and whether it is bold."""
    found = [text for text in figure.texts if text.get_text()[:1] in "+−" and len(text.get_text()) == 6]
    return [(float(text.get_text().replace("−", "-")), text.get_weight() == "bold") for text in found]


def test_the_table_holds_every_measure_and_bold_is_beyond_chance():
    record = erased()
    table = np.array(numbers(usual()))
    expected = []
    for index in range(4):
        for side in ("base", "tuned"):
            fall = record.comprehensiveness(side)[index]
            keep = record.sufficiency(side)[index]
            expected.append((fall, fall > record.random_comprehensiveness(side).max()))
            expected.append((keep, keep < record.random_sufficiency(side).min()))
    for side in ("base", "tuned"):
        expected += [
            (record.random_comprehensiveness(side).mean(), False),
            (record.random_sufficiency(side).mean(), False),
        ]
    np.testing.assert_allclose(table, np.array(expected, float), atol=6e-4)
    assert 0 < table[:, 1].sum() < 8


def test_the_alt_text_says_which_rankings_are_faithful():
    alt = plots.erasure_alt(erased())
    assert "Curves of p(negative) over 5 shares of 13 words erased or kept, for 4 rankings and 10 random ones" in alt
    assert "Tuned, whole text 0.97" in alt
    assert "More comprehensive than every random ranking: attention, integrated gradients;" in alt
    record = erased()
    assert f"rollout +{record.comprehensiveness('tuned')[1]:.2f} and +{record.sufficiency('tuned')[1]:.2f}" in alt
    assert "Base (borrowed head)" in plots.erasure_alt(erased(borrowed=True))


def test_what_was_not_measured_is_a_dash():
    figure = plots.erasure(gaps())
    assert [text.get_text() for text in figure.texts].count("–") == 8
    assert "–: not measured." in written(figure)
    assert "–: not measured." not in written(usual())
    assert not np.isfinite(curve(figure, "tuned only", "integrated_gradients")).any()
    assert "integrated gradients" not in plots.erasure_alt(gaps())


def test_bins_are_named_with_their_words():
    ticks = [text.get_text() for text in words(usual()) if "\n" in text.get_text()]
    assert ticks[:6] == ["0%\n0", "1%\n1", "5%\n1", "10%\n2", "20%\n3", "50%\n7"]


def test_equal_probabilities_still_have_an_axis():
    flat = {side: frozen(np.full((4, 5), 0.5)) for side in ("base", "tuned")}
    random = {side: frozen(np.full((10, 5), 0.5)) for side in ("base", "tuned")}
    record = erased(
        full={"base": 0.5, "tuned": 0.5}, without=flat, only=flat, random_without=random, random_only=random
    )
    low, high = labelled(plots.erasure(record), "base only").get_ylim()
    assert low < 0.5 < high
    assert "every random ranking: none; more sufficient: none." in plots.erasure_alt(record)
