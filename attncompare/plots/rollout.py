"""Rollout: how much of each input token reaches each output token through all layers, in base and in tuned."""

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.routes import Routes
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
from attncompare.plots.colors import BASE, DIVERGING, MUTED, TUNED, furthest
from attncompare.plots.head import WIDTH
from attncompare.plots.labels import wrap
from attncompare.plots.maps import SUBTITLE, Layout, color_bar, draw, layout, map_title, trio, trio_height
from attncompare.plots.row import expects_lift, followed, later_keys, mixed, row, row_alt, share_of, through
from attncompare.plots.scope import Scope, scope
from attncompare.plots.sides import binned, remarks, side
from attncompare.plots.wording import gain_and_loss, strongest


def rollout(
    routes: Routes,
    *,
    limits: tuple[float, float] | None = None,
    delta_limit: float | None = None,
    lift_limit: float | None = None,
) -> Figure:
    """Rollout of base and tuned on one scale, and their difference; for one output token, bars.

    Causal models with a lift get a second row: log2 of rollout over what uniform attention would give. ``limits`` are
    the ends of the shared scale, ``delta_limit`` and ``lift_limit`` the reach of the signed ones (default: the data's).
    """
    about = scope(routes.about)
    if len(routes.queries) == 1:
        return row(routes, about, limits=limits)
    queries, keys = side(routes.tokens, routes.queries), side(routes.tokens)
    place = layout(queries, keys, WIDTH - 2 * PAD)
    title = f"{through(mixed(routes).capitalize(), about, routes)}, base to tuned{about.over}"
    one = about.noun
    under = _under(routes, about)
    width = max(place.total(3) + 2 * PAD, heading_width(title, under), 1000)
    base, tuned = _visible(routes)
    lift = routes.log2_lift_base is not None and routes.log2_lift_tuned is not None
    remarked = remarks(queries, keys, masked=bool(np.isnan(base).any()), scope=about)
    below = lines(_footnote(routes, about, remarked), width - 2 * PAD)
    lift_top = PAD + HEADING + trio_height(place) + 16
    end = lift_top + trio_height(place) if lift else lift_top - 16
    figure = card(width, end + LINE * len(below) + PAD - 8)
    heading(figure, title, under)
    sides = binned(base, queries, keys), binned(tuned, queries, keys)
    trio(
        figure,
        place,
        (PAD, PAD + HEADING),
        sides,
        limits,
        delta_limit,
        f"share of an output {one}'s {share_of(routes).removeprefix('the ')}",
    )
    if lift:
        _lift(figure, place, lift_top, routes, lift_limit)
    footer(figure, end, below)
    return figure


def rollout_alt(routes: Routes) -> str:
    """What the picture of :func:`rollout` shows, in words and true numbers."""
    about = scope(routes.about)
    if len(routes.queries) == 1:
        return row_alt(routes, about)
    base, tuned = _visible(routes)
    at, keys = side(routes.tokens, routes.queries), side(routes.tokens)
    lift = "" if routes.log2_lift_base is None else " A second row shows the log2 lift over uniform attention."
    return (
        f"Three maps of {through(mixed(routes), about, routes)}, {len(routes.queries)} output {about.noun}s by "
        f"{len(routes.tokens)} input {about.noun}s: base, tuned, tuned minus base. "
        f"Strongest in base: {strongest(base, at, keys)}; in tuned: {strongest(tuned, at, keys)}. "
        f"{gain_and_loss(tuned - base, at, keys)}{lift} {about.remark()}"
    ).rstrip()


def _visible(routes: Routes) -> tuple[np.ndarray, np.ndarray]:
    """Both matrices, blank where later tokens reach no output, as in every causal model."""
    later = later_keys(routes)
    if later is None:
        return routes.base, routes.tuned
    return np.where(later, np.nan, routes.base), np.where(later, np.nan, routes.tuned)


def _footnote(routes: Routes, scope: Scope, remarks: str) -> str:
    # Without masked keys nobody expects a lift, so its absence needs no word.
    no_lift = f" No lift: {routes.lift_omitted}." if expects_lift(routes) and later_keys(routes) is not None else ""
    return f"A row is one output {scope.noun} and sums to 1. {remarks}{no_lift}"


def _under(routes: Routes, scope: Scope) -> str:
    if routes.mixer == "value_zeroing":
        return (
            f"how much each output {scope.noun} (query) loses in a layer without the values of each input {scope.noun} "
            f"(key), as shares, {followed(routes)}"
        )
    one = scope.noun
    return f"share of each input {one} (key) in each output {one} (query), {followed(routes)}"


def _lift(figure: Figure, place: Layout, top: float, routes: Routes, limit: float | None) -> None:
    """The second row: how rollout compares with uniform attention, and in words how to read it."""
    base, tuned = (
        binned(np.asarray(lift), place.queries, place.keys, mass=False)
        for lift in (routes.log2_lift_base, routes.log2_lift_tuned)
    )
    far = limit or furthest(base, tuned)
    for index, (name, color, values) in enumerate((("lift, base", BASE, base), ("lift, tuned", TUNED, tuned))):
        map_title(figure, PAD + place.x(index), top, name, color)
        draw(figure, place, (PAD, top + SUBTITLE), index, values, DIVERGING, (-far, far), name)
    y = top + SUBTITLE + place.above + place.height + 16
    span = place.x(1) + place.width - place.x(0)
    color_bar(figure, (PAD + place.x(0), y, span), DIVERGING, (-far, far), "log2 of rollout over uniform attention")
    x = PAD + place.x(2)
    map_title(figure, x, top, "How to read lift", MUTED)
    text = (
        "In a causal model the first tokens collect rollout whatever the weights are. Lift compares with a model that "
        "attends evenly under the same mask: 0 is what position alone explains, +1 twice as much, −1 half. Hatched: "
        "masked, or too little expected to compare."
    )
    for line, words in enumerate(wrap(text, place.width, BODY, DPI)):
        write(figure, x, top + SUBTITLE + 20 + line * LINE, words, points=BODY, color=MUTED)
