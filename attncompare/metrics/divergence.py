"""How different two attention rows are: tensors in, tensors out; knows no token, no model.

Every function takes ``base`` and ``tuned`` rows ``[..., key]`` (non-negative, masked keys 0, each row sums to 1) and
returns one number per row ``[...]``. Jensen-Shannon quantities are in bits and lie in [0, 1].

The Jensen-Shannon divergence (Lin 1991) is written as a sum over keys of a term that is never negative and that is
homogeneous of degree one in the pair of masses, :func:`jsd_terms`. Summing terms over a set of keys and taking away the
term of the summed masses leaves the divergence *within* the set (the grouping property), so the split of a divergence into
"sink mass moved", "within the sinks" and "content" costs no second divergence.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SMALLEST = 1e-30
"""Keeps 0/0 away from masked keys; far below any mass, and not a denormal number."""

_EDGE = 1.0 - 6e-8
"""Largest relative difference: log1p(-1) is infinite where one side has no mass, and its term is 0."""


IN_BITS = 1 / (4 * math.log(2))
"""Times what :func:`spread_` gives: bits."""


def spread_(
    moved: Float[Tensor, "*any"], total: Float[Tensor, "*any"], work: tuple[Tensor, Tensor]
) -> Float[Tensor, "*any"]:
    """The divergence between two masses per unit of their sum, each >= 0; in nats, times 4.

    With s = P + Q and d = (Q - P)/s it is (1+d) ln(1+d) + (1-d) ln(1-d), and times s it is the masses' contribution to a
    row's divergence. No entropies are subtracted, so differences of 1e-5 keep their digits in float32 and equal masses
    give exactly 0.

    Args:
        moved: Q - P; overwritten.
        total: P + Q, at least :data:`SMALLEST`.
        work: two tensors of the same shape; the result lies in the first.
    """
    relative = moved.div_(total).clamp_(-_EDGE, _EDGE)
    terms = torch.log1p(relative, out=work[0])
    terms.addcmul_(terms, relative)
    relative.neg_()
    other = torch.log1p(relative, out=work[1])
    other.addcmul_(other, relative)
    return terms.add_(other)


def jsd_terms(base: Float[Tensor, "*any"], tuned: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Contribution of each pair of masses to the Jensen-Shannon divergence, in bits, each >= 0."""
    total = (base + tuned).clamp_min_(SMALLEST)
    work = torch.empty_like(total), torch.empty_like(total)
    return spread_(tuned - base, total, work).mul_(total).mul_(IN_BITS)


def jsd_bits(base: Float[Tensor, "*row key"], tuned: Float[Tensor, "*row key"]) -> Float[Tensor, "*row"]:
    """Jensen-Shannon divergence in bits: 0 for identical rows, 1 for rows that share no key."""
    return jsd_terms(base, tuned).sum(-1)


def total_variation(base: Float[Tensor, "*row key"], tuned: Float[Tensor, "*row key"]) -> Float[Tensor, "*row"]:
    """Total variation distance in [0, 1]: the share of attention that moved to other keys."""
    return (tuned - base).abs().sum(-1) / 2


def hellinger(base: Float[Tensor, "*row key"], tuned: Float[Tensor, "*row key"]) -> Float[Tensor, "*row"]:
    """Hellinger distance in [0, 1], in the form that is exactly 0 on identical rows."""
    return (tuned.sqrt() - base.sqrt()).square_().sum(-1).div_(2).sqrt_()


def cosine(base: Float[Tensor, "*row key"], tuned: Float[Tensor, "*row key"]) -> Float[Tensor, "*row"]:
    """Cosine of the angle between rows in [0, 1]; exactly 1 on identical rows."""
    dot = torch.linalg.vecdot(base, tuned)
    return dot.div_((torch.linalg.vecdot(base, base) * torch.linalg.vecdot(tuned, tuned)).sqrt_()).clamp_max_(1)


def wasserstein_tokens(base: Float[Tensor, "*row key"], tuned: Float[Tensor, "*row key"]) -> Float[Tensor, "*row"]:
    """First Wasserstein distance over key positions, in tokens: mass times the distance that it moved."""
    return (tuned - base).cumsum(-1)[..., :-1].abs().sum(-1)
