"""How much each token's values make of each output, from outputs with and without them (Mohebbi et al. 2023).

Value zeroing: C[i, j] is the cosine distance between a layer's output i as it is and without the values of token j; rows are
divided by their sum (Mohebbi et al. 2023, Quantifying context mixing in Transformers, section 3). Unlike attention it sees
values, the residual and the feed-forward part, so layers are multiplied without a residual of their own. Knows no token and
no model.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def cosine_distance(
    changed: Float[Tensor, "row token dim"], clean: Float[Tensor, "token dim"]
) -> Float[Tensor, "row token"]:
    """1 minus the cosine between outputs and what they were, in [0, 2], float64; exactly 0 where they are the same."""
    same = (changed == clean).all(-1)  # else the cosine's rounding, 2e-16, would be a difference
    changed, clean = changed.double(), clean.double()
    distance = 1 - torch.nn.functional.cosine_similarity(changed, clean[None], dim=-1)
    return distance.clamp_min(0).masked_fill(same, 0)


def mixing_rows(distances: Float[Tensor, "zeroed token"]) -> Float[Tensor, "token zeroed"]:
    """The mix behind each output: rows sum to 1. An output that no values change is made of itself."""
    rows = distances.T
    total = rows.sum(-1, keepdim=True)
    own = torch.eye(len(rows), dtype=rows.dtype, device=rows.device)
    return torch.where(total > 0, rows / total.where(total > 0, 1), own)


def mixed_through(
    before: Float[Tensor, "token token"] | None, rows: Float[Tensor, "token token"]
) -> Float[Tensor, "token token"]:
    """The mix of inputs behind each output after one more layer; ``before`` is None below the first."""
    return rows if before is None else rows @ before
