"""A text with an exact number of tokens."""

from typing import Any

_WORDS = (
    "the film is not good and its dialogue was painfully dull but one actor made me laugh twice near the end".split()
)


def text_of(tokenizer: Any, tokens: int) -> str:
    """Words that make exactly ``tokens`` tokens, special tokens included."""
    special = tokenizer.num_special_tokens_to_add()
    return " ".join(_WORDS[i % len(_WORDS)] for i in range(tokens - special))
