"""All heads in one table, ranked by a metric: how much each moved, what of it is sinks, and from which token to which."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np

from attncompare.analyses.comparison import Comparison
from attncompare.attention import Token
from attncompare.metrics import METRICS
from attncompare.plots.colors import furthest
from attncompare.plots.layers import PARTS
from attncompare.plots.scope import scope
from attncompare.plots.wording import change, number, signed, unit
from attncompare.ui.files import script
from attncompare.ui.head_grid import floor_times
from attncompare.ui.printable import printable

FIRST_ROWS = 12
"""Heads listed before all are asked for."""


def head_list() -> gr.HTML:
    """The table; its value is :func:`list_value`."""
    return gr.HTML(
        html_template='<div class="ranked"></div>',
        js_on_load=script("nodes") + script("head_list"),
        apply_default_css=False,
        elem_id="head-list",
        parts=[{"name": METRICS[name].title.lower(), "color": color} for name, color in PARTS.items()],
        first=FIRST_ROWS,
    )


def list_value(result: Comparison, metric: str) -> dict[str, Any]:
    """Every head as a row of text and numbers, the one that stands out most by the metric first."""
    declared, values = METRICS[metric], result.metric(metric)
    ranked = np.argsort(-change(declared, values), axis=None, kind="stable")
    order = [divmod(place, values.shape[1]) for place in ranked.tolist()]
    changes = _changes(result)
    largest = furthest(values)
    rows = [
        {
            "layer": result.layers[row],
            "head": head,
            "value": number(value, declared) if np.isfinite(value) else "not measured",
            "bar": round(100 * abs(value) / largest, 1) if np.isfinite(value) else 0,
            "negative": value < 0,
            "floor": floor_times(result, row, head),
            "parts": [_share(result, name, row, head) for name in PARTS],
            **changes.get((row, head), {"lost": None, "gained": None}),
        }
        for row, head in order
        for value in [float(values[row, head])]
    ]
    return {
        "caption": f"Heads by {declared.title.lower()}",
        "unit": unit(declared, scope(result.about)),
        "floors": any(row["floor"] for row in rows),
        "rows": rows,
    }


def _share(result: Comparison, part: str, row: int, head: int) -> dict[str, Any]:
    """One part of the head's divergence, in bits and in per cent of it; nothing of a head that did not move."""
    bits, whole = (float(np.nan_to_num(result.metric(name)[row, head])) for name in (part, "jsd_bits"))
    return {"bits": f"{bits:.2g}", "width": round(100 * max(bits, 0) / whole, 1) if whole > 0 else 0}


def _changes(result: Comparison) -> dict[tuple[int, int], dict[str, Any]]:
    """What the heads that moved lost and gained most, by row and head."""
    return {
        (result.layers.index(mover.layer), mover.head): {
            "lost": _named(result.key_tokens, mover.lost),
            "gained": _named(result.key_tokens, mover.gained),
        }
        for mover in result.movers
    }


def _named(tokens: Sequence[Token], masses: Sequence[tuple[int, float]]) -> dict[str, str] | None:
    """The strongest of what was lost or gained; None where nothing was."""
    if not masses:
        return None
    key, size = masses[0]
    return {"token": printable(tokens[key].text), "change": signed(size)}
