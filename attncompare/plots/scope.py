"""What a picture is about, in words: which attention of the models, and what its positions are.

Numbers over tokens and numbers over merged tokens are no match for each other, and neither are two stacks of one model:
every picture names what it shows. Knows nothing about layout.
"""

from dataclasses import dataclass

from attncompare.analyses.comparison import Comparison
from attncompare.attention import About
from attncompare.plots.labels import is_null, readable, tail, width

_ONE_AND_MANY = {
    "token": ("token", "tokens"),
    "shared": ("unit both tokenizers share", "units both tokenizers share"),
    "word": ("word", "words"),
}
_SHORT = {"token": "token", "shared": "unit", "word": "word"}


@dataclass(frozen=True, slots=True)
class Scope:
    """Which attention a picture shows, and what a position of it is."""

    stack: str = ""
    """encoder, decoder or cross-attention; empty where the model has one stack only."""
    level: str = "token"
    """token, shared or word."""

    @property
    def crosses(self) -> bool:
        """Whether queries and keys are positions of different texts."""
        return self.stack == "cross-attention"

    @property
    def noun(self) -> str:
        """What a position is called in a sentence: token, unit, word."""
        return _SHORT[self.level]

    @property
    def over(self) -> str:
        """End of a title that names the level; empty for tokens.

        >>> Scope(level="word").over
        ' · words'
        """
        return "" if self.level == "token" else f" · {_ONE_AND_MANY[self.level][1]}"

    def of(self, thing: str) -> str:
        """``thing`` with the stack before it.

        >>> Scope("decoder").of("head"), Scope().of("head")
        ('decoder head', 'head')
        """
        return f"{self.stack} {thing}".strip()

    def count(self, number: int, what: str = "") -> str:
        """So many positions, named in full: ``1 token``, ``9 source words``."""
        return " ".join((str(number), *([what] if what else []), _ONE_AND_MANY[self.level][number != 1]))

    def remark(self) -> str:
        """What a reader must know before comparing numbers of this picture with others; empty for tokens."""
        if self.level == "token":
            return ""
        like = {"shared": "such units"}.get(self.level, f"{self.noun}s")
        return f"Positions are {_ONE_AND_MANY[self.level][1]}, not tokens: compare only with numbers over {like}."


def scope(about: About) -> Scope:
    """The words for what a result is about."""
    stack = {"decoder": "decoder", "cross": "cross-attention"}.get(about.attention, "encoder")
    return Scope(stack if about.encoder_decoder else "", about.level)


def provenance(comparison: Comparison, ems: float) -> str:
    """Which checkpoints and how many positions, in one line; long ids lose their beginning."""
    about, queries = scope(comparison.about), len(comparison.tokens)
    if about.crosses:
        keys = sum(not is_null(token) for token in comparison.key_tokens)
        rest = f" · {queries} target and {about.count(keys, 'source')}"
    else:
        rest = f" · {about.count(queries)}"
    base, tuned = readable(comparison.base.id, 200), readable(comparison.tuned.id, 200)
    room = ems - width(f" → {rest}")
    if width(base + tuned) > room:
        shorter = min(width(base), width(tuned), room / 2)
        base, tuned = (tail(name, shorter if width(name) <= shorter else room - shorter) for name in (base, tuned))
    return f"{base} → {tuned}{rest}"
