"""A question: a text as both models of a pair read it, and which of their stacks is asked about.

Knows nothing about how a text is read (:mod:`attncompare.models.reading`) or a model is run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from attncompare.attention import About, AttentionKind, Token
from attncompare.models.alignment import Alignment
from attncompare.models.merged import LeftOut, MergedCall, UnitIndex
from attncompare.models.pair import Stack
from attncompare.models.tokens import Encoding
from attncompare.models.views import AnyCall

NULL_TOKEN = Token("no token", "", None, None, special=True, sink=True)
"""What stands for the null key of a model with logit sinks."""

ReadBy = Literal["base", "tuned"]
"""Whose tokens a model reads."""

InputKey = tuple[tuple[str, tuple[int, ...]], ...]
TraceKey = tuple[str, InputKey, InputKey]


@dataclass(frozen=True, eq=False)
class PairText:
    """A text as both models of a pair take it, and which of their stacks is asked about. Sinks are marked, on each side its
    own. It refers to no model, so results may keep it."""

    pair_key: str
    text: str
    """As it was asked for."""
    texts: tuple[str, ...]
    """What the offsets of the tokens refer to: the text, rendered and continued, or both texts of a sentence pair."""
    target_text: str | None
    """What the offsets of a decoder's tokens refer to."""
    base: Encoding
    tuned: Encoding
    attention: AttentionKind
    stack: Stack
    queries: Alignment
    keys: Alignment
    """The same object as the queries', but for cross attention; a null key is in neither."""
    query_tokens: tuple[Token, ...]
    """What looks: the queries' units with their sinks marked."""
    key_tokens: tuple[Token, ...]
    """What is looked at, a null key last; the same object as ``query_tokens`` where the two are the same."""
    notes: tuple[str, ...]
    """What a reader of the result should know about the text."""

    @property
    def key(self) -> TraceKey:
        """What the trace cache knows this question by: everything that a trace depends on."""
        return self.pair_key, _key(self.base), _key(self.tuned)

    @property
    def level(self) -> str:
        """``token``, or what tokens of queries or keys were merged into: ``shared`` units or ``word``."""
        return self.keys.level if self.queries.identity else self.queries.level

    @property
    def about(self) -> About:
        """What results of this question are about."""
        return About(self.attention, self.level, self.base.target is not None)

    @property
    def causal(self) -> bool:
        """Whether a query sees only itself and earlier keys."""
        return self.stack.causal

    @property
    def null(self) -> bool:
        """Whether the last key is the models' null key."""
        return self.stack.null

    @property
    def sinks(self) -> tuple[int, ...]:
        """Keys of the sink set."""
        return tuple(i for i, token in enumerate(self.key_tokens) if token.sink)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence that any stack of either model reads."""
        return max(len(tokens) for side in (self.base, self.tuned) for tokens in (side.tokens, side.target or ()))

    def views(
        self,
        base: AnyCall,
        tuned: AnyCall,
        left_out: Sequence[LeftOut] | None = None,
        readers: tuple[ReadBy, ReadBy] = ("base", "tuned"),
    ) -> tuple[AnyCall, AnyCall]:
        """One layer of both models over what is compared: the calls themselves, or over units where tokens are merged.

        What is left out of rows is added to ``left_out``, the base's and the tuned model's. ``readers`` says whose tokens
        the two calls are over.
        """
        if self.queries.identity and self.keys.identity:
            return base, tuned
        sides = zip((base, tuned), readers, left_out or (LeftOut(), LeftOut()), strict=True)
        first, second = (
            MergedCall(
                call,
                UnitIndex.of(getattr(self.queries, side), call.queries),
                UnitIndex.of(getattr(self.keys, side), call.keys - call.null),
                left,
            )
            for call, side, left in sides
        )
        return first, second

    def alignment(self, left_out: Sequence[LeftOut]) -> dict[str, Any]:
        """How the keys of both models were laid side by side, as JSON values, with the mean mass left out of their rows.

        Of cross-attention the queries, which are tokens of another text, stand under a key of their own.
        """
        record = self.keys.to_dict(*(side.share or 0.0 for side in left_out))
        return record if self.keys is self.queries else {**record, "queries": self.queries.to_dict(None, None)}

    def to_dict(self) -> dict[str, Any]:
        """What was read as JSON values."""
        return {"texts": list(self.texts), "target_text": self.target_text, "notes": list(self.notes)}


def _key(encoding: Encoding) -> InputKey:
    return tuple(
        (name, tuple(values[0].tolist())) for name, values in encoding.inputs.items() if name != "attention_mask"
    )
