"""Batches of forward passes: many versions of one text through one model, a few at a time.

Knows nothing about attention or about what the versions are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.models.pair import Pair, Side, unwrapped
from attncompare.models.traces import takes

IN_BATCHES = ("changing heads", "erasing from", "integrating the gradients", "zeroing values")
"""How the names of the steps begin that take batch after batch. Nothing is made for a cache during them."""

BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Tokens of one batch, by device: more are no faster and take more memory."""


def answered(pair: Pair, side: Side, inputs: Mapping[str, Any]) -> Float[Tensor, "batch label"]:
    """Class logits or next-token logits of every row of a batch, float32, where the model is; gradients if there are any.

    Rows must be of one length, without padding.
    """
    logits: Tensor = passed(pair, side, inputs).logits.float()
    return logits if pair.output_kind == "label" else logits[:, -1]


def passed(pair: Pair, side: Side, inputs: Mapping[str, Any]) -> Any:
    """What the model returns for a batch; of next-token logits only the last, where it can be told so."""
    options: dict[str, Any] = {}
    if takes(side.model, "use_cache"):
        options["use_cache"] = False
    if pair.output_kind == "next_token" and takes(side.model, "logits_to_keep"):
        options["logits_to_keep"] = 1
    return side.model(**inputs, **options)


def batches(pair: Pair, side: Side, rows: int, tokens: int) -> Iterator[slice]:
    """Slices of ``rows`` rows of ``tokens`` tokens each, as many as go into one pass."""
    size = max(1, BATCH_TOKENS.get(torch.device(side.info.device).type, BATCH_TOKENS["cpu"]) // tokens)
    if one_at_a_time(pair, side):
        size = 1
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def one_at_a_time(pair: Pair, side: Side) -> bool:
    """Whether a pass takes one row only: transformers' classifiers on decoders look for padding in a batch, and refuse a
    batch where they know no number of it."""
    return pair.output_kind == "label" and pair.causal and unwrapped(side.model).config.pad_token_id is None


def repeated(inputs: Mapping[str, Tensor], rows: int, device: str) -> dict[str, Tensor]:
    """The same text ``rows`` times, on a device."""
    return {name: value.to(device).expand(rows, *value.shape[1:]) for name, value in inputs.items()}
