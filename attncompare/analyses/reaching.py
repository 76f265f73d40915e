"""The measuring of how far heads look: one pass over the layers of both models, block by block."""

from typing import Unpack

import torch
from torch import Tensor

from attncompare.analyses.blocks import blocks
from attncompare.analyses.distance import NO_PARAGRAPH, SHOWN, Link, Reach
from attncompare.attention import Progress, frozen
from attncompare.errors import BadInput
from attncompare.metrics.block import Block
from attncompare.metrics.reach import BANDS, band_masses, bands, distances, strongest, uniform_bands
from attncompare.metrics.rollout import uniform_rows
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import walk


def texts_of(question: PairText) -> tuple[str, ...]:
    """What the offsets of the question's tokens refer to."""
    return (question.target_text or "",) if question.attention == "decoder" else question.texts


def paragraphs_of(question: PairText) -> tuple[int, ...]:
    """Which paragraph each token stands in: a line break begins another one, and so does the second text of a pair."""
    texts, found, number, last = texts_of(question), [], 0, (0, 0)
    for token in question.query_tokens:
        if token.special or token.start is None:
            found.append(NO_PARAGRAPH)
            continue
        text = texts[min(token.segment, len(texts) - 1)]
        segment, end = last
        number += token.segment != segment or "\n" in text[end : token.start]
        found.append(number)
        last = token.segment, token.end or token.start
    return tuple(found)


class _Walk:
    """Sums of one pass over the layers."""

    def __init__(self, question: PairText, paragraphs: tuple[int, ...]) -> None:
        self._question = question
        self._paragraphs = torch.tensor(paragraphs)
        self.masses: list[Tensor] = []
        self.uniform: list[Tensor] = []
        self.distances: list[Tensor] = []
        self.even_distances: list[float] = []
        self.links: dict[tuple[int, int], Link] = {}
        self.across: dict[tuple[int, int], Link] = {}

    def layer(self, place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        sums = torch.zeros(2, len(BANDS), base.heads, dtype=torch.float64)
        uniform = torch.zeros(len(BANDS) + 1, dtype=torch.float64)  # and the distance
        away = torch.zeros(2, base.heads, dtype=torch.float64)
        for block in blocks(*self._question.views(base, tuned), entropy=False):
            self._add(place, block, sums, uniform, away)
        self.masses.append(sums / sums.sum(1, keepdim=True))
        self.uniform.append(uniform[: len(BANDS)] / len(self._question.query_tokens))
        self.distances.append(away / sums.sum(1))
        self.even_distances.append(float(uniform[-1]) / len(self._question.query_tokens))

    def _add(self, place: Place, block: Block, sums: Tensor, uniform: Tensor, away: Tensor) -> None:
        base, tuned = (rows[..., : rows.shape[-1] - self._question.null] for rows in (block.base, block.tuned))
        _, queries, keys = base.shape
        inside = bands(block.start, queries, keys, base.device)
        for side, rows in enumerate((base, tuned)):
            sums[side, :, block.heads] += band_masses(rows, inside).sum(-1, dtype=torch.float64).cpu()
            away[side, block.heads] += distances(rows, block.start).sum(-1, dtype=torch.float64).cpu()
        first = block.heads.start or 0
        if not first:  # the same for every head
            visible = block.visible if block.visible is None else block.visible[:, :keys]
            uniform[: len(BANDS)] += uniform_bands(inside, visible).sum(-1).cpu()
            seen = torch.ones(queries, keys, dtype=torch.bool) if visible is None else visible.cpu()
            uniform[-1] += distances(uniform_rows(seen)[None], block.start).sum(dtype=torch.float64)
        content = torch.ones(keys, dtype=torch.bool, device=base.device)
        content[[sink for sink in self._question.sinks if sink < keys]] = False
        self._link(self.links, place, block.start, first, base, tuned, inside[2] & content)
        looks, seen_from = self._paragraphs[block.start : block.start + queries, None], self._paragraphs[:keys]
        apart = (looks != seen_from) & (looks != NO_PARAGRAPH) & (seen_from != NO_PARAGRAPH)
        apart = apart.to(base.device) & ~inside[0] & content  # a neighbour behind a line break is no long way
        self._link(self.across, place, block.start, first, base, tuned, apart)

    def _link(
        self,
        links: dict[tuple[int, int], Link],
        place: Place,
        start: int,
        first: int,
        base: Tensor,
        tuned: Tensor,
        allowed: Tensor,
    ) -> None:
        """Keep each head's strongest link where it is allowed."""
        strength, query, key = strongest(torch.maximum(base, tuned), allowed)
        for head in strength.nonzero().flatten().tolist():
            at = head, int(query[head]), int(key[head])
            link = Link(place.layer, first + head, start + at[1], at[2], float(base[at]), float(tuned[at]))
            known = links.get((link.layer, link.head))
            if known is None or link.strength > known.strength:
                links[link.layer, link.head] = link


def _strongest(links: dict[tuple[int, int], Link]) -> tuple[Link, ...]:
    """One link a head, strongest first."""
    return tuple(sorted(links.values(), key=lambda link: -link.strength)[:SHOWN])


def reach(pair: Pair, text: str, *, progress: Progress | None = None, **reading: Unpack[Reading]) -> Reach:
    """Near (up to 8 positions), mid (up to 64) and far mass of every head in both models, and the links that go far.

    Also the mean distance of what a head looks at, and its strongest link between two paragraphs.

    ``reading`` says how the text is read, as in :func:`attncompare.compare`. A logit sink has no position: masses are shares
    of what a row gives to tokens.

    Raises:
        BadInput: as compare, and for cross-attention, whose queries and keys are positions of different texts.
    """
    if reading.get("attention") == "cross":
        raise BadInput("Cross-attention has no distances: its queries and keys are positions of different texts.")
    question = prepare(pair, text, progress=progress, **reading)
    paragraphs = paragraphs_of(question)
    found = _Walk(question, paragraphs)
    walk(pair, question, found.layer, progress)
    masses = torch.stack(found.masses, dim=2)  # [side, band, layer, head]
    base, tuned = ({band: frozen(side[i]) for i, band in enumerate(BANDS)} for side in masses)
    return Reach(
        question.query_tokens,
        question.stack.layers,
        base,
        tuned,
        uniform={band: frozen(torch.stack(found.uniform)[:, i]) for i, band in enumerate(BANDS)},
        links=_strongest(found.links),
        distance={side: frozen(torch.stack(found.distances)[:, i]) for i, side in enumerate(("base", "tuned"))},
        distance_uniform=frozen(found.even_distances),
        across=_strongest(found.across),
        paragraphs=paragraphs,
        texts=texts_of(question),
        about=question.about,
    )
