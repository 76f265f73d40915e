"""What both models answer: the probability of each answer, base above tuned.

Knows nothing about how answers are read out; they come ranked with the comparison.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncompare.analyses.comparison import Comparison
from attncompare.plots.canvas import BODY, DPI, LINE, PAD, box, card, footer, lines, style, write
from attncompare.plots.colors import BASE, INK, LINE_COLOR, MUTED, TUNED
from attncompare.plots.labels import readable, widest
from attncompare.plots.opening import opening

SHOWN = 8
"""Answers drawn, by the larger of both models' probabilities."""

_SIDES = (("base", BASE, -0.2), ("tuned", TUNED, 0.2))
_BARS = 470  # length of a whole bar, in pixels
_NUMBER = 210  # room behind it: "tuned 0.0012"
_ROW = 66
_AXIS = 34  # the line of ticks above the bars
_LONGEST = 16.0  # longest answer, in ems


def outputs(comparison: Comparison) -> Figure:
    """Both models' probabilities of the answers that either of them finds likeliest, as paired bars on one scale, 0 to 1."""
    found = comparison.outputs.frame().head(SHOWN)
    names = [readable(answer, _LONGEST) for answer in found["answer"]]
    left = widest(names, BODY, DPI) * 1.02 + 24
    width = max(2 * PAD + left + _BARS + _NUMBER, 864)
    head = opening(_title(comparison), _below(comparison), width)
    below = lines(_footnote(comparison), width - 2 * PAD)
    top = head.end + (_AXIS if names else 0)
    height = _ROW * len(names)
    figure = card(width, top + height + 12 + LINE * len(below) + PAD - 8)
    head.draw(figure)
    footer(figure, top + height + 12, below)
    if not names:
        return figure
    axes = box(figure, PAD + left, top, _BARS, height)
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5))
    axes.xaxis.tick_top()
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"], **style(color=MUTED))
    axes.tick_params(length=0)
    axes.grid(True, axis="x", color=LINE_COLOR, linewidth=0.5, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=3)
    for row, name in enumerate(names):
        write(figure, PAD + left - 14, top + _ROW * (row + 0.5) + 6, name, points=BODY, ha="right")
    for side, color, offset in _SIDES:
        _bars(axes, side, found[side].to_numpy(float), color, offset, _least(comparison, side))
    return figure


def outputs_alt(comparison: Comparison) -> str:
    """What the picture of :func:`outputs` shows, in words and true numbers."""
    found = comparison.outputs.frame().head(SHOWN)
    if found.empty:
        return _below(comparison)
    said = [
        f"‘{readable(answer, _LONGEST)}’ base {_probability(base, _least(comparison, 'base'))}, tuned "
        f"{_probability(tuned, _least(comparison, 'tuned'))}"
        for answer, base, tuned in found.itertuples(index=False)
    ]
    return (
        f"Paired bars: {_title(comparison)[0].lower()}{_title(comparison)[1:]}. {'; '.join(said)}. {_below(comparison)}"
    )


def _title(comparison: Comparison) -> str:
    what = " as the next token" if comparison.outputs.kind == "next_token" else ""
    return f"What both models answer{what}: probabilities"


def _below(comparison: Comparison) -> str:
    found = comparison.outputs
    if found.kind == "none":
        return "These models give no answer that both could be asked for."
    if found.base_head == "borrowed":
        return (
            "The base was never trained to answer this: it answers under the tuned model's head (borrowed), so its "
            "probabilities are not its own."
        )
    return f"Their likeliest answers {'are the same' if found.same else 'differ'}."


def _footnote(comparison: Comparison) -> str:
    found = comparison.outputs
    said = []
    if found.kl_bits is not None:
        said.append(f"Divergence of the answers, KL(tuned ‖ base): {found.kl_bits:.2g} bits.")
    if found.frame()[["base", "tuned"]].isna().to_numpy().any():
        said.append(
            f"<: not among a model's {max(len(found.base), len(found.tuned))} likeliest, so less than the last of them."
        )
    return " ".join(said)


def _least(comparison: Comparison, side: str) -> float:
    """The smallest probability that a side lists."""
    return min((size for _, size in getattr(comparison.outputs, side)), default=float("nan"))


def _bars(axes: Axes, name: str, values: np.ndarray, color: str, offset: float, least: float) -> None:
    """One side's bars, each with its name and number behind it."""
    rows = np.arange(len(values)) + offset
    axes.barh(rows, np.nan_to_num(values), 0.36, color=color, linewidth=0, label=name, zorder=2)
    for row, value in zip(rows.tolist(), values.tolist(), strict=True):
        axes.annotate(
            f"{name} {_probability(value, least)}", (float(np.nan_to_num(value)), row), xytext=(5, 0),
            textcoords="offset points", va="center_baseline", annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, **style(),
        )  # fmt: skip


def _probability(value: float, least: float) -> str:
    """In few characters; what a side does not list is below the least that it does.

    >>> _probability(0.987, 0.1), _probability(float("nan"), 0.0012)
    ('0.99', '< 0.0012')
    """
    return f"{value:.2g}" if np.isfinite(value) else f"< {least:.2g}"
