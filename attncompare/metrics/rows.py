"""What a single model's attention rows look like: entropy and attended distance.

Knows no token and no model. Rows are ``[..., query, key]``, non-negative, masked keys 0, each row sums to 1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

_SMALLEST = 1e-30


def entropy_nats(rows: Float[Tensor, "*row key"]) -> Float[Tensor, "*row"]:
    """Shannon entropy in nats: 0 for a row on one key, ln(keys) for a uniform row."""
    return -torch.linalg.vecdot(rows, rows.clamp_min(_SMALLEST).log_())


def distances(start: int, queries: int, keys: int, device: torch.device) -> Float[Tensor, "query key"]:
    """|query - key| in tokens for the queries from ``start`` on."""
    query = torch.arange(start, start + queries, device=device, dtype=torch.float32)
    return (query[:, None] - torch.arange(keys, device=device, dtype=torch.float32)[None, :]).abs_()


def mean_distance(
    rows: Float[Tensor, "*head query key"], distance: Float[Tensor, "query key"]
) -> Float[Tensor, "*head query"]:
    """Attended distance in tokens, sum over keys of A |i - j|; all keys count, the first too (Vig & Belinkov 2019, Eq 6,
    without their removal of the first token)."""
    return torch.linalg.vecdot(rows, distance.expand_as(rows))
