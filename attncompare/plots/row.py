"""Rollout of one output token as bars over the input tokens: long texts, or a token that was asked for."""

from collections.abc import Sequence
from math import ceil, cos, radians, sin

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncompare.analyses.routes import Routes
from attncompare.plots.canvas import (
    DPI,
    HEADING,
    LINE,
    PAD,
    box,
    card,
    footer,
    heading,
    heading_width,
    lines,
    style,
    write,
)
from attncompare.plots.colors import BASE, GAINED, INK, LINE_COLOR, LOST, MUTED, TUNED, top
from attncompare.plots.labels import readable, widest
from attncompare.plots.maps import DASHES
from attncompare.plots.scope import Scope
from attncompare.plots.sides import Side, Tick, binned, remarks, side
from attncompare.plots.wording import gain_and_loss, signed, strongest

_WIDTH = 1800
_LEFT = 76  # room for the numbers of the axis
_PANEL, _GAP = 230, 46


def mixed(routes: Routes) -> str:
    """What was followed through the layers, in words."""
    return "value zeroing" if routes.mixer == "value_zeroing" else "attention rollout"


def through(what: str, scope: Scope, routes: Routes) -> str:
    """``what``, with the stack that it goes through where a model has several, and how far where it is not all the way."""
    far = f" up to layer {routes.through}" if routes.partial else ""
    return f"{what} through the {scope.stack}{far}" if scope.stack else f"{what}{far}"


def followed(routes: Routes) -> str:
    """Through which layers."""
    if not routes.partial:
        return "followed through all layers"
    if len(routes.layers) == 1:
        return f"in layer {routes.through} alone"
    return f"followed through layers {routes.layers[0]} to {routes.through}"


def row(routes: Routes, scope: Scope, *, limits: tuple[float, float] | None = None) -> Figure:
    """Bars for the one output token of ``routes``: base beside tuned, their difference, and the lift where there is one.

    ``limits`` are the ends of the axis of base and tuned (default: 0 to the largest).
    """
    shown = routes.queries[0] + 1 if later_keys(routes) is not None else len(routes.tokens)
    keys, one = side(routes.tokens[:shown]), side(routes.tokens, routes.queries)
    what, under = f"{mixed(routes).capitalize()} of {scope.noun} {routes.queries[0]}", _below(routes, scope)
    title = f"{through(what, scope, routes)}, base to tuned{scope.over}"
    base, tuned = (binned(sums[:, :shown], one, keys)[0] for sums in (routes.base, routes.tuned))
    panels: list[tuple[str, tuple[np.ndarray, ...], tuple[float, float]]] = [
        (f"share of {share_of(routes)}", (base, tuned), limits or (0.0, top(base, tuned))),
        ("tuned − base", (tuned - base,), _around(tuned - base)),
    ]
    if routes.log2_lift_base is not None and routes.log2_lift_tuned is not None:
        lifts = tuple(
            binned(lift[:, :shown], one, keys, mass=False)[0]
            for lift in (routes.log2_lift_base, routes.log2_lift_tuned)
        )
        panels.append(("log2 lift over uniform attention", lifts, _around(*lifts)))
    cell = min((_WIDTH - 2 * PAD - _LEFT) // keys.cells, 96)
    width = max(keys.cells * cell + _LEFT + 2 * PAD, heading_width(title, under), 1000)
    ticks, angle = keys.ticks(), 60 if cell * keys.step >= 24 else 90
    names = ceil(widest((tick.text for tick in ticks), 8, DPI) * sin(radians(angle)) + 17 * cos(radians(angle))) + 14
    below = lines(_footnote(routes, keys, scope), width - 2 * PAD)
    start = PAD + HEADING + 30
    end = start + len(panels) * (_PANEL + _GAP) - _GAP + names + 8
    figure = card(width, end + LINE * len(below) + PAD - 8)
    heading(figure, title, under)
    for index, (name, values, ends) in enumerate(panels):
        y = start + index * (_PANEL + _GAP)
        axes = box(figure, PAD + _LEFT, y, keys.cells * cell, _PANEL)
        axes.set(xlim=(-0.5, keys.cells - 0.5), ylim=ends)
        axes.set_label(name)
        _panel(figure, axes, (PAD + _LEFT, y), name, len(values))
        _bars(axes, values, cell)
        for border in keys.borders():
            axes.axvline(border.edge, color=INK, linewidth=0.8, linestyle=DASHES[border.kind], gid=border.kind)
    _names(axes, ticks, angle)
    footer(figure, end, below)
    return figure


def row_alt(routes: Routes, scope: Scope) -> str:
    """What the picture of :func:`row` shows, in words and true numbers."""
    base, tuned = routes.base, routes.tuned
    one, keys = side(routes.tokens, routes.queries), side(routes.tokens)
    return (
        f"Bars of {through(mixed(routes), scope, routes)} for output {scope.noun} {routes.queries[0]} over "
        f"{len(routes.tokens)} input {scope.noun}s. Strongest in base: {strongest(base, one, keys)}; in tuned: "
        f"{strongest(tuned, one, keys)}. {gain_and_loss(tuned - base, one, keys)} {scope.remark()}"
    ).rstrip()


def share_of(routes: Routes) -> str:
    """What a number is a share of."""
    return "the mix" if routes.mixer == "value_zeroing" else "rollout"


def measures(routes: Routes, scope: Scope) -> str:
    """What a number says, to be followed by where."""
    if routes.mixer == "value_zeroing":
        return f"share of each input {scope.noun}, by what is lost without its values,"
    return f"share of each input {scope.noun}"


def expects_lift(routes: Routes) -> bool:
    """Whether a missing lift is worth a word: value zeroing never has one."""
    return bool(routes.lift_omitted) and routes.mixer == "rollout"


def later_keys(routes: Routes) -> np.ndarray | None:
    """``[query, token]``: keys after their query, if they reach no output at all; None where some do.

    They are masked in every causal model, and 0 in its rollout.
    """
    later = np.arange(len(routes.tokens))[None] > np.array(routes.queries)[:, None]
    return None if routes.base[later].any() or routes.tuned[later].any() or not later.any() else later


def _around(*values: np.ndarray) -> tuple[float, float]:
    """Ends of an axis that holds all finite values and 0."""
    finite = np.concatenate([value[np.isfinite(value)] for value in values])
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    return (low, high) if low < high else (-1.0, 1.0)


def _below(routes: Routes, scope: Scope) -> str:
    token = readable(routes.tokens[routes.queries[0]].text, 20)
    return f"{measures(routes, scope)} in the output “{token}”, {followed(routes)}"


def _footnote(routes: Routes, keys: Side, scope: Scope) -> str:
    masked = later_keys(routes) is not None
    later = " Later tokens are masked and left out." if masked else ""
    last = routes.queries[0] == len(routes.tokens) - 1  # nothing can show here whether the model is causal
    no_lift = f" No lift: {routes.lift_omitted}." if expects_lift(routes) and (masked or last) else ""
    note = remarks(side(routes.tokens, routes.queries), keys, masked=False, scope=scope)
    return f"Base and tuned each sum to 1. {note}{later}{no_lift}"


def _panel(figure: Figure, axes: Axes, corner: tuple[float, float], name: str, sides: int) -> None:
    """Name, numbers and lines of one panel."""
    write(figure, corner[0], corner[1] - 12, name, color=INK, fontweight="bold")
    low, high = axes.get_ylim()
    ticks = sorted({low, 0.0, high} if low < 0 else {low, (low + high) / 2, high})
    ticks = [tick for tick in ticks if tick in (low, high) or min(tick - low, high - tick) > 0.12 * (high - low)]
    texts = ["0" if not tick else signed(tick, ".2g") if low < 0 else f"{tick:.2g}" for tick in ticks]
    axes.set_yticks(ticks, texts, **style(color=MUTED))
    axes.tick_params(length=0, pad=5)
    axes.grid(True, axis="y", color=LINE_COLOR, linewidth=0.5)
    axes.set_axisbelow(True)
    if sides == 2:
        x = corner[0] + 330
        for label, color in (("base", BASE), ("tuned", TUNED)):
            write(figure, x, corner[1] - 12, f"■ {label}", color=color, fontweight="bold")
            x += 110


def _bars(axes: Axes, values: Sequence[np.ndarray], cell: int) -> None:
    """All bars of a panel in one artist a side: hundreds of rectangles would take seconds."""
    thick = cell * (0.8 if len(values) == 1 else 0.4)
    places = np.arange(len(values[0]))
    for index, heights in enumerate(values):
        if len(values) == 1:
            colors: Sequence[str] | str = [GAINED if height > 0 else LOST for height in heights]
        else:
            colors = (BASE, TUNED)[index]
        offset = (index - (len(values) - 1) / 2) * 0.4
        axes.vlines(places + offset, 0, heights, colors=colors, linewidth=thick * 72 / DPI, capstyle="butt")


def _names(axes: Axes, ticks: Sequence[Tick], angle: int) -> None:
    cells, texts = [tick.cell for tick in ticks], [tick.text for tick in ticks]
    axes.set_xticks(cells, texts, **style(), rotation=angle, rotation_mode="anchor", ha="right", va="center")
    for label, tick in zip(axes.get_xticklabels(), ticks, strict=True):
        label.set(**tick.look)
