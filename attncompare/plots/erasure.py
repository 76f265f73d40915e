"""Which ranking of the words is faithful? The answer's probability while words are erased in its order, in both models."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from attncompare.analyses.erasure import Erasure
from attncompare.plots.canvas import LINE, PAD, box, card, footer, lines, style, write
from attncompare.plots.colors import BASE, INK, LINE_COLOR, MUTED, TUNED
from attncompare.plots.erasure_table import NAMES, band, comprehensive, draw_table, line, sufficient, table_height
from attncompare.plots.opening import opening
from attncompare.plots.readouts import answer, called, is_borrowed, scales
from attncompare.plots.scope import scope
from attncompare.plots.wording import signed

_CARD = 1080
_LEFT, _GAP = 66, 92  # room for numbers of the axis, between two columns
_PANEL, _APART = 250, 168  # height of curves, space between two rows
_HEADER = 84
_SPAN = 0.1  # the least that an axis of probabilities spans, so that noise stays small
_ROWS = {
    "without": "Without the top words: it falls far where the ranking is faithful",
    "only": "With the top words alone: it stays high where the ranking is faithful",
}


def erasure(record: Erasure) -> Figure:
    """Curves of the answer's probability over the share of words erased, or kept; base left, tuned right.

    Each ranking has its own marker, random rankings are a band from lowest to highest with their mean. A table above names
    them and gives comprehensiveness and sufficiency; bold is beyond every random ranking. Both models share one axis, unless
    the base's head is borrowed.
    """
    word = answer(record)
    title = f"Which ranking of words is faithful to p({word})?"
    how = f"p({word}) while words are erased or kept in the order of each ranking, each model by its own. {scales(record)}"
    head = opening(title, how, _CARD)
    below = lines(_footnote(record), _CARD - 2 * PAD)
    start = head.end + table_height(record) + _HEADER
    end = start + len(_ROWS) * _PANEL + (len(_ROWS) - 1) * _APART + 100
    figure = card(_CARD, end + LINE * len(below) + PAD - 8)
    head.draw(figure)
    draw_table(figure, record, head.end)
    wide = (_CARD - 2 * PAD - 2 * _LEFT - _GAP + _LEFT) / 2
    for row, (name, reading) in enumerate(_ROWS.items()):
        y = start + row * (_PANEL + _APART)
        write(figure, PAD, y - 46, f"{reading}.", points=10, fontweight="bold")
        for column, side in enumerate(("base", "tuned")):
            x = PAD + _LEFT + column * (wide + _GAP)
            color = BASE if side == "base" else TUNED
            write(figure, x, y - 16, f"p({word}), {called(record, side)}", color=color, fontweight="bold")
            axes = box(figure, x, y, wide, _PANEL)
            axes.set_label(f"{side} {name}")
            _curves(axes, record, side, name)
            done = "erased" if name == "without" else "kept"
            write(figure, x + wide, y + _PANEL + 78, f"share of words {done}, and how many", color=MUTED, ha="right")
    footer(figure, end, below)
    return figure


def erasure_alt(record: Erasure) -> str:
    """What the picture of :func:`erasure` shows, in words and true numbers."""
    about, word = scope(record.about), answer(record)
    said = [
        f"Curves of p({word}) over {len(record.bins)} shares of {len(record.erasable)} words erased or kept, for "
        f"{len(record.rankings)} rankings and {len(record.random_without['tuned'])} random ones, base beside tuned."
    ]
    for side in ("base", "tuned"):
        fall, chance = record.comprehensiveness(side), record.random_comprehensiveness(side)
        keep, at_random = record.sufficiency(side), record.random_sufficiency(side)
        parts = [
            f"{NAMES.get(name, name)} {signed(float(fall[i]))} and {signed(float(keep[i]))}"
            for i, name in enumerate(record.rankings)
            if np.isfinite(fall[i]) and np.isfinite(keep[i])
        ]
        parts.append(f"random {signed(float(chance.mean()))} and {signed(float(at_random.mean()))}")
        beyond = [NAMES.get(name, name) for i, name in enumerate(record.rankings) if comprehensive(record, side, i)]
        enough = [NAMES.get(name, name) for i, name in enumerate(record.rankings) if sufficient(record, side, i)]
        said.append(
            f"{called(record, side).capitalize()}, whole text {record.full[side]:.2f}; comprehensiveness and sufficiency: "
            f"{', '.join(parts)}. More comprehensive than every random ranking: {', '.join(beyond) or 'none'}; more "
            f"sufficient: {', '.join(enough) or 'none'}."
        )
    return " ".join(part for part in (*said, *record.notes, about.remark()) if part)


def _curves(axes: Axes, record: Erasure, side: str, name: str) -> None:
    """All rankings of one side; the whole text is a dashed line, and where erasing begins."""
    places = np.arange(1, len(record.bins) + 1)
    low, high = _limits(record, side)
    axes.set(xlim=(-0.15, len(record.bins) + 0.3), ylim=(low, high))
    _axis(axes, record, low, high)
    drawn: np.ndarray = getattr(record, name)[side]
    random: np.ndarray = getattr(record, f"random_{name}")[side]
    full = record.full[side]
    start = name == "without"
    x = np.array([0, *places]) if start else places

    def from_whole(values: np.ndarray) -> np.ndarray:
        return np.append(full, values) if start else values

    whole = axes.axhline(full, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    whole.set_gid("whole text")
    if len(random):
        band(axes, x, from_whole(random.min(0)), from_whole(random.max(0)), from_whole(random.mean(0)))
    for ranking, values in zip(record.rankings, drawn, strict=True):
        line(axes, ranking, x, from_whole(values), int(start))


def _axis(axes: Axes, record: Erasure, low: float, high: float) -> None:
    ticks = [float(tick) for tick in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    ticks = [tick for tick in ticks if low - 1e-9 <= tick <= high + 1e-9]
    axes.set_yticks(ticks, [f"{tick:.2f}" for tick in ticks], **style(color=MUTED))
    names = [f"{share:.0%}\n{count}" for share, count in zip(record.bins, record.counts, strict=True)]
    axes.set_xticks(range(len(names) + 1), ["0%\n0", *names], **style(color=MUTED))
    axes.tick_params(length=0, pad=5)
    axes.grid(True, axis="y", color=LINE_COLOR, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["left", "bottom"]].set(visible=True, color=LINE_COLOR)


def _limits(record: Erasure, side: str) -> tuple[float, float]:
    """Ends of the axis of probabilities: of this side alone under a borrowed head; both ends are round."""
    sides = (side,) if is_borrowed(record) else ("base", "tuned")
    parts = [np.array([record.full[one] for one in sides])]
    for one in sides:
        parts += [record.without[one], record.only[one], record.random_without[one], record.random_only[one]]
    known = np.concatenate([part[np.isfinite(part)].ravel() for part in parts])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if high - low > 0.5:
        return 0.0, 1.0
    middle, half = (low + high) / 2, max(high - low, _SPAN) / 2
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return float(np.floor(low * 20) / 20), float(np.ceil(high * 20) / 20)


def _footnote(record: Erasure) -> str:
    said = [
        "Comprehensiveness: the mean fall without the top words; sufficiency: the mean fall with them alone.",
        f"Bold: better than every one of {len(record.random_without['tuned'])} random rankings (band: lowest to highest, "
        "line: mean).",
        "Dashed: the whole text.",
    ]
    if is_borrowed(record):
        said.append("*: under a borrowed head.")
    if any(not np.isfinite(values).all() for values in (*record.without.values(), *record.only.values())):
        said.append("–: not measured.")
    said += ["A text with words missing is none that the models were trained on: only what lies beyond random counts."]
    return " ".join(part for part in (*said, *record.notes, scope(record.about).remark()) if part)
