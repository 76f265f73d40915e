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
from attncompare.analyses.pattern_record import PatternClasses
from attncompare.analyses.routes import Routes
from attncompare.analyses.verdict import named, printable
from attncompare.attention import head_name
from attncompare.metrics import COLUMNS, DELTAS, FLOORS, METRICS
from attncompare.metrics.pattern_rules import SCORES
from attncompare.report.tables import folded, percent, points, table_html

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
    """The input tokens that changed most: in the only output, or in the one that is read and on average."""
    parts: list[tuple[str, np.ndarray, np.ndarray]] = []
    alone = len(found.queries) == 1
    if alone or found.read_from in found.queries:
        row = 0 if alone else found.queries.index(found.read_from or 0)
        parts.append((f"output {found.queries[row]}", found.base[row], found.tuned[row]))
    if not alone:
        parts.append(("mean", found.base.mean(0), found.tuned.mean(0)))
    _, base, tuned = parts[0]
    rows = []
    for at in np.argsort(-np.abs(tuned - base), kind="stable")[:LINES].tolist():
        shares = [(float(one[at]), float(other[at])) for _, one, other in parts]
        cells = [cell for one, other in shares for cell in (percent(one), percent(other), points(other - one))]
        rows.append([f"{at} {printable(found.tokens[at].text)}", *cells])
    columns = [f"{name}, {side}" for name, *_ in parts for side in ("base", "tuned", "change in points")]
    said = f"Share of each input token in the mix; the {len(rows)} that changed most of {len(found.tokens)}"
    return table_html(said, ["input token", *columns], rows)


def reach(found: Reach) -> str:
    """The heads whose furthest band changed most, with all bands."""
    change = np.abs(found.tuned[found.furthest] - found.base[found.furthest])
    rows = []
    for at in np.argsort(-change, axis=None, kind="stable")[:LINES].tolist():
        row, head = divmod(at, change.shape[1])
        cells = []
        for band in found.base:
            base, tuned = float(found.base[band][row, head]), float(found.tuned[band][row, head])
            cells += [percent(base), percent(tuned), points(tuned - base), percent(float(found.uniform[band][row]))]
        rows.append([head_name(found.layers[row], head), *cells])
    columns = [f"{band}, {what}" for band in found.base for what in ("base", "tuned", "change in points", "uniform")]
    said = f"Share of attention by distance: the {len(rows)} heads that changed most of {change.size}"
    return table_html(said, ["head", *columns], rows)


def links_across(found: Reach) -> str:
    """The strongest links between paragraphs, with the text at both ends; empty where there are none."""
    rows = [
        [link.name, *(found.passage(at) for at in (link.query, link.key)), f"{link.base:.2f}", f"{link.tuned:.2f}",
         points(link.tuned - link.base)]
        for link in found.across[:LINES]
    ]  # fmt: skip
    if not rows:
        return ""
    columns = ["head", "from", "to", "base", "tuned", "change in points"]
    said = f"The {len(rows)} strongest links between paragraphs, one a head"
    table = f'<div class="passages">{table_html(said, columns, rows)}</div>'
    return folded("The strongest links between paragraphs", table)


def pattern_classes(found: PatternClasses) -> str:
    """The heads that changed class, clear changes first, with the scores that the rules go by."""
    order = sorted(np.argwhere(found.changed).tolist(), key=lambda cell: not found.clear[tuple(cell)])
    rows = []
    for row, head in order:
        cell = row, head
        kinds = [
            f"{side.name(cell)}{f' ({side.kinds[cell]})' if side.kinds[cell] else ''}"
            for side in (found.base, found.tuned)
        ]
        away = min(float(found.base.margins[cell]), float(found.tuned.margins[cell]))
        scores: list[str] = []
        for name in SCORES:
            sides = (float(side.scores[name][cell]) for side in (found.base, found.tuned))
            scores += [f"{score:.2f}" for score in (*sides, float(found.null[name][row]))]
        rows.append([head_name(found.layers[row], head), *kinds, f"{away:.2f}", *scores])
    of_scores = [f"{name}, {side}" for name in SCORES for side in ("base", "tuned", "uniform")]
    columns = ["head", "base", "tuned", "from a threshold", *of_scores]
    return table_html(f"The {len(rows)} heads of another class in tuned, of {found.changed.size}", columns, rows)


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
