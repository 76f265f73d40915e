"""Probes: classic questions to attention, asked of base and tuned alike. They describe; none of them is a verdict.

>>> import attncompare
>>> pair = attncompare.load_pair()                                # doctest: +SKIP
>>> attncompare.probes.patterns(pair, "A dull film.").answers     # doctest: +SKIP
"""

from attncompare.analyses.bias import bias
from attncompare.analyses.bias_many import bias_of_many
from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.bias_record import Bias
from attncompare.analyses.coreference import coreference
from attncompare.analyses.coreference_accuracy import CoreferenceMany
from attncompare.analyses.coreference_items import read_items
from attncompare.analyses.coreference_many import coreference_of_many
from attncompare.analyses.coreference_record import Coreference
from attncompare.analyses.coreference_written import items_of
from attncompare.analyses.pattern_classes import pattern_classes as patterns
from attncompare.analyses.pattern_record import PatternClasses
from attncompare.analyses.winograd import SENTENCES
from attncompare.metrics.pattern_rules import Thresholds

__all__ = [
    "Bias",
    "BiasOfMany",
    "Coreference",
    "CoreferenceMany",
    "PatternClasses",
    "SENTENCES",
    "Thresholds",
    "bias",
    "bias_of_many",
    "coreference",
    "coreference_of_many",
    "items_of",
    "patterns",
    "read_items",
]
