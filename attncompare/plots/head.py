"""One head: its attention in base and in tuned, and the difference."""

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.maps import HeadMaps
from attncompare.plots.canvas import HEADING, LINE, PAD, card, footer, heading, lines
from attncompare.plots.maps import layout, trio, trio_height
from attncompare.plots.sides import binned, remarks, side
from attncompare.plots.wording import gain_and_loss, strongest

WIDTH = 1800
"""Usual width of a picture of maps, in pixels; long texts take more."""


def head(maps: HeadMaps, *, limits: tuple[float, float] | None = None, delta_limit: float | None = None) -> Figure:
    """Base, tuned and delta of one head as maps of queries (down) by keys (across).

    Base and tuned share one scale, ``limits`` (default: 0 to the largest of both); delta runs from ``-delta_limit`` to
    ``delta_limit`` (default: the largest change). Keys that a query may not see are hatched. Above 128 tokens
    neighbouring tokens are merged, and the picture says so.
    """
    tokens = side(maps.tokens)
    place = layout(tokens, tokens, WIDTH - 2 * PAD)
    width = max(place.total(3) + 2 * PAD, 1000)
    masked = bool(np.isnan(maps.base).any())
    below = lines(f"A row is one query and sums to 1. {remarks(tokens, tokens, masked=masked)}", width - 2 * PAD)
    end = PAD + HEADING + trio_height(place)
    figure = card(width, end + LINE * len(below) + PAD - 8)
    moved = f"divergence {maps.jsd_bits:.2f} bits"
    if np.isfinite(maps.wasserstein_tokens):
        moved += f" · attention moved {maps.wasserstein_tokens:.1f} tokens on average (Wasserstein)"
    heading(figure, f"{maps.name} in both models", moved)
    sides = binned(maps.base, tokens, tokens), binned(maps.tuned, tokens, tokens)
    trio(figure, place, (PAD, PAD + HEADING), sides, limits, delta_limit, "share of a query's attention")
    footer(figure, end, below)
    return figure


def head_alt(maps: HeadMaps) -> str:
    """What the picture of :func:`head` shows, in words and true numbers."""
    start = (
        f"Three maps of {maps.name}, {len(maps.tokens)} queries by keys: base, tuned, "
        f"tuned minus base. Divergence {maps.jsd_bits:.2f} bits."
    )
    return (
        f"{start} Strongest link in base: {strongest(maps.tokens, maps.base)}; in tuned: "
        f"{strongest(maps.tokens, maps.tuned)}. {gain_and_loss(maps.tokens, maps.delta)}"
    )
