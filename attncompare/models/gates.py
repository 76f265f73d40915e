"""A gate on every head: how much the readout would change if a head's output were scaled, for all heads in one pass; and
which places the readout is read from.

Knows nothing about how results are shown.
"""

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


def gates(
    pair: Pair, side: Side, encoding: Encoding, attention: AttentionKind, readout: Readout, name: SideName
) -> Float[Tensor, "layer head"]:
    """d readout / d gate of one stack's heads where every gate is 1; one pass and one backward pass.

    It is the sum over queries and dimensions of the head's output times the gradient with respect to it (Michel et al. 2019,
    Eq 2, without the absolute value).

    Raises:
        UnsupportedModel: the model is read the dense way, or gives no gradients.
    """
    require_tap(side)
    layers = [place for place in side.layout if place.attention == attention]

    def edit(place: Place, call: tap.Running) -> Tensor:
        output = call.output()
        return output * ones[place].to(output.dtype)[:, None] if place in ones else output

    with torch.inference_mode(False), torch.enable_grad(), tap.editing(side.layout, edit):
        ones = {place: torch.ones(place.heads, device=side.info.device, requires_grad=True) for place in layers}
        slopes = torch.autograd.grad(_followed(pair, side, encoding, readout, name), [*ones.values()])
    return torch.stack(slopes).float().cpu()


def read_places(
    pair: Pair, side: Side, encoding: Encoding, attention: AttentionKind, readout: Readout, name: SideName
) -> tuple[int, ...]:
    """The queries of the stack's last layer that the readout depends on through that layer's attention, ascending.

    Gradients are followed from that layer on only, so nothing of the layers below it is kept.

    Raises:
        UnsupportedModel: the model is read the dense way, or gives no gradients.
    """
    require_tap(side)
    last = [place for place in side.layout if place.attention == attention][-1]
    ends: list[Tensor] = []

    def edit(place: Place, call: tap.Running) -> Tensor:
        output = call.output()
        if place is not last:
            return output
        torch.set_grad_enabled(True)  # from here on; editing() stands inside no_grad(), which ends it
        ends.append(output.detach().requires_grad_())
        return ends[0]

    with torch.inference_mode(False), torch.no_grad(), tap.editing(side.layout, edit):
        value = _followed(pair, side, encoding, readout, name)
        (slope,) = torch.autograd.grad(value, ends)
    sizes = slope[0].float().norm(dim=(-2, -1))
    return tuple((sizes > NOT_READ * sizes.max()).nonzero()[:, 0].tolist())


def _followed(pair: Pair, side: Side, encoding: Encoding, readout: Readout, name: SideName) -> Float[Tensor, ""]:
    """The readout of a text, with its graph."""
    inputs = {key: value.clone() for key, value in encoding.inputs.items()}  # not of inference mode
    value = readout.value(answered(pair, side, repeated(inputs, 1, side.info.device)), name).sum()
    if not value.requires_grad:
        raise UnsupportedModel(
            f"{side.info.id} gives no gradients, so importance, gradient x input and integrated gradients can't be had: "
            "occlusion, erasure by attention, ablation and patching remain."
        )
    return value


def require_tap(side: Side) -> None:
    """Raises UnsupportedModel where a model's attention can be read but not changed."""
    if side.info.attention_path == "dense":
        raise UnsupportedModel(
            f"{side.info.model_class} computes its attention in a way of its own, so its heads can be read but not changed: "
            "divergence, rollout, attribution and erasure remain."
        )
