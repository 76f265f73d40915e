"""attncompare: what fine-tuning did to a transformer's attention.

>>> import attncompare
>>> pair = attncompare.load_pair()                       # doctest: +SKIP
>>> attncompare.compare(pair, "A dull film.").frame()    # doctest: +SKIP
"""

from attncompare import probes
from attncompare.analyses.ablation import Ablation, ablation
from attncompare.analyses.attributing import attribution
from attncompare.analyses.attribution import Attribution
from attncompare.analyses.comparison import Comparison, compare
from attncompare.analyses.distance import Reach
from attncompare.analyses.erasing import erasure
from attncompare.analyses.erasure import Erasure
from attncompare.analyses.maps import HeadMaps, head_maps
from attncompare.analyses.mixing import value_zeroing
from attncompare.analyses.noise import Noise
from attncompare.analyses.patching import Patching
from attncompare.analyses.reaching import reach
from attncompare.analyses.routes import Routes, rollout
from attncompare.analyses.swapping import patching
from attncompare.analyses.yardstick import noise
from attncompare.errors import AttnCompareError
from attncompare.metrics import METRICS, Metric
from attncompare.models.generation import Generation
from attncompare.models.opening import load_pair
from attncompare.models.pair import Pair
from attncompare.version import __version__ as __version__

__all__ = [
    "METRICS",
    "Ablation",
    "AttnCompareError",
    "Attribution",
    "Comparison",
    "Erasure",
    "Generation",
    "HeadMaps",
    "Metric",
    "Noise",
    "Pair",
    "Patching",
    "Reach",
    "Routes",
    "ablation",
    "attribution",
    "compare",
    "erasure",
    "head_maps",
    "load_pair",
    "noise",
    "patching",
    "probes",
    "reach",
    "rollout",
    "value_zeroing",
]
