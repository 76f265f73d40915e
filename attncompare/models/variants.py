"""The same weights in other arithmetic: a base beside itself, computed in ways that should make no difference.

Another attention implementation, another precision, and a text with padding behind it. What a head's attention differs by
then is what arithmetic alone does to it. Knows nothing about metrics.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from attncompare.attention import Token
from attncompare.errors import UnsupportedModel
from attncompare.models.draws import sharing
from attncompare.models.memory import available, require
from attncompare.models.pair import Side, unwrapped
from attncompare.models.tap import OWN_NAME
from attncompare.models.tokens import Encoding

PADDING = 8
"""Tokens of padding behind the text."""

_PADDING = Token("padding", "", None, None, special=True, sink=False)

Variant = Callable[[Side, Encoding, int | None], tuple[Side, Encoding]]


def other_implementation(side: Side, encoding: Encoding, most: int | None) -> tuple[Side, Encoding]:
    """The family's own eager attention instead of SDPA.

    Raises:
        UnsupportedModel: the model runs its own already, and has no other.
    """
    if side.info.attention_path != "tap":
        raise UnsupportedModel("this model has one attention implementation only")
    model = sharing(side.model)
    unwrapped(model).set_attn_implementation(OWN_NAME)
    return replace(side, model=model), encoding


def other_precision(side: Side, encoding: Encoding, most: int | None) -> tuple[Side, Encoding]:
    """bfloat16 instead of float32, and float32 instead of anything else.

    Raises:
        UnsupportedModel: there is too little memory for a copy of the weights.
    """
    kind = torch.bfloat16 if side.model.dtype == torch.float32 else torch.float32
    needed = kind.itemsize * sum(weight.numel() for weight in side.model.parameters())
    hint = "compare smaller models"
    require(needed, f"A copy in {kind}", hint, free=available(side.model.device), error=UnsupportedModel)
    own: dict[int, Any] = {
        id(weight): nn.Parameter(weight.to(kind), requires_grad=False)
        for weight in side.model.parameters()
        if weight.is_floating_point()
    }
    return replace(side, model=sharing(side.model, own)), encoding


def other_length(side: Side, encoding: Encoding, most: int | None) -> tuple[Side, Encoding]:
    """Padding behind the text, which the mask hides.

    Raises:
        UnsupportedModel: the model takes no mask, or no longer text.
    """
    count = PADDING if most is None else min(PADDING, most - len(encoding.tokens))
    if count < 1 or "attention_mask" not in encoding.inputs:
        raise UnsupportedModel("there is no room for padding" if count < 1 else "this model takes no mask for padding")
    padding, rows = side.tokenizer.pad_token_id, unwrapped(side.model).get_input_embeddings().weight.shape[0]
    fill = {"input_ids": encoding.ids[0] if padding is None or padding >= rows else padding}
    longer = {
        name: nn.functional.pad(values, (0, count), value=fill.get(name, 0))
        if values.shape[-1] == len(encoding.tokens) and not name.startswith("decoder_")
        else values
        for name, values in encoding.inputs.items()
    }
    return side, replace(encoding, inputs=longer, tokens=encoding.tokens + (_PADDING,) * count)


VARIANTS: dict[str, Variant] = {
    "implementation": other_implementation,
    "dtype": other_precision,
    "padding": other_length,
}
