"""The numbers of a bias probe as tables: its groups, the heads whose leakage changed most, the words that were swapped."""

import numpy as np

from attncompare.analyses.bias_record import SIDES, Bias
from attncompare.analyses.verdict import printable
from attncompare.report.tables import Cell, number, percent, points, table_html

LINES = 12
"""Heads that are listed; the files have all."""


def bias(found: Bias) -> str:
    """All tables, one below the other."""
    return "".join((_groups(found), _leakage(found), _swapped(found)))


def _groups(found: Bias) -> str:
    unit = found.readout.unit if found.readout else ""
    rows: list[list[Cell]] = []
    for name in (*found.present, "gendered"):
        erased = found.erased.get(name)
        if name == "gendered" and erased is None:
            continue
        row: list[Cell] = [printable(name)]
        if name == "gendered":
            row += [""] * 6
        else:
            at = found.parts.index(name)
            words = list(dict.fromkeys(printable(found.words[word].text) for word in found.found[name]))
            row += [", ".join(words), *(_share(found.mean(side, name)) for side in (*SIDES, "even"))]
            shares = [float(found.attribution[side][at]) if found.attribution else float("nan") for side in SIDES]
            row += [_share(share) for share in shares]
        row += [number(erased[side]) if erased else "–" for side in SIDES]
        rows.append(row)
    head = ["Group", "Words here", "Attention, base", "tuned", "evenly spread", "Attribution, base", "tuned"]
    head += [f"Without them, base ({unit})" if unit else "Without them, base", "tuned"]
    return table_html("Groups of words: shares of attention and attribution, and the change of the answer without them",
                      head, rows)  # fmt: skip


def _leakage(found: Bias) -> str:
    leak = found.leakage
    if leak is None:
        return ""
    order = np.argsort(-np.abs(leak.delta), axis=None, kind="stable")[:LINES]
    rows: list[list[Cell]] = []
    for row, head in zip(*np.unravel_index(order, leak.delta.shape), strict=True):
        at = int(row), int(head)
        shares = [float(leak.share[side][at]) for side in SIDES]
        content = [_share(float(leak.content[side][at])) for side in SIDES]
        rows.append([found.name(*at), *map(percent, shares), points(shares[1] - shares[0]), *content])
    columns = ["Head", "Of the row, base", "tuned", "change in points", "Of its content, base", "tuned"]
    said = f"Leakage to the answer: the {len(rows)} heads that changed most of {leak.delta.size}"
    return table_html(said, columns, rows)


def _swapped(found: Bias) -> str:
    if found.swap is None:
        return ""
    rows: list[list[Cell]] = [[printable(change.before), printable(change.after)] for change in found.swap.changes]
    return table_html("Words that were swapped, in the order of the text", ["Word", "became"], rows)


def _share(share: float) -> str:
    return "–" if np.isnan(share) else percent(share)
