"""The bias probe of many texts: groups with intervals over texts, heads whose leakage changed, and the gap under swaps."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.bias_many_record import ENOUGH, BiasOfMany
from attncompare.attention import head_name
from attncompare.metrics.intervals import Interval
from attncompare.plots.bias import KEPT, WIDTH
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
from attncompare.plots.squares import beside, draw_heads
from attncompare.plots.wording import signed

_GAP, _HEAD, _SECOND, _SWAP, _ROOM = 40, 62, 98, 380, 480
_SIDES = ("base", "tuned")


def bias_many(record: BiasOfMany) -> Figure:
    """A row a group: mean share of attention in base and tuned and its change, with intervals; below, the mean change of
    each head's leakage, and how far the answer of the female versions is from that of the male ones."""
    names = [name for name in record.groups if record.texts_with(name)]
    place = grid(*record.leakage["tuned"].shape[1:])
    wide = place.left + place.width + beside("share") + _GAP
    width = max(WIDTH, wide + _ROOM + PAD)
    head = opening(f"Probe of word groups on {len(record.texts)} texts", _below(record), width)
    foot = lines(_footnote(record), width - 2 * PAD)
    first = head.end + LINE + _HEAD
    second = first + ROW * len(names) + 34
    place = replace(place, top=int(second) + _SECOND)
    tall = max(place.height if _leaks(record) else 0, BARS + 10)
    figure = card(width, place.top + tall + 20 + LINE * len(foot) + PAD - 8)
    head.draw(figure)
    draw_key(figure, PAD, head.end + 12, interval=True)
    _groups(figure, record, names, first)
    _leakage(figure, record, place, second)
    _gap(figure, record, max(wide, PAD + NAMES + LANE + NUMBERS + _GAP), second)
    footer(figure, place.top + tall + 20, foot)
    return figure


def bias_many_alt(record: BiasOfMany) -> str:
    """What the picture of :func:`bias_many` shows, in words and true numbers."""
    said = [f"Rows, one a group of words: mean share of attention to content over {len(record.texts)} texts."]
    for at, name in enumerate(record.groups):
        if record.texts_with(name):
            base, tuned, even = (float(record.means[which].mean[at]) for which in (*_SIDES, "even"))
            change = _interval(record.means["delta"].at(at))
            said.append(
                f"{readable(name, 30)} ({record.texts_with(name)} texts): base {base:.1%}, tuned {tuned:.1%}, even "
                f"{even:.1%}, change {change} points."
            )
    if _leaks(record):
        row, head = _largest(record)
        largest = f"{head_name(record.layers[row], head)} {_interval(record.leakage_delta.at((row, head)))}"
        said.append(
            "Grid of layers by heads: mean change of the share of the row that the answer is read from which goes to "
            f"gendered words; largest {largest} points."
        )
    if record.readout is not None and record.gaps["tuned"].texts:
        parts = [f"{side} {signed(float(record.gaps[side].mean))}" for side in _SIDES]
        said.append(f"Bars: {record.readout.name} with female words minus with male ones, mean: {', '.join(parts)}.")
    return " ".join(part for part in (*said, *record.notes, holes(record.layers)) if part)


def _below(record: BiasOfMany) -> str:
    few = record.too_few.partition(":")[0] if len(record.texts) < ENOUGH else record.too_few
    return f"Means over texts. They describe two models on these texts, and pass no verdict. {few}".rstrip()


def _groups(figure: Figure, record: BiasOfMany, names: list[str], y: float) -> None:
    draw_names(figure, PAD, y, [(name, _counted(record.texts_with(name))) for name in names])
    left = PAD + NAMES
    write(figure, left, y - 34, "Share of attention to content", points=9.5, fontweight="bold")
    shares, changes = [], []
    for name in names:
        at = record.parts.index(name)
        found = {side: record.means[side].at(at) for side in _SIDES}
        even = float(record.means["even"].mean[at])
        values = {side: float(one.mean) for side, one in found.items()}
        said = (*(f"{side} {value:.1%}" for side, value in values.items()), f"even {even:.1%}")
        shares.append(Marks(values, even, {side: _ends(one) for side, one in found.items()}, said))
        delta = record.means["delta"].at(at)
        low, high = _ends(delta)
        told = (f"{100 * float(delta.mean):+.2f} points", f"{100 * low:+.2f} to {100 * high:+.2f}")
        told = told if np.isfinite(low) else (told[0], "no interval")
        said = tuple(part.replace("-", "−") for part in told)
        changes.append(Marks({"tuned": float(delta.mean)}, ends={"tuned": (low, high)}, said=said))
    draw_lane(figure, "attention", (left, y), shares)
    left += LANE + NUMBERS + _GAP
    write(figure, left, y - 34, "Change in points, tuned minus base", points=9.5, fontweight="bold")
    draw_lane(figure, "change", (left, y), changes, signed=True)


def _leakage(figure: Figure, record: BiasOfMany, place: Grid, y: float) -> None:
    write(figure, PAD, y + 20, "Leakage to the answer: tuned minus base", points=10, fontweight="bold")
    if not _leaks(record):
        write(figure, PAD, y + 46, "no gendered word in these texts, so there is none", color=MUTED)
        return
    found = record.leakage_delta
    write(figure, PAD, y + 46, f"share of the read row on gendered words, mean of {_counted(found.texts)}", color=MUTED)
    far = furthest(found.mean)
    quiet = ~found.clear if record.leaks_enough else None
    draw_heads(
        figure, place, record.layers, found.mean, DIVERGING, (-far, far), "share", sign=True,
        outlined=_largest(record), quiet=quiet,
    )  # fmt: skip


def _gap(figure: Figure, record: BiasOfMany, x: float, y: float) -> None:
    write(figure, x, y + 20, "Female words minus male ones", points=10, fontweight="bold")
    if record.readout is None or not record.gaps["tuned"].texts:
        why = "these models give no answer" if record.readout is None else "nothing was swapped"
        write(figure, x, y + 46, why, color=MUTED)
        return
    write(
        figure, x, y + 46, f"{readable(record.readout.name, 18)}, {_counted(record.gaps['tuned'].texts)}", color=MUTED
    )
    values = {side: float(record.gaps[side].mean) for side in _SIDES}
    ends = {side: _ends(record.gaps[side]) for side in _SIDES}
    said = {side: f"{signed(values[side])} {_range(*ends[side])}" for side in _SIDES}
    draw_bars(figure, "gap", (x, y + 62), _SWAP, values, said, ends, borrowed=record.readout.base_head == "borrowed")


def _leaks(record: BiasOfMany) -> bool:
    return bool(np.isfinite(record.leakage_delta.mean).any())


def _largest(record: BiasOfMany) -> tuple[int, int]:
    mean = np.nan_to_num(np.abs(record.leakage_delta.mean))
    row, head = np.unravel_index(int(mean.argmax()), mean.shape)
    return int(row), int(head)


def _footnote(record: BiasOfMany) -> str:
    said = [KEPT]
    if _leaks(record):
        row, head = _largest(record)
        said.append(
            f"Outlined: {head_name(record.layers[row], head)}, {_interval(record.leakage_delta.at((row, head)))} points."
        )
        if record.leaks_enough:
            said.append("Small cells: the interval holds 0.")
    return " ".join(part for part in (*said, *record.notes, holes(record.layers)) if part)


def _ends(found: Interval) -> tuple[float, float]:
    return float(found.low), float(found.high)


def _interval(found: Interval) -> str:
    """In points."""
    low, high = (100 * end for end in _ends(found))
    mean = f"{100 * float(found.mean):+.2f}"
    text = f"{mean} ({low:+.2f} to {high:+.2f})" if np.isfinite(low) else mean
    return text.replace("-", "−")


def _range(low: float, high: float) -> str:
    return f"({signed(low)} to {signed(high)})" if np.isfinite(low) else "(no interval)"


def _counted(count: int) -> str:
    return f"{count} text{'' if count == 1 else 's'}"
