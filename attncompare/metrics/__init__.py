"""Pure numerics: tensors in, tensors out. Knows no token, no model, no picture.

``METRICS`` declares every number of a head: menus, axis labels, tooltips, command-line help and the README's table all
come from it.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """What a per-head number is called, measured in, bounded by, and read as."""

    name: str
    title: str
    symbol: str
    unit: str
    low: float | None
    high: float | None
    """Bounds that hold for every text; None where there is none."""
    reading: str
    """One sentence for a person."""
    citation: str
    kind: Literal["divergence", "similarity", "level", "delta"]
    """divergence: 0 is "unchanged". similarity: high is "unchanged". level: of one model. delta: tuned minus base."""


_LIN = "Lin 1991, Divergence measures based on the Shannon entropy"
_VIG = "Vig & Belinkov 2019, Analyzing the structure of attention, Eq 6"
_CLARK = "Clark et al. 2019, What does BERT look at?"
_GU = "Gu et al. 2024, When attention sink emerges"
_WESTFALL = "Westfall & Young 1993, Resampling-based multiple testing, ch 2"
_RANDOM = "Adebayo et al. 2018, Sanity checks for saliency maps (randomised weights)"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("jsd_bits", "Divergence", "JSD", "bits", 0.0, 1.0,
               "0 = identical rows, 1 = rows that share no key; mean over the text's rows.", _LIN, "divergence"),
        Metric("sink_bits", "Sink mass moved", "JSD sink", "bits", 0.0, 1.0,
               "Part of the divergence that is mass moving between sink tokens and content.", _LIN, "divergence"),
        Metric("within_sink_bits", "Within sinks", "JSD within", "bits", 0.0, 1.0,
               "Part of the divergence that is mass moving from one sink token to another.", _LIN, "divergence"),
        Metric("content_bits", "Content moved", "JSD content", "bits", 0.0, 1.0,
               "Part of the divergence that is mass moving between content tokens.", _LIN, "divergence"),
        Metric("content_jsd_bits", "Content divergence", "JSD content only", "bits", 0.0, 1.0,
               "Divergence after the sinks are dropped and rows renormalised; rows with under 10 % content are skipped.",
               _VIG, "divergence"),
        Metric("tvd", "Total variation", "TVD", "share", 0.0, 1.0,
               "Share of attention that moved to other keys.", "Jain & Wallace 2019, Attention is not explanation",
               "divergence"),
        Metric("hellinger", "Hellinger distance", "H", "distance", 0.0, 1.0,
               "0 = identical rows, 1 = rows that share no key; more sensitive than total variation to new small masses.",
               "Hellinger 1909", "divergence"),
        Metric("cosine", "Cosine similarity", "cos", "similarity", 0.0, 1.0,
               "1 = identical rows; blind to change where a sink holds most of the mass.",
               "Kovaleva et al. 2019, Revealing the dark secrets of BERT, section 4.3", "similarity"),
        Metric("entropy_delta_nats", "Entropy change", "ΔH", "nats", None, None,
               "Above 0 the tuned head spreads its attention wider, below 0 it focuses.", _CLARK, "delta"),
        Metric("distance_delta", "Distance change", "ΔD", "tokens", None, None,
               "Above 0 the tuned head looks further away.", _VIG, "delta"),
        Metric("sink_mass_delta", "Sink mass change", "Δsink", "share", -1.0, 1.0,
               "Above 0 the tuned head rests more on sink tokens, below 0 it was put to work on content.", _GU, "delta"),
        Metric("entropy_base_nats", "Entropy, base", "H base", "nats", 0.0, None,
               "0 = one key gets everything; ln(keys) = spread evenly.", _CLARK, "level"),
        Metric("entropy_tuned_nats", "Entropy, tuned", "H tuned", "nats", 0.0, None,
               "0 = one key gets everything; ln(keys) = spread evenly.", _CLARK, "level"),
        Metric("distance_base", "Distance, base", "D base", "tokens", 0.0, None,
               "Mean distance between a token and what it looks at.", _VIG, "level"),
        Metric("distance_tuned", "Distance, tuned", "D tuned", "tokens", 0.0, None,
               "Mean distance between a token and what it looks at.", _VIG, "level"),
        Metric("sink_mass_base", "Sink mass, base", "sink base", "share", 0.0, 1.0,
               "Share of attention that rests on sink tokens.", _GU, "level"),
        Metric("sink_mass_tuned", "Sink mass, tuned", "sink tuned", "share", 0.0, 1.0,
               "Share of attention that rests on sink tokens.", _GU, "level"),
        Metric("floor_multiple", "Multiple of the floor", "JSD / floor", "times", 0.0, None,
               "Divergence divided by what random changes of the same size give; 1 = no more than a random change.",
               _RANDOM, "divergence"),
        Metric("floor_z", "Height above the floor", "z", "standard deviations", None, None,
               "How many standard deviations of the random changes the divergence stands above their mean.", _WESTFALL,
               "delta"),
        Metric("floor_p", "Family-wise p", "p", "p", 0.0, 1.0,
               "How often a random change makes any of these heads stand as high above its floor as this one does.",
               _WESTFALL, "similarity"),
        Metric("floor_jsd_bits", "Floor", "JSD floor", "bits", 0.0, 1.0,
               "Mean divergence under random changes of the weights of the same size as the tuning's.", _RANDOM, "level"),
        Metric("floor_sd_bits", "Spread of the floor", "sd floor", "bits", 0.0, None,
               "Standard deviation of the divergence over the random changes.", _RANDOM, "level"),
        Metric("numeric_floor_bits", "Numeric floor", "JSD arithmetic", "bits", 0.0, 1.0,
               "The largest divergence of the base from itself in another implementation or precision, or beside padding.",
               _LIN, "level"),
    )
}  # fmt: skip

COLUMNS = (
    "jsd_bits", "sink_bits", "within_sink_bits", "content_bits", "content_jsd_bits", "content_rows_share", "tvd",
    "hellinger", "cosine", "entropy_base_nats", "entropy_tuned_nats", "distance_base", "distance_tuned",
    "sink_mass_base", "sink_mass_tuned",
)  # fmt: skip
"""The measured columns of one head, in the order in which they are written."""

FLOORS = ("floor_jsd_bits", "floor_sd_bits", "floor_multiple", "floor_z", "floor_p", "numeric_floor_bits")
"""The columns that follow them: NaN until the noise was measured."""

DELTAS = {
    "entropy_delta_nats": ("entropy_base_nats", "entropy_tuned_nats"),
    "distance_delta": ("distance_base", "distance_tuned"),
    "sink_mass_delta": ("sink_mass_base", "sink_mass_tuned"),
}
"""Metrics that are a tuned column minus a base column."""
