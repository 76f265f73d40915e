"""Small multiples: a grid of heads for each of several comparisons, all on one scale of colours, each with its own title."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.glance import Glance
from attncompare.analyses.outputs import Outputs
from attncompare.analyses.pinned import Beside
from attncompare.analyses.several import Several
from attncompare.attention import head_name
from attncompare.plots.canvas import BODY, DPI, HEADING, LINE, PAD, card, footer, heading, heading_width, lines, write
from attncompare.plots.cells import Grid
from attncompare.plots.colors import INK, MUTED, SEQUENTIAL, top
from attncompare.plots.labels import readable, width, wrap
from attncompare.plots.maps import color_bar
from attncompare.plots.scope import scope
from attncompare.plots.squares import draw_cells

_WIDTH = 1760
_GAP, _BELOW = 40, 30  # between two grids beside each other; below each
_NAMES, _AXIS = 44, 32  # room for the names of layers and of heads
_TITLE_LINES = 2
_SCALE = 74  # height of the scale of colours with its numbers
_TITLE = 10.0


@dataclass(frozen=True, slots=True)
class _Panel:
    """One grid with what stands above it."""

    glance: Glance
    title: str
    under: tuple[str, ...]
    """Lines below the title; the head that moved most has one more."""

    @property
    def above(self) -> int:
        """Pixels above the cells."""
        return (_TITLE_LINES + len(self.under) + 1) * LINE + 8 + _AXIS

    @property
    def most(self) -> tuple[int, int] | None:
        return next(iter(self.glance.most(1)), None)

    @property
    def named(self) -> str:
        """The head that moved most."""
        if self.most is None:
            return "no head moved"
        return f"outlined: {self.glance.name(*self.most)}, {self.glance.bits[self.most]:.2g} bits"


def several(found: Several) -> Figure:
    """One grid of divergences a text, all on one scale; the head that moved most is outlined and named."""
    about = scope(found.glances[0].about)
    panels = [
        _Panel(glance, f"{number}. {glance.text}", (f"{about.count(glance.tokens)} · {_answered(glance.outputs)}",))
        for number, glance in enumerate(found.glances, 1)
    ]
    title = f"Divergence by {about.of('head')} on {len(panels)} texts{about.over}"
    columns = 2 if len(panels) in (2, 4) else 3
    return _multiples(panels, title, _pair(found.glances[0]), min(columns, len(panels)))


def several_alt(found: Several) -> str:
    """What the picture of :func:`several` shows, text by text, in words and true numbers."""
    about = scope(found.glances[0].about)
    start = f"{len(found.glances)} grids of divergence by {about.of('head')}, one a text, on one scale of colours."
    return " ".join([start, *(_said(f"Text {i}", glance) for i, glance in enumerate(found.glances, 1))])


def beside(found: Beside) -> Figure:
    """The pinned comparison and the one of now, on one scale of colours."""
    panels = [
        _Panel(
            glance,
            f"{name}: {glance.text}",
            (_pair(glance), f"{scope(glance.about).count(glance.tokens)} · {_answered(glance.outputs)}"),
        )
        for name, glance in (("Pinned", found.then), ("Now", found.now))
    ]
    return _multiples(panels, "Divergence by head, the pinned comparison beside this one", found.answers[0], 2)


def beside_alt(found: Beside) -> str:
    """What the picture of :func:`beside` shows, in words and true numbers."""
    said = _said("Pinned", found.then), _said("Now", found.now)
    return " ".join(["Two grids of divergence by head on one scale of colours.", *said])


def _multiples(panels: Sequence[_Panel], title: str, below: str, columns: int) -> Figure:
    wide = (_WIDTH - 2 * PAD - (columns - 1) * _GAP) // columns
    places = [_grid(panel.glance, wide) for panel in panels]
    rows = [slice(i, i + columns) for i in range(0, len(panels), columns)]
    above = panels[0].above
    heights = [above + max(place.height for place in places[row]) + _BELOW for row in rows]
    room = max(_WIDTH, ceil(heading_width(title)))
    far = top(*(panel.glance.bits for panel in panels))
    remarks = lines(_legend(panels), room - 2 * PAD)
    end = PAD + HEADING + sum(heights)
    figure = card(room, end + _SCALE + LINE * len(remarks) + PAD - 8)
    heading(figure, title, readable(below, (room - 2 * PAD) / (BODY * DPI / 72)))
    y = PAD + HEADING
    for row, height in zip(rows, heights, strict=True):
        for column, (panel, place) in enumerate(zip(panels[row], places[row], strict=True)):
            _draw(figure, panel, place, (PAD + column * (wide + _GAP), y), wide, far)
        y += height
    color_bar(figure, (PAD + _NAMES, end, min(560, wide)), SEQUENTIAL, (0.0, far), "bits, the same scale in every grid")
    footer(figure, end + _SCALE - 16, remarks)
    return figure


def _grid(glance: Glance, wide: int) -> Grid:
    """Cells that fit this width: large with few heads, never under 3 x 8 pixels."""
    layers, heads = glance.bits.shape
    cell = min(max((wide - _NAMES) // heads, 3), 96)
    return Grid(layers, heads, cell, min(max(900 // layers, 8), 36 if cell >= 34 else max(cell, 16)))


def _draw(figure: Figure, panel: _Panel, place: Grid, corner: tuple[float, float], wide: int, far: float) -> None:
    """One grid and its title, from this top left corner."""
    x, y = corner
    at = replace(place, left=int(x) + _NAMES, top=int(y) + panel.above)
    for number, words in enumerate(_title(panel.title, wide)):
        write(figure, x, y + 20 + number * LINE, words, points=_TITLE, color=INK, fontweight="bold")
    for number, words in enumerate((*panel.under, panel.named), _TITLE_LINES):
        short = readable(words, wide / (1.02 * BODY * DPI / 72))
        write(figure, x, y + 20 + number * LINE, short, points=BODY, color=MUTED)
    draw_cells(
        figure, at, panel.glance.layers, panel.glance.bits, SEQUENTIAL, (0.0, far), sign=False, outlined=panel.most
    )
    figure.axes[-1].set_label(panel.title)


def _title(text: str, wide: int) -> list[str]:
    """The title in at most two lines of this width; a single one stands low, beside what belongs to it."""
    room = wide / (1.04 * _TITLE * DPI / 72) / width("n", bold=True) * width("n")  # bold letters are wider
    found = wrap(readable(text, 1.9 * room), wide, _TITLE, DPI, bold=True)
    found = [readable(line, room) for line in found[:_TITLE_LINES]]
    return ["", *found] if len(found) < _TITLE_LINES else found


def _legend(panels: Sequence[_Panel]) -> str:
    said = ["Divergence of each head between base and tuned: 0 = identical rows, 1 = rows that share no key."]
    if any(not np.isfinite(panel.glance.bits).all() for panel in panels):
        said.append("Hatched: not measured.")
    about = scope(panels[0].glance.about)
    return " ".join(part for part in (*said, about.remark()) if part)


def _pair(glance: Glance) -> str:
    return f"{readable(glance.base, 200)} → {readable(glance.tuned, 200)}"


def _answered(outputs: Outputs) -> str:
    """What both models say, in a few words."""
    if outputs.kind == "none":
        return "no answers"
    base, tuned = (f"{readable(side[0][0], 10)} {side[0][1]:.2f}" for side in (outputs.base, outputs.tuned))
    return f"base {base} → tuned {tuned}"


def _said(name: str, glance: Glance) -> str:
    """One grid in words."""
    ranked = [f"{head_name(glance.layers[row], head)} {glance.bits[row, head]:.3g}" for row, head in glance.most(3)]
    moved = f"largest {', '.join(ranked)} bits" if ranked else "no head moved"
    return f"{name}, “{readable(glance.text, 60)}”: {moved}; {_answered(glance.outputs)}."
