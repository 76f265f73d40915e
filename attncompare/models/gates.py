"""A gate on every head: how much the readout would change if a head's output were scaled, for all heads in one pass.

Knows nothing about how results are shown.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.attention import AttentionKind
from attncompare.errors import UnsupportedModel
from attncompare.models import tap
from attncompare.models.layout import Place
from attncompare.models.pair import Pair, Side
from attncompare.models.passes import answered, repeated
from attncompare.models.readout import Readout, SideName
from attncompare.models.tokens import Encoding

NOT_READ = 1e-6
"""A query whose gradient is below this share of the largest is not read from."""


@dataclass(frozen=True, eq=False)
class Gates:
    """One model's gates on one text."""

    gradients: Float[Tensor, "layer head"]
    """d readout / d gate where every gate is 1: the sum over queries and dimensions of the head's output times the gradient
    with respect to it (Michel et al. 2019, Eq 2, without the absolute value)."""
    read: tuple[int, ...]
    """The queries of the stack's last layer that the readout depends on through that layer's attention, ascending."""


def gates(
    pair: Pair, side: Side, encoding: Encoding, attention: AttentionKind, readout: Readout, name: SideName
) -> Gates:
    """Gradients of one stack's gates; one pass and one backward pass.

    Raises:
        UnsupportedModel: the model is read the dense way, or gives no gradients.
    """
    require_tap(side)
    layers = [place for place in side.layout if place.attention == attention]
    ones = {place: torch.ones(place.heads, device=side.info.device, requires_grad=True) for place in layers}
    last: list[Tensor] = []

    def edit(place: Place, call: tap.Running) -> Tensor:
        output = call.output()
        if place not in ones:
            return output
        gated = output * ones[place].to(output.dtype)[:, None]
        if place is layers[-1]:
            last.append(gated)
        return gated

    with torch.enable_grad(), tap.editing(side.layout, edit):
        value = readout.value(answered(pair, side, repeated(encoding.inputs, 1, side.info.device)), name).sum()
        if not value.requires_grad:
            raise UnsupportedModel(
                f"{side.info.id} gives no gradients, so importance, gradient x input and integrated gradients can't be had: "
                "occlusion, erasure by attention, ablation and patching remain."
            )
        *slopes, at_output = torch.autograd.grad(value, [*ones.values(), last[0]])
    sizes = at_output[0].float().norm(dim=(-2, -1))
    read = (sizes > NOT_READ * sizes.max()).nonzero()[:, 0].tolist()
    return Gates(torch.stack(slopes).float().cpu(), tuple(read))


def require_tap(side: Side) -> None:
    """Raises UnsupportedModel where a model's attention can be read but not changed."""
    if side.info.attention_path == "dense":
        raise UnsupportedModel(
            f"{side.info.model_class} computes its attention in a way of its own, so its heads can be read but not changed: "
            "divergence, rollout, attribution and erasure remain."
        )
