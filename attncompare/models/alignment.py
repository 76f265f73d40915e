"""Two tokenizers on one text: the units in which their attention can be laid side by side.

Where both read the same ids a unit is a token. Elsewhere units are the smallest stretches of text that start and end at a
token boundary in both tokenizers, and never inside a character as a person sees it; or whole words, on demand. Special
tokens without text are matched by their role: leading with leading, trailing with trailing, separators in order. What
finds no partner is unaligned: its attention is left out and reported. Divergence shrinks when tokens are merged, so numbers
of different levels must never share a scale.

Knows nothing about models; how rows are merged is in :mod:`attncompare.models.merged`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Literal

from attncompare.attention import Token
from attncompare.errors import BadInput, PairMismatch
from attncompare.models.spans import Span, spans
from attncompare.models.words import character_starts, word_starts

Tokens = tuple[Token, ...]
Groups = tuple[tuple[int, ...], ...]
"""For each unit the positions of its tokens."""

Unit = tuple[tuple[int, ...], tuple[int, ...]]
"""The tokens of one unit: the base's and the tuned model's."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """The units of a text, and the tokens that each is made of on both sides. Units are in the order of the text."""

    level: Literal["token", "shared", "word"]
    same_ids: bool
    """Whether both tokenizers read the text as the same ids."""
    units: Tokens
    """What is shown; sinks are marked later."""
    base: Groups
    """For each unit the base's token positions, ascending; never empty."""
    tuned: Groups
    base_tokens: Tokens
    tuned_tokens: Tokens

    @property
    def identity(self) -> bool:
        """Whether every unit is one token and nothing is left out, so that rows need no merging."""
        return self.level == "token"

    def unaligned(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Positions of the base's and of the tuned model's tokens that belong to no unit."""
        if self.identity:
            return (), ()
        return _outside(self.base, len(self.base_tokens)), _outside(self.tuned, len(self.tuned_tokens))

    def holding(self, positions: Iterable[int]) -> list[int]:
        """The units that hold any of these positions of the base: its sinks, or a token that was asked for."""
        wanted = set(positions)
        return [unit for unit, tokens in enumerate(self.base) if not wanted.isdisjoint(tokens)]

    def sentence(self) -> str:
        """The alignment in one sentence, for the receipt."""
        if self.identity:
            return f"Both models see the same {len(self.units)} tokens."
        what = "words" if self.level == "word" else "units that both tokenizers have in common"
        parts = [
            f"{len(tokens)} tokens of the {side} ({_names(tokens, left)} without a partner)"
            if left
            else f"{len(tokens)} tokens of the {side}"
            for side, tokens, left in zip(
                ("base", "tuned model"), (self.base_tokens, self.tuned_tokens), self.unaligned(), strict=True
            )
        ]
        return f"{len(self.units)} {what}, made of {' and '.join(parts)}."

    def to_dict(self, unaligned_base: float | None, unaligned_tuned: float | None) -> dict[str, Any]:
        """The record as JSON values, with the mean attention that was left out on each side (None: not measured)."""
        base, tuned = self.unaligned()
        return {
            "level": self.level,
            "same_ids": self.same_ids,
            "units": len(self.units),
            "tokens_base": len(self.base_tokens),
            "tokens_tuned": len(self.tuned_tokens),
            "unaligned_base": unaligned_base,
            "unaligned_tuned": unaligned_tuned,
            "unaligned_tokens_base": [self.base_tokens[i].raw for i in base],
            "unaligned_tokens_tuned": [self.tuned_tokens[i].raw for i in tuned],
        }


def align(
    base: Tokens,
    tuned: Tokens,
    texts: tuple[str, ...],
    level: str = "auto",
    *,
    same_ids: bool,
) -> Alignment:
    """Units of ``texts`` (the text, or both texts of a sentence pair) for the tokens of both tokenizers.

    ``auto``: tokens where the ids are the same, else shared units. ``token``: tokens or nothing. ``word``: words in both.

    Raises:
        BadInput: no such level. PairMismatch: tokens asked for where they differ, or nothing in common.
    """
    if level not in ("auto", "token", "word"):
        raise BadInput(f"Level {level!r} is not known: choose 'auto', 'token' or 'word'.")
    if same_ids and level != "word":
        groups = tuple((i,) for i in range(len(base)))
        return Alignment("token", True, base, groups, groups, base, tuned)
    if level == "token":
        raise _different_tokens(base, tuned)
    found = _roles(base, tuned)
    for segment, text in enumerate(texts):
        found += _text_units(text, _of_text(base, segment), _of_text(tuned, segment), words=level == "word")
    pairs = _ordered(found)
    units = tuple(_unit(base, tuned, pair, texts) for pair in pairs)
    if all(unit.start is None for unit in units):
        raise PairMismatch("The two tokenizers have no part of this text in common, so there is nothing to compare.")
    base_groups, tuned_groups = (tuple(pair[side] for pair in pairs) for side in (0, 1))
    kind: Literal["shared", "word"] = "word" if level == "word" else "shared"
    return Alignment(kind, same_ids, units, base_groups, tuned_groups, base, tuned)


def _of_text(tokens: Tokens, segment: int) -> list[tuple[int, Token]]:
    """The tokens that stand for a part of one text, or are not known to stand for none."""
    return [(i, token) for i, token in enumerate(tokens) if token.segment == segment and not _added(token)]


def _added(token: Token) -> bool:
    """A special token that stands for no text; one that was written in the text (a chat marker) has a span."""
    return token.special and token.start is None


def _text_units(text: str, base: list[tuple[int, Token]], tuned: list[tuple[int, Token]], *, words: bool) -> list[Unit]:
    """Units of one text: stretches that both tokenizers start and end with a token, at ``words`` whole words."""
    sides = spans(text, base), spans(text, tuned)
    cells = _cells(text, [*sides[0], *sides[1]], words=words)
    groups = _in_cells(text, cells, sides[0], sides[1]), _in_cells(text, cells, sides[1], sides[0])
    raw = {token: name.raw for token, name in base}, {token: name.raw for token, name in tuned}
    units: list[Unit] = []
    for cell in sorted(groups[0].keys() & groups[1].keys()):
        ours, theirs = groups[0][cell], groups[1][cell]
        if not words and [raw[0][i] for i in ours] == [raw[1][i] for i in theirs]:
            units += [((i,), (j,)) for i, j in zip(ours, theirs, strict=True)]  # the bytes of an emoji, in both
        else:
            units.append((tuple(ours), tuple(theirs)))
    return units


def _cells(text: str, both: list[Span], *, words: bool) -> list[int]:
    """For each character the number of the stretch that no token of either side leaves or enters half-way.

    A run of white space is one stretch.
    """
    cut = word_starts(text) if words else character_starts(text)
    for i in range(1, len(text)):
        if text[i].isspace() and text[i - 1].isspace():
            cut[i] = False
    for span in both:
        if not span.blank:
            for i in range(span.start + 1, span.stop):
                cut[i] = False
    return list(accumulate(cut))


def _in_cells(text: str, cells: list[int], side: list[Span], other: list[Span]) -> dict[int, list[int]]:
    """Tokens of one side by the stretch they belong to.

    White space of its own that is inside a token on the other side (a full stop with its line break) belongs there.
    """
    blanks = {cells[span.start] for span in other if span.blank}
    taken_in = {
        i: cells[span.start]
        for span in other
        if not span.blank and span.start < span.stop
        for i in (*range(span.outer[0], span.start), *range(span.stop, span.outer[1]))
    }
    groups: dict[int, list[int]] = defaultdict(list)
    for span in side:
        cell = cells[span.start]
        if span.blank and cell not in blanks:
            cell = taken_in.get(span.start, cell)
        groups[cell].append(span.token)
    return groups


def _roles(base: Tokens, tuned: Tokens) -> list[Unit]:
    """Special tokens without text, matched in order where they stand at the same place."""
    ours, theirs = _places(base), _places(tuned)
    return [((i,), (j,)) for place in ours for i, j in zip(ours[place], theirs.get(place, ()), strict=False)]


def _places(tokens: Tokens) -> dict[tuple[int, int, int], list[int]]:
    """Positions of the added special tokens by their place: the texts before and after them, and where within one text."""
    following = [-1] * len(tokens)
    for i in range(len(tokens) - 2, -1, -1):
        following[i] = following[i + 1] if _added(tokens[i + 1]) else tokens[i + 1].segment
    places: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    before, reached = -1, 0
    for i, token in enumerate(tokens):
        if _added(token):
            places[before, following[i], reached if before == following[i] else 0].append(i)
        else:
            reached = reached if token.end is None else token.end
            before = token.segment
    return places


def _ordered(units: list[Unit]) -> list[Unit]:
    """The units in the order of the text; units that cross one another are made one."""
    done: list[Unit] = []
    for base, tuned in sorted(units):
        while done and (done[-1][0][-1] > base[0] or done[-1][1][-1] > tuned[0]):
            before = done.pop()
            base, tuned = tuple(sorted(before[0] + base)), tuple(sorted(before[1] + tuned))
        done.append((base, tuned))
    return done


def _unit(base: Tokens, tuned: Tokens, unit: Unit, texts: tuple[str, ...]) -> Token:
    """What is shown of a unit."""
    ours, theirs = [base[i] for i in unit[0]], [tuned[i] for i in unit[1]]
    first = ours[0]
    every = [*ours, *theirs]
    special = all(token.special for token in every)
    generated = all(token.generated for token in every)
    starts = [token.start for token in every if token.start is not None]
    if not starts:
        names = " ".join(token.raw for token in ours), " ".join(token.raw for token in theirs)
        name = names[0] if names[0] == names[1] else "/".join(names)
        return replace(first, text=name, raw=name, special=special, sink=False, generated=generated)
    start, end = min(starts), max(token.end for token in every if token.end is not None)
    piece = texts[first.segment][start:end]
    if stripped := piece.strip():
        start += len(piece) - len(piece.lstrip())
        end = start + len(stripped)
    name = stripped or piece
    raw = first.raw if len(ours) == 1 and [token.raw for token in theirs] == [first.raw] else name
    return Token(name, raw, start, end, special, False, first.segment, generated)


def _outside(groups: Groups, tokens: int) -> tuple[int, ...]:
    return tuple(sorted(set(range(tokens)).difference(*groups)))


def _names(tokens: Tokens, positions: tuple[int, ...]) -> str:
    """Tokens by name, each once: ``<s>, Ċ (3 times)``."""
    counted = Counter(tokens[i].raw for i in positions).most_common(5)
    named = ", ".join(f"{raw!r}" if count == 1 else f"{raw!r} {count} times" for raw, count in counted)
    more = len(positions) - sum(count for _, count in counted)
    return f"{named} and {more} more" if more else named


def _different_tokens(base: Tokens, tuned: Tokens) -> PairMismatch:
    at = next(
        (i for i, (a, b) in enumerate(zip(base, tuned, strict=False)) if a.raw != b.raw), min(len(base), len(tuned))
    )
    if at == len(base) == len(tuned):
        where = "the same tokens have other numbers"
    else:
        ours, theirs = (repr(side[at].raw) if at < len(side) else "the end" for side in (base, tuned))
        where = f"at position {at} {ours} in the base, {theirs} in the tuned model"
    return PairMismatch(
        f"The two tokenizers read this text differently ({len(base)} and {len(tuned)} tokens; {where}), so it can't be "
        "compared token by token: choose level 'auto' or 'word'."
    )
