"""The steps of the bias probe, each of one text: what one text and a whole list of them have in common."""

from typing import NamedTuple, cast

import numpy as np
import torch

from attncompare.analyses.asking import Asked, both_sides
from attncompare.analyses.bias_record import Leakage
from attncompare.analyses.blocks import blocks
from attncompare.analyses.looks import Looks, looks
from attncompare.analyses.verdict import listing, named
from attncompare.analyses.word_groups import GENDERED, hits, members
from attncompare.attention import Progress, frozen
from attncompare.errors import BadInput
from attncompare.metrics.groups import GroupShares, GroupSums
from attncompare.metrics.kernel import MIN_CONTENT_MASS
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout
from attncompare.models.traces import walk


def by_word(reading: Reading) -> Reading:
    """How texts are read here: word by word, since a group is of whole words and a swap may change their pieces.

    Raises:
        BadInput: another level, or a text that a model is to go on.
    """
    if reading.get("level", "word") not in ("auto", "word"):
        raise BadInput("Word groups are of whole words: leave level out, or give 'word'.")
    if reading.get("generate") is not None:
        raise BadInput(
            "The words of a text that a model goes on change when a word before them is swapped: leave generate out."
        )
    return cast(Reading, {**reading, "level": "word"})


def key_texts(question: PairText) -> tuple[str, ...]:
    """The texts that the keys stand in."""
    return (question.target_text or "",) if question.attention == "decoder" else question.texts


def query_texts(question: PairText) -> tuple[str, ...]:
    """The texts that the queries stand in."""
    return question.texts if question.attention == "self" else (question.target_text or "",)


class Flags(NamedTuple):
    """Where the words of the groups are among the keys of a question."""

    names: tuple[str, ...]
    groups: np.ndarray
    """``[group, key]``."""
    notes: tuple[str, ...]

    @property
    def gendered(self) -> np.ndarray:
        """``[key]``: the words of the gendered groups."""
        rows = [at for at, name in enumerate(self.names) if name in GENDERED]
        return np.asarray(self.groups[rows].any(0))

    def units(self, name: str) -> tuple[int, ...]:
        """The words of a group."""
        return tuple(np.flatnonzero(self.groups[self.names.index(name)]).tolist())


def flagged(question: PairText, groups: dict[str, tuple[str, ...]]) -> Flags:
    """The words of the groups in a text.

    Raises:
        BadInput: there is none, or none that could be counted.
    """
    tokens, names = question.key_tokens, tuple(groups)
    found = hits(key_texts(question), groups)
    flags = members(tokens, found, names)
    if not flags.any():
        raise BadInput(
            "Every word of the groups in this text stands at a sink, where unused attention rests: give a text that begins "
            "with another word."
        )
    at_sinks = [
        named(tokens, at)
        for at, token in enumerate(tokens)
        if token.sink and token.start is not None and token.end is not None
        if any(hit.segment == token.segment and hit.start < token.end and token.start < hit.end for hit in found)
    ]
    note = (
        f"{listing(at_sinks)} stands at a sink, where unused attention rests, and is not counted." if at_sinks else ""
    )
    return Flags(names, flags, (note,) if note else ())


def content_of(question: PairText) -> np.ndarray:
    """``[key]``: which keys are content: no special tokens, no sinks."""
    return np.array([not (token.special or token.sink) for token in question.key_tokens])


def group_shares(pair: Pair, question: PairText, flags: Flags, progress: Progress | None) -> dict[str, np.ndarray]:
    """``base``, ``tuned`` and ``even``: ``[part, layer, head]``, see :class:`attncompare.metrics.groups.GroupShares`."""
    groups, content = torch.from_numpy(flags.groups), torch.from_numpy(content_of(question))
    found: list[GroupShares] = []

    def visit(place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        sums = GroupSums(base.heads, groups, content)
        for block in blocks(*question.views(base, tuned), entropy=False):
            sums.add(block)
        found.append(sums.shares())

    walk(pair, question, visit, progress)
    return {
        name: frozen(torch.stack([getattr(layer, name) for layer in found], dim=1))
        for name in ("base", "tuned", "even")
    }


class Looking(NamedTuple):
    """Both models on one text: their answers, and what the places look at that these are read from."""

    sides: tuple[Asked, Asked]
    looks: dict[str, Looks]


def look(pair: Pair, question: PairText, readout: Readout | None, tell: Progress) -> Looking:
    """The same readout of another text; or of this one where the models have no outputs."""
    sides = both_sides(pair, question, tell)
    return Looking(sides, looks(pair, question, readout, sides, tell))


def leakage(question: PairText, looking: dict[str, Looks], flags: Flags) -> Leakage | None:
    """What the read rows give to the gendered words; None where the text has none."""
    gendered, content = np.flatnonzero(flags.gendered), np.flatnonzero(content_of(question))
    if not gendered.size:
        return None
    share = {side: frozen(found.heads[..., gendered].sum(-1)) for side, found in looking.items()}
    mass = {side: found.heads[..., content].sum(-1) for side, found in looking.items()}
    return Leakage(
        read={side: found.read for side, found in looking.items()},
        words=tuple(gendered.tolist()),
        share=share,
        content={
            side: frozen(np.where(mass[side] >= MIN_CONTENT_MASS, share[side] / np.maximum(mass[side], 1e-9), np.nan))
            for side in looking
        },
        even=gendered.size / content.size,
    )
