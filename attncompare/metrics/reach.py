"""How far a row looks: its mass near, at middle distance and far, and its strongest links to far keys.

Distances are in positions (tokens, or units where tokens were merged). What is near depends on nothing but the bounds
below, so every band stands beside the share that uniform attention over the same visible keys would give it.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NEAR = 8
"""Largest distance that is near."""

MID = 64
"""Largest distance at middle range; what lies beyond is far."""

BANDS = ("near", "mid", "far")


def bands(start: int, queries: int, keys: int, device: torch.device | None = None) -> Bool[Tensor, "band query key"]:
    """Which band each key is in for the queries ``start:start + queries``; every pair is in exactly one."""
    query = torch.arange(start, start + queries, device=device)[:, None]
    distance = (query - torch.arange(keys, device=device)[None, :]).abs()
    near, far = distance <= NEAR, distance > MID
    return torch.stack([near, ~near & ~far, far])


def band_masses(
    rows: Float[Tensor, "head query key"], inside: Bool[Tensor, "band query key"]
) -> Float[Tensor, "band head query"]:
    """The mass of each row in each band."""
    return torch.stack([torch.linalg.vecdot(rows, band.to(rows.dtype)) for band in inside])


def uniform_bands(
    inside: Bool[Tensor, "band query key"], visible: Bool[Tensor, "query key"] | None
) -> Float[Tensor, "band query"]:
    """The same for a row that attends uniformly to what its query may see; float64."""
    seen = inside if visible is None else inside & visible
    counts = seen.sum(-1).double()
    return counts / counts.sum(0)


def strongest(
    strength: Float[Tensor, "head query key"], allowed: Bool[Tensor, "query key"], count: int
) -> tuple[Float[Tensor, " link"], Int[Tensor, "link 3"]]:
    """The ``count`` largest values above 0 where ``allowed``, and their (head, query, key), strongest first.

    A (query, key) that several heads look at counts once, with the head that looks hardest.
    """
    hardest, head = strength.max(0)
    hardest = hardest.masked_fill(~allowed, 0)
    values, places = hardest.flatten().topk(min(count, hardest.numel()))
    values, places = values[values > 0], places[values > 0]
    query, key = places // hardest.shape[1], places % hardest.shape[1]
    return values, torch.stack([head[query, key], query, key], dim=-1)
