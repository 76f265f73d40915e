"""A head beside its floor, in words: what random changes of the same size give. Knows nothing about layout."""

import numpy as np

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.noise import Noise

BEYOND = "beyond a random change of the same size"


def times(multiple: float) -> str:
    """How many times its floor a head moved, in few characters.

    >>> times(6.123), times(25.4), times(0.004), times(12345.0), times(float("nan"))
    ('6.1×', '25×', '0.004×', '12,345×', '–')
    """
    if not np.isfinite(multiple):
        return "–"
    if multiple >= 99999.5:
        return f"{multiple:.0e}×".replace("e+0", "e").replace("e+", "e")
    return f"{multiple:,.0f}×" if multiple >= 9.95 else f"{multiple:.1f}×" if multiple >= 0.05 else f"{multiple:.1g}×"


def within(comparison: Comparison) -> np.ndarray | None:
    """``[layer, head]``: measured heads that are to be quiet; None where nothing tells them from the others."""
    if comparison.noise is None or not comparison.noise.testable:
        return None
    return np.asarray(np.isfinite(comparison.noise.jsd_bits) & ~comparison.noise.moved)


def multiple(noise: Noise, row: int, head: int) -> str:
    """One head's multiple of its floor; empty without draws."""
    return f"{times(float(noise.floor.multiple[row, head]))} floor" if noise.floor else ""


def small(bits: float) -> str:
    """A divergence of any size in few characters.

    >>> small(0.0123), small(2.4e-8), small(0.0)
    ('0.012', '2e-8', '0')
    """
    return f"{bits:.2g}" if bits >= 1e-4 or bits == 0 else f"{bits:.0e}".replace("e-0", "e-")


def heads_named(count: int) -> str:
    """So many heads.

    >>> heads_named(1), heads_named(12)
    ('1 head', '12 heads')
    """
    return f"{count} head" if count == 1 else f"{count} heads"
