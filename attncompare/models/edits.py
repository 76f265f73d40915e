"""What a head gives instead of its output: nothing, its mean, the plain mean of values, or what another model's head gives.

Each is made from clean passes and put in place by :class:`attncompare.models.interventions.Interventions`.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncompare.models import tap
from attncompare.models.interventions import Clean, Edit

Rows = Int[Tensor, " row"]
Outputs = Float[Tensor, "row query head dim"]


def zero(at: int, call: tap.Running, rows: Rows) -> Outputs:
    """Nothing: the head's part of the output projection's input is 0 (Michel et al. 2019)."""
    batch, heads, queries, _ = call.query.shape
    return call.value.new_zeros(len(rows), queries, heads, call.value.shape[-1])


def mean(references: Sequence[Clean]) -> Edit:
    """The head's mean over the positions of each text and over texts: what it gives everywhere is kept, the rest is not."""
    means = {
        at: torch.stack([text.outputs[at].mean(1, keepdim=True) for text in references]).mean(0)
        for at in references[0].outputs
    }

    def edit(at: int, call: tap.Running, rows: Rows) -> Outputs:
        return means[at].expand(len(rows), call.query.shape[2], -1, -1)

    return edit


def uniform(clean: Clean) -> Edit:
    """The plain mean of the values that each query may see (Kovaleva et al. 2019, section 4.6); a null key is no value."""

    def edit(at: int, call: tap.Running, rows: Rows) -> Outputs:
        recorded = clean.calls[at]
        visible = recorded.visible(0, recorded.queries)[:, : recorded.key.shape[2]].to(call.value)
        even = visible / visible.sum(-1, keepdim=True).clamp_min(1)
        means = even @ call.value[rows]
        group = call.query.shape[1] // call.value.shape[1]
        return means.repeat_interleave(group, dim=1).transpose(1, 2)

    return edit


def pattern(donor: Clean) -> Edit:
    """The donor's attention at the values of the model that it is put into: where the head looks, and nothing else."""

    def edit(at: int, call: tap.Running, rows: Rows) -> Outputs:
        return call.looking_as(donor.calls[at], call.value[rows])

    return edit


def output(donor: Clean) -> Edit:
    """All that the donor's head gives."""

    def edit(at: int, call: tap.Running, rows: Rows) -> Outputs:
        given = donor.outputs[at].to(call.value.device)
        return given.expand(len(rows), *given.shape[1:])

    return edit
