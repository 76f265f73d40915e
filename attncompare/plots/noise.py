"""Is it real? Every head's divergence beside its own random changes, on one logarithmic axis of bits.

Above, a dot for every head, so that nobody takes the rows below for all of them; below, a row for each of the heads that
moved most. What is filled moved beyond a random change, what is hollow did not: the picture reads without colours.
"""

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.noise import Noise
from attncompare.analyses.verdict import caution
from attncompare.attention import head_name
from attncompare.metrics.floor import smallest_p
from attncompare.plots.canvas import BODY, DPI, LINE, PAD, TITLE, card, footer, lines, write
from attncompare.plots.cells import holes
from attncompare.plots.colors import MUTED
from attncompare.plots.floors import heads_named, small, times
from attncompare.plots.labels import wrap
from attncompare.plots.noise_layout import CARD, Places, columns, outside, places
from attncompare.plots.noise_marks import KEY_LINE, draw_key, entries, key_rows
from attncompare.plots.noise_rows import draw_axis, draw_lanes, draw_rows
from attncompare.plots.scope import scope

_TITLE_LINE = 34  # distance of two lines of title, in pixels
_CEILING = 44  # room below the rows for the words about unrelated heads


def noise(noise: Noise, *, limits: tuple[float, float] | None = None) -> Figure:
    """The heads that moved most, each beside its own floor; and all heads in a strip above.

    ``limits`` are the ends of the axis, in bits, both above 0 (default: from the data).
    """
    at, inner = places(noise, limits), CARD - 2 * PAD
    if not at.rows:
        return _nothing(noise)
    answer, _, tested = noise.sentence().partition(" (")
    title = wrap(answer, inner, TITLE, DPI, bold=True)
    told = lines(tested.replace(")", "", 1).removesuffix("."), inner)
    told += lines(" ".join(noise.answers[1:]), inner) if noise.answers[1:] else []
    key = key_rows(entries(noise, at.limits[0]), inner)
    below = lines(_footnote(noise, at), inner)
    under = PAD + 22 + _TITLE_LINE * (len(title) - 1) + LINE + 4
    named = under + LINE * len(told) + (8 if told else 2)
    top = named + KEY_LINE * len(key) + 26
    figure = card(CARD, top + at.height + _CEILING + LINE * len(below) + PAD - 8)
    for index, line in enumerate(title):
        write(figure, PAD, PAD + 22 + _TITLE_LINE * index, line, points=TITLE, fontweight="bold")
    for index, line in enumerate(told):
        write(figure, PAD, under + LINE * index, line, points=BODY, color=MUTED)
    draw_key(figure, key, named)
    axes = draw_axis(figure, noise, at, top)
    draw_lanes(figure, axes, noise, at, top)
    draw_rows(figure, axes, noise, at, top)
    footer(figure, top + at.height + _CEILING, below)
    return figure


def _nothing(noise: Noise) -> Figure:
    """Where no head was measured."""
    below = lines(" ".join([*noise.notes, scope(noise.about).remark()]), CARD - 2 * PAD)
    figure = card(CARD, PAD + 42 + LINE * len(below) + PAD)
    write(figure, PAD, PAD + 22, "No head was measured.", points=TITLE, fontweight="bold")
    footer(figure, PAD + 42, below)
    return figure


def noise_alt(noise: Noise) -> str:
    """What the picture of :func:`noise` shows, in words and true numbers."""
    at, about = places(noise), scope(noise.about)
    rows = f"Rows for {len(at.rows)} of {noise.jsd_bits.size} {about.of('heads')}: divergence in bits on a log scale."
    if not at.rows:
        return f"{rows} No head was measured."
    said = [*noise.answers, rows]
    if noise.testable:
        beyond, rest = ([cell for cell, _ in at.rows if noise.moved[cell] == moved] for moved in (True, False))
        said.append(f"Largest beyond: {_listed(noise, beyond[:3])}." if beyond else "")
        said.append(f"Largest within: {_listed(noise, rest[:3])}." if rest else "")
    else:
        said.append(f"Largest: {_listed(noise, [cell for cell, _ in at.rows[:3]])}.")
    if noise.replicates and noise.replicates.beyond.any():
        named = [cell for cell, _ in at.rows if noise.replicates.beyond[cell]][:3]
        said.append(f"Largest beyond what trainings differ by: {_listed(noise, named)}." if named else "")
    said.append(f"Unrelated heads: {noise.ceiling_bits:.2g}." if np.isfinite(noise.ceiling_bits) else "")
    arithmetic = noise.numeric_bits[np.isfinite(noise.numeric_bits)]
    said.append(f"Arithmetic alone: at most {small(float(arithmetic.max()))}." if arithmetic.size else "")
    said += [_unmeasured(noise), *noise.notes, holes(noise.layers), about.remark()]
    return " ".join(part for part in said if part)


def _listed(noise: Noise, cells: list[tuple[int, int]]) -> str:
    return "; ".join(_described(noise, *cell) for cell in cells)


def _described(noise: Noise, row: int, head: int) -> str:
    said = f"{head_name(noise.layers[row], head)} {small(float(noise.jsd_bits[row, head]))}"
    if noise.floor is None:
        return said
    said += f", {times(noise.floor.multiple[row, head])} the mean of its random changes"
    return f"{said}, p {noise.floor.p[row, head]:.2g}" if noise.testable else said


def _footnote(noise: Noise, at: Places) -> str:
    named = columns(noise)
    said = [_drawn(noise)]
    if "× floor" in named:
        said.append("× floor: divergence divided by the mean of its random changes.")
    if "p" in named:
        said.append(
            "p: how often a random change lifts any of these heads as many standard deviations above its floor; "
            f"{smallest_p(len(noise.draws)):.2g} is the least that {len(noise.draws)} can show."
        )
        hollow = [cell for cell, _ in at.rows if not noise.moved[cell]]
        if any(noise.jsd_bits[cell] > max(noise.draws[:, *cell].max(), noise.numeric_bits[cell]) for cell in hollow):
            said.append("Right of its floor and yet within: among so many heads some stand there by chance.")
        if any(noise.jsd_bits[cell] <= noise.numeric_bits[cell] for cell in hollow):
            said.append("A head that another precision or implementation moves as far is within, whatever its p.")
    if at.limits[0] < noise.ceiling_bits <= at.limits[1]:
        said.append(
            "Dashed: what heads that have nothing to do with each other give, where the scale ends on this text."
        )
    if outside(noise, at):
        said.append("At an end of the axis: beyond it, or 0.")
    said += [_unmeasured(noise), *noise.notes, caution(noise), holes(noise.layers), scope(noise.about).remark()]
    return " ".join(part for part in said if part)


def _drawn(noise: Noise) -> str:
    """What the random changes were."""
    if noise.change is None or not len(noise.draws):
        return ""
    low, high = noise.change["rank_low"], noise.change["rank_high"]
    rank = f"{low}" if low == high else f"{low} to {high}"
    return (
        f"A random change turns the tuning's change of {noise.change['matrices']} weight matrices in random directions, "
        f"its size and rank ({rank}) kept."
    )


def _unmeasured(noise: Noise) -> str:
    missing = int((~np.isfinite(noise.jsd_bits)).sum())
    return f"{heads_named(missing)} {'was' if missing == 1 else 'were'} not measured." if missing else ""
