"""How a metric is shown: its title, the ends and colours of its scale, its numbers. Knows nothing about layout."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.colors import Colormap

from attncompare.attention import Token
from attncompare.metrics import FLOORS, Metric
from attncompare.metrics.floor import ALPHA
from attncompare.plots.colors import DIVERGING, REVERSED, SEQUENTIAL, furthest, top
from attncompare.plots.labels import token_label
from attncompare.plots.scope import Scope
from attncompare.plots.sides import Side


def title(metric: Metric, scope: Scope) -> str:
    """The metric as the title of a picture of heads."""
    how = {"delta": ", tuned minus base", "level": ""}.get(metric.kind, ", base to tuned")
    if metric.name in FLOORS:
        how = ""
    return f"{metric.title} by {scope.of('head')}{how}"


def unit(metric: Metric, scope: Scope) -> str:
    """The metric's unit; distances are in whatever the positions are."""
    return f"{scope.noun}s" if metric.unit == "tokens" else metric.unit


def scale_limits(metric: Metric, values: np.ndarray) -> tuple[float, float]:
    """Ends of the colour scale: 0 at the bottom of a divergence, the top of a similarity at its 1, 0 amid a delta."""
    if metric.kind == "delta":
        return -furthest(values), furthest(values)
    if metric.kind == "similarity":
        # A p always reaches the dark end where it is as low as one that counts, and no earlier.
        low = float(np.nanmin(values, initial=ALPHA if is_log(metric) else 1.0))
        return (low, 1.0) if low < 1 else (0.0, 1.0)
    return 0.0, top(values)


def is_log(metric: Metric) -> bool:
    """Whether equal ratios get equal steps of colour: of a p, 0.2 is not nearly 0.05."""
    return metric.unit == "p"


def scale(metric: Metric) -> Colormap:
    """Colours of the metric: dark always means far from unchanged."""
    return {"delta": DIVERGING, "similarity": REVERSED}.get(metric.kind, SEQUENTIAL)


def change(metric: Metric, values: np.ndarray) -> np.ndarray:
    """How far each head is from unchanged, only to rank heads; -inf where not measured."""
    far = {"delta": np.abs(values), "similarity": -values}.get(metric.kind, values)
    return np.where(np.isfinite(values), far, -np.inf)


def extreme(metric: Metric, values: np.ndarray) -> tuple[int, int] | None:
    """Row and head of the value that stands out most; None where nothing does."""
    far = change(metric, values)
    finite = far[np.isfinite(far)]
    if not finite.size or finite.min() == finite.max():
        return None
    row, head = np.unravel_index(int(far.argmax()), far.shape)
    return int(row), int(head)


def superlative(metric: Metric) -> str:
    """The word for heads that stand out."""
    return {"similarity": "Lowest", "delta": "Largest either way", "level": "Highest"}.get(metric.kind, "Largest")


def number(value: float, metric: Metric) -> str:
    """A value with its sign where it has one."""
    return signed(value, ".3g") if metric.kind == "delta" else f"{value:.3g}"


def signed(value: float, digits: str = ".2f") -> str:
    """A value with a true minus or a plus; more decimals where two would say 0.

    >>> signed(-0.351), signed(0.002)
    ('−0.35', '+0.002')
    """
    if digits == ".2f" and 0 < abs(value) < 0.005:
        digits = ".1g" if abs(value) >= 5e-5 else ".0e"
    return f"{value:+{digits}}".replace("-", "−")


def strongest(matrix: np.ndarray, queries: Side, keys: Side) -> str:
    """The largest cell of ``matrix[query, key]`` in words."""
    if not np.isfinite(matrix).any():
        return "none"
    return _link(matrix, queries, keys, int(np.nanargmax(matrix)), "{:.2f}".format)


def gain_and_loss(delta: np.ndarray, queries: Side, keys: Side) -> str:
    """The largest rise and fall of a difference in words."""
    if not np.isfinite(delta).any() or not np.nan_to_num(delta).any():
        return "Nothing changed."
    gain = _link(delta, queries, keys, int(np.nanargmax(delta)), signed)
    loss = _link(delta, queries, keys, int(np.nanargmin(delta)), signed)
    return f"Largest gain: {gain}; largest loss: {loss}."


def _link(matrix: np.ndarray, queries: Side, keys: Side, place: int, write: Callable[[float], str]) -> str:
    row, column = divmod(place, matrix.shape[1])
    query, key = queries.positions[row], keys.positions[column]
    return f"{quoted(queries.text, query)} to {quoted(keys.text, key)} {write(float(matrix[row, column]))}"


def quoted(tokens: Sequence[Token], index: int) -> str:
    """A token within a sentence, so that a comma that is a token does not read as one."""
    return f"‘{token_label(tokens, index)}’"


def decimals(high: float) -> int:
    """Decimals that tell cells apart when the largest is ``high``."""
    return 0 if high >= 9.95 else 1 if high >= 1.995 else 2 if high >= 0.0995 else 3


def short(value: float, places: int, *, sign: bool = False) -> str:
    """A number in few characters, ``.05`` or ``+.05``; a plain 0 is exactly 0, and what rounds to it has no sign.

    >>> short(0.052, 2), short(-0.052, 2, sign=True), short(0.0, 2), short(-0.001, 2, sign=True), short(12345.0, 0)
    ('.05', '−.05', '0', '.00', '12k')
    """
    if value == 0:
        return "0"
    text = f"{abs(value):.{places}f}".removeprefix("0") or "0"
    if abs(value) >= 9999.5:
        text = f"{abs(value) / 1000:.0f}k"
    if not float(f"{value:.{places}f}"):
        return text
    return ("−" if value < 0 else "+" if sign else "") + text
