"""What was found, as every tab shows it: the answers above the picture, and the numbers folded away below it.

Tokens and texts come from strangers: everything is escaped here.
"""

from collections.abc import Sequence
from html import escape

from attncompare.report.words import marked


def answers_html(answers: Sequence[str]) -> str:
    """A sentence a line: the first one emphasised, the last one, which says what not to conclude, quiet."""
    first, *more = map(marked, answers)
    *middle, limits = more or [""]
    found = "".join(f"<p>{sentence}</p>" for sentence in middle)
    aside = f'<p class="aside">{limits}</p>' if limits else ""
    return (
        f'<section class="verdict answers"><p class="lead finding"><strong>{first}</strong></p>'
        f'<div class="found">{found}</div>{aside}</section>'
    )


def table_html(
    columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str, summary: str = "The numbers"
) -> str:
    """A folded table; ``caption`` says what it lists, ``summary`` is what the fold says. The first column names its row."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row"><bdi>{escape(name)}</bdi></th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return (
        f'<details class="numbers"><summary>{escape(summary)}</summary><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(caption)}"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def percent(share: float) -> str:
    """A share, 0.0% only where it is none.

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
