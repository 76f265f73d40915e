"""Pictures: a result in, a matplotlib Figure out. A picture never computes a metric, and touches no global state."""

from attncompare.plots.canvas import png
from attncompare.plots.cells import heads_cell
from attncompare.plots.grid import heads, heads_alt
from attncompare.plots.head import head, head_alt
from attncompare.plots.layers import layers, layers_alt
from attncompare.plots.movers import movers, movers_alt
from attncompare.plots.noise import noise, noise_alt
from attncompare.plots.reach import reach, reach_alt
from attncompare.plots.rollout import rollout, rollout_alt

__all__ = [
    "head",
    "head_alt",
    "heads",
    "heads_alt",
    "heads_cell",
    "layers",
    "layers_alt",
    "movers",
    "movers_alt",
    "noise",
    "noise_alt",
    "png",
    "reach",
    "reach_alt",
    "rollout",
    "rollout_alt",
]
