"""The numbers of a bias probe as tables: its groups, the heads whose leakage changed most, what was swapped."""

import numpy as np

from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.bias_record import SIDES, Bias
from attncompare.analyses.verdict import printable
from attncompare.attention import head_name
from attncompare.metrics.intervals import Interval
from attncompare.report.tables import Cell, number, percent, points, table_html

LINES = 12
"""Heads or texts that are listed; the files have all."""


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


def bias_of_many(found: BiasOfMany) -> str:
    """Means over texts with their intervals, and the texts on which the swap moves the answer most."""
    return "".join((_groups_of_many(found), _leakage_of_many(found), _texts(found)))


def _groups_of_many(found: BiasOfMany) -> str:
    rows: list[list[Cell]] = []
    for at, name in enumerate(found.groups):
        if not (count := found.texts_with(name)):
            continue
        shares = [_share(float(found.means[which].mean[at])) for which in (*SIDES, "even")]
        rows.append([printable(name), str(count), *shares, *_change(found.means["delta"].at(at))])
    head = ["Group", "Texts", "Attention, base", "tuned", "evenly spread", "change in points", "95% interval"]
    return table_html(f"Groups of words: mean shares of attention over {len(found.texts)} texts", head, rows)


def _leakage_of_many(found: BiasOfMany) -> str:
    delta = found.leakage_delta
    size = np.nan_to_num(np.abs(delta.mean))
    if not size.any():
        return ""
    order = np.argsort(-size, axis=None, kind="stable")[:LINES]
    means = {side: np.nanmean(found.leakage[side][_measured(found)], 0) for side in SIDES}
    rows: list[list[Cell]] = []
    for row, head in zip(*np.unravel_index(order, size.shape), strict=True):
        at = int(row), int(head)
        shares = [percent(float(means[side][at])) for side in SIDES]
        rows.append([head_name(found.layers[at[0]], at[1]), *shares, *_change(delta.at(at))])
    said = f"Leakage to the answer, mean of {delta.texts} texts: the {len(rows)} heads that changed most of {size.size}"
    return table_html(said, ["Head", "Of the row, base", "tuned", "change in points", "95% interval"], rows)


def _measured(found: BiasOfMany) -> np.ndarray:
    """``[text]``: whether it has gendered words."""
    return np.asarray(np.isfinite(found.leakage["tuned"]).any((1, 2)))


def _texts(found: BiasOfMany) -> str:
    """The readout of each text and of its swapped version."""
    if found.readout is None:
        return ""
    moved = {side: found.swapped[side].astype(float) - found.outputs[side] for side in SIDES}
    order = np.argsort(-np.nan_to_num(np.abs(moved["tuned"]), nan=-1), kind="stable")[:LINES]
    rows: list[list[Cell]] = []
    for at in order.tolist():
        cells = [value for side in SIDES for value in (float(found.outputs[side][at]), float(moved[side][at]))]
        rows.append([f"{at + 1}. {printable(found.texts[at])}", *cells])
    unit = found.readout.unit
    head = ["Text", f"Answer, base ({unit})", "its swap moves it by", f"Answer, tuned ({unit})", "its swap moves it by"]
    return table_html(f"{found.readout.name}: the {len(rows)} texts that a swap moves most in tuned", head, rows)


def _change(delta: Interval) -> list[Cell]:
    """Of a share: its mean and its interval, in points with the two digits of the findings."""
    mean, low, high = (f"{100 * float(end):+.2f}".replace("-", "−") for end in delta[:3])
    return [mean, f"{low} to {high}" if np.isfinite(delta.low) else "–"]


def _share(share: float) -> str:
    return "–" if np.isnan(share) else percent(share)
