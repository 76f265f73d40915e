"""Which kind of pattern is every head, in base and in tuned, and which heads changed kind?

Scores and rules are in :mod:`attncompare.metrics.patterns` and :mod:`attncompare.metrics.pattern_rules`.
"""

from dataclasses import replace
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from attncompare.analyses.asking import source
from attncompare.analyses.copying import copying
from attncompare.analyses.maps import HeadMaps, head_maps
from attncompare.analyses.pattern_record import PatternClasses, SideClasses
from attncompare.analyses.pattern_scores import LayerScores, layer_scores, require_distances, segments_of
from attncompare.attention import Progress, frozen, unheard
from attncompare.metrics.pattern_rules import (
    CLASSES,
    DIAGONAL,
    SCORES,
    VERTICAL,
    PatternClass,
    Thresholds,
    classify,
    margins,
    rule_scores,
)
from attncompare.metrics.patterns import PatternScores
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare

WINDOW = 32
"""Most tokens of an example's maps."""

NEIGHBOURS = ("previous token", "same token", "next token")


def pattern_classes(
    pair: Pair,
    text: str,
    *,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> PatternClasses:
    """Classify every head of both models by what its maps look like: vertical, diagonal, both, block, broad, heterogeneous.

    The kinds are those of Kovaleva et al. 2019 (section 4.1); rules and thresholds are ours, and every class comes with its
    distance to the nearest threshold. For decoders also induction and duplicate-token scores on repeated random tokens.
    ``reading`` says how the text is read, as in :func:`attncompare.compare`.

    Raises:
        BadInput: as compare; cross-attention, whose queries and keys are positions of different texts.
    """
    found, question = _classified(pair, text, thresholds or Thresholds(), progress, **reading)
    copies, why = copying(pair, question, progress or unheard)
    return replace(found, copying=copies, uncopied=why)


def classes_alone(
    pair: Pair, text: str, *, progress: Progress | None = None, **reading: Unpack[Reading]
) -> PatternClasses:
    """The same by the usual thresholds, of one text alone: no random tokens are read, which takes twenty forward passes."""
    return _classified(pair, text, Thresholds(), progress, **reading)[0]


def _classified(
    pair: Pair, text: str, rules: Thresholds, progress: Progress | None, **reading: Unpack[Reading]
) -> tuple[PatternClasses, PairText]:
    require_distances(reading)
    question = prepare(pair, text, progress=progress, **reading)
    layers = layer_scores(pair, question, segments_of(question.key_tokens), progress)
    nulls = torch.stack([rule_scores(layer[2]) for layer in layers], 1)  # [score, layer, 1]
    base, tuned = (_side(question, [layer[side] for layer in layers], nulls, rules) for side in (0, 1))
    found = PatternClasses(
        source(pair, question),
        question.query_tokens,
        question.stack.layers,
        rules,
        base,
        tuned,
        {name: values[:, 0] for name, values in _tables([layer[2] for layer in layers]).items()},
        None,
        "",
        tuple(_examples(pair, text, question, tuned, layers, **reading)),
        question.about,
    )
    return found, question


def _tables(layers: list[PatternScores]) -> dict[str, np.ndarray]:
    """Every score by its name, ``[layer, head]``."""
    rules = torch.stack([rule_scores(layer) for layer in layers], 1)
    offsets = torch.stack([layer.offsets for layer in layers], 1)
    first = torch.stack([layer.received[:, 0] for layer in layers])
    named = dict(zip((*SCORES, "previous", "self", "next"), (*rules, *offsets), strict=True))
    return {name: frozen(values) for name, values in {**named, "first": first}.items()}


def _side(question: PairText, layers: list[PatternScores], nulls: Tensor, rules: Thresholds) -> SideClasses:
    classes, away, kinds = [], [], []
    for layer, null in zip(layers, nulls.unbind(1), strict=True):
        scores = rule_scores(layer)
        floor = null.expand_as(scores)
        classes.append(classify(scores, floor, rules))
        away.append(margins(scores, floor, rules))
        kinds.append([_kind(question, layer, head, int(number)) for head, number in enumerate(classes[-1])])
    return SideClasses(
        torch.stack(classes).numpy(), frozen(torch.stack(away)), np.array(kinds, object), _tables(layers)
    )


def _kind(question: PairText, scores: PatternScores, head: int, number: int) -> str:
    """Which neighbour the diagonal is on, or what the vertical line stands on."""
    if number == DIAGONAL:
        return NEIGHBOURS[int(scores.offsets[:, head].argmax())]
    if number != VERTICAL:
        return ""
    at = int(scores.received[head].argmax())
    if float(scores.special[head]) > float(scores.received[head, at]) + 0.1:
        return "several special tokens"
    token = question.key_tokens[at]
    if at == 0:
        return "first token"
    bare = token.text.strip()
    return "special token" if token.special else "word" if any(map(str.isalnum, bare)) else "punctuation"


def _examples(
    pair: Pair,
    text: str,
    question: PairText,
    tuned: SideClasses,
    layers: tuple[LayerScores, ...],
    **reading: Unpack[Reading],
) -> list[tuple[PatternClass, HeadMaps]]:
    found: list[tuple[PatternClass, HeadMaps]] = []
    for number, name in enumerate(CLASSES):
        inside = np.where(tuned.classes == number, np.minimum(tuned.margins, 1), -np.inf)
        row, head = (int(i) for i in np.unravel_index(int(inside.argmax()), inside.shape))
        if np.isfinite(inside[row, head]):
            at = int(layers[row][1].received[head].argmax()) if number == VERTICAL else 0
            ends = _window(at, len(question.query_tokens))
            maps = head_maps(pair, text, question.stack.layers[row], head, queries=ends, keys=ends, **reading)
            found.append((name, maps))
    return found


def _window(at: int, length: int) -> tuple[int, int]:
    """The whole of a short text, else a part of it with this position."""
    start = max(0, min(at - WINDOW // 2, length - WINDOW))
    return start, min(start + WINDOW, length)
