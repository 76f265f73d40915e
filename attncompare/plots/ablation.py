"""Which heads each model needs: what switching each off does to the answer, and its importance by gradient."""

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.ablation import SAID, Ablation
from attncompare.attention import head_name
from attncompare.plots.canvas import LINE, PAD, card, footer, lines
from attncompare.plots.cells import holes
from attncompare.plots.colors import BASE, INK, TUNED, furthest
from attncompare.plots.head import WIDTH
from attncompare.plots.opening import opening
from attncompare.plots.panels import Panel, draw_row, panel_row, plain_panel, signed_panel
from attncompare.plots.readouts import amount, asked, called, is_borrowed, reach, scales, shares
from attncompare.plots.scope import scope
from attncompare.plots.wording import signed

_ROOM = WIDTH + 100  # with bars of layers beside two of three grids
_BETWEEN = 10  # space between the two rows


def ablation(record: Ablation) -> Figure:
    """Two rows of grids, base, tuned and difference: effects of switching heads off, and their importance.

    Beside effects stands what switching off a whole layer does. Base and tuned share a scale; under a borrowed head each
    has its own, and differences are of shares: sizes would say nothing. What was not measured is hatched.
    """
    about, rows = scope(record.about), (_effects(record), _importance(record))
    place = panel_row(record.layers, rows, _ROOM - 2 * PAD)
    width = place.width + 2 * PAD
    title = f"What {asked(record)} loses without each {about.of('head')}{about.over}"
    head = opening(title, f"A head that is off gives {SAID[record.how]}. {scales(record)}", width)
    below = lines(_footnote(record), width - 2 * PAD)
    second = head.end + place.height + _BETWEEN
    end = second + place.height
    figure = card(width, end + LINE * len(below) + PAD)
    head.draw(figure)
    draw_row(figure, place, (PAD, head.end), record.layers, rows[0])
    draw_row(figure, place, (PAD, second), record.layers, rows[1])
    footer(figure, end, below)
    return figure


def ablation_alt(record: Ablation) -> str:
    """What the picture of :func:`ablation` shows, in words and true numbers."""
    about, (layers, heads) = scope(record.about), record.delta.shape
    said = [
        f"Grids of {layers} layers by {heads} {about.of('heads')} for base, tuned and their difference: what "
        f"switching a head off does to {asked(record)} ({record.readout.unit}), and its importance by gradient."
    ]
    for side in ("base", "tuned"):
        said.append(
            f"{called(record, side).capitalize()}, reading {amount(record.outputs[side])}: largest effects "
            f"{_largest(record, record.heads[side])}; {_layer(record, side)}; all heads off "
            f"{signed(record.everything[side])}; most important {_largest(record, record.importance[side], sign=False)}."
        )
    delta = _delta(record, record.heads)
    what = "Share of all effects, tuned minus base" if is_borrowed(record) else "Size of effect, tuned minus base"
    if np.nan_to_num(delta).any():
        said.append(f"{what}: largest {_largest(record, delta, percent=is_borrowed(record))}.")
    return " ".join(part for part in (*said, *record.notes, holes(record.layers), about.remark()) if part)


def _effects(record: Ablation) -> list[Panel]:
    far, unit = reach(record, record.heads["base"], record.heads["tuned"]), record.readout.unit
    meaning = f"{unit}, without the head minus with it"
    layers_far = reach(record, *(record.whole_layers[side] for side in ("base", "tuned")))
    panels = [
        Panel(
            called(record, side), _under(record, side), color, record.heads[side], far[i], meaning,
            layers=record.whole_layers[side], layers_far=layers_far[i],
        )
        for i, (side, color) in enumerate((("base", BASE), ("tuned", TUNED)))
    ]  # fmt: skip
    delta, borrowed = _delta(record, record.heads), is_borrowed(record)
    under = "share of all effects, tuned − base" if borrowed else "size of effect, tuned − base"
    meaning = "points; red: larger part in tuned" if borrowed else f"{unit}; red: tuned needs it more"
    return [*panels, signed_panel("difference", under, INK, delta * (100 if borrowed else 1), meaning)]


def _importance(record: Ablation) -> list[Panel]:
    base, tuned = record.importance["base"], record.importance["tuned"]
    far, unit = reach(record, base, tuned), record.readout.unit
    meaning = f"{unit} per unit of its gate"
    delta, borrowed = _delta(record, record.importance), is_borrowed(record)
    under = "share of all importance, tuned − base" if borrowed else "tuned − base"
    return [
        plain_panel(f"{called(record, 'base')}: importance", _known(base), BASE, base, meaning, far=far[0]),
        plain_panel("tuned: importance", _known(tuned), TUNED, tuned, meaning, far=far[1]),
        signed_panel(
            "difference of importance", under, INK, delta * (100 if borrowed else 1), "points" if borrowed else unit
        ),
    ]


def _delta(record: Ablation, values: dict[str, np.ndarray]) -> np.ndarray:
    """Difference of sizes; of shares of all sizes where the head is borrowed."""
    if is_borrowed(record):
        return np.asarray(shares(values["tuned"]) - shares(values["base"]))
    return np.asarray(np.abs(values["tuned"]) - np.abs(values["base"]))


def _under(record: Ablation, side: str) -> str:
    return f"reads {amount(record.outputs[side])} · all heads off: {signed(record.everything[side])}"


def _known(values: np.ndarray) -> str:
    return "size of the gradient on a head's gate" if np.isfinite(values).any() else "not measured"


def _cells(values: np.ndarray) -> list[tuple[int, int]]:
    known = np.nan_to_num(np.abs(values))
    order = np.argsort(-known, axis=None, kind="stable")[:3]
    cells = zip(*np.unravel_index(order, values.shape), strict=True)
    return [(int(row), int(head)) for row, head in cells if known[row, head] > 0]


def _largest(record: Ablation, values: np.ndarray, *, sign: bool = True, percent: bool = False) -> str:
    def said(value: float) -> str:
        if percent:
            return f"{100 * value:+.1f} points".replace("-", "−")
        return signed(value) if sign else f"{value:.2g}"

    named = [f"{head_name(record.layers[row], head)} {said(float(values[row, head]))}" for row, head in _cells(values)]
    return ", ".join(named) or "none"


def _layer(record: Ablation, side: str) -> str:
    values = record.whole_layers[side]
    most = int(np.nanargmax(np.abs(values))) if np.isfinite(values).any() else 0
    return f"largest of a whole layer L{record.layers[most]} {signed(float(values[most]))}"


def _footnote(record: Ablation) -> str:
    said = [
        "Blue: the answer loses by it, red: it gains. Bars: all heads of a layer off at once, on a scale of their own."
    ]
    importance = (*record.importance.values(),)
    if furthest(*importance) and any(np.isfinite(values).any() for values in importance):
        said.append("Importance: how fast the answer moves when a head is turned down (Michel et al. 2019).")
    if any(not np.isfinite(values).all() for values in (*record.heads.values(), *importance)):
        said.append("Hatched: not measured.")
    if is_borrowed(record):
        said.append(
            "A share is of the sum of all sizes: only shares can be set against each other under a borrowed head."
        )
    said += [*record.notes, holes(record.layers), scope(record.about).remark()]
    return " ".join(part for part in said if part)
