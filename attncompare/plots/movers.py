"""The heads that moved most: which keys lost attention and which gained it.

Knows nothing about how movers are chosen; they come ranked with the comparison.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.movers import Mover
from attncompare.plots.canvas import (
    BODY,
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
    room,
    style,
    write,
)
from attncompare.plots.colors import GAINED, INK, LINE_COLOR, LOST, MUTED
from attncompare.plots.floors import multiple, within
from attncompare.plots.labels import is_marked, is_null, is_repeated, look, token_label, width
from attncompare.plots.scope import provenance, scope
from attncompare.plots.wording import quoted, signed

_NAME = 136  # room for a head's name and bits
_BARS = 520  # the longest loss and the longest gain together, in pixels
_NUMBER = 76  # room for the number behind a token
_ROW, _GAP = 25, 16  # height of one bar, space between heads
_PALE = 0.4  # how opaque the bars of a quiet head are
_HEADER, _HEADER_WIDTH = 34, 205  # the line that says which side is which


def movers(comparison: Comparison, count: int = 8, *, limits: tuple[float, float] | None = None) -> Figure:
    """The ``count`` heads that moved most; for each, the keys that lost attention to the left and gained to the right.

    Attention is what a key receives, mean over the queries that can see it. ``limits`` are the ends of the axis, about
    0 (default: the largest loss and the largest gain; both sides always share one scale).
    """
    shown, about = comparison.movers[:count], scope(comparison.about)
    low, high = limits or _limits(shown)
    left, right = _label_room(comparison, shown, -1), _label_room(comparison, shown, 1)
    title = f"What the {about.of('heads')} that moved most stopped and started looking at"
    inner = max(left + _BARS + right, 864 - _NAME, heading_width(title) - 2 * PAD - _NAME)
    picture_width = 2 * PAD + _NAME + inner
    below = lines(_footnote(comparison, shown), picture_width - 2 * PAD)
    # Two rows at least: a head's name and its bits stand below each other; and its multiple of the floor.
    least = 3 if comparison.noise and comparison.noise.floor else 2
    slots = [max(len(mover.lost), len(mover.gained), least) * _ROW for mover in shown]
    top = PAD + HEADING + (_HEADER if shown else 0)
    height = sum(slots) + max(len(slots) - 1, 0) * _GAP
    figure = card(picture_width, top + height + 16 + LINE * len(below) + PAD - 8)
    heading(figure, title, provenance(comparison, room(picture_width)))
    footer(figure, top + height + 16, below)
    if not shown:
        return figure
    axes = box(figure, PAD + _NAME, top, inner, height)
    mass = (high - low) / _BARS  # of one pixel
    axes.set(xlim=(low - left * mass, low + (inner - left) * mass), ylim=(height, 0))
    center = PAD + _NAME + left - low / mass
    write(figure, center - 10, top - 13, "lost attention", points=BODY, color=LOST, fontweight="bold", ha="right")
    write(figure, center + 10, top - 13, "gained attention", points=BODY, color=GAINED, fontweight="bold")
    y = 0.0
    for mover, slot in zip(shown, slots, strict=True):
        quiet = _is_quiet(comparison, mover)
        _name(figure, comparison, mover, top + y, quiet=quiet)
        _side(axes, comparison, mover.lost, y, LOST, quiet=quiet)
        _side(axes, comparison, mover.gained, y, GAINED, quiet=quiet)
        y += slot + _GAP
        if mover is not shown[-1]:
            axes.axhline(y - _GAP / 2, color=LINE_COLOR, linewidth=0.5, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=3)
    return figure


def movers_alt(comparison: Comparison, count: int = 8) -> str:
    """What the picture of :func:`movers` shows, in words and true numbers."""
    shown = comparison.movers[:count]
    if not shown:
        return "No head moved: no key lost or gained attention."

    def listed(changes: Sequence[tuple[int, float]]) -> str:
        return ", ".join(f"{quoted(comparison.key_tokens, key)} {signed(change)}" for key, change in changes)

    heads = [
        f"{mover.name} ({_size(comparison, mover)}) "
        f"lost {listed(mover.lost) or 'nothing'}; gained {listed(mover.gained) or 'nothing'}."
        for mover in shown
    ]
    about = scope(comparison.about)
    most = (
        f"the {about.of('head')} that moved" if len(shown) == 1 else f"the {len(shown)} {about.of('heads')} that moved"
    )
    return f"Bars of attention lost and gained by keys, for {most} most. {' '.join(heads)} {about.remark()}".rstrip()


def _bits(comparison: Comparison, mover: Mover) -> float:
    return float(comparison.metric("jsd_bits")[comparison.layers.index(mover.layer), mover.head])


def _size(comparison: Comparison, mover: Mover) -> str:
    """Its bits, and what the noise says of them."""
    said = [f"{_bits(comparison, mover):.2f} bits", _floor(comparison, mover)]
    said += ["within a random change"] if _is_quiet(comparison, mover) else []
    return ", ".join(part for part in said if part)


def _is_quiet(comparison: Comparison, mover: Mover) -> bool:
    quiet = within(comparison)
    return quiet is not None and bool(quiet[comparison.layers.index(mover.layer), mover.head])


def _floor(comparison: Comparison, mover: Mover) -> str:
    """``6.1× floor``; empty where noise was not measured."""
    noise = comparison.noise
    return multiple(noise, comparison.layers.index(mover.layer), mover.head) if noise else ""


def _name(figure: Figure, comparison: Comparison, mover: Mover, y: float, *, quiet: bool) -> None:
    """The head, its bits, and how many times its floor these are."""
    look = {"color": MUTED} if quiet else {"fontweight": "bold"}
    write(figure, PAD, y + 18, mover.name, points=BODY, **look)
    write(figure, PAD, y + 41, f"{_bits(comparison, mover):.2f} bits", color=MUTED)
    if said := _floor(comparison, mover):
        write(figure, PAD, y + 63, said, color=MUTED)


def _footnote(comparison: Comparison, shown: Sequence[Mover]) -> str:
    if not shown:
        return "No head moved: no key lost or gained attention."
    said = [
        "Change of the attention that a key receives, tuned minus base, mean over the queries that can see it; at most "
        "3 keys a side."
    ]
    if len(shown) < len(comparison.movers):
        did = "moved" if within(comparison) is None else "changed"  # then "moved" is what goes beyond the noise
        said.insert(0, f"{len(shown)} of {len(comparison.movers)} heads that {did}.")
    if comparison.noise and comparison.noise.floor:
        said.append("Floor: the mean of random changes of the weights of the same size.")
    if any(_is_quiet(comparison, mover) for mover in shown):
        said.append("Pale: within such a change.")
    keys = {key for mover in shown for key, _ in (*mover.lost, *mover.gained)}
    if any(is_repeated(comparison.key_tokens, key) for key in keys):
        said.append("In brackets: position of a word that the text repeats.")
    tokens, about = [comparison.key_tokens[key] for key in keys], scope(comparison.about)
    if any(is_marked(token) and not is_null(token) for token in tokens):
        said.append("Grey italic: special and sink tokens.")
    if any(is_null(token) for token in tokens):
        said.append("“no token”: what the model's logit sink takes.")
    if any(token.generated for token in tokens):
        said.append("Green: written by a model.")
    if about.crosses:
        said.append("Keys are the source text.")
    return " ".join([*said, about.remark()]).rstrip()


def _limits(shown: Sequence[Mover]) -> tuple[float, float]:
    low = min((change for mover in shown for _, change in mover.lost), default=0.0)
    high = max((change for mover in shown for _, change in mover.gained), default=0.0)
    return (low, high) if low < high else (-1.0, 1.0)


def _label_room(comparison: Comparison, shown: Sequence[Mover], side: int) -> float:
    """Pixels beyond the longest bar of one side: for the widest token and its number, and for the word above."""
    keys = {key for mover in shown for key, _ in (mover.gained if side > 0 else mover.lost)}
    widest_label = max((width(token_label(comparison.key_tokens, key), BODY, DPI) for key in keys), default=0.0)
    return max(widest_label + _NUMBER + 24, _HEADER_WIDTH)


def _side(
    axes: Axes, comparison: Comparison, changes: Sequence[tuple[int, float]], y: float, color: str, *, quiet: bool
) -> None:
    """Bars of one side of one head, with the token and the change at the outer end of each; pale where ``quiet``."""
    middles = y + _ROW * (np.arange(len(changes)) + 0.5)
    axes.barh(
        middles, [change for _, change in changes], height=_ROW - 6, color=color, linewidth=0, zorder=2,
        alpha=_PALE if quiet else None,
    )  # fmt: skip
    side = 1 if color == GAINED else -1
    shared: dict[str, Any] = {
        "textcoords": "offset points",
        "va": "center_baseline",
        "ha": "left" if side > 0 else "right",
    }
    for middle, (key, change) in zip(middles.tolist(), changes, strict=True):
        text = token_label(comparison.key_tokens, key)
        shape = style(BODY, **look(comparison.key_tokens[key], text, MUTED) | ({"color": MUTED} if quiet else {}))
        past = (4 + (width(text, BODY, DPI) + 12) * 72 / DPI) * side
        axes.annotate(text, (change, middle), xytext=(4 * side, 0), **shared, **shape)
        axes.annotate(
            signed(change), (change, middle), xytext=(past, 0), **shared, **style(color=MUTED if quiet else color)
        )
