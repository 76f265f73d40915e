"""Attention maps of known kinds with noise in them, for the rules of patterns to be tried on; written before the rules."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

NOISE = 0.15
"""Share of every row that is drawn at random."""

EACH = 50
"""Maps of each kind."""

LENGTHS = (16, 32, 64)


def _offset(size: int, offset: int) -> Tensor:
    rows = torch.zeros(size, size, dtype=torch.float64)
    at = torch.arange(size)
    rows[at, (at + offset).clamp(0, size - 1)] = 1
    return rows


def _vertical(size: int, generator: Generator) -> Tensor:
    rows = torch.zeros(size, size, dtype=torch.float64)
    rows[:, int(torch.randint(size, (), generator=generator))] = 1
    return rows


def _both(size: int, generator: Generator) -> Tensor:
    offset = int(torch.randint(-1, 2, (), generator=generator))
    return (_offset(size, offset) + _vertical(size, generator)) / 2


def _block(size: int, generator: Generator) -> Tensor:
    same = halves(size)[:, None] == halves(size)
    return same / same.sum(1, keepdim=True, dtype=torch.float64)


def _broad(size: int, generator: Generator) -> Tensor:
    return _noise((size, size), generator)


def _scattered(size: int, generator: Generator) -> Tensor:
    """Each row on three keys of its own."""
    keys = torch.stack([torch.randperm(size, generator=generator)[:3] for _ in range(size)])
    return torch.zeros(size, size, dtype=torch.float64).scatter(1, keys, _noise((size, 3), generator))


KINDS: dict[str, tuple[str, Callable[[int, Generator], Tensor]]] = {
    "previous": ("diagonal", lambda size, _: _offset(size, -1)),
    "self": ("diagonal", lambda size, _: _offset(size, 0)),
    "next": ("diagonal", lambda size, _: _offset(size, 1)),
    "vertical": ("vertical", _vertical),
    "both": ("vertical + diagonal", _both),
    "block": ("block", _block),
    "broad": ("broad", _broad),
    "scattered": ("heterogeneous", _scattered),
}
"""By kind: the class that it belongs to, and how its rows are made."""


def halves(size: int) -> Tensor:
    """Two segments."""
    return (torch.arange(size) >= size // 2).long()


def made(kind: str, number: int) -> Tensor:
    """The ``number``-th map of a kind, ``[query key]``."""
    generator = torch.Generator().manual_seed(1000 * list(KINDS).index(kind) + number)
    size = LENGTHS[number % len(LENGTHS)]
    return (1 - NOISE) * KINDS[kind][1](size, generator) + NOISE * _noise((size, size), generator)


def _noise(shape: tuple[int, int], generator: Generator) -> Tensor:
    """Rows drawn evenly from all distributions: exponentials over their sum."""
    drawn = -torch.log(torch.rand(shape, generator=generator, dtype=torch.float64))
    return drawn / drawn.sum(1, keepdim=True)
