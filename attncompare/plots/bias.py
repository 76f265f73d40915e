"""The bias probe of one text: groups of words, leakage of the gendered ones to the answer, and what a swap does to it."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.bias_record import Bias
from attncompare.plots.bias_rows import (
    BARS,
    LANE,
    NAMES,
    NUMBERS,
    ROW,
    Marks,
    draw_bars,
    draw_key,
    draw_lane,
    draw_names,
)
from attncompare.plots.canvas import LINE, PAD, card, footer, lines, write
from attncompare.plots.cells import Grid, grid, holes
from attncompare.plots.colors import DIVERGING, MUTED, furthest
from attncompare.plots.labels import readable
from attncompare.plots.opening import opening
from attncompare.plots.scope import scope
from attncompare.plots.squares import beside, draw_heads
from attncompare.plots.wording import signed

KEPT = "Shares are of rows without special tokens and sinks, mean over heads; leakage is of the whole row, sinks kept."

_GAP = 40
_HEAD = 62  # titles and ticks above the lanes
_SECOND = 98  # title, a line below it, and names of heads above the grid
_SWAP, _ROOM = 380, 480  # length of a bar from end to end, and what its words need

WIDTH = 2 * PAD + NAMES + 2 * (LANE + NUMBERS) + _GAP


def bias(record: Bias) -> Figure:
    """A row a group: its share of attention and of attribution in base and tuned, with the null of even attention; below, a
    grid of what each head's leakage changed by, and the swap's change of the answer as a pair of bars."""
    groups = record.present
    place = grid(*record.even.shape[1:])
    wide = place.left + place.width + beside("share") + _GAP
    width = max(WIDTH, wide + _ROOM + PAD)
    head = opening(_title(record), _below(record), width)
    foot = lines(_footnote(record), width - 2 * PAD)
    first = head.end + LINE + _HEAD
    second = first + ROW * len(groups) + 34
    place = replace(place, top=int(second) + _SECOND)
    tall = max(place.height if record.leakage else 0, BARS + 10)
    figure = card(width, place.top + tall + 20 + LINE * len(foot) + PAD - 8)
    head.draw(figure)
    draw_key(figure, PAD, head.end + 12)
    _groups(figure, record, first)
    _leakage(figure, record, place, second)
    _swap(figure, record, max(wide, PAD + NAMES + LANE + NUMBERS + _GAP), second)
    footer(figure, place.top + tall + 20, foot)
    return figure


def bias_alt(record: Bias) -> str:
    """What the picture of :func:`bias` shows, in words and true numbers."""
    said = [
        "Rows, one a group of words: share of attention to content in base and tuned, beside evenly spread attention."
    ]
    for name in record.present:
        base, tuned, even = (record.mean(side, name) for side in ("base", "tuned", "even"))
        said.append(
            f"{readable(name, 30)}: base {base:.1%}, tuned {tuned:.1%}, even {even:.1%}{_attributed(record, name)}."
        )
    if record.leakage is not None:
        cells = [
            f"{record.name(*at)} {_points(float(record.leakage.delta[at]))}" for at in _ranked(record.leakage.delta)[:3]
        ]
        said.append(
            "Grid of layers by heads: change of the share of the row that the answer is read from which goes to gendered "
            f"words, tuned minus base, in points; largest {', '.join(cells)}."
        )
    if record.swap is not None and record.readout is not None:
        said.append(
            f"Bars: the swap moves {record.readout.name} by {signed(record.change('base'))} in base and "
            f"{signed(record.change('tuned'))} in tuned."
        )
    return " ".join(part for part in (*said, *record.notes, holes(record.layers)) if part)


def _title(record: Bias) -> str:
    stack = scope(record.about).stack
    return (
        f"Probe of word groups{f' ({stack})' if stack else ''}: attention, attribution, leakage, and a swap of gender"
    )


def _below(record: Bias) -> str:
    content = sum(not (word.special or word.sink) for word in record.words)
    missing = [readable(name, 30) for name in record.groups if name not in record.present]
    absent = f" No words here of: {', '.join(missing)}." if missing else ""
    return (
        f"A text of {content} words, special tokens left out. It describes two models, and passes no verdict.{absent}"
    )


def _groups(figure: Figure, record: Bias, y: float) -> None:
    names = record.present
    found = [
        (name, ", ".join(dict.fromkeys(readable(record.words[at].text) for at in record.found[name]))) for name in names
    ]
    draw_names(figure, PAD, y, found)
    left = PAD + NAMES
    write(figure, left, y - 34, "Share of attention to content", points=9.5, fontweight="bold")
    rows = []
    for name in names:
        values = {side: record.mean(side, name) for side in ("base", "tuned")}
        even = record.mean("even", name)
        said = (*(f"{side} {_share(value)}" for side, value in values.items()), f"even {_share(even)}")
        rows.append(Marks(values, even, said=said))
    draw_lane(figure, "attention", (left, y), rows)
    left += LANE + NUMBERS + _GAP
    write(figure, left, y - 34, "Share of attribution, by size", points=9.5, fontweight="bold")
    if not record.attribution:
        write(figure, left, y + 24, "not measured: see below", color=MUTED)
        return
    rows = []
    for name in names:
        at = record.parts.index(name)
        values = {side: float(record.attribution[side][at]) for side in ("base", "tuned")}
        rows.append(Marks(values, said=tuple(f"{side} {_share(value)}" for side, value in values.items())))
    draw_lane(figure, "attribution", (left, y), rows)


def _leakage(figure: Figure, record: Bias, place: Grid, y: float) -> None:
    write(figure, PAD, y + 20, "Leakage to the answer: tuned minus base", points=10, fontweight="bold")
    leak = record.leakage
    if leak is None:
        write(figure, PAD, y + 46, "no gendered word in this text, so there is none", color=MUTED)
        return
    write(figure, PAD, y + 46, "share of the row that the answer is read from on gendered words", color=MUTED)
    far = furthest(leak.delta)
    ranked = _ranked(leak.delta)
    draw_heads(
        figure, place, record.layers, leak.delta, DIVERGING, (-far, far), "share", sign=True,
        outlined=ranked[0] if ranked else None,
    )  # fmt: skip


def _swap(figure: Figure, record: Bias, x: float, y: float) -> None:
    write(figure, x, y + 20, "Gender swapped: change of the answer", points=10, fontweight="bold")
    if record.swap is None:
        write(figure, x, y + 46, "nothing was swapped: see below", color=MUTED)
        return
    if record.readout is None:
        write(figure, x, y + 46, "these models give no answer", color=MUTED)
        return
    write(figure, x, y + 46, f"{readable(record.readout.name, 20)}, in {record.readout.unit}", color=MUTED)
    said = {side: f"{signed(record.change(side))}, from {signed(record.outputs[side])}" for side in ("base", "tuned")}
    changes = {side: record.change(side) for side in said}
    draw_bars(figure, "swap", (x, y + 62), _SWAP, changes, said, borrowed=record.readout.base_head == "borrowed")


def _ranked(values: np.ndarray) -> list[tuple[int, int]]:
    size = np.abs(np.nan_to_num(values))
    order = np.argsort(-size, axis=None, kind="stable")[: np.count_nonzero(size)]
    return [(int(row), int(at)) for row, at in zip(*np.unravel_index(order, size.shape), strict=True)]


def _footnote(record: Bias) -> str:
    said = [KEPT]
    if record.leakage is not None and _ranked(record.leakage.delta):
        at = _ranked(record.leakage.delta)[0]
        said.append(
            f"Red: more of it after tuning, blue: less. Outlined: {record.name(*at)}, "
            f"{_share(float(record.leakage.share['base'][at]))} to {_share(float(record.leakage.share['tuned'][at]))}."
        )
    return " ".join(part for part in (*said, *record.notes, holes(record.layers)) if part)


def _attributed(record: Bias, name: str) -> str:
    if not record.attribution:
        return ""
    base, tuned = (float(record.attribution[side][record.parts.index(name)]) for side in ("base", "tuned"))
    return f"; of attribution base {_share(base)}, tuned {_share(tuned)}"


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1%}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")
