"""What is summed over a row of attention. Knows no token and no model.

Rows are ``[..., key]``, non-negative, masked keys 0, each row sums to 1. ``work`` is memory of their shape to compute in.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.metrics.divergence import SMALLEST


def dot(
    left: Float[Tensor, "*row key"], right: Float[Tensor, "*some key"], work: Float[Tensor, "*row key"]
) -> Float[Tensor, "*row"]:
    """Sum of products along each row."""
    return torch.mul(left, right, out=work).sum(-1)


def entropy_nats(rows: Float[Tensor, "*row key"], work: Float[Tensor, "*row key"]) -> Float[Tensor, "*row"]:
    """Shannon entropy in nats: 0 for a row on one key, ln(keys) for a uniform row."""
    return -torch.clamp_min(rows, SMALLEST, out=work).log_().mul_(rows).sum(-1)
