"""How long a comparison takes, against two plain SDPA passes of the same models: 1.00 is their time.

One thread, and its processor time: on an idle machine that is the time on the clock, on a busy one it still is.
"""

import time
from collections.abc import Iterator

import attncompare
from attncompare.errors import TraceGone
from benchmarks.shapes import gpt2_shape, load
from benchmarks.table import Table
from benchmarks.texts import text_of
from benchmarks.timing import medians
from benchmarks.work import bound, dense, questions

COLUMNS = (
    "work", "two plain passes (= 1)", "bound: with two QK^T and two softmax", "divergence alone", "all columns",
    "rollout", "dense eager way, divergence alone", "one head's map, trace kept",
)  # fmt: skip


def table() -> Table:
    """The lines, measured when they are asked for."""
    return Table(COLUMNS, _lines())


def _lines() -> Iterator[tuple[str, ...]]:
    embedded = load(None)
    for tokens, repeats in ((32, 31), (128, 15), (512, 9)):
        yield _line(f"embedded pair, {tokens} tokens", embedded, tokens, repeats)
    for layers, tokens, repeats in ((12, 2048, 3), (2, 8192, 3)):
        with gpt2_shape(layers, tokens) as folder:
            yield _line(f"{layers} layers x 12 heads x 64, causal, {tokens} tokens", load(folder), tokens, repeats)


def _line(name: str, pair: attncompare.Pair, tokens: int, repeats: int) -> tuple[str, ...]:
    work = {**questions(pair, tokens), "bound": bound(pair, tokens)}
    rolled = tokens <= 512
    if not rolled:
        del work["all"]
    else:
        work["dense"] = dense(pair, tokens)
    found = medians(work, repeats, time.process_time)
    unit = found["plain"]
    return (
        name,
        f"{unit * 1e3:.0f} ms",
        f"{1 + found['bound'] * len(pair.stacks['self'].layers) / unit:.2f}",
        f"{found['divergence'] / unit:.2f}",
        f"{found['columns'] / unit:.2f}",
        f"{(found['all'] - found['columns']) / unit:+.2f}" if rolled else "one row, on request",
        f"{found['dense'] / unit:.2f}" if rolled else "see memory",
        f"{_one_map(pair, tokens) * 1e3:.1f} ms",
    )


def _one_map(pair: attncompare.Pair, tokens: int) -> float:
    """Seconds for one head's maps in both models with their difference's numbers, from the trace of a comparison."""
    result = attncompare.compare(pair, text_of(pair.base.tokenizer, tokens))
    try:
        return medians({"map": lambda: result.head(1, 9)}, repeats=9, clock=time.process_time)["map"]
    except TraceGone:
        return float("nan")
