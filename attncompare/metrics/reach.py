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


def distances(rows: Float[Tensor, "head query key"], start: int) -> Float[Tensor, "head query"]:
    """Distance of each row's mass from its query: the sum over keys of mass times positions between the two.

    Of rows that sum to 1 the mean distance (Vig & Belinkov 2019, eq. 6, with the first token kept).
    """
    queries, keys = rows.shape[1:]
    query = torch.arange(start, start + queries, device=rows.device)[:, None]
    away = (query - torch.arange(keys, device=rows.device)).abs().to(rows.dtype)
    return torch.linalg.vecdot(rows, away)


def strongest(
    strength: Float[Tensor, "head query key"], allowed: Bool[Tensor, "query key"]
) -> tuple[Float[Tensor, " head"], Int[Tensor, " head"], Int[Tensor, " head"]]:
    """Each head's largest value where ``allowed``, with its query and key; 0 where nothing is allowed."""
    values, places = (strength * allowed).flatten(1).max(-1)
    return values, places // strength.shape[2], places % strength.shape[2]
