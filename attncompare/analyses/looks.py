"""What the place that the answer is read from looks at: by head, on average, and through all layers (rollout)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.analyses.asking import Asked
from attncompare.analyses.blocks import spans
from attncompare.analyses.flows import follow
from attncompare.attention import Progress, frozen
from attncompare.errors import UnsupportedModel
from attncompare.models.calls import AttentionCall
from attncompare.models.gates import read_places
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.readout import Readout
from attncompare.models.traces import TRACES, record_side


@dataclass(frozen=True, eq=False)
class Looks:
    """One model's attention from where its answer is read. Arrays are read-only float32; a row sums to at most 1: what goes
    to a null key, or to tokens that the other model doesn't share, is left out."""

    read: tuple[int, ...]
    """The queries (tokens, or units where tokens are merged) whose last state the answer depends on: [CLS], the last token,
    or all tokens of a model that averages. Rows are means over them; of a unit, over those of its tokens that are read."""
    heads: np.ndarray
    """``[layer, head, token]``."""
    rollout: np.ndarray | None
    """``[token]``; None for cross-attention, which is not rolled out."""
    assumed: bool = False
    """Whether where the answer is read from could not be followed, and is taken to be where such models mostly read it."""

    @property
    def mean(self) -> np.ndarray:
        """``[token]``: mean over all layers and heads."""
        mean: np.ndarray = self.heads.mean((0, 1))
        return mean

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, without the heads."""
        rollout = None if self.rollout is None else self.rollout.tolist()
        return {"read": list(self.read), "assumed": self.assumed, "mean": self.mean.tolist(), "rollout": rollout}


def looks(
    pair: Pair, question: PairText, readout: Readout | None, sides: Sequence[Asked], tell: Progress
) -> dict[str, Looks]:
    """Both models' attention from where their answers are read, over the units of the question; without a readout from where
    such models mostly read.

    Only the rows that are needed are computed, and rollout is followed down from them: no N x N map of all heads is made.
    """
    kept = TRACES.get_if_present(question.key)
    found: dict[str, Looks] = {}
    for asked in sides:
        trace = (
            getattr(kept, asked.name)
            if kept
            else record_side(pair, question, asked.side, tell, only=question.attention)
        )
        calls = [call for _, call in trace.stack(question.attention)]
        followed = read_from(pair, question, readout, asked) if readout else ()
        read = followed or _mostly(pair, question, asked)
        heads = torch.stack([_mean_rows(call, read) for call in calls])
        rollout = None if question.attention == "cross" else asked.over_units(follow(calls, read, uniform=False))
        groups = getattr(question.queries, asked.name)
        units = tuple(unit for unit, tokens in enumerate(groups) if not set(read).isdisjoint(tokens))
        rolled = None if rollout is None else frozen(rollout)
        found[asked.name] = Looks(units, frozen(asked.over_units(heads)), rolled, not followed)
    return found


def read_from(pair: Pair, question: PairText, readout: Readout, asked: Asked) -> tuple[int, ...]:
    """The queries of the stack's last layer that the readout depends on: where its gradient is not zero; none where there is
    no gradient."""
    try:
        return read_places(pair, asked.side, asked.encoding, question.attention, readout, asked.name)
    except UnsupportedModel:
        return ()


def _mostly(pair: Pair, question: PairText, asked: Asked) -> tuple[int, ...]:
    """Where such models mostly read: the last token of a decoder, all that an encoder hands to one, an encoder's first."""
    queries = len(getattr(question.queries, f"{asked.name}_tokens"))
    if question.causal or question.attention == "cross":
        return (queries - 1,)
    return tuple(range(queries)) if pair.encoder_decoder else (0,)


def assumed(looking: Mapping[str, Looks]) -> list[str]:
    """What a reader should know of places that were assumed."""
    if not any(look.assumed for look in looking.values()):
        return []
    return [
        "Where the answer is read from could not be followed in these models: attention and rollout are from where such "
        "models mostly read it, which may not be so here."
    ]


def _mean_rows(call: AttentionCall, read: Sequence[int]) -> Float[Tensor, "head key"]:
    """What each head gives to each token, mean over the queries that are read."""
    total = torch.zeros(call.heads, call.keys, dtype=torch.float64)
    for start, stop in spans(call):
        inside = [query for query in read if start <= query < stop]
        if inside:
            rows, _ = call.block(inside[0], inside[-1] + 1)
            picked = rows[:, [query - inside[0] for query in inside]]
            total[:, : rows.shape[2]] += picked.sum(1, dtype=torch.float64).cpu()
    return total[:, : call.keys - call.null] / len(read)
