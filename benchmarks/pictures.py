"""Each picture from result to PNG, at 32 and 128 tokens."""

from collections.abc import Iterator

import attncompare
from attncompare import plots
from benchmarks.table import Table
from benchmarks.texts import text_of
from benchmarks.timing import medians


def table() -> Table:
    """The lines, measured when they are asked for."""
    return Table(("picture", "median"), _lines())


def _lines() -> Iterator[tuple[str, ...]]:
    pair = attncompare.load_pair(device="cpu")
    for length in (32, 128):
        result = attncompare.compare(pair, text_of(pair.base.tokenizer, length))
        maps = result.head(result.movers[0].layer, result.movers[0].head)
        work = {
            "grid of heads": lambda result=result: plots.png(plots.heads(result)),
            "one head's three maps": lambda maps=maps: plots.png(plots.head(maps)),
            "rollout": lambda result=result: plots.png(plots.rollout(result.rollout)),
            "layers": lambda result=result: plots.png(plots.layers(result)),
            "movers": lambda result=result: plots.png(plots.movers(result)),
        }
        found = medians(work, repeats=5)
        yield from ((f"{name}, {length} tokens", f"{seconds:.2f} s") for name, seconds in found.items())
