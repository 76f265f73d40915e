"""A private copy of a model whose blocks can be stepped into: widened from one on, or run many times over.

Most of what is asked of heads one by one needs the same beginning of a pass again and again. Here a pass goes with one row
up to a block, and from there with as many as are asked for; or every block runs its many variations on the one row that came
in, and hands on what it would have. The copy shares every tensor with the model, which stays as it is.

Knows nothing about attention.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

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

    @contextmanager
    def widened(self, start: int, rows: int) -> Iterator[None]:
        """From block ``start`` on there are ``rows`` rows of what was one."""

        def widen(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
            return _wide(args, rows), _wide(kwargs, rows)

        with _hooked(self._blocks[start:], widen):
            yield

    @contextmanager
    def visited(self, visit: Visit) -> Iterator[None]:
        """``visit`` may run each block as often as it likes before the pass goes on as if it had not."""
        numbers = {block: number for number, block in enumerate(self._blocks)}

        def step_into(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            def run(rows: int) -> Tensor:
                made = module.forward(*_wide(args, rows), **_wide(kwargs, rows))  # not called: hooks stay out of it
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


def _wide(value: Any, rows: int) -> Any:
    """The same with ``rows`` rows of every tensor over tokens that had one: hidden states, masks, positions."""
    if isinstance(value, Tensor):
        return value.expand(rows, *value.shape[1:]) if value.ndim > 2 and len(value) == 1 else value
    if isinstance(value, dict):
        return {name: _wide(one, rows) for name, one in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_wide(one, rows) for one in value)
    return value
