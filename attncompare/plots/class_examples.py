"""One map of each class of patterns, from the tuned model's own heads."""

from matplotlib.figure import Figure

from attncompare.analyses.maps import HeadMaps
from attncompare.analyses.pattern_record import PatternClasses
from attncompare.metrics.pattern_rules import PatternClass
from attncompare.plots.canvas import BODY, HEADING, LINE, PAD, card, footer, heading, heading_width, lines, write
from attncompare.plots.colors import INK, MUTED, SEQUENTIAL, top
from attncompare.plots.maps import Layout, color_bar, draw, layout
from attncompare.plots.scope import scope
from attncompare.plots.sides import remarks, side

_ACROSS, _ROOM, _GAP, _NAME, _SCALE = 3, 560, 36, 66, 66


def class_examples(found: PatternClasses) -> Figure:
    """Of each class that the tuned model has, the map of the head that stands furthest inside it, all on one scale."""
    about = scope(found.about)
    places = [_place(maps) for _, maps in found.examples]
    wide = max(place.total(1) for place in places)
    tall = _NAME + max(place.above + place.height for place in places) + _GAP
    across = min(_ACROSS, len(places))
    title, below = (
        f"Each class by a {about.of('head')} of the tuned model{about.over}",
        "the one furthest inside its class",
    )
    room = max(across * wide + (across - 1) * _GAP + 2 * PAD, heading_width(title, below))
    foot = lines(_remarks(found), room - 2 * PAD)
    end = PAD + HEADING + tall * -(-len(places) // across)
    figure = card(room, end + _SCALE + LINE * len(foot) + PAD)
    heading(figure, title, below)
    limits = 0.0, top(*(maps.tuned for _, maps in found.examples))
    for number, ((name, maps), place) in enumerate(zip(found.examples, places, strict=True)):
        x = PAD + (number % across) * (wide + _GAP)
        y = PAD + HEADING + (number // across) * tall
        _example(figure, found, name, maps, place, (x, y), limits)
    color_bar(figure, (PAD, end, 410), SEQUENTIAL, limits, "share of a query's attention")
    footer(figure, end + _SCALE - 16, foot)
    return figure


def class_examples_alt(found: PatternClasses) -> str:
    """What the picture of :func:`class_examples` shows, in words."""
    named = ", ".join(f"{name} {maps.name}" for name, maps in found.examples)
    return f"{len(found.examples)} attention maps of the tuned model, one for each class: {named}."


def _place(maps: HeadMaps) -> Layout:
    return layout(side(maps.tokens, range(*maps.queries)), side(maps.key_tokens, range(*maps.keys)), _ROOM, maps=1)


def _example(
    figure: Figure,
    found: PatternClasses,
    name: PatternClass,
    maps: HeadMaps,
    place: Layout,
    corner: tuple[float, float],
    limits: tuple[float, float],
) -> None:
    x, y = corner
    write(figure, x, y + 22, f"{name}: {maps.name}", points=11, color=INK, fontweight="bold")
    write(figure, x, y + 22 + LINE, found.more(name, maps), points=BODY, color=MUTED)
    draw(figure, place, (x, y + _NAME), 0, maps.tuned, SEQUENTIAL, limits, f"{name}: {maps.name}")


def _remarks(found: PatternClasses) -> str:
    _, one = found.examples[0]
    sides = side(one.tokens, range(*one.queries)), side(one.key_tokens, range(*one.keys))
    masked = bool((one.base != one.base).any())
    return f"A row is one query. {remarks(*sides, masked=masked, scope=scope(found.about))}".strip()
