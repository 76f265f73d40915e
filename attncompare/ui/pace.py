"""How long work will take: one forward pass, timed while the models read a text, times the passes that the work needs."""

import statistics
import time
from collections import OrderedDict
from html import escape

from attncompare.attention import Progress

READING = ("reading the base", "reading the tuned model")
"""Steps of a comparison that report each layer of one forward pass."""

BATCHED = 0.5
"""What a pass takes in a batch, as a share of what it takes alone: a quarter for a sentence, nearly all of it for a page."""

_LATEST: "OrderedDict[str, float]" = OrderedDict()
_KEPT = 16


class Stopwatch:
    """Progress that times the layers which it is told of."""

    def __init__(self, tell: Progress) -> None:
        self._tell = tell
        self._last: tuple[str, int, float] = ("", 0, 0.0)
        self._layers: list[float] = []

    def __call__(self, step: str, done: int, total: int) -> None:
        before, at, then = self._last
        now = time.perf_counter()
        if step == before and step in READING and done == at + 1:
            self._layers.append(now - then)
        self._tell(step, done, total)
        self._last = step, done, time.perf_counter()

    def layer_seconds(self) -> float | None:
        """What a layer takes: the median, as the first of a fresh model take longer. None if no pass was made."""
        return statistics.median(self._layers) if self._layers else None


def pass_seconds(pair: str, watch: Stopwatch, layers: int, tokens: int) -> float | None:
    """What one pass of one model takes, or took a text of another length where nothing had to be read again.

    ``pair`` is what a pair is known by, and ``layers`` those of the whole model.
    """
    seconds = watch.layer_seconds()
    if seconds is not None:
        _LATEST[pair] = seconds * layers / tokens
        _LATEST.move_to_end(pair)
        while len(_LATEST) > _KEPT:
            _LATEST.popitem(last=False)
    latest = _LATEST.get(pair)
    return None if latest is None else latest * tokens


def estimate_html(passes: int, tokens: int, seconds: float | None, what: str = "") -> str:
    """What is to be done, and roughly how long it takes; ``seconds`` are those of one pass, ``what`` follows the time."""
    work = f"about {_rounded(passes):,} forward passes of {tokens:,} tokens, both models together"
    if seconds is None:
        return f'<p class="reading">{escape(f"{work.capitalize()}{what}")}.</p>'
    return f'<p class="reading">{escape(f"Roughly {duration(passes * seconds * BATCHED)}{what}: {work}")}.</p>'


def duration(seconds: float) -> str:
    """A time as people say it, with one or two digits.

    >>> duration(0.4), duration(7.3), duration(48), duration(200)
    ('a second', '7 seconds', '50 seconds', '3 minutes')
    """
    if seconds < 1.5:
        return "a second"
    if seconds < 90:
        return f"{_rounded(seconds):,} seconds"
    minutes = _rounded(seconds / 60)
    return f"{minutes:,} minutes" if minutes < 90 else f"{_rounded(minutes / 60):,} hours"


def _rounded(number: float) -> int:
    """The number with its first digit, and a second one above 100."""
    if number < 10:
        return max(1, round(number))
    return round(round(number), -1 if number < 1000 else -2)
