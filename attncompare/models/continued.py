"""A text and what a model wrote after it, as one text that both models read.

The model that wrote keeps the very tokens that it wrote. So does the other, where its tokenizer names them the same;
otherwise it reads the text anew. Knows nothing about how a continuation came about.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from attncompare.attention import Token
from attncompare.models.tokens import Encoding, encode, located_token, special_words

_CONTEXT = 8
"""Tokens before a continuation that are decoded with it, so that a space between two words is not lost."""


def without_end(encoding: Encoding) -> Encoding:
    """The same without the marks that a tokenizer puts behind a text: it goes on here."""
    keep = len(encoding.tokens)
    while encoding.tokens[keep - 1].special and encoding.tokens[keep - 1].start is None:
        keep -= 1
    inputs = {name: values[:, :keep] for name, values in encoding.inputs.items()}
    return replace(encoding, inputs=inputs, tokens=encoding.tokens[:keep])


def extended(prompt: Encoding, new: Sequence[int], tokens: tuple[Token, ...]) -> Encoding:
    """The prompt with tokens behind it, for a model that is decoder only."""
    ids = torch.tensor([[*prompt.ids, *new]])
    return Encoding({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, (*prompt.tokens, *tokens))


def reread(tokenizer: Any, text: str, given: int, *, markers: bool = False, as_target: bool = False) -> Encoding:
    """``text`` as another tokenizer reads it; what reaches behind its first ``given`` characters counts as generated."""
    encoding = encode(tokenizer, text, token_types=False, markers=markers, as_target=as_target)
    if not as_target:
        encoding = without_end(encoding)
    tokens = (replace(t, generated=t.end is not None and t.end > given) for t in encoding.tokens)
    return replace(encoding, tokens=tuple(tokens))


def same_words(tokenizers: tuple[Any, Any], ids: Sequence[int]) -> bool:
    """Whether two tokenizers name these ids the same."""
    first, second = tokenizers
    return first is second or all(_name(first, number) == _name(second, number) for number in set(ids))


def same_content(first: Encoding, second: Encoding) -> bool:
    """Whether both are the same ids but for special tokens that stand for no text, such as a BOS on one side only."""
    own = [
        [number for number, token in zip(e.ids, e.tokens, strict=True) if not (token.special and token.start is None)]
        for e in (first, second)
    ]
    return own[0] == own[1]


def spelled(
    tokenizer: Any, before: Sequence[int], new: Sequence[int], text: str, *, markers: bool = False
) -> tuple[str, tuple[Token, ...]]:
    """``text`` with the characters of the ``new`` tokens behind it, and those tokens.

    A character may be spread over several tokens: each of them then stands for all of it, as in a text that is encoded.

    Args:
        tokenizer: of the model that wrote.
        before: ids that stand before the new ones.
        new: ids that the model wrote.
        text: what ``before`` stands for.
        markers: special tokens are part of the text, as in a rendered chat; otherwise they stand for no character.
    """
    known, context = special_words(tokenizer), list(before)[-_CONTEXT:]
    seen, waiting = _decoded(tokenizer, context), 0
    tokens: list[Token] = []
    for number in new:
        name = _name(tokenizer, number)
        special = number in known
        token = Token(name, name, None, None, special, sink=False, generated=True)
        tokens.append(token)
        if (special and not markers) or name == _unnamed(number):
            if waiting:  # for the rest of a character, which does not come now
                waiting, context, seen = 0, [], ""
            continue
        context.append(number)
        waiting += 1
        whole = _decoded(tokenizer, context)
        if len(whole) <= len(seen) or whole.endswith("\ufffd"):
            continue
        start, text = len(text), text + whole[len(seen) :]
        tokens[-waiting:] = _placed(text, start, tokens[-waiting:], _decoded(tokenizer, [number]))
        context, waiting = context[-waiting:], 0
        seen = _decoded(tokenizer, context)
    return text, tuple(tokens)


def _placed(text: str, start: int, parts: list[Token], last: str) -> list[Token]:
    """Tokens that stand for ``text[start:]`` together; ``last`` is what the last of them says on its own."""
    own = len(parts) > 1 and "\ufffd" not in last and text[start:].endswith(last)
    # Bytes that never became a character wait for the next token, which is no part of them.
    shared, stop = (parts[:-1], len(text) - len(last)) if own else (parts, len(text))
    placed = [_part(text, (start, stop), part, rank) for rank, part in enumerate(shared)]
    return [*placed, _part(text, (stop, len(text)), parts[-1], 0)] if own else placed


def _part(text: str, span: tuple[int, int], token: Token, rank: int) -> Token:
    found = replace(located_token(text, token.raw, span, token.special), generated=True)
    return replace(found, text=f"·{rank + 1}") if rank else found


def _decoded(tokenizer: Any, ids: list[int]) -> str:
    if not ids:
        return ""
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _name(tokenizer: Any, number: int) -> str:
    """What the tokenizer calls a token; a model may have more of them than its tokenizer has names for."""
    name = tokenizer.convert_ids_to_tokens(number)
    return _unnamed(number) if name is None else str(name)


def _unnamed(number: int) -> str:
    return f"#{number}"
