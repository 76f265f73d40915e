"""Any string can be a token; none may break a picture, hide itself, or disturb its neighbours."""

import unicodedata
import warnings

import pytest

from attncompare import plots
from attncompare.plots import labels
from attncompare.plots.labels import readable, tail, token_label, width, wrap
from tests.plots.records import HOSTILE, comparison, default_movers, head_maps, hostile, routes, token


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("film", "film"), ("", "␣"), (" ", "␣"), ("  ", "␣␣"), ("\n", "⏎"), ("\t", "⇥"), ("a\nb", "a⏎b"),
        ("$\\frac{$", "$\\frac{$"), ("</script>", "</script>"), ("日", "U+65E5"), ("🦊", "U+1F98A"),
        ("\u202e", "U+202E"), ("a\u200fb", "aU+200Fb"), ("\x00", "U+0000"), ("\ud800", "U+D800"),
        ("\u0301", "U+0301"), ("\u2028", "U+2028"),
    ],
)  # fmt: skip
def test_every_character_is_shown(text, shown, monkeypatch):
    monkeypatch.setattr(labels, "families", lambda: ("DejaVu Sans",))  # as where no other font is installed
    labels._advance.cache_clear()
    readable.cache_clear()
    assert readable(text) == shown


@pytest.mark.parametrize("text", HOSTILE)
def test_labels_are_one_line_of_visible_characters_and_not_too_wide(text):
    label = readable(text)
    assert label
    assert not any(unicodedata.category(character)[0] == "C" for character in label)
    assert width(label) < 16


def test_long_tokens_are_cut_between_escapes():
    cut = readable("supercalifragilisticexpialidocious")
    assert cut.startswith("supercali")
    assert cut.endswith("…")
    assert readable("\x01\x02\x03\x04", ems=8) == "U+0001…"


def test_the_end_of_an_id_is_what_is_kept():
    assert tail("organisation/model", 100) == "organisation/model"
    assert tail("organisation/model", 4.5).endswith("model")
    assert tail("organisation/model", 4.5).startswith("…")


def test_width_is_that_of_the_drawn_text():
    figure = plots.head(head_maps())
    figure.canvas.draw()
    title = figure.texts[1]
    drawn = title.get_window_extent().width
    assert width(title.get_text(), title.get_fontsize(), figure.dpi) == pytest.approx(drawn, rel=0.03)


def test_wrapped_lines_fit():
    text = "one row is one query and sums to one " * 4
    wrapped = wrap(text, 300, 9, 150)
    assert " ".join(wrapped) == text.strip()
    assert all(width(line, 9, 150) <= 300 for line in wrapped)


def test_a_token_that_the_text_repeats_has_its_position():
    repeated = (token("the"), token("film"), token("the"))
    assert [token_label(repeated, index) for index in range(3)] == ["the (0)", "film", "the (2)"]


@pytest.mark.parametrize("causal", [False, True])
def test_hostile_tokens_render_without_a_warning(causal, caplog):
    # "findfont" and missing glyphs are told through logging or warnings; both must stay silent.
    nasty = hostile()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = [
            plots.head(head_maps(texts=nasty, causal=causal)),
            plots.rollout(routes(texts=nasty, causal=causal, lift=causal)),
            plots.movers(comparison(texts=nasty, movers=default_movers())),
            *(plots.rollout(routes(texts=nasty, query=query)) for query in range(len(nasty))),
        ]
        for figure in figures:
            assert plots.png(figure)
    assert not caplog.records
    words = plots.head_alt(head_maps(texts=nasty)) + plots.movers_alt(comparison(texts=nasty))
    assert not any(unicodedata.category(character)[0] == "C" for character in words)


def test_an_installed_font_is_used_for_scripts_that_the_first_lacks(monkeypatch):
    monkeypatch.setattr(labels, "families", lambda: ("DejaVu Sans", "DejaVu Sans Mono"))
    labels._advance.cache_clear()
    readable.cache_clear()
    only_mono = next(
        (chr(code) for code in range(0xA0, 0xFFFF) if _has("DejaVu Sans Mono", code) and not _has("DejaVu Sans", code)),
        None,
    )
    if only_mono is None:
        pytest.skip("no character tells the two fonts apart")
    assert readable(only_mono) == only_mono


def _has(family: str, code: int) -> bool:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return bool(get_font(findfont(FontProperties(family=[family]))).get_char_index(code))


@pytest.fixture(autouse=True)
def _clear_label_caches():
    yield
    labels._advance.cache_clear()
    readable.cache_clear()
