"""How far the heads look: change of the far mass by head, bands by layer beside uniform attention, strongest far links.

The grid stands where :mod:`attncompare.plots.cells` puts it, so a click on it finds its head.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.distance import Reach
from attncompare.attention import head_name
from attncompare.metrics.reach import BANDS, MID, NEAR
from attncompare.plots.canvas import LINE, PAD, card, footer, heading, heading_width, lines
from attncompare.plots.cells import grid, holes
from attncompare.plots.colors import DIVERGING, furthest
from attncompare.plots.links import draw_links, links_height, links_width
from attncompare.plots.scope import Scope, scope
from attncompare.plots.squares import beside, draw_heads
from attncompare.plots.strips import STRIPS, are_named, draw_strips
from attncompare.plots.wording import quoted, signed

_TITLES = {"near": "Near attention", "mid": "Attention at middle distance", "far": "Far attention"}
_SPANS = {"near": f"up to {NEAR}", "mid": f"{NEAR + 1} to {MID}", "far": f"more than {MID}"}


@dataclass(frozen=True, slots=True)
class _Shown:
    """The furthest band that this text has: far, or what there is instead."""

    band: str
    base: np.ndarray
    """``[layer, head]``; NaN in layers that may not look into the band."""
    tuned: np.ndarray

    @property
    def delta(self) -> np.ndarray:
        return self.tuned - self.base

    def ranked(self) -> list[tuple[int, int]]:
        """Row and head of every measured head that changed, largest change first."""
        size = np.abs(np.nan_to_num(self.delta))
        order = np.argsort(-size, axis=None, kind="stable")[: np.count_nonzero(size)]
        return [(int(row), int(head)) for row, head in zip(*np.unravel_index(order, size.shape), strict=True)]


def reach(distances: Reach, *, limits: tuple[float, float] | None = None, count: int = 8) -> Figure:
    """How far the heads look in base and tuned: a grid of changes, a strip a layer, and ``count`` far links.

    The grid shows the change of far mass of every head, or of the furthest band that a short text has; ``limits`` are
    the ends of its colours (default: the largest change, about 0). Strips are near, mid and far mass by layer, mean over
    heads, marked with what uniform attention would give.
    """
    about, shown = scope(distances.about), _shown(distances)
    place = grid(*shown.delta.shape)
    title = f"{_TITLES[shown.band]} by {about.of('head')}, tuned minus base{about.over}"
    below = _below(distances, shown, about)
    strips = max(place.left + place.width + beside("share") + 60, heading_width(title, below) + 44)
    far_links = distances.links[:count] if shown.band == "far" else ()
    width = max(strips + STRIPS + PAD, links_width(distances.tokens, far_links))
    foot = lines(_legend(distances, shown, about), width - 2 * PAD)
    bottom = place.top + place.height + 14
    end = bottom + LINE * len(foot)
    figure = card(width, end + links_height(far_links) + PAD - 8)
    heading(figure, title, below)
    far = furthest(shown.delta)
    outlined = next(iter(shown.ranked()), None)
    draw_heads(
        figure,
        place,
        distances.layers,
        shown.delta,
        DIVERGING,
        limits or (-far, far),
        "share",
        sign=True,
        outlined=outlined,
    )
    draw_strips(figure, distances, place, strips, shown.band)
    footer(figure, bottom, foot)
    if far_links:
        draw_links(figure, distances.tokens, far_links, end, about)
    return figure


def reach_alt(distances: Reach) -> str:
    """What the picture of :func:`reach` shows, in words and true numbers."""
    about, shown = scope(distances.about), _shown(distances)
    rows, heads = shown.delta.shape
    share = f"share of attention on keys {_SPANS[shown.band]} {about.noun}s away"
    said = [f"Grid of {rows} layers by {heads} {about.of('heads')}: {share}, tuned minus base."]
    if shown.band != "far":
        said.append(f"{_why(distances, shown, about)}.")
    ranked = [_change(distances, shown, *cell) for cell in shown.ranked()[:3]]
    said.append(f"Largest change: {', '.join(ranked)}." if ranked else "No head changed.")
    means = ", ".join(
        f"{band} {np.nanmean(distances.base[band]):.2f} to {np.nanmean(distances.tuned[band]):.2f}" for band in BANDS
    )
    uniform = ", ".join(f"{np.nanmean(distances.uniform[band]):.2f}" for band in BANDS)
    said.append(f"Bars by layer: mean over all heads, base to tuned, {means}; uniform attention would give {uniform}.")
    if distances.links:
        link = distances.links[0]
        ends = f"{quoted(distances.tokens, link.query)} to {quoted(distances.tokens, link.key)}"
        said.append(
            f"Strongest far link: {ends}, {link.distance} {about.noun}s apart, {link.name}: {link.base:.2f} in base, "
            f"{link.tuned:.2f} in tuned."
        )
    return " ".join(part for part in (*said, holes(distances.layers), about.remark()) if part)


def _shown(distances: Reach) -> _Shown:
    band = distances.furthest
    blank = np.where(distances.uniform[band] > 0, 0.0, np.nan)[:, None]
    return _Shown(band, distances.base[band] + blank, distances.tuned[band] + blank)


def _below(distances: Reach, shown: _Shown, scope: Scope) -> str:
    if shown.band == "far":
        return f"far: keys more than {MID} {scope.noun}s away, of a text of {scope.count(len(distances.tokens))}"
    return _why(distances, shown, scope)


def _why(distances: Reach, shown: _Shown, scope: Scope) -> str:
    """Why the picture is not about far keys."""
    nearer = {"mid": MID, "near": NEAR}[shown.band]
    short = len(distances.tokens) <= nearer + 1
    because = f"A text of {scope.count(len(distances.tokens))}" if short else "No layer looks further"
    if not short:
        return f"{because} than {nearer} {scope.noun}s: nothing is far"
    instead = f"here is middle distance, {_SPANS['mid']} {scope.noun}s" if shown.band == "mid" else "all keys are near"
    return f"{because} has nothing far (more than {MID} away): {instead}"


def _change(distances: Reach, shown: _Shown, row: int, head: int) -> str:
    base, tuned = float(shown.base[row, head]), float(shown.tuned[row, head])
    return f"{head_name(distances.layers[row], head)} {signed(tuned - base)} ({base:.2f} to {tuned:.2f})"


def _legend(distances: Reach, shown: _Shown, scope: Scope) -> str:
    span = f"{_SPANS[shown.band]} {scope.noun}s away"
    said = [f"Share of a head's attention on keys {span}; red: more of it after tuning, blue: less."]
    if ranked := shown.ranked():
        said.append(f"Outlined: {_change(distances, shown, *ranked[0])}.")
    if np.isnan(shown.delta).any():
        said.append("Hatched: layers that may not look that far.")
    if not are_named(grid(*shown.delta.shape)):
        said.append("Of two bars, the upper is base.")
    said.append("Black marks on the bars: where their colours would meet if every head attended uniformly.")
    return " ".join(part for part in (*said, holes(distances.layers), scope.remark()) if part)
