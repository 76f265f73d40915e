"""interim"""
from dataclasses import dataclass
from typing import Any, TypedDict
import inspect
from attncompare.attention import AttentionKind, Progress, Token
from attncompare.errors import BadInput
from attncompare.models.pair import Pair, Stack
from attncompare.models.tokens import Encoding, encode, require_same_tokens, mark_sinks, sink_positions
DENSE_LIMIT_BYTES = 2 * 2**30
TraceKey = tuple[Any, ...]

class Reading(TypedDict, total=False):
    attention: AttentionKind
    level: str

@dataclass(frozen=True, eq=False)
class Alignment:
    level: str
    units: tuple[Token, ...]
    base: tuple[tuple[int, ...], ...]
    tuned: tuple[tuple[int, ...], ...]

@dataclass(frozen=True, eq=False)
class PairText:
    key: TraceKey
    text: str
    base: Encoding
    tuned: Encoding
    attention: AttentionKind
    stack: Stack
    queries: Alignment
    keys: Alignment
    query_tokens: tuple[Token, ...]
    key_tokens: tuple[Token, ...]
    sinks: tuple[int, ...]
    @property
    def level(self): return self.queries.level
    @property
    def null(self): return self.stack.null
    @property
    def causal(self): return self.stack.causal
    @property
    def longest(self): return len(self.base.tokens)
    def views(self, base, tuned, left_out=None): return base, tuned
    def asked(self): return {}
    def alignment_record(self, left_out): return {"level": self.level, "same_ids": True, "units": len(self.query_tokens)}

def prepare(pair, text, *, attention="self", level="auto", progress=None) -> PairText:
    base = encode(pair.base.tokenizer, text, max_tokens=pair.max_tokens)
    _check_dense(pair, len(base.tokens))
    tuned = base
    if pair.tuned.tokenizer is not pair.base.tokenizer:
        tuned = encode(pair.tuned.tokenizer, text, max_tokens=pair.max_tokens)
        require_same_tokens(base, tuned)
    stack = pair.stack(attention)
    if level not in ("auto","token"):
        raise BadInput(f"Level {level!r} is not known: choose 'auto' or 'token'.")
    sinks = sink_positions(pair.base.tokenizer, base.ids, causal=stack.causal)
    tokens = mark_sinks(base.tokens, sinks)
    one = tuple((i,) for i in range(len(tokens)))
    al = Alignment("token", tokens, one, one)
    keys = tokens
    if stack.null:
        sinks = [*sinks, len(tokens)]
        keys = (*tokens, Token("no token", "", None, None, True, True))
    return PairText((pair.key, base.ids), text, base, tuned, attention, stack, al, al, tokens, keys, tuple(sinks))


def is_dense(pair: Pair) -> bool:
    return "dense" in (pair.base.info.attention_path, pair.tuned.info.attention_path)


def dense_bytes(pair: Pair, tokens: int) -> int:
    return 4 * sum(place.heads for place in pair.base.layout) * tokens**2


def _check_dense(pair: Pair, tokens: int) -> None:
    if is_dense(pair) and dense_bytes(pair, tokens) > DENSE_LIMIT_BYTES:
        fits = int((DENSE_LIMIT_BYTES / dense_bytes(pair, 1)) ** 0.5)
        raise BadInput(
            f"{pair.base.info.model_class} returns its attention only as a whole, which takes "
            f"{dense_bytes(pair, tokens) / 1e9:.1f} GB for these {tokens} tokens: shorten the text to {fits} tokens."
        )
