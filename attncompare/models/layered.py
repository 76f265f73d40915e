"""A private copy of a model whose blocks can be stepped into: a batch that grows on its way, or blocks run many times over.

Most of what is asked of heads one by one needs the same beginning of a pass again and again. Here a pass starts with one row
and others join it at the block from which on they differ; or every block runs its many variations on the one row that came
in, and hands on what it would have. The copy shares every tensor with the model, which stays as it is.

Knows nothing about attention.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attncompare.models.draws import sharing

Run = Callable[[int], Float[Tensor, "row token dim"]]
"""Runs a block on so many copies of what came in; the hidden states that it makes of them."""

Visit = Callable[[int, Run], None]
"""Called with the number of a block before it runs."""


class Layered:
    """The copy. For one thread at a time."""

    def __init__(self, model: Any, modules: Sequence[nn.Module]) -> None:
        """``modules``: those of ``model`` that made its attention calls, in call order.

        Raises:
            ValueError: they don't stand in blocks that are run one after the other.
        """
        names = {id(module): name for name, module in model.named_modules()}
        paths = [_block(names.get(id(module), "")) for module in modules]
        known = list(dict.fromkeys(paths))
        if "" in known or [known.index(path) for path in paths] != sorted(known.index(path) for path in paths):
            raise ValueError("These attention calls don't stand in blocks that are run one after the other.")
        self.model = sharing(model)
        self.block = tuple(known.index(path) for path in paths)
        """The number of the block that each attention call stands in."""
        self._blocks = [self.model.get_submodule(path) for path in known]

    @property
    def blocks(self) -> int:
        """How many there are."""
        return len(self._blocks)

    @contextmanager
    def growing(self, joining: Sequence[int]) -> Iterator[None]:
        """Before each block runs, as many copies of the first row as it has in ``joining`` are put behind the others."""
        waiting = dict(zip(self._blocks, joining, strict=True))
        rows = 1

        def grow(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
            nonlocal rows
            before, rows = rows, rows + waiting.pop(module, 0)  # a block may run again: nothing joins twice
            return _grown((args, kwargs), before, rows)

        with _hooked(self._blocks, grow):
            yield

    @contextmanager
    def visited(self, visit: Visit) -> Iterator[None]:
        """``visit`` may run each block as often as it likes before the pass goes on as if it had not."""
        numbers = {block: number for number, block in enumerate(self._blocks)}

        def step_into(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            def run(rows: int) -> Tensor:
                wide, options = _grown((args, kwargs), 1, rows)
                made = module.forward(*wide, **options)  # not called: hooks stay out of it
                return made if isinstance(made, Tensor) else made[0]

            visit(numbers[module], run)

        with _hooked(self._blocks, step_into):
            yield


@contextmanager
def _hooked(blocks: Sequence[nn.Module], hook: Callable[..., Any]) -> Iterator[None]:
    handles = [block.register_forward_pre_hook(hook, with_kwargs=True) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _block(name: str) -> str:
    """The path of the block that a module stands in: up to its layer's number; empty without one."""
    found = re.match(r"(.*?\.\d+)(?:\.|$)", name)
    return found[1] if found else ""


def _grown(value: Any, before: int, rows: int) -> Any:
    """The same with ``rows`` rows of every tensor over tokens that had ``before``, or one: hidden states, masks."""
    if isinstance(value, Tensor):
        if value.ndim < 3 or len(value) not in (1, before):
            return value
        first = value[:1].expand(rows - (len(value) if len(value) > 1 else 0), *value.shape[1:])
        return torch.cat((value, first)) if len(value) > 1 else first
    if isinstance(value, dict):
        return {name: _grown(one, before, rows) for name, one in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_grown(one, before, rows) for one in value)
    return value
