"""Random changes as large as the tuning's: a copy of the base whose weights are drawn anew, again and again.

Each draw gives every changed matrix another change of the same singular values, and so of the same norm and rank, between
random directions: its left and right singular vectors are uniform over all orthonormal frames. A vector gets a change of
the same norm in a random direction. The rows of an embedding are turned together, so that each keeps its norm: which tokens
changed stays what it was. It asks "more than a random change of this size?" and never "more than another training run?": a
training picks its directions by what texts put into each layer, and moves heads far more than a random change does.

The copy shares every weight that did not change with the base, so draws cost the memory of the others once, however many
there are. Knows nothing about attention.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncompare.models.change import Change, acting, is_wrapped
from attncompare.models.loading import named_tensors
from attncompare.models.memory import available, require
from attncompare.models.pair import unwrapped
from attncompare.models.tokens import Encoding

_WORKING = 4 * 4
"""Bytes that making a change takes for each number of a weight: two frames, their product and the base's, in float32."""


class DrawnModel:
    """A copy of a base whose changed weights can be drawn; the base stays as it is. For one thread at a time."""

    def __init__(self, base: Any, changes: Sequence[Change], encoding: Encoding) -> None:
        """``changes``: at least one. ``encoding``: what will be read; of the embedding of tokens no other rows are drawn.

        Raises:
            BadInput: there is too little memory for it.
        """
        self.model = sharing(base)
        bare = unwrapped(self.model)
        for path in {change.path for change in changes}:
            if is_wrapped(module := bare.get_submodule(path)):
                bare.set_submodule(path, acting(module))
        weights = [bare.get_submodule(change.path).get_parameter(change.name) for change in changes]
        device = weights[0].device
        require(
            sum(weight.nbytes for weight in weights) + _WORKING * max(weight.numel() for weight in weights),
            "Another copy of the weights that the tuning changed",
            "ask for 0 random changes", free=available(device),
        )  # fmt: skip
        ids = torch.tensor(sorted({*encoding.ids, *(encoding.target_ids or ())}), device=device)
        tokens = bare.get_input_embeddings().weight
        self._drawn = []
        for change, weight in zip(changes, weights, strict=True):
            own = nn.Parameter(weight.detach().clone(), requires_grad=False)
            _replace(self.model, weight, own)
            self._drawn.append(_Drawn(change, weight, own, ids if weight is tokens else ...))
        self._widest = widest(changes)

    def draw(self, seed: int, index: int) -> None:
        """Change the weights as the ``index``-th draw of ``seed`` does; the same numbers at every call."""
        device = self._drawn[0].own.device
        device = device if device.type in ("cpu", "cuda") else torch.device("cpu")
        number = int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])
        frames = Frames(torch.Generator(device).manual_seed(number), self._widest)
        for drawn in self._drawn:
            drawn.draw(frames)

    def worst_error(self) -> float:
        """By how much the norm of a weight's change is off now, relative to what it should be, where it is most: in half
        precision small changes are rounded away."""
        return max(drawn.error() for drawn in self._drawn)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """One weight that is drawn."""

    change: Change
    weight: Tensor
    """The base's, as it acts."""
    own: Tensor
    """The copy's."""
    rows: Any
    """Which rows of it."""

    def draw(self, frames: "Frames") -> None:
        before = self.weight[self.rows].float()
        if self.change.tuned is None:
            moved = random_change(self.change, frames).to(before.device).reshape(before.shape)
        else:
            real = self._real()
            moved = real @ frames.draw(real.shape[-1:], real.shape[-1]).to(before.device)
        self.own[self.rows] = moved.add_(before).to(self.own.dtype)

    def error(self) -> float:
        wanted = self.change.norm if self.change.tuned is None else float(self._real().norm())
        found = float((self.own[self.rows].float() - self.weight[self.rows].float()).norm())
        return abs(found / wanted - 1) if wanted else 0.0

    def _real(self) -> Float[Tensor, "row dim"]:
        """What the tuning changed in these rows of an embedding; a token that the tuned model lacks has no change."""
        assert self.change.tuned is not None
        numbers = torch.arange(len(self.weight), device=self.weight.device)[self.rows]
        known = (numbers < len(self.change.tuned))[:, None]
        after = self.change.tuned[numbers.clamp_max(len(self.change.tuned) - 1)].float()
        return (after - self.weight[self.rows].float()) * known


class Frames:
    """Random frames: orthonormal columns, uniform over all such frames.

    A frame is the orthogonal factor of a Gaussian matrix, with the signs that make the other factor's diagonal positive
    (Mezzadri 2007, How to generate random matrices from the classical compact groups, section 5). That takes long for a
    large matrix, so one is drawn for each height, and each user gets its rows and columns in another random order with other
    random signs: such a frame is uniform too, and next to nothing ties it to the others. (Rows alone would not do: the left
    and right frames of a square matrix would pair the same columns, and their product would come close to a diagonal.)
    """

    def __init__(self, generator: torch.Generator, widest: Mapping[int, int]) -> None:
        """``widest``: for each height the most columns that will be asked for."""
        self.generator = generator
        self._widest = widest
        self._drawn: dict[int, Tensor] = {}

    def draw(self, shape: Sequence[int], rank: int) -> Float[Tensor, "*shape rank"]:
        """A frame of ``rank`` columns as high as the last axis of ``shape``, or a stack of them."""
        if shape[-1] not in self._drawn:
            self._drawn[shape[-1]] = self._frame(shape[-1])
        whole = self._drawn[shape[-1]]
        columns, rows = (self._random(axis).argsort(-1) for axis in (whole.shape[1:], shape))
        chosen = whole[:, columns[:rank]] * self._signs((rank,))
        return chosen[rows] * self._signs(shape)[..., None]

    def _frame(self, height: int) -> Float[Tensor, "height rank"]:
        size = (height, self._widest[height])
        gaussian = torch.randn(size, generator=self.generator, device=self.generator.device)
        q, r = torch.linalg.qr(gaussian)
        return q * r.diagonal().sign()

    def _signs(self, shape: Sequence[int]) -> Tensor:
        return 1 - 2 * (self._random(shape) < 0.5).float()

    def _random(self, shape: Sequence[int]) -> Tensor:
        return torch.rand(*shape, generator=self.generator, device=self.generator.device)


def widest(changes: Iterable[Change]) -> dict[int, int]:
    """For each height of the frames that draws of these changes take, the most columns."""
    found: dict[int, int] = {}
    for change in changes:
        if change.tuned is not None:
            found[change.shape[-1]] = change.shape[-1]
        for height in change.shape[-2:] if change.rank else ():
            found[height] = max(found.get(height, 0), change.rank or 0)
    return found


def random_change(change: Change, frames: Frames) -> Tensor:
    """A random change of the same size as that of a matrix or vector, float32, of shape ``change.shape``."""
    size = change.size.to(frames.generator.device)
    if len(change.shape) < 2:
        direction = torch.randn(change.shape, generator=frames.generator, device=size.device)
        return direction / direction.norm() * size
    *stack, height, width = change.shape
    left, right = (frames.draw((*stack, side), size.shape[-1]) for side in (height, width))
    return left.mul_(size[..., None, :]) @ right.mT


def sharing(model: Any, own: dict[int, Tensor] | None = None) -> Any:
    """A copy with modules of its own around the same tensors, but for those that ``own`` has others for, by id."""
    memo: dict[int, Any] = {id(tensor): tensor for tensor in named_tensors(model).values()}
    return copy.deepcopy(model, memo | (own or {}))


def _replace(model: nn.Module, old: Tensor, new: nn.Parameter) -> None:
    """Put a parameter wherever another one is used: tied weights stay tied."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter is old:
                setattr(module, name, new)
