"""A text with an exact number of tokens."""

from typing import Any

_WORDS = (
    "the film is not good and its dialogue was painfully dull but one actor made me laugh twice near the end".split()
)


def text_of(tokenizer: Any, tokens: int) -> str:
    """Words that make exactly ``tokens`` tokens, special tokens included."""
    special = tokenizer.num_special_tokens_to_add()
    words = [word for word in _WORDS if len(tokenizer.tokenize(word)) == 1 and word in tokenizer.get_vocab()]
    words = words or [f"w{i}" for i in range(7, 400, 11)]  # the made-up words of shapes.py
    return " ".join(words[i % len(words)] for i in range(tokens - special))
