"""How far do the heads look? Mass near, at middle distance and far in both models, and the strongest far links.

Each band stands beside what uniform attention over the same visible keys would give it: in a long text most keys are far,
so a head that looks nowhere in particular looks far.
"""

from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attncompare.analyses.blocks import blocks
from attncompare.analyses.verdict import listing, named
from attncompare.attention import About, Progress, Token, frozen, head_name
from attncompare.errors import BadInput
from attncompare.metrics.block import Block
from attncompare.metrics.reach import BANDS, MID, NEAR, band_masses, bands, strongest, uniform_bands
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import walk

SHOWN = 20
"""Heads whose strongest far link is kept."""

SAME = 5e-4
"""A share that changed by less stayed the same: it would be printed as 0.0%."""

AWAY = {"mid": f"{NEAR + 1} to {MID}", "far": f"more than {MID}"}

LIMITS = "This says how far the heads look, not that the model uses what it sees there."


@dataclass(frozen=True, slots=True)
class Link:
    """The query and the key far from it that a head joins hardest, in either model."""

    layer: int
    head: int
    query: int
    key: int
    base: float
    """Attention of the query to the key, 0 to 1."""
    tuned: float

    @property
    def strength(self) -> float:
        """The larger of the two."""
        return max(self.base, self.tuned)

    @property
    def distance(self) -> int:
        """Positions between the two."""
        return abs(self.query - self.key)

    @property
    def name(self) -> str:
        """``L5.H9``."""
        return head_name(self.layer, self.head)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        names = ("layer", "head", "query", "key", "distance", "base", "tuned")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, eq=False)
class Reach:
    """Mass by distance of every head in both models; arrays are ``[layer, head]`` float32."""

    tokens: tuple[Token, ...]
    layers: tuple[int, ...]
    """The model's own numbers of the layers that attend."""
    base: dict[str, np.ndarray]
    """By band (near, mid, far): share of a row's mass, mean over rows; the bands of a head sum to 1."""
    tuned: dict[str, np.ndarray]
    uniform: dict[str, np.ndarray]
    """The same for uniform attention under each layer's masks, ``[layer]``."""
    links: tuple[Link, ...]
    """Each head's strongest link to a far content token, strongest first; none in a text shorter than the far bound."""
    about: About = About()

    @property
    def furthest(self) -> str:
        """The furthest band that this text has: far, or what there is instead."""
        return next((band for band in reversed(BANDS) if np.nanmax(self.uniform[band], initial=0) > 0), "near")

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in a sentence each: whether the tuned model looks further, by which heads, and beside what
        uniform attention would give; the last one says what that does not mean."""
        if self.furthest == "near":
            short = len(self.tokens) <= NEAR + 1
            why = (
                f"no two positions are more than {NEAR} apart"
                if short
                else f"no layer looks further than {NEAR} positions"
            )
            return (f"All attention is near: {why}.",)
        link = [self._link(self.links[0])] if self.links else []
        return self._overall(), *self._heads(), *link, LIMITS

    def _overall(self) -> str:
        band = self.furthest
        base, tuned = float(np.nanmean(self.base[band])), float(np.nanmean(self.tuned[band]))
        uniform = float(np.nanmean(self.uniform[band]))
        where = f"attention to keys {AWAY[band]} positions away"
        if abs(tuned - base) < SAME:
            return f"On the whole the heads look as far as before: {where} stays at {base:.1%}, mean over heads."
        further, went = ("further", "rose") if tuned > base else ("nearer", "fell")
        return (
            f"On the whole the tuned heads look {further}: {where} {went} from {base:.1%} to {tuned:.1%}, mean over heads; "
            f"uniform attention would give {uniform:.1%}."
        )

    def _heads(self) -> list[str]:
        """The heads that changed most, and how many look further than uniform attention."""
        band = self.furthest
        base, tuned, uniform = self.base[band], self.tuned[band], self.uniform[band][:, None]
        change = np.abs(tuned - base)
        order = [cell for cell in np.argsort(-change, axis=None, kind="stable")[:3] if change.flat[cell] >= SAME]
        said = []
        if order:
            heads = change.shape[1]
            told = [
                f"{head_name(self.layers[at // heads], at % heads)} from {base.flat[at]:.0%} to {tuned.flat[at]:.0%}"
                for at in map(int, order)
            ]
            said.append(f"{listing(told)} changed most.")
        counts = [int((side > uniform).sum()) for side in (base, tuned)]
        said.append(
            f"{counts[0]} of {change.size} heads put more there than uniform attention does in base, {counts[1]} in tuned."
        )
        return said

    def _link(self, link: Link) -> str:
        ends = f"{named(self.tokens, link.query)} to {named(self.tokens, link.key)}"
        return (
            f"The strongest far link is from {ends}, {link.distance} positions apart, in {link.name}: {link.base:.2f} in "
            f"base, {link.tuned:.2f} in tuned."
        )

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head, and for each band base, tuned, delta and what uniform attention would give."""
        rows, heads = self.base["near"].shape
        layer, head = (axis.ravel() for axis in np.indices((rows, heads)))
        columns: dict[str, Any] = {"layer": np.asarray(self.layers)[layer], "head": head}
        for band in BANDS:
            base, tuned = self.base[band].ravel(), self.tuned[band].ravel()
            columns |= {f"{band}_base": base, f"{band}_tuned": tuned, f"{band}_delta": tuned - base}
            columns |= {f"{band}_uniform": self.uniform[band][layer]}
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "near": f"up to {NEAR} positions",
            "mid": f"{NEAR + 1} to {MID}",
            "far": f"more than {MID}",
            "answers": list(self.answers),
            "tokens": [token.text for token in self.tokens],
            "heads": self.frame().astype(object).to_dict("records"),
            "links": [link.to_dict() for link in self.links],
        }


class _Walk:
    """Sums of one pass over the layers."""

    def __init__(self, question: PairText) -> None:
        self._question = question
        self.masses: list[Tensor] = []
        self.uniform: list[Tensor] = []
        self.links: dict[tuple[int, int], Link] = {}

    def layer(self, place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        sums = torch.zeros(2, len(BANDS), base.heads, dtype=torch.float64)
        uniform = torch.zeros(len(BANDS), dtype=torch.float64)
        for block in blocks(*self._question.views(base, tuned), entropy=False):
            self._add(place, block, sums, uniform)
        self.masses.append(sums / sums.sum(1, keepdim=True))
        self.uniform.append(uniform / base.queries)

    def _add(self, place: Place, block: Block, sums: Tensor, uniform: Tensor) -> None:
        base, tuned = (rows[..., : rows.shape[-1] - self._question.null] for rows in (block.base, block.tuned))
        _, queries, keys = base.shape
        inside = bands(block.start, queries, keys, base.device)
        for side, rows in enumerate((base, tuned)):
            sums[side, :, block.heads] += band_masses(rows, inside).sum(-1, dtype=torch.float64).cpu()
        first = block.heads.start or 0
        if not first:  # the same for every head
            visible = block.visible if block.visible is None else block.visible[:, :keys]
            uniform += uniform_bands(inside, visible).sum(-1).cpu()
        allowed = inside[2].clone()
        allowed[:, [sink for sink in self._question.sinks if sink < keys]] = False
        strength, query, key = strongest(torch.maximum(base, tuned), allowed)
        for head in strength.nonzero().flatten().tolist():
            at = head, int(query[head]), int(key[head])
            link = Link(place.layer, first + head, block.start + at[1], at[2], float(base[at]), float(tuned[at]))
            known = self.links.get((link.layer, link.head))
            if known is None or link.strength > known.strength:
                self.links[link.layer, link.head] = link

    def strongest_links(self) -> tuple[Link, ...]:
        """One link a head, strongest first."""
        return tuple(sorted(self.links.values(), key=lambda link: -link.strength)[:SHOWN])


def reach(pair: Pair, text: str, *, progress: Progress | None = None, **reading: Unpack[Reading]) -> Reach:
    """Near (up to 8 positions), mid (up to 64) and far mass of every head in both models, and the strongest far links.

    ``reading`` says how the text is read, as in :func:`attncompare.compare`. A logit sink has no position: masses are shares
    of what a row gives to tokens.

    Raises:
        BadInput: as compare, and for cross-attention, whose queries and keys are positions of different texts.
    """
    if reading.get("attention") == "cross":
        raise BadInput("Cross-attention has no distances: its queries and keys are positions of different texts.")
    question = prepare(pair, text, progress=progress, **reading)
    found = _Walk(question)
    walk(pair, question, found.layer, progress)
    masses = torch.stack(found.masses, dim=2)  # [side, band, layer, head]
    base, tuned = ({band: frozen(side[i]) for i, band in enumerate(BANDS)} for side in masses)
    return Reach(
        question.query_tokens,
        question.stack.layers,
        base,
        tuned,
        uniform={band: frozen(torch.stack(found.uniform)[:, i]) for i, band in enumerate(BANDS)},
        links=found.strongest_links(),
        about=question.about,
    )
