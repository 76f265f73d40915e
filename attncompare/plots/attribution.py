"""What the output rests on: by how much each token moves the answer of base and of tuned, and what changed."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.attribution import Attribution
from attncompare.plots.canvas import LINE, PAD, box, card, footer, lines, write
from attncompare.plots.colors import BASE, GAINED, INK, LOST, MUTED, TUNED
from attncompare.plots.opening import opening
from attncompare.plots.readouts import amount, asked, called, fixed, is_borrowed, scales, shares
from attncompare.plots.scope import scope
from attncompare.plots.token_rows import ROW, TokenRows, draw_lines, draw_names, number, token_rows
from attncompare.plots.wording import quoted, signed

METHODS = {
    "integrated_gradients": "integrated gradients",
    "gradient_x_input": "gradient × input",
    "saliency": "saliency",
    "occlusion": "occlusion",
}
_COLUMN, _GAP = 250, 28  # width of a column of bars with its numbers, space between two
_NUMBER = 60  # room for the number at the end of a bar
_HEADER = 62  # what stands above each column
_CARD = 1000


class _Column(NamedTuple):
    """One number a token."""

    name: str
    under: str
    color: str | tuple[str, str]
    """Of bars; of those below and above 0 where it says more than which model it is."""
    values: np.ndarray
    ends: tuple[float, float]
    """The lowest and highest value of the axis; 0 lies between."""
    percent: bool = False


def attribution(record: Attribution) -> Figure:
    """Bars a token for base, for tuned and for their difference, tokens in reading order.

    Base and tuned share one scale. Under a borrowed head each has its own, and the difference is that of shares: sizes
    would say nothing. Of a long text the tokens with the largest attribution are shown, and the picture says so.
    """
    about, rows = scope(record.about), token_rows(record.tokens, (record.base, record.tuned))
    columns = _columns(record, rows)
    names = rows.name_width()
    card_width = max(_CARD, PAD + names + len(columns) * _COLUMN + (len(columns) - 1) * _GAP + PAD)
    pitch = (card_width - 2 * PAD - names + _GAP) / len(columns)
    head = opening(f"What {asked(record)} rests on: {METHODS[record.method]}{about.over}", _below(record), card_width)
    below = lines(_footnote(record, rows), card_width - 2 * PAD)
    top = head.end + _HEADER
    figure = card(card_width, top + rows.height + 14 + LINE * len(below) + PAD - 8)
    head.draw(figure)
    draw_names(figure, rows, top)
    for index, column in enumerate(columns):
        _draw(figure, rows, column, PAD + names + index * pitch, pitch - _GAP, top)
    footer(figure, top + rows.height + 14, below)
    return figure


def attribution_alt(record: Attribution) -> str:
    """What the picture of :func:`attribution` shows, in words and true numbers."""
    about, rows = scope(record.about), token_rows(record.tokens, (record.base, record.tuned))
    many = f"{len(rows.shown)} of {about.count(rows.of)}" if rows.numbered else about.count(rows.of)
    said = [f"Bars for {many}: {METHODS[record.method]} of {asked(record)}, base beside tuned."]
    for side, values in (("base", record.base), ("tuned", record.tuned)):
        said.append(f"Largest in {called(record, side)}: {_largest(record, values)}.")
    change = _change(record)
    if np.nan_to_num(change).any():
        at = int(np.nanargmax(np.abs(change)))
        what = "share of all" if is_borrowed(record) else "attribution"
        size = f"{_points(100 * float(change[at]))} points" if is_borrowed(record) else signed(float(change[at]))
        said.append(f"Largest change of {what}: {quoted(record.tokens, at)} {size}.")
    return " ".join(part for part in (*said, *record.notes, about.remark()) if part)


def _change(record: Attribution) -> np.ndarray:
    """Tuned minus base: of shares of all where the head is borrowed."""
    if is_borrowed(record):
        return np.asarray(shares(record.tuned) - shares(record.base))
    return record.delta


def _columns(record: Attribution, rows: TokenRows) -> list[_Column]:
    at = list(rows.shown)
    sides = (record.base, record.tuned)
    ends = [_ends(side) for side in sides] if is_borrowed(record) else [_ends(*sides)] * 2
    borrowed = is_borrowed(record)
    change = _change(record) * (100 if borrowed else 1)
    unit = "of all, in points" if borrowed else record.readout.unit
    return [
        _Column(called(record, "base"), _reads(record, "base"), BASE, record.base[at], ends[0]),
        _Column("tuned", _reads(record, "tuned"), TUNED, record.tuned[at], ends[1]),
        _Column(
            "share, tuned − base" if borrowed else "tuned − base",
            unit,
            (LOST, GAINED),
            change[at],
            _ends(change),
            borrowed,
        ),
    ]


def _draw(figure: Figure, rows: TokenRows, column: _Column, x: float, room: float, top: float) -> None:
    """One column of bars about its zero line, with the number at the end of each."""
    write(figure, x, top - 36, column.name, points=10, color=_title_color(column), fontweight="bold")
    write(figure, x, top - 12, column.under, color=MUTED)
    axes = box(figure, x, top, room, rows.height)
    axes.set_label(column.name)
    low, high = column.ends
    left, right = _NUMBER if low < 0 else 4, _NUMBER
    pixel = (high - low) / (room - left - right)
    axes.set_xlim(low - left * pixel, high + right * pixel)
    draw_lines(axes, rows)
    values = np.nan_to_num(column.values)
    colors = column.color if isinstance(column.color, str) else [column.color[int(value > 0)] for value in values]
    axes.barh(rows.middles, values, ROW - 9, color=colors, linewidth=0, zorder=2)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=3)
    for value, middle in zip(column.values, rows.middles, strict=True):
        if not np.isfinite(value):
            number(axes, 0, middle, "not measured", 1)
        else:
            plus = "" if low >= 0 else "+"
            text = _points(value) if column.percent else fixed(float(value), max(high, -low), plus)
            number(axes, value, middle, text if value else "0", -1 if value < 0 else 1)


def _ends(*values: np.ndarray) -> tuple[float, float]:
    """The ends of an axis that holds 0 and all of these."""
    known = np.concatenate([np.ravel(value[np.isfinite(value)]) for value in values])
    low, high = float(known.min(initial=0)), float(known.max(initial=0))
    return (low, high) if low < high else (0.0, 1.0)


def _title_color(column: _Column) -> str:
    return column.color if isinstance(column.color, str) else INK


def _below(record: Attribution) -> str:
    return f"{record.how} {scales(record)}"


def _reads(record: Attribution, side: str) -> str:
    """The number on the text, and what it was on the baseline: the bars explain the difference."""
    said = f"reads {amount(record.outputs[side])}"
    baseline = record.baselines[side]
    return f"{amount(baseline)} → {amount(record.outputs[side])}" if np.isfinite(baseline) else said


def _footnote(record: Attribution, rows: TokenRows) -> str:
    unit = f"{record.readout.unit} per embedding length" if record.method == "saliency" else record.readout.unit
    said = [f"In {unit}; right of the line a token speaks for the answer, left of it against."]
    if record.method == "saliency":
        said = [f"In {unit}, without a sign."]
    if np.isfinite(record.baselines["tuned"]):
        said.append("Below each name: the readout on the baseline → on the text, which the bars sum to.")
    if is_borrowed(record):
        said.append(
            "A share is of the sum of all sizes: only shares can be set against each other under a borrowed head."
        )
    said.append(_missed(record))
    if rows.numbered:
        rest = [i for i in range(len(record.tokens)) if i not in set(rows.shown)]
        sums = [signed(float(np.nansum(values[rest]))) for values in (record.base, record.tuned)]
        said.append(f"Those left out sum to {sums[0]} in base and {sums[1]} in tuned.")
    by = "attribution in either model"
    return " ".join(
        part
        for part in (*said, rows.remark(scope(record.about), by), *record.notes, scope(record.about).remark())
        if part
    )


def _missed(record: Attribution) -> str:
    """How far the sums are from complete."""
    parts = [
        f"{side} {_percent(record.errors[side])} after {record.steps[side]} steps"
        for side in ("base", "tuned")
        if record.steps[side] is not None and np.isfinite(record.errors[side])
    ]
    return f"Part of it that they miss: {', '.join(parts)}." if parts else ""


def _percent(error: float) -> str:
    return "under 0.1%" if error < 0.001 else f"{error:.1%}"


def _largest(record: Attribution, values: np.ndarray) -> str:
    known = np.nan_to_num(np.abs(values))
    order = [int(i) for i in np.argsort(-known, kind="stable")[:3] if known[i] > 0]
    plus = "" if record.method == "saliency" else "+"
    far = float(known.max(initial=0))
    return ", ".join(f"{quoted(record.tokens, i)} {fixed(float(values[i]), far, plus)}" for i in order) or "none"


def _points(value: float) -> str:
    """Percentage points in few characters.

    >>> _points(28.4), _points(-0.31), _points(0.001)
    ('+28', '−0.3', '+0.0')
    """
    return f"{value:{'+.0f' if abs(value) >= 9.95 else '+.1f'}}".replace("-", "−")
