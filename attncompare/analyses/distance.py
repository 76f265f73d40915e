"""How far do the heads look? Mass near, at middle distance and far in both models, and the strongest links that go far.

A link goes far by its distance, or because it joins two paragraphs.

Each band stands beside what uniform attention over the same visible keys would give it: in a long text most keys are far,
so a head that looks nowhere in particular looks far.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attncompare.analyses.verdict import listing, named
from attncompare.attention import About, Token, head_name
from attncompare.metrics.reach import BANDS, MID, NEAR

SHOWN = 20
"""Heads whose strongest far link is kept."""

SAME = 5e-4
"""A share that changed by less stayed the same: it would be printed as 0.0%."""

NO_PARAGRAPH = -1
"""Of a token that stands in none, such as a special one."""

AROUND = 40
"""Characters shown on each side of a token."""

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
    distance: dict[str, np.ndarray]
    """base and tuned: mean positions between a token and what it looks at."""
    distance_uniform: np.ndarray
    """The same for uniform attention under each layer's masks, ``[layer]``."""
    across: tuple[Link, ...]
    """Each head's strongest link that is not near between content tokens of different paragraphs, strongest first."""
    paragraphs: tuple[int, ...]
    """Which paragraph each token stands in, or :data:`NO_PARAGRAPH`."""
    texts: tuple[str, ...]
    """What the offsets of the tokens refer to."""
    about: About = About()

    def passage(self, at: int) -> str:
        """A token in square brackets with some of the text around it, on one line."""
        token = self.tokens[at]
        if token.start is None or token.end is None:
            return f"[{token.text}]"
        text = self.texts[min(token.segment, len(self.texts) - 1)]
        before, behind = text[: token.start], text[token.end :]
        start = f"…{before[-AROUND:]}" if len(before) > AROUND else before
        end = f"{behind[:AROUND]}…" if len(behind) > AROUND else behind
        return " ".join(f"{start}[{text[token.start : token.end]}]{end}".split())

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
            return f"All attention is near: {why}.", *self._across()
        link = [self._link(self.links[0])] if self.links else []
        return self._overall(), *self._heads(), self._distances(), *link, *self._across(), LIMITS

    def _distances(self) -> str:
        base, tuned = (float(np.nanmean(self.distance[side])) for side in ("base", "tuned"))
        uniform = float(np.nanmean(self.distance_uniform))
        return (
            f"The mean distance of what is looked at is {base:.1f} positions in base and {tuned:.1f} in tuned; uniform "
            f"attention would give {uniform:.1f}."
        )

    def _across(self) -> list[str]:
        if not self.across:
            return []
        link = self.across[0]
        ends = f"{named(self.tokens, link.query)} to {named(self.tokens, link.key)}"
        count = len({number for number in self.paragraphs if number != NO_PARAGRAPH})
        return [
            f"Of links between the {count} paragraphs the strongest is from {ends}, in {link.name}: {link.base:.2f} in "
            f"base, {link.tuned:.2f} in tuned."
        ]

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
        base, tuned = (self.distance[side].ravel() for side in ("base", "tuned"))
        columns |= {"distance_base": base, "distance_tuned": tuned, "distance_delta": tuned - base}
        columns |= {"distance_uniform": self.distance_uniform[layer]}
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
            "paragraphs": list(self.paragraphs),
            "across": [
                {**link.to_dict(), "query_text": self.passage(link.query), "key_text": self.passage(link.key)}
                for link in self.across
            ],
        }
