"""What swapping heads between the models does to the answer: a grid for each direction."""

import numpy as np
from matplotlib.figure import Figure

from attncompare.analyses.patching import Direction, Patching
from attncompare.attention import head_name
from attncompare.plots.canvas import LINE, PAD, card, footer, lines
from attncompare.plots.cells import holes
from attncompare.plots.colors import BASE, TUNED, furthest
from attncompare.plots.head import WIDTH
from attncompare.plots.opening import opening
from attncompare.plots.panels import Panel, draw_row, panel_row
from attncompare.plots.readouts import amount, asked, called
from attncompare.plots.scope import scope
from attncompare.plots.wording import signed

_DIRECTIONS: tuple[Direction, ...] = ("into_base", "into_tuned")
_ROOM = WIDTH - 220
_MANY = {"pattern": "patterns", "output": "outputs"}


def patching(record: Patching) -> Figure:
    """What putting each head of one model into the other does to the readout: into base, and into tuned, on one scale.

    Beside each grid stands what swapping a whole layer does, above it what swapping all heads does and how far the models
    are apart. Effects are given as shares of that only where the record gives them.
    """
    about = scope(record.about)
    far = furthest(*record.heads.values())
    panels = [
        Panel(
            _name(record, direction), _all(record, direction), color, record.heads[direction], far,
            f"{record.readout.unit}, with the head swapped minus without", layers=record.whole_layers[direction],
            layers_far=furthest(*record.whole_layers.values()),
        )
        for direction, color in zip(_DIRECTIONS, (BASE, TUNED), strict=True)
    ]  # fmt: skip
    place = panel_row(record.layers, [panels], _ROOM - 2 * PAD)
    width = place.width + 2 * PAD
    title = f"What {asked(record)} gains when {about.of('heads')} are swapped{about.over}"
    head = opening(title, _below(record), width)
    below = lines(_footnote(record), width - 2 * PAD)
    end = head.end + place.height
    figure = card(width, end + LINE * len(below) + PAD)
    head.draw(figure)
    draw_row(figure, place, (PAD, head.end), record.layers, panels)
    footer(figure, end, below)
    return figure


def patching_alt(record: Patching) -> str:
    """What the picture of :func:`patching` shows, in words and true numbers."""
    about, (layers, heads) = scope(record.about), record.jsd_bits.shape
    said = [
        f"Two grids of {layers} layers by {heads} {about.of('heads')}: what swapping a head's {record.what} does to "
        f"{asked(record)}, in {record.readout.unit}."
    ]
    for direction in _DIRECTIONS:
        name = _name(record, direction)
        said.append(f"{name[0].upper()}{name[1:]}: {_all(record, direction)}; largest {_largest(record, direction)}.")
    return " ".join(part for part in (*said, *record.notes, holes(record.layers), about.remark()) if part)


def _name(record: Patching, direction: Direction) -> str:
    given, taking = ("tuned", "base") if direction == "into_base" else ("base", "tuned")
    return f"{given}'s {record.what} into {called(record, taking)}"


def _all(record: Patching, direction: Direction) -> str:
    """What is read before, what swapping everything does, and how far the other model is."""
    taking, gap = direction.removeprefix("into_"), record.gap(direction)
    share = "" if record.share(direction) is None else f", {record.everything[direction] / gap:.0%} of it"
    return (
        f"reads {amount(record.outputs[taking])}, gap {signed(gap)} · all heads: {signed(record.everything[direction])}"
        f"{share.replace('-', '−')}"
    )


def _largest(record: Patching, direction: Direction) -> str:
    values, share = record.heads[direction], record.share(direction)
    known = np.nan_to_num(np.abs(values))
    order = np.argsort(-known, axis=None, kind="stable")[:3]
    named = []
    for row_, head in zip(*np.unravel_index(order, values.shape), strict=True):
        if known[row_, head]:
            of = "" if share is None else f" ({share[row_, head]:.0%} of the gap)".replace("-", "−")
            named.append(f"{head_name(record.layers[row_], int(head))} {signed(float(values[row_, head]))}{of}")
    return ", ".join(named) or "none"


def _below(record: Patching) -> str:
    gives = {
        "pattern": "Where a head looks comes from the other model, at the values of the model that it is put into.",
        "output": "All that a head gives comes from the other model.",
    }
    return f"{gives[record.what]} Both grids share one scale."


def _footnote(record: Patching) -> str:
    said = [
        "Gap: the other model's readout minus this one's, what a complete swap would do.",
        "Red: the number rises, blue: it falls. Bars: all heads of a layer at once, on a scale of their own; effects of "
        "heads do not add up.",
    ]
    if not all(np.isfinite(values).all() for values in record.heads.values()):
        said.append("Hatched: not measured.")
    said += [*record.notes, holes(record.layers), scope(record.about).remark()]
    return " ".join(part for part in said if part)
