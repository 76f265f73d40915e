"""Which keys lost a head's attention, which gained it, and for which queries."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.attention import head_name
from attncompare.metrics.kernel import LayerNumbers
from attncompare.metrics.links import Links as LayerLinks

SHOWN = 3
"""Keys kept per direction, beside the strongest links."""

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
    heads = bits.shape[1]
    change = torch.cat([(n.received_tuned - n.received_base) / n.seen.clamp_min(1) for n in numbers])
    lost_links, gained_links = _links([n.lost for n in numbers], -1), _links([n.gained for n in numbers], 1)
    parts = list(zip(_strongest(change, -1), _strongest(change, 1), lost_links, gained_links, strict=True))
    return tuple(Mover(layers[i // heads], i % heads, *parts[i]) for i in order.tolist())


def _strongest(change: Float[Tensor, "head key"], sign: int) -> list[Masses]:
    """The keys of each head that changed most in the direction of ``sign``."""
    top = (sign * change).topk(min(SHOWN, change.shape[-1]))
    return [
        tuple((key, sign * size) for key, size in zip(keys, sizes, strict=True) if size > 0)
        for keys, sizes in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]


def _links(layers: list[LayerLinks], sign: int) -> list[Links]:
    """The links of each head that changed in the direction of ``sign``."""
    numbers = (torch.cat([getattr(links, name) for links in layers]).tolist() for name in ("query", "key", "size"))
    return [
        tuple(link for link in zip(*of_head, strict=True) if sign * link[2] > 0)
        for of_head in zip(*numbers, strict=True)
    ]
