"""Which heads look where the output rests? Rank agreement of each head's attention with attribution, in both models."""

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.attribution import Attribution
from attncompare.attention import head_name
from attncompare.plots.attribution import METHODS
from attncompare.plots.canvas import LINE, PAD, card, footer, lines
from attncompare.plots.cells import holes
from attncompare.plots.colors import BASE, INK, TUNED, furthest
from attncompare.plots.head import WIDTH
from attncompare.plots.opening import opening
from attncompare.plots.panels import draw_row, panel_row, signed_panel
from attncompare.plots.readouts import asked, called
from attncompare.plots.scope import scope
from attncompare.plots.wording import signed

_MEANING = "Kendall's tau-b"
_CAUTION = "It describes where heads look; it is no score of how right attention or attribution is (Neely et al. 2022)."


def agreement(record: Attribution) -> Figure:
    """Kendall's tau-b between each head's attention and the size of attribution: base, tuned, and tuned minus base.

    Base and tuned share one scale about 0. What was not measured (too few content tokens, or a constant) is hatched.
    """
    about, base, tuned = scope(record.about), record.tau["base"], record.tau["tuned"]
    panels = [
        signed_panel(called(record, "base"), _median(base), BASE, base, _MEANING, far=furthest(base, tuned)),
        signed_panel("tuned", _median(tuned), TUNED, tuned, _MEANING, far=furthest(base, tuned)),
        signed_panel(
            "tuned − base", _closer(tuned - base), INK, tuned - base, "red: closer after tuning, blue: further"
        ),
    ]
    place = panel_row(record.layers, [panels], WIDTH - 2 * PAD)
    width = place.width + 2 * PAD
    title = f"Which {about.of('heads')} look where {asked(record)} rests?{about.over}"
    under = (
        f"agreement of a head's attention with the size of {METHODS[record.method]} in the order of "
        f"{about.count(len(record.content), 'content')}"
    )
    head = opening(title, under, width)
    below = lines(_footnote(record), width - 2 * PAD)
    end = head.end + place.height
    figure = card(width, end + LINE * len(below) + PAD)
    head.draw(figure)
    draw_row(figure, place, (PAD, head.end), record.layers, panels)
    footer(figure, end, below)
    return figure


def agreement_alt(record: Attribution) -> str:
    """What the picture of :func:`agreement` shows, in words and true numbers."""
    about, base, tuned = scope(record.about), record.tau["base"], record.tau["tuned"]
    said = [
        f"Three grids of {base.shape[0]} layers by {base.shape[1]} {about.of('heads')}: Kendall's tau-b of a head's "
        f"attention with the size of {METHODS[record.method]} of {asked(record)}, in base, in tuned, and tuned minus base."
    ]
    for side, values in (("base", base), ("tuned", tuned)):
        if np.isfinite(values).any():
            said.append(f"Highest in {called(record, side)}: {_highest(record, values)}; {_median(values)}.")
        else:
            said.append(f"In {called(record, side)} no head was measured.")
    change = tuned - base
    if np.isfinite(change).any():
        said.append(f"Tuning: {_closer(change)}.")
    return " ".join(part for part in (*said, _unmeasured(record), holes(record.layers), about.remark()) if part)


def _median(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"median {signed(float(np.median(known)))}" if known.size else "not measured"


def _closer(change: np.ndarray) -> str:
    known = change[np.isfinite(change)]
    if not known.size:
        return "not measured"
    return f"{int((known > 0).sum())} heads agree more, {int((known < 0).sum())} less"


def _highest(record: Attribution, values: np.ndarray) -> str:
    order = np.argsort(-np.nan_to_num(values, nan=-2.0), axis=None, kind="stable")[:3]
    cells = [(int(row), int(head)) for row, head in zip(*np.unravel_index(order, values.shape), strict=True)]
    return ", ".join(
        f"{head_name(record.layers[row], head)} {signed(float(values[row, head]))}"
        for row, head in cells
        if np.isfinite(values[row, head])
    )


def _unmeasured(record: Attribution) -> str:
    missing = int((~np.isfinite(record.tau["base"] + record.tau["tuned"])).sum())
    if not missing:
        return ""
    return f"{missing} {'head was' if missing == 1 else 'heads were'} not measured on both sides."


def _footnote(record: Attribution) -> str:
    said = ["+1: the head's order is that of the answer's weights, 0: neither, −1: the reverse.", _CAUTION]
    if _unmeasured(record):
        said.append("Hatched: not measured (fewer than 5 content tokens, or the same value on all of them).")
    said += [*record.notes, holes(record.layers), scope(record.about).remark()]
    return " ".join(part for part in said if part)
