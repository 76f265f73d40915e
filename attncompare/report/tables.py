"""Tables as HTML. What stands in a cell may come from strangers and is escaped here."""

from collections.abc import Sequence
from html import escape

import numpy as np

Cell = str | float | None
"""Words, or a number; NaN and None are "not measured"."""


def number(value: float | None) -> str:
    """Three digits, as people write them; a dash for what was not measured.

    >>> number(0.21987), number(-0.5), number(3), number(float("nan"))
    ('0.22', '−0.5', '3', '–')
    """
    if value is None or not np.isfinite(value):
        return "–"
    shown = f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")
    return shown.replace("-", "−", 1) if shown.startswith("-") else shown


def table_html(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table whose first column names the line; it scrolls by itself where it is too wide for the page."""
    kinds = [isinstance(cell, str) for cell in rows[0]] if rows else [True] * len(head)
    top = "".join(
        f'<th scope="col"{"" if words else _NUMBER}>{escape(name)}</th>'
        for name, words in zip(head, kinds, strict=True)
    )
    body = "".join(f'<tr><th scope="row">{_cell(first)}</th>{"".join(map(_data, rest))}</tr>' for first, *rest in rows)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def folded(summary: str, *content: str) -> str:
    """Content that is shown when it is asked for."""
    return f'<details class="numbers"><summary>{escape(summary)}</summary>{"".join(content)}</details>'


_NUMBER = ' class="n"'
"""Numbers and what stands above them end at one edge."""


def _cell(value: Cell) -> str:
    return f"<bdi>{escape(value)}</bdi>" if isinstance(value, str) else number(value)


def _data(value: Cell) -> str:
    return f"<td>{_cell(value)}</td>" if isinstance(value, str) else f"<td{_NUMBER}>{number(value)}</td>"


def percent(share: float) -> str:
    """A share, 0% only where it is none.

    >>> percent(0.1234), percent(0.0), percent(0.00002)
    ('12.3%', '0%', '<0.1%')
    """
    if share == 0:
        return "0%"
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def points(delta: float) -> str:
    """A change of a share in percentage points, with a true minus.

    >>> points(0.0123), points(-0.2), points(0.0)
    ('+1.2', '−20.0', '0')
    """
    return f"{100 * delta:+.1f}".replace("-", "−") if abs(delta) >= 0.0005 else "0"
