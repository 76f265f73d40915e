"""``python -m benchmarks [numbers] [pictures] [page]``: a Markdown table of what was measured here and now."""

import argparse
import platform

import torch

from benchmarks import numbers, page, pictures

PARTS = {"numbers": numbers.rows, "pictures": pictures.rows, "page": page.rows}


def main() -> None:
    """Measure the chosen parts (all by default) and print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)}; all if none is given")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    print(
        f"torch {torch.__version__}, {platform.machine()}, {torch.get_num_threads()} threads where not said otherwise\n"
    )
    print("| what | median |\n| --- | --- |")
    for part in chosen:
        for what, measured in PARTS[part]():
            print(f"| {what} | {measured} |", flush=True)


main()
