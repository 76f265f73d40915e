"""Which keys lost a head's attention, which gained it, and for which queries."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attncompare.attention import head_name
from attncompare.metrics.kernel import LayerNumbers

SHOWN = 3
"""Keys and links kept per direction."""

Masses = tuple[tuple[int, float], ...]
Links = tuple[tuple[int, int, float], ...]


@dataclass(frozen=True, eq=False)
class Mover:
    """What one head stopped and started looking at; strongest first, losses negative."""

    layer: int
    head: int
    lost: Masses
    """(key, change of the attention it receives, mean over the queries that can see it)."""
    gained: Masses
    lost_links: Links
    """(query, key, change): the queries that lost most on a single key."""
    gained_links: Links

    @property
    def name(self) -> str:
        """``L5.H9``."""
        return head_name(self.layer, self.head)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "layer": self.layer,
            "head": self.head,
            "lost": [list(part) for part in self.lost],
            "gained": [list(part) for part in self.gained],
            "lost_links": [list(link) for link in self.lost_links],
            "gained_links": [list(link) for link in self.gained_links],
        }


def movers(numbers: list[LayerNumbers], layers: tuple[int, ...]) -> tuple[Mover, ...]:
    """Every head whose divergence is above 0, most divergent first; ``layers`` are the model's own layer numbers."""
    bits = torch.stack([layer.columns["jsd_bits"] for layer in numbers]).nan_to_num(0)
    order = bits.flatten().argsort(descending=True, stable=True)[: int((bits > 0).sum())]
    places = (divmod(int(i), bits.shape[1]) for i in order)
    return tuple(_mover(numbers[row], layers[row], head) for row, head in places)


def _mover(numbers: LayerNumbers, layer: int, head: int) -> Mover:
    change = (numbers.received_tuned[head] - numbers.received_base[head]) / numbers.seen.clamp_min(1)
    return Mover(
        layer,
        head,
        tuple((key, -loss) for key, loss in _strongest(-change)),
        _strongest(change),
        _links(-numbers.loss[head], numbers.loss_key[head], -1),
        _links(numbers.gain[head], numbers.gain_key[head], 1),
    )


def _strongest(change: Float[Tensor, " key"]) -> Masses:
    top = change.topk(min(SHOWN, len(change)))
    return tuple(
        (key, value) for key, value in zip(top.indices.tolist(), top.values.tolist(), strict=True) if value > 0
    )


def _links(sizes: Float[Tensor, " query"], keys: Int[Tensor, " query"], sign: int) -> Links:
    return tuple((query, int(keys[query]), sign * size) for query, size in _strongest(sizes))
