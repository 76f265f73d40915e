"""How far two rankings of the same tokens agree. Knows no token and no model.

A rank correlation describes; it is no score of how valid an explanation is (Neely et al. 2022, arXiv 2205.04559).
"""

import torch
from jaxtyping import Float
from torch import Tensor

FEWEST = 5
"""Fewer tokens are ordered alike by chance too often: no correlation is given."""

CELLS = 2**22
"""Comparisons of two tokens that are held at a time."""


def kendall_tau_b(rows: Float[Tensor, "head token"], reference: Float[Tensor, " token"]) -> Float[Tensor, " head"]:
    """Kendall's tau-b of each row with the reference, in [-1, 1] (Kendall 1945, The treatment of ties in ranking problems).

    NaN for fewer than 5 tokens, where either is constant, and where anything is NaN.
    """
    heads, tokens = rows.shape
    if tokens < FEWEST:
        return torch.full((heads,), torch.nan, dtype=torch.float64)
    order = torch.sign(reference[:, None] - reference)
    found = [_tau(part, order) for part in rows.split(max(1, CELLS // tokens**2))]
    unknown = rows.isnan().any(-1) | reference.isnan().any()  # torch.sign makes 0 of NaN
    return torch.cat(found).masked_fill(unknown, torch.nan)


def _tau(rows: Float[Tensor, "head token"], order: Float[Tensor, "token other"]) -> Float[Tensor, " head"]:
    own = torch.sign(rows[:, :, None] - rows[:, None, :])
    agreeing = (own * order).sum((1, 2), dtype=torch.float64)
    pairs = own.abs().sum((1, 2), dtype=torch.float64) * order.abs().sum(dtype=torch.float64)
    return agreeing / pairs.sqrt()  # 0 / 0 where one is constant


def top_overlap(
    rows: Float[Tensor, "head token"], reference: Float[Tensor, " token"], top: int
) -> Float[Tensor, " head"]:
    """Share of the reference's ``top`` largest tokens that are among the row's; among equals the earlier token is taken."""
    ours = rows.argsort(dim=-1, descending=True, stable=True)[:, :top]
    theirs = reference.argsort(descending=True, stable=True)[:top]
    return (ours[:, :, None] == theirs).any(-1).double().mean(-1)
