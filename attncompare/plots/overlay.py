"""Does attention look where the output rests? Both on the same tokens, as shares, in base and in tuned.

Attention is a circle and attribution a diamond, a line joins them: where it is long, the picture of attention misleads.
"""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from attncompare.analyses.attribution import Attribution
from attncompare.attention import head_name
from attncompare.errors import BadInput
from attncompare.plots.attribution import METHODS
from attncompare.plots.canvas import BODY, DPI, LINE, PAD, box, card, footer, lines, style, write
from attncompare.plots.colors import BASE, FAINT, INK, LINE_COLOR, MUTED, TUNED, top
from attncompare.plots.labels import width
from attncompare.plots.opening import opening
from attncompare.plots.readouts import asked, called, shares
from attncompare.plots.scope import Scope, scope
from attncompare.plots.token_rows import ROW, TokenRows, draw_lines, draw_names, token_rows
from attncompare.plots.wording import quoted

Of = Literal["mean", "rollout", "head"]

_COLUMN, _GAP = 350, 40
_HEADER = 122  # and a line where a head is shown
_CARD = 960
_CIRCLE, _DIAMOND = 8.6, 4.8  # sizes of marks, in points: the diamond fits into the circle


def overlay(record: Attribution, layer: int | None = None, head: int | None = None, *, of: Of = "mean") -> Figure:
    """Attention and the size of attribution on each content token, as shares of both, base beside tuned.

    ``of``: the mean over all heads, the rollout, or the one ``head`` of ``layer`` (the layer by its own number); from where
    the answer is read. Special tokens and sinks are left out of both. Of a long text the largest are shown.

    Raises:
        BadInput: no such head; no rollout of this attention.
    """
    about, what = scope(record.about), _what(record, layer, head, of)
    marks = _marks(record, layer, head, of)
    rows = token_rows(record.tokens, [mark for pair in marks.values() for mark in pair], record.content)
    names = rows.name_width()
    card_width = max(_CARD, PAD + names + 2 * _COLUMN + _GAP + PAD)
    pitch = (card_width - 2 * PAD - names + _GAP) / 2
    title = f"Does {what} look where {asked(record)} rests?{about.over}"
    shown = [mark[list(rows.shown)] for pair in marks.values() for mark in pair]
    head_lines = opening(
        title, f"attention beside {METHODS[record.method]}, as shares of all content {about.noun}s", card_width
    )
    below = lines(_footnote(record, rows, marks), card_width - 2 * PAD)
    start = head_lines.end + _HEADER + (LINE if of == "head" else 0)
    figure = card(card_width, start + rows.height + 14 + LINE * len(below) + PAD - 8)
    head_lines.draw(figure)
    _key(figure, head_lines.end + 20)
    draw_names(figure, rows, start)
    far = top(*shown)
    for index, side in enumerate(("base", "tuned")):
        x = PAD + names + index * pitch
        told = _apart(record, side, layer, head, of)
        y = start - 36 - LINE * len(told)
        write(figure, x, y, called(record, side), points=10, color=_color(side), fontweight="bold")
        for line, text in enumerate(told, start=1):
            write(figure, x, y + LINE * line + 1, text, color=MUTED)
        axes = box(figure, x, start, pitch - _GAP, rows.height)
        axes.set_label(side)
        _draw(axes, rows, marks[side], far, _color(side))
    footer(figure, start + rows.height + 14, below)
    return figure


def overlay_alt(record: Attribution, layer: int | None = None, head: int | None = None, *, of: Of = "mean") -> str:
    """What the picture of :func:`overlay` shows, in words and true numbers."""
    about, what = scope(record.about), _what(record, layer, head, of)
    marks = _marks(record, layer, head, of)
    said = [
        f"Two marks for each of {len(record.content)} content {about.noun}s, base beside tuned: share of {what} from where "
        f"{asked(record)} is read, and share of all sizes of {METHODS[record.method]}."
    ]
    for side, (attention, attributed) in marks.items():
        parts = [
            f"{name} is highest on {quoted(record.tokens, int(np.nanargmax(values)))} ({np.nanmax(values):.0%})"
            for name, values in (("attention", attention), ("attribution", attributed))
            if np.isfinite(values).any()
        ]
        said.append(
            f"In {called(record, side)} {' and '.join(parts) or 'nothing was measured'}; "
            f"{'; '.join(_apart(record, side, layer, head, of))}."
        )
    return " ".join(part for part in (*said, about.remark()) if part)


def _row(record: Attribution, layer: int | None, head: int | None) -> tuple[int, int]:
    heads = record.looks["tuned"].heads.shape[1]
    if layer not in record.layers or head is None or not 0 <= head < heads:
        raise BadInput(
            f"There is no head {head} of layer {layer} here: layers are {', '.join(map(str, record.layers))}, heads 0 to "
            f"{heads - 1}."
        )
    return record.layers.index(layer), head


def _what(record: Attribution, layer: int | None, head: int | None, of: Of) -> str:
    if of == "head":
        row, number = _row(record, layer, head)
        return head_name(record.layers[row], number)
    if of == "rollout":
        return "attention rollout"
    return "mean attention"


def _marks(
    record: Attribution, layer: int | None, head: int | None, of: Of
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each side ``[token]`` shares of attention and of attribution; NaN outside the content."""
    return {
        side: (_content(record, _attention(record, side, layer, head, of)), _content(record, values))
        for side, values in (("base", record.base), ("tuned", record.tuned))
    }


def _attention(record: Attribution, side: str, layer: int | None, head: int | None, of: Of) -> np.ndarray:
    """``[token]``: the attention that was asked for."""
    looks = record.looks[side]
    if of == "head":
        return np.asarray(looks.heads[_row(record, layer, head)])
    if of == "mean":
        return looks.mean
    if looks.rollout is None:
        raise BadInput("There is no rollout of this attention: choose 'mean', or a head.")
    return looks.rollout


def _content(record: Attribution, values: np.ndarray) -> np.ndarray:
    content = list(record.content)
    kept = np.full(len(record.tokens), np.nan)
    kept[content] = shares(values[content])
    return kept


def _apart(record: Attribution, side: str, layer: int | None, head: int | None, of: Of) -> list[str]:
    """How much attention is left out of the shares, and how far a head agrees with attribution."""
    attention = _attention(record, side, layer, head, of)
    whole, kept = float(np.nansum(attention)), float(np.nansum(attention[list(record.content)]))
    left_out = f"{max(1 - kept / whole, 0):.0%} of it on special tokens, sinks" if whole > 0 else "no attention"
    return [part for part in (left_out, _agrees(record, side, layer, head, of)) if part]


def _agrees(record: Attribution, side: str, layer: int | None, head: int | None, of: Of) -> str:
    """How one head agrees; mean attention and rollout have no such number."""
    if of != "head":
        return ""
    at = _row(record, layer, head)
    tau, overlap = record.tau[side][at], record.overlap[side][at]
    if not np.isfinite(tau):
        return "tau not measured"
    return f"tau {tau:.2f} · {overlap * record.top:.0f} of top {record.top}".replace("-", "−")


def _draw(axes: Axes, rows: TokenRows, marks: tuple[np.ndarray, np.ndarray], far: float, color: str) -> None:
    """A circle and a diamond a row, joined by a line; on an axis of shares."""
    axes.set_xlim(-0.02 * far, 1.04 * far)
    draw_lines(axes, rows)
    attention, attributed = (mark[list(rows.shown)] for mark in marks)
    ticks = [float(tick) for tick in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(0, far) if 0 <= tick <= far * 1.03]
    axes.xaxis.tick_top()
    axes.set_xticks(ticks, [f"{tick:.0%}" if far >= 0.02 else f"{tick:.1%}" for tick in ticks], **style(color=MUTED))
    axes.tick_params(length=0, pad=3)
    axes.grid(True, axis="x", color=LINE_COLOR, linewidth=0.5)
    axes.set_axisbelow(True)
    joined = np.isfinite(attention) & np.isfinite(attributed)
    axes.hlines(
        rows.middles[joined], attention[joined], attributed[joined], colors=FAINT, linewidth=1.4, zorder=2
    ).set_gid("joins")
    _mark(axes, attention, rows.middles, color, "attention")
    _mark(axes, attributed, rows.middles, color, "attribution")
    if not joined.any():
        axes.text(0.02 * far, ROW / 2, "not measured", **style(color=MUTED, va="center_baseline"))


def _mark(axes: Axes, x: object, y: object, color: str, what: str) -> None:
    hollow = what == "attention"
    axes.plot(
        x, y, linestyle="none", marker="o" if hollow else "D", markersize=_CIRCLE if hollow else _DIAMOND,
        markerfacecolor="none" if hollow else color, markeredgecolor=color, markeredgewidth=1.5 if hollow else 0,
        clip_on=False, zorder=4 if hollow else 3, gid=what,
    )  # fmt: skip


def _key(figure: Figure, baseline: float) -> None:
    """What the two marks are."""
    x = float(PAD)
    for what, text in (
        ("attention", "where it looks (attention)"),
        ("attribution", "what the answer rests on (attribution)"),
    ):
        axes = box(figure, x, baseline - 19, 26, 26)
        axes.set(xlim=(0, 26), ylim=(26, 0))
        axes.set_label("key")
        _mark(axes, [12], [13], INK, what)
        write(figure, x + 28, baseline, text, points=BODY, color=MUTED)
        x += 28 + width(text, BODY, DPI) * 1.02 + 30


def _color(side: str) -> str:
    return BASE if side == "base" else TUNED


def _footnote(record: Attribution, rows: TokenRows, marks: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    about = scope(record.about)
    said = [
        _read(record, about),
        "Special tokens and sinks are left out of both shares; attribution by its size, whatever its sign.",
    ]
    if not record.content:
        said.append(f"This text has no content {about.noun}.")
    said.append("High attention is not an explanation; attribution is a claim too, against its baseline.")
    said.append(rows.remark(about, "of either"))
    return " ".join(part for part in (*said, about.remark()) if part)


def _read(record: Attribution, about: Scope) -> str:
    """Which queries look."""
    sides = []
    for side in ("base", "tuned"):
        read = record.looks[side].read
        if len(read) == 1 and read[0] < len(record.tokens) and not about.crosses:
            sides.append(quoted(record.tokens, read[0]))
        else:
            sides.append(
                f"the mean of {len(read)} {about.noun}s" if len(read) > 1 else f"{about.noun} {read[0]}" if read else ""
            )
    where = sides[0] if sides[0] == sides[1] else f"{sides[0]} in base, {sides[1]} in tuned"
    return f"Attention from where the answer is read: {where}."
