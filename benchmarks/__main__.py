"""``python -m benchmarks [part …]``: Markdown tables of what was measured here and now; all parts if none is given."""

import argparse
import platform

import torch

from benchmarks import matter, memory, noise, page, peers, pictures, speed

PARTS = {
    "speed": speed.table,
    "memory": memory.table,
    "noise": noise.table,
    "matter": matter.table,
    "peers": peers.table,
    "pictures": pictures.table,
    "page": page.table,
}


def main() -> None:
    """Measure the chosen parts (all by default) and print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)}; all if none is given")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    threads = torch.get_num_threads()
    single = ("speed", "matter", "peers")
    print(f"torch {torch.__version__}, {platform.machine()}; {', '.join(single)} on 1 thread, the rest on {threads}\n")
    for part in chosen:
        torch.set_num_threads(1 if part in single else threads)
        PARTS[part]().show()


main()
