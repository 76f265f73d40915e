"""Both models on a text and on its counterfactual, word by word.

The two texts may have different numbers of tokens, so nothing goes by position: words are paired by the characters that they
stand for, and what belongs to no pair is one more key, the same in both.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from attncompare.analyses.asking import Asked
from attncompare.analyses.bias_steps import key_texts, query_texts
from attncompare.analyses.blocks import spans
from attncompare.analyses.counterfactuals import Change, Swapped, swapped
from attncompare.attention import Progress, Token, frozen
from attncompare.metrics.divergence import jsd_bits
from attncompare.models.calls import AttentionCall
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import TRACES, record_side
from attncompare.models.views import AnyCall

Pairs = list[tuple[int, int]]
"""Positions of the same word in a text and in its counterfactual."""


class Counterpart(NamedTuple):
    """The counterfactual text, read, and how its words belong to those of the text."""

    question: PairText
    changes: tuple[Change, ...]
    queries: Pairs
    keys: Pairs
    before: tuple[int, ...]
    """The keys of the text that were swapped."""
    after: tuple[int, ...]


def counterpart(
    pair: Pair, question: PairText, reading: Reading, progress: Progress | None
) -> tuple[Counterpart | None, str]:
    """The counterfactual of a text; or None, and why there is none."""
    texts = [swapped(text) for text in question.texts]
    target = None if question.target_text is None else swapped(question.target_text)
    changes = tuple(change for one in (*texts, *([target] if target else ())) for change in one.changes)
    if not changes:
        return None, "No word of this text has a counterpart of the other gender, so nothing was swapped."
    second = reading.get("text_pair")
    also = {"text_pair": swapped(second).text if second else second, "target": target.text if target else None}
    other = prepare(pair, swapped(question.text).text, progress=progress, **cast(Reading, {**reading, **also}))
    if other.texts != tuple(one.text for one in texts):
        return None, "Nothing was swapped: the chat template holds words that a swap changes too."
    of_keys = [swapped(text) for text in key_texts(question)]
    of_queries = [swapped(text) for text in query_texts(question)]
    keys = paired(question.key_tokens, other.key_tokens, of_keys)
    return Counterpart(
        other,
        changes,
        paired(question.query_tokens, other.query_tokens, of_queries),
        keys,
        _holding(question.key_tokens, [[(at.start, at.end) for at in one.changes] for one in of_keys]),
        _holding(other.key_tokens, [[(at.new_start, at.new_end) for at in one.changes] for one in of_keys]),
    ), ""  # fmt: skip


def paired(ours: Sequence[Token], theirs: Sequence[Token], texts: Sequence[Swapped]) -> Pairs:
    """Which word of the swapped texts each word has become; tokens that stand for no character by name and order."""
    places = {name: at for at, name in enumerate(_names(theirs, None))}
    return [(at, places[name]) for at, name in enumerate(_names(ours, texts)) if name in places]


def _names(tokens: Sequence[Token], texts: Sequence[Swapped] | None) -> list[tuple[object, ...]]:
    """What each token is known by: the characters that it stands for after the swap, or its name and how often it came."""
    names: list[tuple[object, ...]] = []
    seen: Counter[str] = Counter()
    for token in tokens:
        if token.start is None or token.end is None:
            names.append((token.raw, seen[token.raw]))
            seen[token.raw] += 1
        else:
            moved = texts[token.segment].moved if texts is not None else int
            names.append((token.segment, moved(token.start), moved(token.end)))
    return names


def _holding(tokens: Sequence[Token], places: Sequence[Sequence[tuple[int, int]]]) -> tuple[int, ...]:
    """The tokens that hold characters of these places of their texts; what stands at a sink is left out, as of groups."""
    return tuple(
        at
        for at, token in enumerate(tokens)
        if token.start is not None and token.end is not None and not (token.special or token.sink)
        if any(start < token.end and token.start < end for start, end in places[token.segment])
    )


def bits(pair: Pair, question: PairText, other: Counterpart, side: Asked, tell: Progress) -> np.ndarray:
    """How far each head's rows on one text are from those on the other, ``[layer, head]``: mean Jensen-Shannon divergence in
    bits over the words that see at least two; NaN where none does."""
    sides = [
        [_view(text, call, side) for call in _calls(pair, text, side, tell)] for text in (question, other.question)
    ]
    return frozen(torch.stack([_layer_bits(ours, theirs, other) for ours, theirs in zip(*sides, strict=True)]))


def _calls(pair: Pair, question: PairText, side: Asked, tell: Progress) -> list[AttentionCall]:
    kept = TRACES.get_if_present(question.key)
    trace = getattr(kept, side.name) if kept else record_side(pair, question, side.side, tell, only=question.attention)
    return [call for _, call in trace.stack(question.attention)]


def _view(question: PairText, call: AttentionCall, side: Asked) -> AnyCall:
    """One model's call over the words of its text."""
    return question.views(call, call, readers=(side.name, side.name))[0]


def _layer_bits(ours: AnyCall, theirs: AnyCall, other: Counterpart) -> Tensor:
    total, count = torch.zeros(ours.heads, dtype=torch.float64), 0
    keys = torch.tensor(other.keys)
    for start, stop in spans(ours):
        pairs = torch.tensor([two for two in other.queries if start <= two[0] < stop])
        if not len(pairs):
            continue
        low, high = int(pairs[:, 1].min()), int(pairs[:, 1].max()) + 1
        left = _over(_rows(ours, start, stop)[:, pairs[:, 0] - start], keys[:, 0])
        right = _over(_rows(theirs, low, high)[:, pairs[:, 1] - low], keys[:, 1])
        several = ours.visible(start, stop)[pairs[:, 0] - start].sum(-1) > 1
        found = jsd_bits(left, right)[:, several]
        total += found.sum(-1, dtype=torch.float64)
        count += found.shape[1]
    return total / count if count else total * torch.nan


def _rows(call: AnyCall, start: int, stop: int) -> Tensor:
    """All heads, over all keys; 0 where a block stops before them."""
    rows = call.block(start, stop)[0].cpu()
    return nn.functional.pad(rows, (0, call.keys - rows.shape[2]))


def _over(rows: Tensor, keys: Tensor) -> Tensor:
    """Rows over the words that both texts have, and last all that goes elsewhere."""
    shared = rows[..., keys]
    return torch.cat((shared, (rows.sum(-1) - shared.sum(-1)).clamp_min(0)[..., None]), -1)
