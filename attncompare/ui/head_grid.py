"""The grid of heads as something to press: the picture of one metric, and a button over each of its cells.

Which head is open is marked by the page itself, at once; nothing is drawn again for it.
"""

from typing import Any

import gradio as gr
import numpy as np

from attncompare import plots
from attncompare.analyses.comparison import Comparison
from attncompare.attention import head_name
from attncompare.metrics import METRICS
from attncompare.plots.cells import grid
from attncompare.plots.floors import times, within
from attncompare.plots.scope import scope
from attncompare.plots.wording import number, unit
from attncompare.ui.files import script
from attncompare.ui.framed import picture


def head_grid() -> gr.HTML:
    """The grid; its value is :func:`grid_value`."""
    return gr.HTML(
        html_template='<div class="framed" tabindex="0" role="group" aria-label="Picture"></div>',
        js_on_load=script("nodes") + script("heads"),
        apply_default_css=False,
        elem_id="heads",
        elem_classes=["picture"],
    )


def grid_value(result: Comparison, metric: str) -> dict[str, Any]:
    """The picture of one metric, where its cells stand as shares of it, and the name of each."""
    values = result.metric(metric)
    drawn = picture(f"heads-{metric}", plots.heads(result, metric, outline=False), plots.heads_alt(result, metric))
    cells = grid(*values.shape)
    width, height = drawn["width"], drawn["height"]
    area = (cells.left / width, cells.top / height, cells.width / width, cells.height / height)
    names = [[cell_name(result, metric, row, head) for head in range(cells.heads)] for row in range(cells.layers)]
    return {
        **drawn,
        "cells": [100 * share for share in area],
        "layers": list(result.layers),
        "names": names,
        "label": f"{METRICS[metric].title} of every head: arrow keys go from head to head, Enter opens one",
    }


def cell_name(result: Comparison, metric: str, row: int, head: int) -> str:
    """What a cell is called: its head, its number, and what the noise says of it."""
    declared, value = METRICS[metric], float(result.metric(metric)[row, head])
    name = head_name(result.layers[row], head)
    if not np.isfinite(value):
        return f"{name}: not measured"
    said = f"{name}: {number(value, declared)} {unit(declared, scope(result.about))}"
    quiet = within(result) if declared.kind == "divergence" else None
    if metric == "jsd_bits" and (floor := floor_times(result, row, head)):
        said += f", {floor.removesuffix('×')} times its floor"
    return f"{said}, within a random change" if quiet is not None and quiet[row, head] else said


def floor_times(result: Comparison, row: int, head: int) -> str:
    """How many times its floor a head moved, as ``15×``; empty where no floor was measured."""
    floor = result.noise.floor if result.noise else None
    return times(float(floor.multiple[row, head])) if floor and np.isfinite(floor.multiple[row, head]) else ""
