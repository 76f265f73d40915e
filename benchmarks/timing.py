"""Interleaved medians: machines are noisy, so what is compared runs in turns within one process."""

import statistics
import time
from collections.abc import Callable, Mapping


def medians(
    work: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds by ``clock`` of each piece of work over ``repeats`` turns, after one turn that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats + 1):
        for name, run in work.items():
            start = clock()
            run()
            if turn:
                seconds[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}
