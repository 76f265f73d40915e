"""What a layer makes of the same input without the values of one token: every layer and every token, in one pass.

Each block runs its many variations on the one row that comes in, and the pass goes on with what it would have been.
Knows nothing about what is made of the outputs.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.attention import AttentionKind, Progress
from attncompare.errors import UnsupportedModel
from attncompare.models import tap
from attncompare.models.gates import require_tap
from attncompare.models.layered import Layered, Run
from attncompare.models.layout import Place
from attncompare.models.pair import Pair, Side
from attncompare.models.passes import batches, passed, repeated
from attncompare.models.routing import FAILURES
from attncompare.models.tokens import Encoding

Take = Callable[[int, slice, Float[Tensor, "row token dim"]], None]
"""Called with the layer's place in its stack, the tokens whose values are 0, and the layer's outputs: first as they are,
then without each of the tokens."""


def without_values(
    pair: Pair, side: Side, encoding: Encoding, attention: AttentionKind, take: Take, tell: Progress
) -> None:
    """Hand every layer's outputs without each token's values to ``take``, first layer to last; no model is modified.

    Raises:
        UnsupportedModel: the model's attention can't be changed, or its layers can't be run one by one.
    """
    require_tap(side)
    tokens = len(encoding.tokens if encoding.target is None or attention == "self" else encoding.target)
    inputs = repeated(encoding.inputs, 1, side.info.device)
    modules: list[torch.nn.Module] = []

    def seen(place: Place, call: tap.Running) -> Tensor:
        modules.append(call.module)
        return call.output()

    with torch.no_grad(), tap.editing(side.layout, seen):
        passed(pair, side, inputs)
    layered = _layered(side, modules)
    stack = {layered.block[i]: place for i, place in enumerate(side.layout) if place.attention == attention}
    order = list(stack)
    if len(order) < sum(place.attention == attention for place in side.layout):
        raise _not_layered(side)

    def visit(number: int, run: Run) -> None:
        if number not in stack:
            return
        inside = [place for i, place in enumerate(side.layout) if layered.block[i] == number]
        for chunk in batches(pair, side, tokens, tokens):
            at = torch.arange(chunk.start, chunk.stop)

            def zeroed(place: Place, call: tap.Running, at: Tensor = at) -> Tensor:
                if place is not stack[number]:
                    return call.output()
                value = call.value.clone()
                value[torch.arange(1, len(at) + 1), :, at] = 0
                return replace(call, value=value).output()

            with tap.editing(inside, zeroed):
                states = _states(side, run, 1 + len(at))
            take(order.index(number), chunk, states)
            tell("zeroing values", order.index(number) * tokens + chunk.stop, len(order) * tokens)

    with torch.no_grad(), layered.visited(visit):
        passed(pair, replace(side, model=layered.model), inputs)


def _states(side: Side, run: Run, rows: int) -> Float[Tensor, "row token dim"]:
    """A block's outputs, if they are hidden states of tokens."""
    try:
        states = run(rows)
    except FAILURES:
        raise _not_layered(side) from None
    if states.ndim != 3 or len(states) != rows:
        raise _not_layered(side)
    return states


def _layered(side: Side, modules: list[torch.nn.Module]) -> Layered:
    try:
        return Layered(side.model, modules)
    except ValueError:
        raise _not_layered(side) from None


def _not_layered(side: Side) -> UnsupportedModel:
    return UnsupportedModel(
        f"{side.info.model_class} has no list of layers that each make hidden states of tokens, so they can't be run one "
        "by one and there is no value zeroing: rollout, attribution, erasure, ablation and patching remain."
    )
