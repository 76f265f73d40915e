"""Text to tokens: ids for a model, readable tokens for a person, and which of them are sinks.

Special tokens typed as text stay text. Knows nothing about attention.
"""

from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from attncompare.attention import Token
from attncompare.errors import BadInput, PairMismatch

_TOKENIZING = Lock()
"""A fast tokenizer keeps its settings (truncation, special tokens) inside and is not safe to call from two threads."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """A text as one model takes it."""

    inputs: dict[str, Int[Tensor, "1 token"]]
    tokens: tuple[Token, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """Token ids."""
        return tuple(self.inputs["input_ids"][0].tolist())


def encode(tokenizer: Any, text: Any, *, max_tokens: int | None = None) -> Encoding:
    """Tokens of ``text`` with the special tokens that the tokenizer adds; sinks are marked later, see :func:`mark_sinks`.

    Raises:
        BadInput: the text is blank, leaves no token of its own, or is longer than ``max_tokens``.
    """
    if not isinstance(text, str):
        raise BadInput(f"Expected the text to be a string, got {type(text).__name__}.")
    if not text.strip():
        raise BadInput("The text is empty: type or paste a sentence to compare the models on.")
    with _TOKENIZING:
        encoded = tokenizer(
            text,
            split_special_tokens=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
            verbose=False,
        )
        raw = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    count = len(encoded["input_ids"])
    if max_tokens is not None and count > max_tokens:
        raise BadInput(
            f"The text is {count} tokens long and these models take at most {max_tokens}: "
            f"shorten it by {count - max_tokens}."
        )
    if all(encoded["special_tokens_mask"]):
        raise BadInput("Nothing of this text is left after tokenizing: type or paste words that the models know.")
    parts = zip(raw, encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
    tokens = tuple(_token(text, name, start, end, bool(special)) for name, (start, end), special in parts)
    inputs = {"input_ids": encoded["input_ids"], "attention_mask": [1] * count}
    if "token_type_ids" in encoded:
        inputs["token_type_ids"] = encoded["token_type_ids"]
    return Encoding({name: torch.tensor([values]) for name, values in inputs.items()}, tokens)


def _token(text: str, raw: str, start: int, end: int, special: bool) -> Token:
    if special or end <= start:
        return Token(raw, raw, None, None, special, sink=False)
    piece = text[start:end]
    return Token(piece.strip() or piece, raw, start, end, special, sink=False)


def require_same_tokens(base: Encoding, tuned: Encoding) -> None:
    """Both models must see the same ids.

    Raises:
        PairMismatch: where the two tokenizers cut the text differently.
    """
    if base.ids == tuned.ids:
        return
    at = next(
        (i for i, (a, b) in enumerate(zip(base.ids, tuned.ids, strict=False)) if a != b),
        min(len(base.ids), len(tuned.ids)),
    )
    pieces = [repr(side.tokens[at].raw) if at < len(side.tokens) else "the end" for side in (base, tuned)]
    if pieces[0] == pieces[1]:
        pieces = [f"{piece} is number {side.ids[at]}" for piece, side in zip(pieces, (base, tuned), strict=True)]
    raise PairMismatch(
        f"The two tokenizers read this text differently ({len(base.ids)} and {len(tuned.ids)} tokens; at position {at} "
        f"{pieces[0]} in the base, {pieces[1]} in the tuned model), so their attention can't be laid side by side."
    )


def sink_positions(tokenizer: Any, ids: tuple[int, ...], *, causal: bool) -> list[int]:
    """The sink set: every position that holds the tokenizer's CLS, SEP, BOS or EOS id, and position 0 of a causal model.

    Never MASK, UNK, padding, chat markers other than EOS, or punctuation.
    """
    names = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id")
    sinks = {getattr(tokenizer, name, None) for name in names} - {None}
    return [i for i, token in enumerate(ids) if token in sinks or (causal and i == 0)]


def mark_sinks(tokens: tuple[Token, ...], sinks: list[int]) -> tuple[Token, ...]:
    """The same tokens with ``sink`` set at the given positions."""
    return tuple(replace(token, sink=i in sinks) for i, token in enumerate(tokens))
