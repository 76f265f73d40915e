"""The strongest links between tokens far apart: who looks at whom, from how far, and how hard in base and in tuned.

A word alone says little in a long text: each end stands between its neighbours, with its position.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from attncompare.analyses.distance import Link
from attncompare.attention import Token
from attncompare.metrics.reach import MID
from attncompare.plots.canvas import BODY, DPI, PAD, box, style, write
from attncompare.plots.colors import BASE, LINE_COLOR, MUTED, TUNED
from attncompare.plots.labels import look, readable, width
from attncompare.plots.scope import Scope

_ROW, _HEADER = 50, 100
_NAME, _POSITION, _ARROW, _APART = 96, 66, 60, 82  # widths of columns, in pixels
_BAR, _SHORTEST, _NUMBER = 16, 180, 56  # thickness and least length of a whole bar, room behind it
_TOKEN, _NEIGHBOUR = 8.0, 5.0  # longest token and neighbour, in ems
_SPACE = 7  # between a token and its neighbours

Parts = list[tuple[str, dict[str, Any]]]


def links_height(links: Sequence[Link]) -> int:
    """Height in pixels of what :func:`draw_links` draws."""
    return _HEADER + _ROW * len(links) if links else 0


def links_width(tokens: Sequence[Token], links: Sequence[Link]) -> float:
    """Least width in pixels of a card for them; 0 for none."""
    return _columns(tokens, links).bars + _SHORTEST + _NUMBER + PAD if links else 0


def draw_links(figure: Figure, tokens: Sequence[Token], links: Sequence[Link], y: float, scope: Scope) -> None:
    """The links as rows from pixel ``y``, as wide as the card."""
    query, key, apart, bars, ends = _columns(tokens, links)
    _header(figure, y, query, key, apart, bars, scope)
    length = figure.get_size_inches()[0] * DPI - bars - PAD - _NUMBER
    axes = box(figure, bars, y + _HEADER, length, _ROW * len(links))
    axes.set(xlim=(0, 1), ylim=(_ROW * len(links), 0))
    axes.set_label("links")
    for row, (link, (looks, looked)) in enumerate(zip(links, ends, strict=True)):
        middle = y + _HEADER + _ROW * (row + 0.5)
        write(figure, PAD, middle + 7, link.name, points=BODY, fontweight="bold")
        _end(figure, query, middle + 7, link.query, looks)
        write(figure, key - _POSITION - 22, middle + 7, "→", points=BODY, color=MUTED, ha="center")
        _end(figure, key, middle + 7, link.key, looked)
        write(figure, apart, middle + 7, str(link.distance), points=BODY, ha="right")
        _bars(axes, link, _ROW * (row + 0.5), length)
        if row:
            figure.add_artist(_rule(figure, middle - _ROW / 2))


class _Columns(NamedTuple):
    """Where columns stand, in pixels from the left, and what is written of the two ends of each link."""

    query: float
    key: float
    apart: float
    """Right edge of the numbers."""
    bars: float
    ends: list[tuple[Parts, Parts]]


def _columns(tokens: Sequence[Token], links: Sequence[Link]) -> _Columns:
    ends = [(_between_neighbours(tokens, link.query), _between_neighbours(tokens, link.key)) for link in links]
    query = PAD + _NAME + _POSITION
    key = query + max(_parts_width(parts) for parts, _ in ends) + _ARROW + _POSITION
    apart = key + max(_parts_width(parts) for _, parts in ends) + _APART
    return _Columns(query, key, apart, apart + 36, ends)


def _header(figure: Figure, y: float, query: float, key: float, apart: float, bars: float, scope: Scope) -> None:
    title = f"Strongest links over more than {MID} {scope.noun}s"
    write(figure, PAD, y + 46, title, points=10, fontweight="bold")
    for x, text, align in (
        (PAD, "head", "left"),
        (query, "query", "left"),
        (key, "key", "left"),
        (apart, "apart", "right"),
    ):
        write(figure, x, y + 82, text, color=MUTED, ha=align)
    write(figure, bars, y + 82, "■ base", color=BASE, fontweight="bold")
    write(figure, bars + 90, y + 82, "■ tuned", color=TUNED, fontweight="bold")


def _between_neighbours(tokens: Sequence[Token], index: int) -> Parts:
    """The token in bold between its neighbours, as pieces of writing."""
    before = readable(tokens[index - 1].text, _NEIGHBOUR) if index else ""
    after = readable(tokens[index + 1].text, _NEIGHBOUR) if index + 1 < len(tokens) else ""
    here = readable(tokens[index].text, _TOKEN)
    # Each is written on its own: within one line, words that read from the right would change places.
    parts: Parts = [
        ("…" if index > 1 else "", {"color": MUTED}),
        (before, {"color": MUTED}),
        (here, {"color": look(tokens[index], here)["color"], "fontweight": "bold"}),
        (after, {"color": MUTED}),
        ("…" if index + 2 < len(tokens) else "", {"color": MUTED}),
    ]
    return [part for part in parts if part[0]]


def _part_width(text: str, properties: dict[str, Any]) -> float:
    return width(text, BODY, DPI, bold="fontweight" in properties) * 1.02 + _SPACE  # hinting widens some letters


def _parts_width(parts: Parts) -> float:
    return sum(_part_width(*part) for part in parts)


def _end(figure: Figure, x: float, y: float, position: int, parts: Parts) -> None:
    write(figure, x - 14, y, str(position), color=MUTED, ha="right")
    for text, properties in parts:
        write(figure, x, y, text, points=BODY, **properties)
        x += _part_width(text, properties)


def _bars(axes: Axes, link: Link, middle: float, length: float) -> None:
    for value, offset, color in ((link.base, -9.5, BASE), (link.tuned, 9.5, TUNED)):
        axes.barh(middle + offset, value, _BAR, color=color, linewidth=0)
        axes.text(value + 8 / length, middle + offset, f"{value:.2f}", **style(7.5, MUTED, va="center_baseline"))


def _rule(figure: Figure, y: float) -> Line2D:
    """A thin line between rows, border to border."""
    full_width, full_height = figure.get_size_inches() * DPI
    height = 1 - y / full_height
    return Line2D([PAD / full_width, 1 - PAD / full_width], [height, height], color=LINE_COLOR, linewidth=0.5)
