"""Where does it flow, by what tokens give and not by where heads look? Value zeroing of both models, rolled out.

Rollout multiplies attention weights and takes the residual for one half. Value zeroing takes a token's values away and
measures what every layer's outputs lose by it, so values, residual and feed-forward part are in it; it costs as many
passes as there are tokens.
"""

from typing import Unpack

import torch
from torch import Tensor

from attncompare.analyses.routes import FULL_TOKENS, Routes, merged, omitted, read_from
from attncompare.attention import Progress, frozen, unheard
from attncompare.errors import BadInput
from attncompare.metrics.mixing import cosine_distance, mixed_through, mixing_rows
from attncompare.models.pair import Pair, Side
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.zeroing import without_values


def value_zeroing(pair: Pair, text: str, *, progress: Progress | None = None, **reading: Unpack[Reading]) -> Routes:
    """Value zeroing of both models on ``text``, rolled out over all layers without a residual of its own.

    Mohebbi et al. 2023, Quantifying context mixing in Transformers (EACL). As :func:`attncompare.rollout` it says for every
    output token which input tokens are mixed into it; rows sum to 1. ``reading`` says how the text is read, as in
    :func:`attncompare.compare`.

    Raises:
        BadInput: as compare; cross-attention; more than 512 tokens. UnsupportedModel: the models' attention can't be
            changed, or their layers can't be run one by one.
    """
    tell = progress or unheard
    question = prepare(pair, text, progress=progress, **reading)
    if question.attention == "cross":
        raise BadInput(f"There is no value zeroing of cross-attention: {omitted(question)}.")
    if omitted(question):
        raise BadInput(
            f"Value zeroing takes a pass for every token, so it ends at {FULL_TOKENS} of them and this text has "
            f"{question.longest}: shorten it, or ask for rollout."
        )
    mixes = (
        _mix(pair, question, pair.base, "the base", tell),
        _mix(pair, question, pair.tuned, "the tuned model", tell),
    )
    base, tuned = (merged(question, side, mix, whole=True) for side, mix in enumerate(mixes))
    return Routes(
        question.query_tokens,
        tuple(range(len(question.query_tokens))),
        frozen(base),
        frozen(tuned),
        None,
        None,
        "value zeroing needs no null",
        question.about,
        "value_zeroing",
        layers=question.stack.layers,
        read_from=read_from(question),
    )


def _mix(pair: Pair, question: PairText, side: Side, name: str, tell: Progress) -> Tensor:
    """The mix of one model's own tokens behind each of its outputs, ``[query, token]``."""
    encoding = question.tuned if side is pair.tuned else question.base
    rolled: Tensor | None = None
    distances: list[Tensor] = []

    def named(step: str, done: int, total: int) -> None:
        tell(f"{step} in {name}", done, total)

    def take(layer: int, tokens: slice, states: Tensor) -> None:
        nonlocal rolled
        distances.append(cosine_distance(states[1:], states[0]).cpu())
        if sum(map(len, distances)) == states.shape[1]:
            rolled = mixed_through(rolled, mixing_rows(torch.cat(distances)))
            distances.clear()

    without_values(pair, side, encoding, question.attention, take, named)
    assert rolled is not None
    return rolled
