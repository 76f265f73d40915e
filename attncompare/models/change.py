"""What tuning did to the weights: of each weight how large its change is and of what rank, not its direction.

A LoRA's change is known from its factors. Any other adapter is merged into a private copy of each layer that it wraps, and
its change, like a full checkpoint's, is the tuned weight minus the base's. Of a matrix the singular values are kept, of a
vector the norm, and of an embedding the tuned weight itself: its change is asked for by the rows that a text uses.

Only the body counts: an output head attends to nothing. Knows nothing about texts.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from attncompare.attention import Progress
from attncompare.errors import UnsupportedModel
from attncompare.models.cache import Cache
from attncompare.models.pair import PAIRS, Pair, unwrapped


@dataclass(frozen=True, eq=False)
class Change:
    """The change of one weight."""

    path: str
    """The module that holds the weight, in the base without peft's wrapper; peft may wrap it too."""
    name: str
    """The weight within it."""
    shape: tuple[int, ...]
    """The weight as matrices, which are its last two axes: a convolution's kernel is one matrix, and a layer of experts a
    stack of them. One axis: a vector."""
    size: Float[Tensor, "*stack rank"]
    """Singular values of a matrix, largest first, float32; the norm of a vector. Empty for an embedding."""
    norm: float
    """Frobenius norm of the change."""
    weight_norm: float
    """Frobenius norm of the base's weight."""
    tuned: Float[Tensor, "row dim"] | None = None
    """The tuned weight, of an embedding; None for all others."""
    low_rank: bool = False
    """Whether the change is known from factors."""

    @property
    def rank(self) -> int | None:
        """Rank of a matrix, the largest of a stack; None for vectors and embeddings."""
        return self.size.shape[-1] if len(self.shape) > 1 and self.tuned is None else None


_EPSILON = torch.finfo(torch.float32).eps

CHANGES: Cache[tuple[Change, ...]] = Cache(max_items=2)
"""By :attr:`Pair.key`: singular values take longer than everything else that a floor needs."""

PAIRS.on_evict.append(lambda key, _: CHANGES.drop(lambda kept: kept == key))


def changes(pair: Pair, progress: Progress) -> tuple[Change, ...]:
    """Every weight of the base's body that the tuned model has changed, in the order of its modules; found once for a pair.

    ``progress`` is called between modules and may raise to stop.

    Raises:
        UnsupportedModel: for an adapter that can't be written as weights, or weights that are no floating-point numbers.
    """
    return CHANGES.get(pair.key, lambda: tuple(_find(pair, progress)))


def _find(pair: Pair, progress: Progress) -> Iterator[Change]:
    models = [unwrapped(side.model) for side in (pair.base, pair.tuned)]
    wrapped = {name for model in models for name, module in model.named_modules() if is_wrapped(module)}
    base, tuned = (_holders(model, wrapped) for model in models)
    seen: dict[int, Tensor] = {}
    for at, (path, module) in enumerate(base.items()):
        progress("measuring the change of the weights", at, len(base))
        if path not in tuned:
            raise _no_match(path)
        for weight, change in _changes_of(path, module, tuned[path], whole=path in wrapped):
            if id(weight) not in seen:  # tied weights are one weight
                seen[id(weight)] = weight
                yield change


def is_wrapped(module: nn.Module) -> bool:
    """Whether this is peft's wrapper of one of the model's modules."""
    return type(module).__module__.startswith("peft.") and hasattr(module, "active_adapters")


def acting(module: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """The module whose own weights act as this one does: itself, or a copy with its adapter merged, in ``dtype`` if given.

    peft adds an adapter to what a layer computes; merged into weights of half precision, a small one is rounded away.

    Raises:
        UnsupportedModel: the adapter can't be written as weights.
    """
    if not is_wrapped(module):
        return module
    wrapper: Any = module
    if hasattr(wrapper, "modules_to_save"):
        saved: nn.Module = wrapper.modules_to_save[wrapper.active_adapters[0]]
        return saved
    layer = copy.deepcopy(getattr(wrapper, "token_adapter", wrapper))
    layer = layer if dtype is None else layer.to(dtype)
    try:
        layer.merge()
    except NotImplementedError:
        raise UnsupportedModel(
            f"An adapter of kind {type(layer).__module__.split('.')[2].upper()} computes something else than a change of "
            "weights, so there is no random change of its size."
        ) from None
    merged: nn.Module = layer.get_base_layer()
    return merged


def _holders(model: Any, wrapped: set[str]) -> dict[str, nn.Module]:
    """By path every module of the body that has weights of its own, and those that one of both models has wrapped."""
    body, head = model.base_model, model.get_output_embeddings()
    start = next(path for path, module in model.named_modules() if module is body)
    found = {}
    for name, module in body.named_modules(prefix=start):  # a module that is used twice, as ALBERT's, comes once
        inside = any(name.startswith(f"{path}.") for path in wrapped)
        has_own = next(module.parameters(recurse=False), None) is not None
        if module is not head and not inside and (has_own or name in wrapped):
            found[name] = module
    return found


def _changes_of(path: str, base: nn.Module, tuned: nn.Module, *, whole: bool) -> Iterator[tuple[Tensor, Change]]:
    """The base's weights that changed, and their changes: one module's own weights, or with ``whole`` all in it."""
    known = _low_rank_size(base, tuned)
    first = acting(base, torch.float32)
    second = acting(tuned, torch.float32) if known is None else _layer(tuned)
    others = dict(second.named_parameters())
    for name, weight in first.named_parameters(recurse=whole):
        if known is not None and name == "weight":
            if len(known):
                norms = float(known.norm()), float(weight.float().norm())
                yield weight, Change(path, name, tuple(weight.shape), known, *norms, low_rank=True)
            continue
        other = others.get(name)
        if other is None:
            raise _no_match(f"{path}.{name}")
        if other.data_ptr() == weight.data_ptr() or _equal(other, weight):
            continue
        if not (weight.is_floating_point() and other.is_floating_point()):
            kind = str((other if weight.is_floating_point() else weight).dtype).removeprefix("torch.")
            raise UnsupportedModel(f"{path}.{name} is quantised ({kind}), so it can't be changed at random.")
        change = _change_of(path, name, weight, other, first.get_submodule(name.rpartition(".")[0]))
        if change is not None:
            yield weight, change


def _no_match(name: str) -> UnsupportedModel:
    return UnsupportedModel(f"{name} can't be laid beside the tuned model's, so there is no random change of its size.")


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


def _change_of(path: str, name: str, weight: Tensor, other: Tensor, holder: nn.Module) -> Change | None:
    """The change of one weight that is not known from factors; None if it is no more than rounding."""
    embeds = isinstance(holder, nn.Embedding)
    if other.shape != weight.shape and not embeds:
        raise _no_match(f"{path}.{name}")
    rows = min(len(other), len(weight)) if embeds else None  # a vocabulary may have grown
    change = other[:rows].float() - weight[:rows].float() if embeds else other.float() - weight.float()
    if not change.any():
        return None
    if isinstance(holder, _ConvNd) and change.ndim > 1:
        change = change.flatten(1)
    size = torch.empty(0) if embeds else _size(change, float(weight.float().norm()))
    if not embeds and not size.numel():
        return None
    norms = float(change.norm()), float(weight.float().norm())
    return Change(path, name, tuple(change.shape), size, *norms, tuned=other.detach() if embeds else None)


def _size(change: Float[Tensor, "*axes"], weight_norm: float) -> Float[Tensor, "*stack rank"]:
    """Singular values above rounding, of a matrix or of each in a stack; the norm of a vector."""
    if change.ndim < 2:
        return change.norm().reshape(1)
    values = torch.linalg.svdvals(_computable(change))
    rounding = max(weight_norm + float(change.norm()), max(change.shape[-2:]) * float(values.max()))
    return _above(values, _EPSILON * rounding).to(change.device)


def _low_rank_size(base: nn.Module, tuned: nn.Module) -> Float[Tensor, " rank"] | None:
    """Singular values of the change between two layers that share a weight and differ by LoRAs; None for all others.

    The product of two thin matrices has the singular values of the product of their triangular factors.
    """
    added, before = _factors(tuned), _factors(base)
    if added is None or (is_wrapped(base) and before is None):
        return None
    if _layer(base).weight is not _layer(tuned).weight:
        return None
    left, right = added
    if before is not None:
        left, right = torch.cat((left, -before[0]), 1), torch.cat((right, before[1]), 0)
    triangles = [torch.linalg.qr(_computable(side), mode="r").R for side in (left, right.mT)]
    rounding = _EPSILON * max(*left.shape, *right.shape) * float(triangles[0].norm() * triangles[1].norm())
    return _above(torch.linalg.svdvals(triangles[0] @ triangles[1].mT), rounding).to(left.device)


def _above(values: Float[Tensor, "*stack some"], rounding: float) -> Float[Tensor, "*stack rank"]:
    """Singular values up to the rank of a matrix, of a stack up to the highest."""
    return values[..., : int((values > rounding).sum(-1).max())]


def _layer(module: nn.Module) -> nn.Module:
    """The module itself, or what peft has wrapped."""
    wrapper: Any = module
    layer: nn.Module = wrapper.get_base_layer() if is_wrapped(module) else module
    return layer


def _factors(module: nn.Module) -> tuple[Float[Tensor, "row rank"], Float[Tensor, "rank column"]] | None:
    """The factors of a plain LoRA on a linear layer, which is ``left @ right`` added to the weight (or to its transpose, of
    the same singular values); None for all other modules."""
    kind = type(module)
    if (kind.__module__, kind.__name__) != ("peft.tuners.lora.layer", "Linear"):
        return None
    layer: Any = module
    name = layer.active_adapters[0]
    if layer.lora_variant or layer.lora_bias.get(name):
        return None
    return layer.lora_B[name].weight.float() * layer.scaling[name], layer.lora_A[name].weight.float()


def _computable(matrix: Tensor) -> Tensor:
    """Where there is no linear algebra on the device (mps), the processor's."""
    return matrix.float() if matrix.device.type in ("cpu", "cuda") else matrix.float().cpu()
