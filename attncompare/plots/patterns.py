"""Patterns by the user's own heads: for each the head that shows it most, tuned above base, small."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.patterns import THRESHOLDS, Example, Patterns
from attncompare.plots.canvas import (
    BODY,
    DPI,
    HEADING,
    LINE,
    PAD,
    card,
    footer,
    heading,
    heading_width,
    lines,
    write,
)
from attncompare.plots.colors import BASE, INK, MUTED, SEQUENTIAL, TUNED, top
from attncompare.plots.labels import readable
from attncompare.plots.maps import SUBTITLE, Layout, color_bar, draw, layout, map_title
from attncompare.plots.scope import scope
from attncompare.plots.sides import remarks, side

_COLUMN, _GAP = 450, 40
_WORDS = 34 + 3 * LINE  # the name of a pattern and what stands below it
_BETWEEN, _SCALE = 26, 66


def patterns(found: Patterns) -> Figure:
    """The examples beside each other, each in the tuned model above the base, all on one scale."""
    about = scope(found.about)
    places = [_place(example) for example in found.examples]
    widths = [max(place.total(1), _COLUMN) for place in places]
    title = f"Patterns in this comparison{about.over}"
    below = f"for each pattern the {about.of('head')} of the tuned model that shows it most"
    least = len(THRESHOLDS) * (_COLUMN + _GAP)  # letters stay as large where an example is missing
    room = max(least, sum(widths) + _GAP * (len(widths) - 1) + 2 * PAD, heading_width(title, below))
    tall = [_WORDS + 2 * (SUBTITLE + place.above + place.height) + _BETWEEN for place in places]
    remarked = lines(_remarks(found), room - 2 * PAD)
    end = PAD + HEADING + max(tall)
    figure = card(room, end + _SCALE + 22 + LINE * len(remarked) + PAD)
    heading(figure, title, below)
    limits = 0.0, top(*(side for example in found.examples for side in (example.maps.base, example.maps.tuned)))
    x = PAD
    for example, place, wide in zip(found.examples, places, widths, strict=True):
        _column(figure, example, place, (x, PAD + HEADING), wide, limits)
        x += wide + _GAP
    color_bar(figure, (PAD, end + 18, _COLUMN - 40), SEQUENTIAL, limits, "share of a query's attention")
    footer(figure, end + _SCALE + 18, remarked)
    return figure


def patterns_alt(found: Patterns) -> str:
    """What the picture of :func:`patterns` shows, in words and true numbers."""
    size = len(found.examples)
    return " ".join([f"{size} pairs of small attention maps, tuned above base.", *found.answers])


def _place(example: Example) -> Layout:
    maps = example.maps
    return layout(
        side(maps.tokens, range(*maps.queries)), side(maps.key_tokens, range(*maps.keys)), _COLUMN + 70, maps=1
    )


def _column(
    figure: Figure,
    example: Example,
    place: Layout,
    corner: tuple[float, float],
    wide: int,
    limits: tuple[float, float],
) -> None:
    """One pattern: its name, what to see, and both maps."""
    x, y = corner
    name = f"{example.pattern.capitalize()}: {example.maps.name}"
    write(figure, x, y + 22, name if example.clear else f"{name}, not clearly", points=11, color=INK, fontweight="bold")
    scores = f"score {example.score:.2f} in tuned, {example.base:.2f} in base"
    for number, words in enumerate((readable(example.where, wide / (1.04 * BODY * DPI / 72)), scores)):
        write(figure, x, y + 22 + (number + 1) * LINE, words, points=BODY, color=MUTED)
    y += _WORDS
    for side_name, color, values in (("tuned", TUNED, example.maps.tuned), ("base", BASE, example.maps.base)):
        map_title(figure, x + place.x(0), y, side_name, color)
        draw(
            figure,
            place,
            (x, y + SUBTITLE),
            0,
            np.asarray(values),
            SEQUENTIAL,
            limits,
            f"{example.pattern}, {side_name}",
        )
        y += SUBTITLE + place.above + place.height + _BETWEEN


def _remarks(found: Patterns) -> str:
    about, said = scope(found.about), "A row is one query and sums to 1."
    maps: Sequence = found.examples[:1]
    for example in maps:
        one = example.maps
        masked = bool(np.isnan(one.base).any())
        said += " " + remarks(
            side(one.tokens, range(*one.queries)), side(one.key_tokens, range(*one.keys)), masked=masked, scope=about
        )
    return said.strip()
