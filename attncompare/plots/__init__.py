"""Pictures: a result in, a matplotlib Figure out. A picture never computes a metric, and touches no global state."""

from attncompare.plots.ablation import ablation, ablation_alt
from attncompare.plots.agreement import agreement, agreement_alt
from attncompare.plots.attribution import attribution, attribution_alt
from attncompare.plots.bias import bias, bias_alt
from attncompare.plots.bias_many import bias_many, bias_many_alt
from attncompare.plots.canvas import png, svg, webp
from attncompare.plots.cells import heads_cell
from attncompare.plots.class_examples import class_examples, class_examples_alt
from attncompare.plots.coreference import coreference, coreference_alt
from attncompare.plots.coreference_many import coreference_many, coreference_many_alt
from attncompare.plots.erasure import erasure, erasure_alt
from attncompare.plots.grid import heads, heads_alt
from attncompare.plots.head import head, head_alt
from attncompare.plots.layers import layers, layers_alt
from attncompare.plots.movers import movers, movers_alt
from attncompare.plots.noise import noise, noise_alt
from attncompare.plots.outputs import outputs, outputs_alt
from attncompare.plots.overlay import overlay, overlay_alt
from attncompare.plots.patching import patching, patching_alt
from attncompare.plots.pattern_classes import pattern_classes, pattern_classes_alt
from attncompare.plots.reach import reach, reach_alt
from attncompare.plots.rollout import rollout, rollout_alt
from attncompare.plots.scatter import scatter, scatter_alt
from attncompare.plots.several import beside, beside_alt, several, several_alt

__all__ = [
    "ablation",
    "ablation_alt",
    "agreement",
    "agreement_alt",
    "attribution",
    "attribution_alt",
    "beside",
    "beside_alt",
    "bias",
    "bias_alt",
    "bias_many",
    "bias_many_alt",
    "class_examples",
    "class_examples_alt",
    "coreference",
    "coreference_alt",
    "coreference_many",
    "coreference_many_alt",
    "erasure",
    "erasure_alt",
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
    "outputs",
    "outputs_alt",
    "overlay",
    "overlay_alt",
    "patching",
    "patching_alt",
    "pattern_classes",
    "pattern_classes_alt",
    "png",
    "reach",
    "reach_alt",
    "rollout",
    "rollout_alt",
    "scatter",
    "scatter_alt",
    "several",
    "several_alt",
    "svg",
    "webp",
]
