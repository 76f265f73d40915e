"""Tokens that stand in for others: padding, the mask, the unknown word, the end mark.

Knows nothing about what they are put in for.
"""

from collections.abc import Sequence
from typing import Literal

from attncompare.errors import BadInput
from attncompare.models.pair import Pair, Side, unwrapped

Kind = Literal["pad", "mask", "unk", "eos"]

WORDS: dict[str, str] = {"pad": "padding", "mask": "mask", "unk": "unknown", "eos": "end"}
"""How each is called in a sentence."""


def number(side: Side, kind: Kind) -> int | None:
    """The token's id; None where the tokenizer has none, or the model no embedding for it."""
    found = getattr(side.tokenizer, f"{kind}_token_id", None)
    rows = unwrapped(side.model).get_input_embeddings().weight.shape[0]
    return found if isinstance(found, int) and found < rows else None


def common(pair: Pair, kinds: Sequence[Kind], cure: str) -> Kind:
    """The first of these that both models have.

    Raises:
        BadInput: there is none; ``cure`` says what to do.
    """
    for kind in kinds:
        if all(number(side, kind) is not None for side in (pair.base, pair.tuned)):
            return kind
    names = [WORDS[kind] for kind in kinds]
    missing = f"no {names[0]} token" if len(names) == 1 else f"neither {' nor '.join(names)} token"
    raise BadInput(f"The models have {missing} in common: {cure}.")


def written(pair: Pair, kind: Kind) -> str:
    """The token as the tokenizers write it: ``[PAD]``, or ``[PAD] (base) and <pad> (tuned)``."""
    names = [str(getattr(side.tokenizer, f"{kind}_token")) for side in (pair.base, pair.tuned)]
    return names[0] if names[0] == names[1] else f"{names[0]} (base) and {names[1]} (tuned)"
