"""attncompare: what fine-tuning did to a transformer's attention.

>>> import attncompare
>>> pair = attncompare.load_pair()                       # doctest: +SKIP
>>> attncompare.compare(pair, "A dull film.").frame()    # doctest: +SKIP
"""

from attncompare.analyses.comparison import Comparison, compare
from attncompare.analyses.distance import Reach, reach
from attncompare.analyses.maps import HeadMaps, head_maps
from attncompare.analyses.noise import Noise
from attncompare.analyses.routes import Routes, rollout
from attncompare.analyses.yardstick import noise
from attncompare.errors import AttnCompareError
from attncompare.metrics import METRICS, Metric
from attncompare.models.generation import Generation
from attncompare.models.opening import load_pair
from attncompare.models.pair import Pair
from attncompare.version import __version__ as __version__

__all__ = [
    "METRICS",
    "AttnCompareError",
    "Comparison",
    "Generation",
    "HeadMaps",
    "Metric",
    "Noise",
    "Pair",
    "Reach",
    "Routes",
    "compare",
    "head_maps",
    "load_pair",
    "noise",
    "reach",
    "rollout",
]
