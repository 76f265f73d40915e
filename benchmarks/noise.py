"""The noise of a comparison, 39 random changes: the first text of a pair, the next one, and the memory.

``python -m benchmarks.noise FOLDER`` is a process of its own that prints the bytes by which resident memory peaked above
what it was when the models were loaded and warm; without a folder it is about the embedded pair.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attncompare
from attncompare.models.change import CHANGES
from attncompare.models.loading import named_tensors
from attncompare.models.traces import TRACES
from benchmarks.memory import extra_peak
from benchmarks.shapes import gpt2_shape, load
from benchmarks.table import Table
from benchmarks.texts import text_of
from benchmarks.timing import medians

TOKENS = 30
COLUMNS = ("39 random changes, 30 tokens", "first text", "next text", "extra peak memory, of one model's")


def table() -> Table:
    """The lines, measured when they are asked for."""
    return Table(COLUMNS, _lines())


def _lines() -> Iterator[tuple[str, ...]]:
    yield _line("embedded pair: 6 layers x 12 heads, LoRA of rank 8", None, repeats=7)
    with gpt2_shape(12, 64) as folder:
        yield _line("12 layers x 12 heads x 64, every weight changed", folder, repeats=1)


def _line(name: str, folder: Path | None, repeats: int) -> tuple[str, ...]:
    pair = load(folder)
    text = text_of(pair.base.tokenizer, TOKENS)

    def first() -> None:
        CHANGES.drop(lambda key: True)
        following()

    def following() -> None:
        TRACES.drop(lambda key: True)
        attncompare.noise(pair, text)

    if repeats > 1:
        seconds = medians({"first": first, "next": following}, repeats)
    else:
        seconds = {"first": _seconds(first), "next": _seconds(following)}
    whole = sum(tensor.nbytes for tensor in named_tensors(pair.base.model).values())
    return name, f"{seconds['first']:.2f} s", f"{seconds['next']:.2f} s", f"{_peak(folder) / whole:.2f} x"


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak(folder: Path | None) -> int:
    command = [sys.executable, "-m", "benchmarks.noise", *([str(folder)] if folder else [])]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    """The child."""
    pair = load(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    text = text_of(pair.base.tokenizer, TOKENS)
    attncompare.compare(pair, text)
    print(extra_peak(lambda: attncompare.noise(pair, text, draws=5)))


if __name__ == "__main__":
    main()
