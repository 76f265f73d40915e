"""A table of what was measured, printed as Markdown while it is measured."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Columns, and lines that may take minutes to come."""

    columns: tuple[str, ...]
    lines: Iterator[tuple[str, ...]]

    def show(self) -> None:
        """Print it line by line."""
        print("| " + " | ".join(self.columns) + " |")
        print("|" + " --- |" * len(self.columns))
        for line in self.lines:
            print("| " + " | ".join(line) + " |", flush=True)
        print()
