"""Sentences whose pronoun changes its meaning with one word, in the manner of Winograd (Levesque et al. 2012).

Written for this project, but for the first pair, the form in which the schema is known best. The two sentences of a pair
name the same candidates in the same places and differ in what decides between them, so whoever always takes the first, the
nearest or a favourite word is right on exactly one of the two. Both candidates stand before the pronoun, for causal models.
"""

from dataclasses import dataclass

from attncompare.analyses.coreference_items import Item
from attncompare.analyses.mentions import find


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its pronoun, its candidates as they are written in it, and the one that is meant."""

    text: str
    pronoun: str
    candidates: tuple[str, str]
    correct: str
    twin: int
    """The same number for the two sentences of a pair."""

    @property
    def item(self) -> Item:
        """The same as an item of a list."""
        pronoun = find(self.text, self.pronoun, "pronoun")
        candidates = tuple(find(self.text, one, "candidate").span for one in self.candidates)
        return Item(self.text, pronoun.span, candidates, self.candidates.index(self.correct), f"twin {self.twin}")


_PAIRS = (
    ("The trophy would not fit into the brown suitcase because it was too {}.", "it", ("trophy", "suitcase"),
     ("large", "small")),
    ("The painter paid the carpenter because he had {} the shelf.", "he", ("painter", "carpenter"), ("ordered", "built")),
    ("The ball broke the window because it was {}.", "it", ("ball", "window"), ("hard", "thin")),
    ("The dog chased the rabbit until it {}.", "it", ("dog", "rabbit"), ("gave up", "hid in a hole")),
    ("Anna borrowed an umbrella from Maria because she had {}.", "she", ("Anna", "Maria"),
     ("forgotten her own", "two of them")),
    ("The lorry could not drive under the bridge because it was too {}.", "it", ("lorry", "bridge"), ("high", "low")),
    ("The coach praised the runner because she {}.", "she", ("coach", "runner"), ("wanted to be kind", "had won the race")),
    ("The soup did not fill the bowl because it {}.", "it", ("soup", "bowl"), ("had boiled away", "was very deep")),
    ("Peter asked Daniel for help because he {}.", "he", ("Peter", "Daniel"), ("was lost", "knew the way")),
    ("The blanket would not cover the bed because it was too {}.", "it", ("blanket", "bed"), ("narrow", "wide")),
    ("The doctor warned the driver because he had {}.", "he", ("doctor", "driver"),
     ("seen the test results", "drunk too much")),
    ("The rope could not hold the anchor because it was too {}.", "it", ("rope", "anchor"), ("thin", "heavy")),
)  # fmt: skip

SENTENCES = tuple(
    Sentence(text.format(words), pronoun, candidates, candidate, twin)
    for twin, (text, pronoun, candidates, ends) in enumerate(_PAIRS, 1)
    for words, candidate in zip(ends, candidates, strict=True)
)
"""The two sentences of a pair stand one after the other; the first means the first candidate."""


def twin_of(text: str) -> int | None:
    """The pair of sentences that this is one of; None for another text."""
    plain = text.strip()
    return next((sentence.twin for sentence in SENTENCES if sentence.text == plain), None)
