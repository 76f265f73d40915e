"""Attribution, its overlay on attention, and agreement by head: every mark at its number, and no size set against a
borrowed one."""

import unicodedata
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from attncompare import plots
from attncompare.attention import About, frozen
from attncompare.errors import BadInput
from attncompare.plots import colors
from attncompare.plots.readouts import shares
from attncompare.plots.token_rows import MOST
from tests.plots.layout import judge, labelled, words, written
from tests.plots.records import continued, hostile, pair_of_texts, token, tokens
from tests.plots.records_of_causes import BORROWED, attributed, readout

LONG = readout(answer="\u202e$\\frac{" + "a long class name " * 5, against="😀</script>")


@cache
def usual():
    return plots.attribution(attributed())


def nothing(count: int = 15):
    return frozen(np.full(count, np.nan))


RECORDS = {
    "own": attributed,
    "borrowed": lambda: attributed(borrowed=True),
    "saliency": lambda: attributed(method="saliency"),
    "hostile": lambda: attributed(texts=hostile(), asked=LONG),
    "wide": lambda: attributed(texts=tuple(token("W" * 40) for _ in range(8)), borrowed=True, asked=LONG),
    "long": lambda: attributed(4000, 2, 2),
    "words": lambda: attributed(about=About("decoder", "word", True), texts=continued(), method="occlusion"),
    "pair": lambda: attributed(texts=pair_of_texts(), asked=readout(answer=" he", against=None)),
    "one token": lambda: attributed(texts=(token("only"),)),
    "special tokens only": lambda: attributed(2),
    "not measured": lambda: attributed(base=nothing(), tuned=nothing(), borrowed=True),
    "zero": lambda: attributed(base=frozen(np.zeros(15)), tuned=frozen(np.zeros(15))),
    "tiny": lambda: attributed(base=frozen(np.full(15, 1e-9)), tuned=frozen(np.full(15, -2e-9))),
}


def bars(figure, name):
    return [(bar.get_y() + bar.get_height() / 2, bar.get_width()) for bar in labelled(figure, name).patches]


@pytest.mark.parametrize("name", RECORDS)
def test_words_stay_inside_and_apart(name):
    record = RECORDS[name]()
    judge(plots.attribution(record))
    judge(plots.overlay(record, record.layers[-1], 1, of="head"))
    for alt in (plots.attribution_alt(record), plots.overlay_alt(record), plots.agreement_alt(record)):
        assert not any(unicodedata.category(character)[0] == "C" for character in alt)


def test_bars_are_the_attributions_in_reading_order_on_one_scale():
    record, figure = attributed(), usual()
    for name, values in (("base", record.base), ("tuned", record.tuned), ("tuned − base", record.delta)):
        places, widths = zip(*bars(figure, name), strict=True)
        np.testing.assert_allclose(widths, values, rtol=1e-5)
        assert list(places) == sorted(places)
    base, tuned = (labelled(figure, name) for name in ("base", "tuned"))
    assert base.get_xlim() == tuned.get_xlim()
    assert base.get_window_extent().width == pytest.approx(tuned.get_window_extent().width)
    said = written(figure)
    assert said.startswith("What logit(negative) − logit(positive) rests on: integrated gradients")
    assert "Both models share one scale." in said
    assert "−0.01 → 0.14" in said
    assert "base under 0.1% after 50 steps, tuned 3.1% after 100 steps" in said
    assert "borrowed" not in said
    for bar, value in zip(labelled(figure, "tuned − base").patches, record.delta, strict=True):
        assert bar.get_facecolor()[:3] == pytest.approx(to_rgb(colors.GAINED if value > 0 else colors.LOST))


def test_numbers_are_those_of_the_bars():
    record = attributed()
    said = [text.get_text() for text in labelled(usual(), "tuned").texts]
    assert [float(text.replace("−", "-")) for text in said] == pytest.approx(record.tuned.tolist(), abs=0.006)


def test_under_a_borrowed_head_only_shares_are_set_against_each_other():
    record = attributed(borrowed=True)
    figure = plots.attribution(record)
    assert "tuned − base" not in [axes.get_label() for axes in figure.axes]
    difference = shares(record.tuned) - shares(record.base)
    widths = [width for _, width in bars(figure, "share, tuned − base")]
    np.testing.assert_allclose(widths, 100 * difference, rtol=1e-4, atol=1e-4)
    assert labelled(figure, "base (borrowed head)").get_xlim() != labelled(figure, "tuned").get_xlim()
    assert "Each model has its own scale." in written(figure)
    assert BORROWED in written(figure)
    alt = plots.attribution_alt(record)
    assert "Largest in base (borrowed head): " in alt
    assert f"Largest change of share of all: ‘word{np.abs(difference).argmax()}’" in alt
    assert "change of attribution" not in alt


def test_alt_text_names_the_largest_tokens():
    record = attributed()
    order = np.argsort(-np.abs(record.tuned))[:3]
    named = ", ".join(f"‘word{i}’ {record.tuned[i]:+.2f}".replace("-", "−") for i in order)
    alt = plots.attribution_alt(record)
    assert f"Largest in tuned: {named}." in alt
    assert "Bars for 15 tokens: integrated gradients of logit(negative) − logit(positive)" in alt
    assert f"Largest change of attribution: ‘word{np.abs(record.delta).argmax()}’" in alt


def test_of_a_long_text_the_largest_tokens_are_shown_and_said():
    record = attributed(4000, 2, 2)
    figure = plots.attribution(record)
    assert len(labelled(figure, "tuned").patches) == MOST
    said = written(figure)
    assert f"{MOST} of 4000 tokens, those with most attribution in either model" in said
    for values in (record.base, record.tuned):
        assert f"word{np.abs(values).argmax()}" in said
    shown = [i for i in range(4000) if f" word{i} " in said]
    rest = np.delete(record.tuned, shown).sum()
    assert f"{rest:+.2f} in tuned.".replace("-", "−") in said
    assert f"{MOST} of 4000 tokens" in plots.attribution_alt(record)
    assert any(line.get_gid() == "left out" for line in labelled(figure, "tuned").lines)
    assert "dotted" not in written(usual())


def test_what_was_not_measured_says_so_and_is_no_bar():
    values = np.array(attributed().tuned)
    values[3] = np.nan
    figure = plots.attribution(attributed(tuned=frozen(values)))
    said = [text.get_text() for text in labelled(figure, "tuned").texts]
    assert said[3] == "not measured"
    assert bars(figure, "tuned")[3][1] == 0
    assert [text.get_text() for text in labelled(figure, "base").texts].count("not measured") == 0


def marks(figure, side, what):
    line = next(line for line in labelled(figure, side).lines if line.get_gid() == what)
    return np.array(line.get_xdata(), float)


@pytest.mark.parametrize("of", ["mean", "rollout", "head"])
def test_both_marks_stand_at_their_shares_of_the_content(of):
    record = attributed()
    figure = plots.overlay(record, 3, 9, of=of) if of == "head" else plots.overlay(record, of=of)
    content = list(record.content)
    for side, values in (("base", record.base), ("tuned", record.tuned)):
        looks = record.looks[side]
        look = {"mean": looks.heads.mean((0, 1)), "rollout": looks.rollout, "head": looks.heads[3, 9]}[of][content]
        np.testing.assert_allclose(marks(figure, side, "attention"), look / look.sum(), rtol=1e-5)
        size = np.abs(values[content])
        np.testing.assert_allclose(marks(figure, side, "attribution"), size / size.sum(), rtol=1e-5)
        left_out = (
            1
            - look.sum()
            / (looks.rollout if of == "rollout" else looks.heads[3, 9] if of == "head" else looks.mean).sum()
        )
        assert f"{left_out:.0%} of it on special tokens, sinks" in written(figure)
    markers = {line.get_gid(): line.get_marker() for line in labelled(figure, "base").lines}
    assert (markers["attention"], markers["attribution"]) == ("o", "D")
    assert labelled(figure, "base").get_xlim() == labelled(figure, "tuned").get_xlim()
    names = {"mean": "mean attention", "rollout": "attention rollout", "head": "L3.H9"}
    assert written(figure).startswith(f"Does {names[of]} look where logit(negative) − logit(positive) rests?")
    tau = f"tau {record.tau['tuned'][3, 9]:.2f} · 2 of top 4".replace("-", "−")
    assert (tau in written(figure)) == (of == "head")
    assert "[CLS]" not in [text.get_text() for text in figure.texts]


def test_overlay_alt_says_where_both_are_highest():
    record = attributed()
    content = np.array(record.content)
    look, size = record.looks["tuned"].mean[content], np.abs(record.tuned[content])
    alt = plots.overlay_alt(record)
    assert f"In tuned attention is highest on ‘word{content[look.argmax()]}’ ({look.max() / look.sum():.0%})" in alt
    assert f"attribution is highest on ‘word{content[size.argmax()]}’ ({size.max() / size.sum():.0%})" in alt


def test_heads_and_rollouts_that_there_are_not_are_refused():
    record = attributed(15, (1, 3, 11), 4)
    for layer, head in ((2, 0), (3, 4), (3, None), (None, 0)):
        with pytest.raises(BadInput, match="layers are 1, 3, 11, heads 0 to 3"):
            plots.overlay(record, layer, head, of="head")
    assert "L11.H3" in written(plots.overlay(record, 11, 3, of="head"))
    crossed = {side: replace(look, rollout=None) for side, look in record.looks.items()}
    with pytest.raises(BadInput, match="no rollout"):
        plots.overlay(attributed(looks=crossed), of="rollout")


def test_a_text_without_content_says_so():
    assert "not measured" in [text.get_text() for text in words(plots.overlay(attributed(2)))]
    assert "nothing was measured" in plots.overlay_alt(attributed(2))


def test_agreement_is_three_grids_about_zero():
    record = attributed(15, (1, 3, 110), 4)
    figure = plots.agreement(record)
    base, tuned, delta = (labelled(figure, name).images[0] for name in ("base", "tuned", "tuned − base"))
    np.testing.assert_array_equal(base.get_array(), record.tau["base"])
    np.testing.assert_array_equal(tuned.get_array(), record.tau["tuned"])
    np.testing.assert_allclose(delta.get_array(), record.tau["tuned"] - record.tau["base"])
    assert base.get_clim() == tuned.get_clim()
    for image in (base, tuned, delta):
        assert image.get_clim()[0] == -image.get_clim()[1]
        assert image.get_cmap() is colors.DIVERGING
    assert [label.get_text() for label in labelled(figure, "base").get_yticklabels()] == ["L1", "L3", "L110"]
    row, head = np.unravel_index(record.tau["tuned"].argmax(), (3, 4))
    assert f"Highest in tuned: L{record.layers[row]}.H{head} " in plots.agreement_alt(record)
    assert "no score of how right" in written(figure)


def test_heads_without_agreement_are_hatched():
    tau = {side: np.array(values) for side, values in attributed().tau.items()}
    tau["tuned"][2] = np.nan
    figure = plots.agreement(attributed(tau=tau))
    assert labelled(figure, "tuned").patch.get_hatch()
    assert labelled(figure, "tuned − base").patch.get_hatch()
    assert not labelled(figure, "base").patch.get_hatch()
    assert "Hatched: not measured" in written(figure)
    alt = plots.agreement_alt(attributed(tau={side: frozen(np.full((6, 12), np.nan)) for side in tau}))
    assert "In tuned no head was measured." in alt
    assert "72 heads were not measured on both sides." in alt


@pytest.mark.parametrize("size", [(6, 12), (1, 1), (24, 16), (80, 128), ((1, 3, 110), 2)])
def test_grids_of_every_size_fit(size):
    figure = plots.agreement(attributed(15, *size, about=About("cross", "shared", True), borrowed=True, asked=LONG))
    judge(figure, 6)
    assert figure.bbox.width < 2000
    assert figure.bbox.height < 1300


def test_stack_and_level_are_named():
    record = attributed(about=About("decoder", "word", True))
    assert "· words" in plots.attribution(record).texts[0].get_text() + plots.attribution(record).texts[1].get_text()
    assert "decoder heads" in plots.agreement_alt(record)
    for alt in (plots.attribution_alt, plots.overlay_alt, plots.agreement_alt):
        assert "Positions are words, not tokens" in alt(record)


def test_hostile_tokens_render_without_a_warning(caplog):
    record = RECORDS["hostile"]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in (plots.attribution(record), plots.overlay(record), plots.agreement(record)):
            assert plots.png(figure)
    assert not caplog.records


def test_special_tokens_are_no_content():
    assert set(attributed(texts=tokens(9)).content) == set(range(1, 8))
