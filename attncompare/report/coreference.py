"""The key numbers of a coreference probe as tables."""

import numpy as np

from attncompare.analyses.coreference_accuracy import BASELINES, MEASURES, SIDES, CoreferenceMany, Score
from attncompare.analyses.coreference_record import Coreference
from attncompare.analyses.verdict import printable
from attncompare.attention import head_name
from attncompare.report.tables import Cell, percent, table_html

LINES = 12
"""Heads in a table; the files have all."""


def coreference(found: Coreference) -> str:
    """What the pronoun gives each candidate: mean over heads, and by the heads whose preference changed most."""
    names = [printable(candidate.text) for candidate in found.candidates]
    rows: list[list[Cell]] = []
    for at, name in enumerate(names):
        given = (found.mean("base")[at], found.mean("tuned")[at], found.uniform_mean[at])
        mas = (found.mas("base")[at], found.mas("tuned")[at]) if found.candidates[at].visible else (np.nan, np.nan)
        rows.append([name, *(_share(value) for value in (*given, *mas))])
    head = ["Candidate", "Mean, base", "Mean, tuned", "Uniform", "MAS, base", "MAS, tuned"]
    return table_html("What each candidate gets of the pronoun's attention", head, rows) + _heads(found, names)


def _heads(found: Coreference, names: list[str]) -> str:
    if len(found.seen) < 2:
        return ""
    base, tuned = found.preference("base"), found.preference("tuned")
    order = np.argsort(-np.nan_to_num(np.abs(tuned - base)), axis=None, kind="stable")[:LINES]
    rows: list[list[Cell]] = []
    for row, head in zip(*np.unravel_index(order, base.shape), strict=True):
        shares = [_share(found.scores(side)[at, row, head]) for side in SIDES for at in found.seen]
        preferred = float(base[row, head]), float(tuned[row, head])
        rows.append([head_name(found.layers[int(row)], int(head)), *shares, *preferred, preferred[1] - preferred[0]])
    first = names[found.seen[0]]
    head_row = ["Head", *(f"{names[at]}, {side}" for side in SIDES for at in found.seen)]
    head_row += [f"Preference for {first}, base", "tuned", "Tuned − base"]
    return table_html(f"The {len(rows)} heads whose preference changed most of {base.size}", head_row, rows)


def coreference_of_many(found: CoreferenceMany) -> str:
    """Accuracies of what is counted over all heads, by labels, and of the heads that are right most often in tuned."""
    rows: list[list[Cell]] = []
    for measure, name in MEASURES.items():
        if measure in found.measures:
            rows.append([name, *_both(found.score(measure, "base"), found.score(measure, "tuned"))])
    for label, values in found.labels.items():
        for value in values:
            inside = found.labelled(label, value)
            scores = (Score.of(found.measures["mas"][side][inside]) for side in SIDES)
            rows.append([f"MAS, {label}: {value}", *_both(*scores)])
    for baseline, name in BASELINES.items():
        score = Score.of(found.baselines[baseline])
        rows.append([name, *_both(score, score)])
    head = ["Counted by", "Base", "95% interval", "Tuned", "95% interval"]
    return table_html(f"Right candidates in {len(found.items)} sentences", head, rows) + _best(found)


def _best(found: CoreferenceMany) -> str:
    frame = found.frame().sort_values("right_tuned", ascending=False, kind="stable").head(LINES)
    rows: list[list[Cell]] = []
    for line in frame.itertuples(index=False):
        scores = (
            Score(
                getattr(line, f"right_{side}"), *(getattr(line, f"{name}_{side}") for name in ("total", "low", "high"))
            )
            for side in SIDES
        )
        rows.append([head_name(line.layer, line.head), *_both(*scores)])
    head = ["Head", "Base", "95% interval", "Tuned", "95% interval"]
    return table_html("The heads that are right most often in tuned, on these very sentences", head, rows)


def _both(base: Score, tuned: Score) -> list[str]:
    return [part for score in (base, tuned) for part in (_share(score.share), _interval(score))]


def _interval(score: Score) -> str:
    return f"{score.low:.0%} to {score.high:.0%}" if score.total else "–"


def _share(value: float) -> str:
    return "–" if np.isnan(value) else percent(float(value))
