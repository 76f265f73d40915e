"""Attention rollout: the mix of inputs behind each output when attention is multiplied through the layers.

Abnar & Zuidema 2020, Eq 1: with A_l the mean over heads of layer l, A'_l = A_l / 2 + I / 2 and R_l = A'_l R_(l-1). Rollout
uses weights only: no values, no feed-forward layers, a fixed residual share of one half. Knows no token and no model.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SMALLEST_NULL = 1e-4
"""Below this share of the uniform null a ratio to it says nothing."""

CROWDED_NULL = 0.9
"""With more than this share of the null on the first token, every deep causal rollout looks alike."""


def advance(
    rollout: Float[Tensor, "query token"] | None, mean_rows: Float[Tensor, "query query"]
) -> Float[Tensor, "query token"]:
    """Rollout after one more layer; ``rollout`` is None below the first. Rows of the result sum to 1."""
    mixed = mean_rows.double()
    mixed = mixed / mixed.sum(-1, keepdim=True) / 2
    mixed.diagonal().add_(0.5)
    return mixed if rollout is None else mixed @ rollout


def retreat(
    share: Float[Tensor, " token"], mean_rows: Float[Tensor, "block key"], start: int
) -> Float[Tensor, " token"]:
    """Contribution of a block of queries when one output's row is followed down through a layer.

    ``share`` is the row so far, over this layer's outputs. Adding the results of all blocks gives the row over the layer's
    inputs, without any N x N matrix. ``mean_rows`` may stop at the last key that the block can see.
    """
    block = share[start : start + mean_rows.shape[0]]
    rows = mean_rows.double()
    rows = rows / rows.sum(-1, keepdim=True)
    down = torch.zeros_like(share)
    down[: rows.shape[1]] += block @ rows / 2
    down[start : start + rows.shape[0]] += block / 2
    return down


def uniform_rows(visible: Bool[Tensor, "query key"]) -> Float[Tensor, "query key"]:
    """Attention that spreads evenly over the keys each query may see: the null of a layer with this mask."""
    return visible.double() / visible.sum(-1, keepdim=True)


def log2_lift(rollout: Float[Tensor, "*row token"], null: Float[Tensor, "*row token"]) -> Float[Tensor, "*row token"]:
    """log2 of rollout over the uniform null; NaN where the null is at most 1e-4."""
    return torch.where(null > SMALLEST_NULL, torch.log2(rollout / null), torch.nan)
