"""The key numbers of each finding as a table: the first of a ranking, by what the finding is about."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from attncompare.analyses.ablation import Ablation
from attncompare.analyses.attribution import Attribution
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.distance import Reach
from attncompare.analyses.erasure import NAMES, Erasure
from attncompare.analyses.noise import Noise
from attncompare.analyses.patching import Patching
from attncompare.analyses.routes import Routes
from attncompare.analyses.verdict import named
from attncompare.attention import head_name
from attncompare.metrics import COLUMNS, DELTAS, FLOORS, METRICS
from attncompare.report.tables import table_html

LINES = 12
"""Of a ranking; the files have all."""


def all_heads(comparison: Comparison) -> str:
    """Every head with every metric that was measured."""
    names = [name for name in (*COLUMNS, *DELTAS, *FLOORS) if name in METRICS]
    found = {name: values for name in names if np.isfinite(values := comparison.metric(name)).any()}
    head = ["Head", *(f"{METRICS[name].title} ({METRICS[name].unit})" for name in found)]
    rows = [
        [head_name(layer, at), *(float(values[row, at]) for values in found.values())]
        for row, layer in enumerate(comparison.layers)
        for at in range(comparison.heads["jsd_bits"].shape[1])
    ]
    return table_html(f"All {len(rows)} heads, every metric that was measured", head, rows)


def movers(comparison: Comparison) -> str:
    """The heads that moved most, and from which tokens to which."""
    bits, content = comparison.metric("jsd_bits"), comparison.metric("content_bits")

    def keys(changes: tuple[tuple[int, float], ...]) -> str:
        return ", ".join(f"{named(comparison.key_tokens, key)} {size:+.2f}".replace("-", "−") for key, size in changes)

    rows = []
    for mover in comparison.movers[:LINES]:
        at = comparison.layers.index(mover.layer), mover.head
        rows.append([mover.name, float(bits[at]), float(content[at]), keys(mover.lost), keys(mover.gained)])
    head = ["Head", "Divergence (bits)", "Content moved (bits)", "Lost attention", "Gained attention"]
    return table_html("The heads that moved most", head, rows)


def routes(found: Routes) -> str:
    """The links that changed most."""
    order = np.argsort(-np.abs(found.delta), axis=None, kind="stable")[:LINES]
    rows = []
    for row, token in zip(*np.unravel_index(order, found.delta.shape), strict=True):
        numbers = (float(values[row, token]) for values in (found.base, found.tuned, found.delta))
        rows.append([named(found.tokens, found.queries[row]), named(found.tokens, int(token)), *numbers])
    head = ["Output token", "Input token", "Base", "Tuned", "Tuned − base"]
    return table_html("The shares that changed most", head, rows)


def reach(found: Reach) -> str:
    """Near, mid and far mass of every layer."""
    head = ["Layer", *(f"{band.capitalize()}, {side}" for band in found.base for side in ("base", "tuned", "uniform"))]
    rows = []
    for row, layer in enumerate(found.layers):
        masses = (
            (found.base[band][row].mean(), found.tuned[band][row].mean(), found.uniform[band][row])
            for band in found.base
        )
        rows.append([f"L{layer}", *(float(mass) for band in masses for mass in band)])
    return table_html("Share of attention by distance, mean over a layer's heads", head, rows)


def attribution(found: Attribution) -> str:
    """The tokens that the tuned answer rests on most, beside what attention gives them."""
    head = [
        "Token",
        f"Tuned ({found.readout.unit})",
        f"Base ({found.readout.unit})",
        "Attention, tuned",
        "Attention, base",
    ]
    looks = found.looks["tuned"].mean, found.looks["base"].mean
    rows = [
        [named(found.tokens, at), *(float(values[at]) for values in (found.tuned, found.base, *looks))]
        for at in _largest(found.tuned)
    ]
    return table_html("The tokens that the answer rests on most", head, rows)


def agreement(found: Attribution) -> str:
    """The heads whose attention agrees most with the attribution."""
    tuned, base = found.tau["tuned"], found.tau["base"]
    places = _places(np.nan_to_num(tuned, nan=-2) + 2, tuned)
    rows = [
        [
            head_name(found.layers[row], at),
            float(tuned[row, at]),
            float(base[row, at]),
            float(tuned[row, at] - base[row, at]),
        ]
        for row, at in places
    ]
    return table_html(
        "The heads that look most where the tuned answer rests",
        ["Head", "Tau, tuned", "Tau, base", "Tuned − base"],
        rows,
    )


def erasure(found: Erasure) -> str:
    """Comprehensiveness and sufficiency of each ranking, beside random orders."""
    head = [
        "Ranking",
        *(f"{what}, {side}" for side in ("tuned", "base") for what in ("Comprehensiveness", "Sufficiency")),
    ]
    rows: list[list[str | float | None]] = []
    for at, name in enumerate(found.rankings):
        both = ((found.comprehensiveness(side)[at], found.sufficiency(side)[at]) for side in ("tuned", "base"))
        rows.append([NAMES[name], *(float(value) for side in both for value in side)])
    for name, of in (
        ("random orders, mean", np.mean),
        ("random orders, least", np.min),
        ("random orders, most", np.max),
    ):
        both = ((found.random_comprehensiveness(side), found.random_sufficiency(side)) for side in ("tuned", "base"))
        rows.append([name, *(float(of(values)) for side in both for values in side)])
    return table_html(
        f"How far p({found.readout.answer}) falls without the first words (higher is more faithful) and with them alone "
        "(lower is)", head, rows,
    )  # fmt: skip


def patching(found: Patching) -> str:
    """The heads whose swap moves the tuned answer most."""
    unit, share = found.readout.unit, found.share("into_tuned")
    head = ["Head", "Divergence (bits)", f"Base's into tuned ({unit})", "Share of the gap", f"Tuned's into base ({unit})",
            f"Switched off ({unit})", "Verdict"]  # fmt: skip
    columns = (found.jsd_bits, found.heads["into_tuned"], share, found.heads["into_base"], found.critical)
    rows = [
        [
            head_name(found.layers[row], at),
            *(None if values is None else float(values[row, at]) for values in columns),
            str(found.verdicts[row, at]),
        ]
        for row, at in _places(np.abs(found.heads["into_tuned"]), found.jsd_bits)
    ]
    return table_html("The heads whose swap moves the tuned answer most", head, rows)


def ablation(found: Ablation) -> str:
    """The heads that the tuned model needs most."""
    unit = found.readout.unit
    head = ["Head", f"Tuned ({unit})", f"Base ({unit})", "Importance by gradient, tuned", "base"]
    columns = (found.heads["tuned"], found.heads["base"], found.importance["tuned"], found.importance["base"])
    rows = [
        [head_name(found.layers[row], at), *(float(values[row, at]) for values in columns)]
        for row, at in _places(np.abs(found.heads["tuned"]), found.heads["tuned"])
    ]
    return table_html("The heads that the tuned model needs most", head, rows)


def noise(found: Noise) -> str:
    """The heads that moved most beside what they are measured by."""
    columns = found.columns()
    head = ["Head", "Divergence (bits)", "Floor (bits)", "Times the floor", "p", "Arithmetic (bits)", "Moved beyond it"]
    names = ("floor_jsd_bits", "floor_multiple", "floor_p", "numeric_floor_bits")
    rows = []
    for row, at in _places(np.nan_to_num(found.jsd_bits), found.jsd_bits):
        moved = ("yes" if found.moved[row, at] else "no") if found.testable else None
        numbers = (float(columns[name][row, at]) for name in names)
        rows.append([head_name(found.layers[row], at), float(found.jsd_bits[row, at]), *numbers, moved])
    return table_html("The heads that moved most, and what a random change of the same size gives", head, rows)


def _largest(values: np.ndarray) -> list[int]:
    found: list[int] = np.argsort(-np.nan_to_num(np.abs(values)), kind="stable")[:LINES].tolist()
    return found


def _places(size: np.ndarray, shown: np.ndarray) -> Iterator[tuple[int, int]]:
    """Layer row and head of the first lines of a ranking by ``size``, largest first; those measured alone."""
    order = np.argsort(-size, axis=None, kind="stable")
    places = zip(*np.unravel_index(order, size.shape), strict=True)
    measured = ((int(row), int(at)) for row, at in places if np.isfinite(shown[row, at]))
    return islice(measured, LINES)
