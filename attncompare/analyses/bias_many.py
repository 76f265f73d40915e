"""The bias probe on a list of texts: means with intervals over texts, and what a swap does to the answer on average."""

from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np

from attncompare.analyses.asking import BORROWED, Source, ask
from attncompare.analyses.bias import NO_ANSWER
from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.bias_record import SIDES
from attncompare.analyses.bias_steps import Looking, by_word, flagged, group_shares, leakage, look
from attncompare.analyses.bias_swap import Counterpart, counterpart
from attncompare.analyses.counterfactuals import lean, swapped
from attncompare.analyses.looks import assumed, looks
from attncompare.analyses.text_lists import require_many, which
from attncompare.analyses.word_groups import DEFAULT, hits, require_groups
from attncompare.attention import Progress, frozen, unheard
from attncompare.errors import BadInput
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import Readout


def bias_of_many(
    pair: Pair,
    texts: Sequence[str],
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    answer: str | None = None,
    against: str | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> BiasOfMany:
    """Shares of groups and leakage of every head on 2 to 1000 texts, and the swap's change of the readout, with intervals.

    All texts are asked the same: what the tuned model finds likeliest on the first of them, if no ``answer`` is given. Other
    arguments as in :func:`attncompare.analyses.bias.bias`, without a second text or a target.

    Raises:
        BadInput: as bias, and where no text has a word of any group; the sentence says which text can't be read.
    """
    lists = require_groups(DEFAULT if groups is None else groups)
    require_many(texts)
    if reading.get("text_pair") is not None or reading.get("target") is not None:
        raise BadInput("Each of many texts is read alone: leave text_pair and target out.")
    if answer is not None and pair.output_kind == "none":
        raise BadInput(NO_ANSWER)
    how, tell = by_word(reading), progress or unheard
    probe = _Probe(pair, lists, how, answer, against)
    for number, text in enumerate(texts, 1):
        try:
            probe.add(text, _told(tell, f"text {number} of {len(texts)}", number - 1, len(texts)))
        except _Unanswerable as error:
            raise BadInput(str(error)) from None
        except BadInput as error:
            raise BadInput(which(number, text, "probed", error)) from None
    if not any(probe.found):
        hits(texts, lists)  # says what is missing, where it is missing in all of them
    return probe.record(tuple(texts))


def _told(tell: Progress, step: str, done: int, total: int) -> Progress:
    tell(step, done, total)

    def told(inner: str, at: int, of: int) -> None:
        tell(f"{step}: {inner}", at, of)

    return told


class _Unanswerable(Exception):
    """The answer that was asked for can't be used, whatever the text."""


class _Probe:
    """What was found of each text so far; NaN where a text has no such words."""

    def __init__(
        self,
        pair: Pair,
        lists: dict[str, tuple[str, ...]],
        how: Reading,
        answer: str | None,
        against: str | None,
    ) -> None:
        self._pair, self._lists, self._how = pair, lists, how
        self._answer, self._against = answer, against
        self._readout: Readout | None = None
        self._first: PairText | None = None
        self._assumed: list[str] = []
        self.found: list[bool] = []
        self._shares: dict[str, list[np.ndarray]] = {name: [] for name in (*SIDES, "even")}
        self._leaks: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
        self._outputs: dict[str, list[float]] = {side: [] for side in SIDES}
        self._swapped: dict[str, list[float]] = {side: [] for side in SIDES}
        self._leans: list[int] = []
        self._texts: set[str] = set()
        self._twins = 0

    def add(self, text: str, tell: Progress) -> None:
        """The next text."""
        question = prepare(self._pair, text, progress=tell, **self._how)
        here = self._look(question, tell)
        self._assumed = assumed(here.looks) or self._assumed
        self._groups(question, here, tell)
        other = self._counterpart(text, question, tell)
        readout = self._readout
        there = look(self._pair, other.question, readout, tell) if other and readout else None
        self._leans.append(lean(other.changes) if other else 0)
        for at, side in enumerate(SIDES):
            self._outputs[side].append(_value(readout, here, at))
            self._swapped[side].append(_value(readout, there, at))

    def _counterpart(self, text: str, question: PairText, tell: Progress) -> Counterpart | None:
        """The swapped text; None where nothing is swapped, and of the swap of an earlier text, whose swap says the same."""
        twin = swapped(text).text != text and swapped(text).text in self._texts
        self._texts.add(text)
        self._twins += twin
        return None if twin else counterpart(self._pair, question, self._how, tell)[0]

    def _look(self, question: PairText, tell: Progress) -> Looking:
        """Both models on a text; the first one says what all are asked."""
        if self._first is None and self._pair.output_kind != "none":
            try:
                self._readout, sides = ask(self._pair, question, self._answer, self._against, tell)
            except BadInput as error:
                raise _Unanswerable(str(error)) from None
            self._first = question
            return Looking(sides, looks(self._pair, question, self._readout, sides, tell))
        self._first = self._first or question
        return look(self._pair, question, self._readout, tell)

    def _groups(self, question: PairText, here: Looking, tell: Progress) -> None:
        stack = question.stack
        shape = len(stack.layers), stack.heads
        shares = {name: np.full((len(self._lists) + 1, *shape), np.nan) for name in self._shares}
        leaks = {side: np.full(shape, np.nan) for side in SIDES}
        try:
            flags = flagged(question, self._lists)
        except BadInput:
            flags = None
        self.found.append(flags is not None)
        if flags is not None:
            measured = group_shares(self._pair, question, flags, tell)
            there = [bool(flags.units(name)) for name in flags.names]
            for name, values in measured.items():
                shares[name][[*there, True]] = values[[*there, True]]
            leak = leakage(question, here.looks, flags)
            leaks = leaks if leak is None else leak.share
        for name, values in shares.items():
            self._shares[name].append(values)
        for side in SIDES:
            self._leaks[side].append(leaks[side])

    def record(self, texts: tuple[str, ...]) -> BiasOfMany:
        """Everything that was found."""
        first, pair = self._first, self._pair
        assert first is not None
        missing = self.found.count(False)
        notes = [*self._assumed]
        if missing:
            notes.append(
                f"{missing} of {len(texts)} texts have no word of any group; they are left out of shares and leakage."
            )
        if self._twins:
            notes.append(f"Swaps of an earlier text: {self._twins} of {len(texts)}. A swap both ways counts once.")
        if self._readout is not None and self._answer is None:
            notes.append(
                f"All texts are asked what the tuned model finds likeliest on the first: {self._readout.name}."
            )
        if self._readout is not None and self._readout.base_head == "borrowed":
            notes.append(BORROWED)
        return BiasOfMany(
            source=Source(pair.base.info, pair.tuned.info, "\n".join(texts), {"texts": list(texts)}),
            about=first.about,
            readout=self._readout,
            sought=self._answer is not None,
            texts=texts,
            groups=self._lists,
            layers=first.stack.layers,
            shares={name: frozen(np.stack(values)) for name, values in self._shares.items()},
            leakage={side: frozen(np.stack(values)) for side, values in self._leaks.items()},
            outputs={side: frozen(values) for side, values in self._outputs.items()},
            swapped={side: frozen(values) for side, values in self._swapped.items()},
            leans=tuple(self._leans),
            notes=tuple(notes),
        )


def _value(readout: Readout | None, looking: Looking | None, at: int) -> float:
    if readout is None or looking is None:
        return float("nan")
    side = looking.sides[at]
    return float(readout.value(side.logits, side.name))
