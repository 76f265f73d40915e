"""One head: its attention in base and in tuned, and the difference."""

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.maps import HeadMaps, Window
from attncompare.plots.canvas import HEADING, LINE, PAD, card, footer, heading, heading_width, lines
from attncompare.plots.maps import layout, trio, trio_height
from attncompare.plots.scope import Scope, scope
from attncompare.plots.sides import Side, binned, remarks, side
from attncompare.plots.wording import gain_and_loss, strongest

WIDTH = 1800
"""Usual width of a picture of maps, in pixels; long texts take more."""


def head(
    maps: HeadMaps,
    *,
    limits: tuple[float, float] | None = None,
    delta_limit: float | None = None,
) -> Figure:
    """Base, tuned and delta of one head as maps of queries (down) by keys (across), whole or through a window.

    Base and tuned share one scale, ``limits`` (default: 0 to the largest of both); delta runs from ``-delta_limit`` to
    ``delta_limit`` (default: the largest change). Keys that a query may not see are hatched. Above 128 tokens a side,
    neighbouring tokens are merged, and the picture says so.
    """
    about = scope(maps.about)
    queries, keys = _sides(maps)
    place = layout(queries, keys, WIDTH - 2 * PAD)
    title, below = _title(maps, about), _moved(maps, about)
    width = max(place.total(3) + 2 * PAD, heading_width(title, below), 1000)
    masked = bool(np.isnan(maps.base).any())
    foot = lines(f"{_rows(maps)} {remarks(queries, keys, masked=masked, scope=about)}", width - 2 * PAD)
    end = PAD + HEADING + trio_height(place)
    figure = card(width, end + LINE * len(foot) + PAD - 8)
    heading(figure, title, below)
    sides = binned(maps.base, queries, keys), binned(maps.tuned, queries, keys)
    trio(figure, place, (PAD, PAD + HEADING), sides, limits, delta_limit, "share of a query's attention")
    footer(figure, end, foot)
    return figure


def head_alt(maps: HeadMaps) -> str:
    """What the picture of :func:`head` shows, in words and true numbers."""
    about = scope(maps.about)
    queries, keys = _sides(maps)
    shown = f"{_many(maps.queries, 'query', 'queries')} by {_many(maps.keys, 'key', 'keys')}"
    window = "" if maps.whole else f" ({_window(maps)})"
    bits = "not measured" if np.isnan(maps.jsd_bits) else f"{maps.jsd_bits:.2f} bits"
    return (
        f"Three maps of {about.of('head')} {maps.name}, {shown}{window}: base, tuned, tuned minus base. "
        f"Divergence{'' if maps.whole else ' of the whole text'} {bits}. "
        f"Strongest link in base: {strongest(maps.base, queries, keys)}; in tuned: "
        f"{strongest(maps.tuned, queries, keys)}. {gain_and_loss(maps.delta, queries, keys)} {about.remark()}"
    ).rstrip()


def _sides(maps: HeadMaps) -> tuple[Side, Side]:
    return side(maps.tokens, range(*maps.queries)), side(maps.key_tokens, range(*maps.keys))


def _title(maps: HeadMaps, scope: Scope) -> str:
    window = "" if maps.whole else f": {_window(maps)}"
    where = f" · {scope.stack}" if scope.stack else ""
    return f"{maps.name} in both models{where}{scope.over}{window}"


def _window(maps: HeadMaps) -> str:
    """Which queries and keys are shown, of how many; positions as on the labels, both ends included."""
    ends = (("query", "queries", maps.queries, maps.tokens), ("key", "keys", maps.keys, maps.key_tokens))
    parts = [
        f"{one} {first} of {len(tokens)}" if stop - first == 1 else f"{many} {first}–{stop - 1} of {len(tokens)}"
        for one, many, (first, stop), tokens in ends
        if (first, stop) != (0, len(tokens))
    ]
    return ", ".join(parts)


def _many(window: Window, one: str, many: str) -> str:
    count = window[1] - window[0]
    return f"{count} {one if count == 1 else many}"


def _moved(maps: HeadMaps, scope: Scope) -> str:
    """How much the head changed, over the whole text whatever the window."""
    if np.isnan(maps.jsd_bits):
        return "divergence not measured: no query sees two keys"
    moved = f"divergence {maps.jsd_bits:.2f} bits"
    if np.isfinite(maps.wasserstein_tokens):
        moved += f" · attention moved {maps.wasserstein_tokens:.1f} {scope.noun}s on average (Wasserstein)"
    return moved if maps.whole else f"whole text: {moved}"


def _rows(maps: HeadMaps) -> str:
    everything = maps.keys == (0, len(maps.key_tokens))
    return "A row is one query and sums to 1." if everything else "A row is one query; over all keys it sums to 1."
