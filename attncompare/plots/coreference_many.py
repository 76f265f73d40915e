"""How often attention falls on the right candidate: accuracies with their intervals, base beside tuned, beside guessing."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attncompare.analyses.coreference_accuracy import BASELINES, MEASURES, SIDES, CoreferenceMany, Score
from attncompare.attention import head_name
from attncompare.plots.canvas import BODY, DPI, LINE, PAD, box, card, footer, lines, style, write
from attncompare.plots.colors import BASE, INK, LINE_COLOR, MUTED, TUNED
from attncompare.plots.labels import readable, widest
from attncompare.plots.opening import opening
from attncompare.plots.scope import scope

_COLORS = {"base": BASE, "tuned": TUNED, "": INK}
_MARKS = {"base": "o", "tuned": "D", "": "s"}
_WIDTH = 1500
_LINE, _SPACE = 30, 14  # height of a line; between two rows
_AXIS = 44  # numbers of the axis
_NUMBERS = 330  # room behind the axis


class _Row(NamedTuple):
    """One line of the picture."""

    name: str
    side: str
    """Empty for what no model has a part in."""
    score: Score


def coreference_many(found: CoreferenceMany) -> Figure:
    """Accuracy of the measures and of the best heads in base and tuned, and of baselines, with 95% intervals."""
    groups = _groups(found)
    names = [name for name, _ in groups]
    left = PAD + widest(names, BODY, DPI) * 1.04 + 24
    length = _WIDTH - left - PAD - _NUMBERS
    head = opening(_title(found), _below(found), _WIDTH)
    height = sum(len(rows) * _LINE + _SPACE for _, rows in groups)
    start = head.end + _AXIS
    below = lines(_legend(found), _WIDTH - 2 * PAD)
    end = start + height + 12
    figure = card(_WIDTH, end + LINE * len(below) + PAD)
    head.draw(figure)
    axes = _axes(figure, found, left, start, length, height)
    y = 0.0
    for name, rows in groups:
        y += _SPACE / 2
        middle = y + len(rows) * _LINE / 2
        write(figure, PAD, start + middle + 7, name, points=BODY)
        for row in rows:
            _draw(axes, row, y + _LINE / 2)
            write(figure, left + length + 24, start + y + _LINE / 2 + 6, _said(row), color=_COLORS[row.side])
            y += _LINE
        y += _SPACE / 2
    footer(figure, end, below)
    return figure


def coreference_many_alt(found: CoreferenceMany) -> str:
    """What the picture of :func:`coreference_many` shows, in words and true numbers."""
    said = [f"Accuracies with 95% intervals on {len(found.items)} sentences; guessing gives {found.chance:.0%}."]
    for name, rows in _groups(found):
        told = ", ".join(f"{row.side} {_share(row.score)}".strip() for row in rows)
        said.append(f"{name[0].upper()}{name[1:]}: {told}.")
    remark = scope(found.about).remark()
    return " ".join(part for part in (*said, remark) if part)


def _groups(found: CoreferenceMany) -> list[tuple[str, list[_Row]]]:
    """Rows by what is written before them."""
    groups: list[tuple[str, list[_Row]]] = []
    for measure, name in MEASURES.items():
        if measure in found.measures:
            groups.append((name, [_Row(name, side, found.score(measure, side)) for side in SIDES]))
    for side in SIDES:
        row, head, _ = found.best(side)
        name = f"{head_name(found.layers[row], head)}, best in {side} on these"
        scores = [Score.of(found.heads[one][:, row, head]) for one in SIDES]
        groups.append((name, [_Row(name, one, score) for one, score in zip(SIDES, scores, strict=True)]))
    for value in found.labels.get("stereotype", ()):
        inside = found.labelled("stereotype", value)
        name = f"maximum attention score, {value}-stereotypical"
        rows = [_Row(name, side, Score.of(found.measures["mas"][side][inside])) for side in SIDES]
        groups.append((name, rows))
    for baseline, name in BASELINES.items():
        groups.append((name, [_Row(name, "", Score.of(found.baselines[baseline]))]))
    return groups


def _axes(figure: Figure, found: CoreferenceMany, x: float, y: float, width: float, height: float) -> Axes:
    """The axis from 0 to 1 with its numbers above, and the line of guessing."""
    axes = box(figure, x, y, width, height)
    axes.set(xlim=(0, 1), ylim=(height, 0))
    axes.set_label("accuracies")
    axes.xaxis.tick_top()
    ticks = np.arange(0, 1.01, 0.25)
    axes.set_xticks(ticks, [f"{tick:.0%}" for tick in ticks], **style(color=MUTED))
    axes.tick_params(length=0, pad=5)
    axes.vlines(ticks, 0, height, colors=LINE_COLOR, linewidth=0.6, zorder=0, clip_on=False)
    chance = axes.vlines(found.chance, 0, height, colors=INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    chance.set_gid("chance")
    return axes


def _draw(axes: Axes, row: _Row, y: float) -> None:
    color, score = _COLORS[row.side], row.score
    if not score.total:
        return
    if row.side:
        axes.hlines(y, score.low, score.high, colors=color, linewidth=2.4, zorder=2).set_gid(f"{row.side} {row.name}")
    mark = axes.plot([score.share], [y], _MARKS[row.side], color=color, markersize=6, zorder=3, clip_on=False)
    mark[0].set_gid(f"{row.side} {row.name}")


def _said(row: _Row) -> str:
    return f"{row.side} {_share(row.score)}".strip()


def _share(score: Score) -> str:
    return f"{score.share:.0%} ({score.right:g} of {score.total})" if score.total else "no choice"


def _title(found: CoreferenceMany) -> str:
    about = scope(found.about)
    return f"How often do pronouns look at whom they mean? {len(found.items)} sentences{about.over}"


def _below(found: CoreferenceMany) -> str:
    base, tuned = (readable(found.models[side].id, 40) for side in SIDES)
    return f"{base} → {tuned}: share of sentences in which attention falls on the right candidate"


def _legend(found: CoreferenceMany) -> str:
    said = ["Bars: 95% intervals (Wilson), sentences taken for independent. Circles: base, diamonds: tuned."]
    said.append(f"Dashed: guessing, {found.chance:.0%}.")
    if found.chosen["base"]:
        heads = "; ".join(f"{', '.join(found.chosen[side])} in {side}" for side in SIDES)
        said.append(f"Chosen on one half and scored on the other: {heads}.")
    said.append("The best head on these very sentences is right by selection.")
    left = sum(found.left_out.values())
    said.append(f"{left} sentences are left out." if left else "")
    return " ".join(part for part in (*said, scope(found.about).remark()) if part)
