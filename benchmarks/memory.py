"""How much memory a comparison needs beyond two plain passes, each piece of work in a process of its own (Linux).

``python -m benchmarks.memory FOLDER TOKENS WORK`` is that process: it prints the bytes by which resident memory peaked above
what it was when the models were loaded and warm.
"""

import ctypes
import gc
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks.shapes import gpt2_shape, load
from benchmarks.table import Table
from benchmarks.work import dense, questions

COLUMNS = (
    "12 layers x 12 heads x 64, causal, extra peak memory", "two plain passes", "divergence alone, beyond those",
    "all columns, beyond those", "dense eager way, beyond those",
)  # fmt: skip
DENSE_LIMIT = 2048
WARM_UP = 64


def table() -> Table:
    """The lines, measured when they are asked for."""
    return Table(COLUMNS, _lines())


def _lines() -> Iterator[tuple[str, ...]]:
    if not Path("/proc/self/clear_refs").exists():
        yield ("not measured: needs Linux", "", "", "", "")
        return
    with gpt2_shape(12, 8192) as folder:
        for tokens in (1024, 2048, 4096, 8192):
            plain, divergence, columns = (_in_child(folder, tokens, w) for w in ("plain", "divergence", "columns"))
            maps = f"{2 * 12 * 12 * tokens**2 * 4 / 1e9:.0f} GB of maps alone (computed)"
            if tokens <= DENSE_LIMIT:
                maps = _gigabytes(_in_child(folder, tokens, "dense") - plain)
            yield (f"{tokens} tokens", *map(_gigabytes, (plain, divergence - plain, columns - plain)), maps)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


def _in_child(folder: Path, tokens: int, work: str) -> int:
    command = [sys.executable, "-m", "benchmarks.memory", str(folder), str(tokens), work]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def extra_peak(work: Callable[[], object]) -> int:
    """Bytes by which resident memory peaks above what it is now."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what was freed and not given back would be used again without being counted
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def main() -> None:
    """The child."""
    folder, tokens, work = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    pair = load(folder)
    for length in (WARM_UP, tokens):
        ask = dense(pair, length) if work == "dense" else questions(pair, length)[work]
        peak = extra_peak(ask)
    print(peak)


if __name__ == "__main__":
    main()
