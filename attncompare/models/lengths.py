"""Texts that are longer than the models read: refused, never cut silently, with what would fit.

Knows nothing about how models read.
"""

from collections.abc import Iterable

from attncompare.errors import BadInput
from attncompare.models.generation import MOST_NEW_TOKENS
from attncompare.models.pair import Pair
from attncompare.models.tokens import Encoding, fitting


def check_text(pair: Pair, encodings: Iterable[tuple[object, Encoding]], text: str) -> None:
    """``text`` fits both models; ``encodings`` are (tokenizer, encoding) of each side.

    Raises:
        BadInput: it doesn't; names the number of characters that would.
    """
    limit = pair.max_tokens
    over = [(tokenizer, e) for tokenizer, e in encodings if limit is not None and len(e.tokens) > limit]
    if not over or limit is None:
        return
    count = max(len(encoding.tokens) for _, encoding in over)
    fits = min(len(fitting(tokenizer, text, limit)) for tokenizer, _ in over)
    raise BadInput(
        f"The text is {count} tokens long and these models take at most {limit}: cut it to its first {fits} characters, "
        "which fit."
    )


def check_texts(pair: Pair, encodings: Iterable[Encoding], what: str) -> None:
    """``what`` is made of more than one text and fits both models.

    Raises:
        BadInput: it doesn't.
    """
    count = max(len(encoding.tokens) for encoding in encodings)
    if pair.max_tokens is not None and count > pair.max_tokens:
        raise BadInput(
            f"{what} is {count} tokens long and these models take at most {pair.max_tokens}: shorten it by "
            f"{count - pair.max_tokens} tokens."
        )


def check_chat(pair: Pair, encodings: Iterable[Encoding], rendered: str, text: str) -> None:
    """``text``, rendered as a chat, fits both models.

    Raises:
        BadInput: it doesn't; names about the number of characters of ``text`` that would.
    """
    limit = pair.max_tokens
    over = [encoding for encoding in encodings if limit is not None and len(encoding.tokens) > limit]
    if not over or limit is None:
        return
    start = rendered.find(text.strip())
    stop, fits = start + len(text.strip()), len(text)
    for encoding in over:
        own = [t.end for t in encoding.tokens if t.end is not None and start < t.end <= stop]
        room = limit - (len(encoding.tokens) - len(own))
        fits = min(fits, own[room - 1] - start if room > 0 else 0)
    raise BadInput(
        f"In its chat template the text is {max(len(e.tokens) for e in over)} tokens long and these models take at most "
        f"{limit}: cut it to its first {fits} characters or so."
    )


def room(pair: Pair, taken: int) -> int:
    """How many tokens can follow ``taken`` tokens.

    Raises:
        BadInput: none.
    """
    if pair.max_tokens is None:
        return MOST_NEW_TOKENS
    if taken >= pair.max_tokens:
        raise BadInput(
            f"The text is {taken} tokens long and these models take at most {pair.max_tokens}, so nothing can be generated "
            "after it: shorten it, or compare it as it is."
        )
    return pair.max_tokens - taken
