"""Whom a pronoun looks at: each head's preference in both models, what the candidates get in all, and what a swap does."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from attncompare.analyses.coreference_record import Coreference
from attncompare.attention import head_name
from attncompare.plots.canvas import BODY, DPI, LINE, PAD, box, card, footer, lines, room, style, write
from attncompare.plots.cells import holes
from attncompare.plots.colors import BANDS, BASE, INK, MUTED, TUNED, text_on, top
from attncompare.plots.head import WIDTH
from attncompare.plots.labels import readable, widest
from attncompare.plots.opening import opening
from attncompare.plots.panels import Panel, draw_row, panel_row, signed_panel
from attncompare.plots.scope import scope
from attncompare.plots.wording import signed

_COLORS: dict[str, str] = {"base": BASE, "tuned": TUNED}
_NAME = 9.0  # longest candidate, in ems
_BAR, _PITCH = 22, 62  # thickness of a bar; from one candidate to the next
_LENGTH, _NUMBERS, _GAP = 420, 240, 60  # of the longest bar; room behind it; to the bars of the swap
_HEADING = 74  # name of a block of bars and a line below it
_MARKED = 8  # smallest cell that can carry a dash, in pixels


def coreference(found: Coreference) -> Figure:
    """Preference of every head for the first visible candidate, in base and tuned, on one scale from −1 to +1.

    Heads that look most at another candidate after tuning are outlined in both grids. Below: what each candidate gets, mean
    over heads, beside uniform attention, and how many heads follow a word when the two are exchanged.
    """
    about = scope(found.about)
    panels = [_panel(found, side) for side in _COLORS]
    place = panel_row(found.layers, [panels], WIDTH - 2 * PAD)
    width = max(place.width + 2 * PAD, 1500)
    head = opening(_title(found) + about.over, f"“{readable(found.source.text, 0.94 * room(width))}”", width)
    bars = head.end + place.height + 10
    rows = max(len(found.candidates), 2 if found.swap is not None else 1)
    end = bars + _HEADING + rows * _PITCH + 14
    below = lines(_legend(found, numbered=place.cell_width >= 38 and place.cell_height >= 24), width - 2 * PAD)
    figure = card(width, end + LINE * len(below) + PAD)
    head.draw(figure)
    draw_row(figure, place, (PAD, head.end), found.layers, panels)
    for axes, side in zip([one for one in figure.axes if one.get_label() in _COLORS], _COLORS, strict=True):
        _outlines(axes, found.changed)
        if place.cell_width < 38 or place.cell_height < 24:
            _dashes(axes, found.preference(side), min(place.cell_width, place.cell_height))
    after = _means(figure, found, bars)
    if found.swap is not None:
        _swap(figure, found, max(after + _GAP, place.place(1, PAD, head.end).left), bars)
    footer(figure, end, below)
    return figure


def coreference_alt(found: Coreference) -> str:
    """What the picture of :func:`coreference` shows, in words and true numbers."""
    about, (_, layers, heads) = scope(found.about), found.base.shape
    said = [
        f"Two grids of {layers} layers by {heads} {about.of('heads')}, base and tuned: whether "
        f"‘{_short(found.pronoun.text)}’ looks more at {_first(found)} or at {_other(found)}, in "
        f"the sentence “{readable(found.source.text, 60)}”"
    ]
    if len(found.seen) > 1:
        for side in _COLORS:
            means = ", ".join(f"‘{_name(found, at)}’ {found.mean(side)[at]:.1%}" for at in found.seen)
            said.append(f"In {side} {_counts(found, side)}; mean over heads: {means}.")
        said.append(f"{int(found.changed.sum())} heads look most at another one after tuning. {_largest(found)}")
    hidden = [f"‘{_name(found, at)}’" for at, one in enumerate(found.candidates) if not one.visible]
    if hidden:
        said.append(f"Not visible to the pronoun: {', '.join(hidden)}.")
    if found.swap is not None:
        for side in _COLORS:
            word, place = (int(cells.sum()) for cells in found.follows(side))
            said.append(
                f"With the words exchanged {word} heads follow the word and {place} keep to the place in {side}."
            )
    return " ".join(part for part in (*said, holes(found.layers), about.remark()) if part)


def _short(text: str) -> str:
    return readable(text, _NAME)


def _name(found: Coreference, at: int) -> str:
    return _short(found.candidates[at].text)


def _first(found: Coreference) -> str:
    """The candidate that a positive preference is for."""
    return f"‘{_name(found, found.seen[0])}’" if found.seen else "none"


def _other(found: Coreference) -> str:
    return f"‘{_name(found, found.seen[1])}’" if len(found.seen) == 2 else "another"


def _title(found: Coreference) -> str:
    names = [f"‘{_name(found, at)}’" for at in range(len(found.candidates))]
    return f"Whom does ‘{_short(found.pronoun.text)}’ look at: {', '.join(names[:-1])} or {names[-1]}?"


def _panel(found: Coreference, side: str) -> Panel:
    preference = found.preference(side) if len(found.seen) > 1 else np.full(found.base.shape[1:], np.nan)
    meaning = f"← {_other(found)}  ·  {_first(found)} →"
    return signed_panel(side, _counts(found, side), _COLORS[side], preference, meaning, far=1.0)


def _counts(found: Coreference, side: str) -> str:
    if len(found.seen) < 2:
        return "fewer than two candidates are visible"
    counts = (found.choice(side) == 1).sum((1, 2))
    total = found.base[0].size
    told = [f"{counts[at]} at ‘{_name(found, at)}’" for at in found.seen[:3]]
    more = f", {counts[found.seen[3:]].sum()} at others" if len(found.seen) > 3 else ""
    return f"of {total} heads look most: {', '.join(told)}{more}"


def _outlines(axes: Axes, cells: np.ndarray) -> None:
    """A dark frame with a light line inside it around each of these cells."""
    for row, head in np.argwhere(cells).tolist():
        for zorder, color, points in ((3, INK, 2.4), (4, "white", 0.8)):
            frame = Rectangle((head - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor=color, linewidth=points)
            frame.set(zorder=zorder, gid="changed")
            axes.add_patch(frame)


def _dashes(axes: Axes, preference: np.ndarray, cell: float) -> None:
    """A dash in each cell without a number whose head prefers another than the first candidate."""
    cells = np.argwhere(np.nan_to_num(preference) < 0)
    if len(cells) and cell >= _MARKED:
        colors = [text_on(axes.images[0].to_rgba(preference)[row, head]) for row, head in cells.tolist()]
        size = (0.5 * cell * 72 / DPI) ** 2
        axes.scatter(cells[:, 1], cells[:, 0], size, c=colors, marker="_", linewidths=1, zorder=2.5, gid="other")


def _means(figure: Figure, found: Coreference, y: float) -> float:
    """Bars of what each candidate gets; where they end, numbers included."""
    names = [_name(found, at) for at in range(len(found.candidates))]
    left = PAD + widest(names, BODY, DPI) * 1.16 + 16
    _block(figure, PAD, y, "What each gets", "mean over heads; black mark: uniform attention")
    far = 1.08 * top(found.mean("base"), found.mean("tuned"), found.uniform_mean)
    height = len(names) * _PITCH
    axes = box(figure, left, y + _HEADING, _LENGTH, height)
    axes.set(xlim=(0, far), ylim=(height, 0))
    axes.set_label("means")
    for number, name in enumerate(names):
        middle = number * _PITCH + _PITCH / 2 - 4
        write(figure, PAD, y + _HEADING + middle + 7, name, points=BODY, fontweight="bold")
        if not found.candidates[number].visible:
            write(figure, left + 8, y + _HEADING + middle + 7, "not visible to the pronoun", color=MUTED)
            continue
        for side, at in (("base", middle - _BAR / 2 - 1), ("tuned", middle + _BAR / 2 + 1)):
            value, mas = float(found.mean(side)[number]), float(found.mas(side)[number])
            axes.barh(at, value, _BAR, color=_COLORS[side], linewidth=0, label=f"{side} {number}", zorder=2)
            share = "" if np.isnan(mas) else f" · MAS {mas:.0%}"
            write(figure, left + _LENGTH + 10, y + _HEADING + at + 6, f"{side} {value:.1%}{share}", color=_COLORS[side])
        mark = axes.vlines(found.uniform_mean[number], middle - _BAR - 4, middle + _BAR + 4, colors=INK, linewidth=1.4)
        mark.set(gid="uniform", zorder=3)
    return left + _LENGTH + _NUMBERS


def _swap(figure: Figure, found: Coreference, x: float, y: float) -> None:
    """How many heads follow the word and keep to the place when the two are exchanged, of all."""
    _block(figure, x, y, "With the two words exchanged", "how many heads follow the word, how many keep to the place")
    total, length = found.base[0].size, _LENGTH
    axes = box(figure, x + 84, y + _HEADING, length, 2 * _PITCH)
    axes.set(xlim=(0, total), ylim=(2 * _PITCH, 0))
    axes.set_label("swap")
    for number, side in enumerate(_COLORS):
        middle = number * _PITCH + _PITCH / 2 - 4
        write(figure, x, y + _HEADING + middle + 7, side, points=BODY, color=_COLORS[side], fontweight="bold")
        word, place = (int(cells.sum()) for cells in found.follows(side))
        for start, count, color, name in ((0, word, BANDS[2], "word"), (total - place, place, BANDS[0], "place")):
            axes.barh(middle, count, 2 * _BAR - 4, left=start, color=color, linewidth=0, label=f"{side} {name}")
            if count:
                text = f"{count} {name}" if count / total > 0.2 else f"{count}"
                shown = style(color=text_on(color), ha="center", va="center_baseline")
                axes.text(start + count / 2, middle, text, **shown)


def _block(figure: Figure, x: float, y: float, name: str, under: str) -> None:
    write(figure, x, y + 24, name, points=10, fontweight="bold")
    write(figure, x, y + 52, under, color=MUTED)


def _largest(found: Coreference) -> str:
    change = np.nan_to_num(found.preference("tuned") - found.preference("base"))
    row, head = np.unravel_index(np.abs(change).argmax(), change.shape)
    if not change[row, head]:
        return "No preference changed."
    name = head_name(found.layers[int(row)], int(head))
    return f"The preference for {_first(found)} changed most in {name}: {signed(float(change[row, head]))}."


def _legend(found: Coreference, *, numbered: bool) -> str:
    said = []
    if len(found.seen) > 1:
        rival = _other(found) if len(found.seen) == 2 else "its strongest rival"
        said.append(
            f"A cell: what the head gives {_first(found)} minus what it gives {rival}, over their sum; red and + prefer "
            f"{_first(found)}, blue and − {_other(found)}."
        )
        if not numbered:
            said.append(f"A dash: {_other(found)}.")
        changed = int(found.changed.sum())
        said.append(f"Outlined: {changed} heads that look most at another one after tuning." if changed else "")
    else:
        said.append("Hatched: there is nothing to choose between.")
    said.append("MAS: share when a head counts only its favourite (Klein and Nabi 2019). Looking is not resolving.")
    return " ".join(part for part in (*said, holes(found.layers), scope(found.about).remark()) if part)
