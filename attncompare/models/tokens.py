"""Text to tokens: ids for a model, readable tokens for a person, and which of them are sinks.

Special tokens typed as text stay text. Knows nothing about attention.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from attncompare.attention import Token
from attncompare.errors import BadInput
from attncompare.models.offsets import Span, located

_SPACE_MARKS = ("▁", "Ġ")

_TOKENIZING = Lock()
"""A fast tokenizer keeps its settings (truncation, special tokens) inside and is not safe to call from two threads."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """A text as one model takes it."""

    inputs: dict[str, Int[Tensor, "1 _"]]
    tokens: tuple[Token, ...]
    """Of the text: what an encoder, or a model that is decoder only, reads."""
    target: tuple[Token, ...] | None = None
    """What the decoder of an encoder-decoder reads, its start token first; None for other models."""

    @property
    def ids(self) -> tuple[int, ...]:
        """Token ids."""
        return tuple(self.inputs["input_ids"][0].tolist())

    @property
    def target_ids(self) -> tuple[int, ...] | None:
        """Token ids of the decoder of an encoder-decoder."""
        ids = self.inputs.get("decoder_input_ids")
        return None if ids is None else tuple(ids[0].tolist())


class _Parts(NamedTuple):
    """What a tokenizer says about a text, token by token."""

    ids: list[int]
    names: list[str]
    spans: list[Span]
    special: list[bool]
    segments: list[int | None]
    types: list[int] | None


def encode(
    tokenizer: Any,
    text: Any,
    *,
    text_pair: Any = None,
    token_types: bool = True,
    markers: bool = False,
    as_target: bool = False,
) -> Encoding:
    """Tokens of ``text`` with the special tokens that the tokenizer adds; sinks are marked later, see :func:`mark_sinks`.

    Args:
        tokenizer: of transformers; one without offsets has them found again, if that leaves no doubt.
        text: what to encode.
        text_pair: a second text behind it, as tokenizers of encoders put two sentences together.
        token_types: hand on the token types that the tokenizer returns; False for a model that has none.
        markers: the text is a rendered chat: nothing is added, and special tokens written in it are special tokens.
        as_target: what a decoder is to write, where the tokenizer reads that in another way (language marks).

    Raises:
        BadInput: the text is blank or leaves no token of its own; two texts where the tokenizer puts no mark between them;
            a tokenizer that doesn't say which characters a token stands for.
    """
    texts = tuple(_checked(one) for one in ((text,) if text_pair is None else (text, text_pair)))
    with _TOKENIZING:
        if getattr(tokenizer, "is_fast", False):
            parts = _fast_parts(tokenizer, texts, markers, as_target)
        else:
            parts = _slow_parts(tokenizer, texts, markers, as_target)
    if all(parts.special):
        raise BadInput("Nothing of this text is left after tokenizing: type or paste words that the models know.")
    if len(texts) == 2 and not _marks_pairs(parts):
        raise BadInput(
            f"The tokenizer {type(tokenizer).__name__} puts no mark between two texts, so models that use it read one: "
            "give a single text."
        )
    inputs = {"input_ids": parts.ids, "attention_mask": [1] * len(parts.ids)}
    if token_types and parts.types is not None:
        inputs["token_type_ids"] = parts.types
    return Encoding({name: torch.tensor([values]) for name, values in inputs.items()}, tuple(_tokens(texts, parts)))


def fitting(tokenizer: Any, text: str, max_tokens: int) -> str:
    """The longest beginning of ``text``, cut between tokens, that is at most ``max_tokens`` long; empty if none is.

    Raises:
        BadInput: as :func:`encode`.
    """
    encoding = encode(tokenizer, text)
    if len(encoding.tokens) <= max_tokens:
        return text
    own = [token.end for token in encoding.tokens if token.end is not None]
    # A cut text may be tokenized differently at its end, so each candidate is counted.
    for count in range(min(max_tokens - len(encoding.tokens) + len(own), len(own)), 0, -1):
        if len(encode(tokenizer, text[: own[count - 1]]).tokens) <= max_tokens:
            return text[: own[count - 1]]
    return ""


def _checked(text: Any) -> str:
    if not isinstance(text, str):
        raise BadInput(f"Expected the text to be a string, got {type(text).__name__}.")
    if not text.strip():
        raise BadInput("The text is empty: type or paste a sentence to compare the models on.")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise BadInput("The text holds half a character (a lone surrogate), which no tokenizer reads: type it again.")
    return text


def _fast_parts(tokenizer: Any, texts: tuple[str, ...], markers: bool, as_target: bool) -> _Parts:
    encoded = tokenizer(
        **_asked(texts, as_target),
        split_special_tokens=not markers,
        add_special_tokens=not markers,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
    ids, spans = encoded["input_ids"], encoded["offset_mapping"]
    special = [bool(flag) for flag in encoded["special_tokens_mask"]]
    if markers:
        known = special_words(tokenizer)
        special = [
            i in known and texts[0][a:b].strip() == known[i].strip() for i, (a, b) in zip(ids, spans, strict=True)
        ]
    names = tokenizer.convert_ids_to_tokens(ids)
    return _Parts(ids, names, spans, special, encoded.sequence_ids(), encoded.get("token_type_ids"))


def _slow_parts(tokenizer: Any, texts: tuple[str, ...], markers: bool, as_target: bool) -> _Parts:
    """The same from a tokenizer without offsets: its pieces are looked for in the text, the rest is special."""
    known = special_words(tokenizer)
    # Only where there are any: ESM finds its letters by the same mechanism.
    how = {"split_special_tokens": not markers and any(word in text for word in known.values() for text in texts)}
    encoded = tokenizer(**_asked(texts, as_target), add_special_tokens=not markers, verbose=False, **how)
    ids = encoded["input_ids"]
    spans: list[Span] = [(0, 0)] * len(ids)
    segments: list[int | None] = [None] * len(ids)
    names, at = tokenizer.convert_ids_to_tokens(ids), 0
    for segment, text in enumerate(texts):
        pieces = tokenizer.tokenize(text, **how)
        found, own = located(text, pieces), tokenizer.convert_tokens_to_ids(pieces)
        at = next((i for i in range(at, len(ids)) if ids[i : i + len(own)] == own), len(ids))
        if found is None or at == len(ids):
            raise BadInput(
                f"The tokenizer {type(tokenizer).__name__} doesn't say which characters its tokens stand for, and in this "
                "text they can't be told: give a checkpoint with a fast tokenizer (tokenizer.json)."
            )
        stop = at + len(own)
        spans[at:stop], segments[at:stop], names[at:stop] = found, [segment] * len(own), pieces
        at = stop
    written = known if markers else {}
    special = [segments[i] is None or written.get(number) == names[i] for i, number in enumerate(ids)]
    return _Parts(ids, names, spans, special, segments, encoded.get("token_type_ids"))


def _asked(texts: tuple[str, ...], as_target: bool) -> dict[str, Any]:
    if as_target:
        return {"text_target": texts[0]}
    return {"text": texts[0], "text_pair": texts[1] if len(texts) > 1 else None}


def special_words(tokenizer: Any) -> dict[int, str]:
    """The special tokens of a tokenizer as they are written, by id."""
    added = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return {**added, **dict(zip(tokenizer.all_special_ids, map(str, tokenizer.all_special_tokens), strict=True))}


def _marks_pairs(parts: _Parts) -> bool:
    """Whether two texts are told apart: by a special token between them, or by token types."""
    first = [i for i, segment in enumerate(parts.segments) if segment == 0]
    second = [i for i, segment in enumerate(parts.segments) if segment == 1]
    if not first or not second:
        raise BadInput("Nothing of one of the two texts is left after tokenizing: type or paste words in both.")
    types = parts.types
    return second[0] - first[-1] > 1 or (types is not None and types[first[0]] != types[second[0]])


def _tokens(texts: tuple[str, ...], parts: _Parts) -> Iterable[Token]:
    segment, before, repeats = 0, None, 0
    for name, span, special, own in zip(parts.names, parts.spans, parts.special, parts.segments, strict=True):
        segment = segment if own is None else own
        token = located_token(texts[segment], name, span, special, segment)
        place = None if token.start is None else (segment, token.start, token.end)
        repeats = repeats + 1 if place is not None and place == before else 0
        before = place
        yield replace(token, text=f"·{repeats + 1}") if repeats else token


def located_token(text: str, name: str, span: Span, special: bool, segment: int = 0) -> Token:
    """A token at ``span`` of ``text``, shown without the white space around it.

    A mere mark of the space before a word, which some tokenizers place on the word's first letter, stands for no character.
    """
    start, end = span
    piece = text[start:end]
    if not piece or (name in _SPACE_MARKS and piece.strip()):
        return Token(name, name, None, None, special, sink=False, segment=segment)
    return Token(piece.strip() or piece, name, start, end, special, sink=False, segment=segment)


def sink_positions(tokenizer: Any, ids: tuple[int, ...], *, causal: bool) -> list[int]:
    """The sink set: every position that holds the tokenizer's CLS, SEP, BOS or EOS id, and position 0 of a causal model.

    Position 0 of a decoder that reads an encoder is its start token. Never MASK, UNK, padding, chat markers other than
    EOS, or punctuation.
    """
    names = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id")
    sinks = {getattr(tokenizer, name, None) for name in names} - {None}
    return [i for i, token in enumerate(ids) if token in sinks or (causal and i == 0)]


def mark_sinks(tokens: tuple[Token, ...], sinks: list[int]) -> tuple[Token, ...]:
    """The same tokens with ``sink`` set at the given positions."""
    marked = set(sinks)
    return tuple(replace(token, sink=i in marked) for i, token in enumerate(tokens))
