"""What the decoder of an encoder-decoder reads while it writes a target: its start token and the target, one step behind.

Knows nothing about attention.
"""

import inspect
import sys
from dataclasses import replace

import torch

from attncompare.attention import Token
from attncompare.errors import BadInput
from attncompare.models.pair import Side, unwrapped
from attncompare.models.tokens import Encoding


def start_token(side: Side) -> int:
    """The token that a decoder starts with.

    Raises:
        BadInput: the checkpoint names none.
    """
    model = unwrapped(side.model)
    text = model.config.get_text_config(decoder=True)
    settings = (model.config, getattr(model, "generation_config", None), text)
    named = [getattr(one, "decoder_start_token_id", None) for one in settings]
    named += [getattr(one, "bos_token_id", None) for one in reversed(settings)]
    found = next((number for number in named if isinstance(number, int)), None)
    if found is None:
        raise BadInput(f"{side.info.id} doesn't say which token its decoder starts with: set decoder_start_token_id.")
    return found


def shifted(side: Side, labels: tuple[int, ...]) -> tuple[int, ...]:
    """What the decoder reads while it writes ``labels``, as the family itself shifts them: the last is only written.

    mBART, PLBart and FSMT start with the last label, the mark of the language; all others with their start token.
    """
    shift = getattr(sys.modules[type(unwrapped(side.model)).__module__], "shift_tokens_right", None)
    wraps = shift is not None and "decoder_start_token_id" not in inspect.signature(shift).parameters
    return (labels[-1] if wraps else start_token(side), *labels[:-1])


def read_target(side: Side, source: Encoding, target: Encoding) -> Encoding:
    """``source`` for the encoder, with ``target`` (a text encoded as a target) for the decoder."""
    ids, tokens = target.ids, target.tokens
    if not tokens[-1].special:  # no end mark: then the step behind would cost the last word
        ids, tokens = (*ids, ids[-1]), (*tokens, tokens[-1])
    return with_decoder(side, source, shifted(side, ids), tokens[:-1])


def with_decoder(side: Side, source: Encoding, ids: tuple[int, ...], rest: tuple[Token, ...] = ()) -> Encoding:
    """``source`` for the encoder and ``ids`` for the decoder: a start token, and ``rest``."""
    name = str(side.tokenizer.convert_ids_to_tokens(ids[0]))
    start = Token(name, name, None, None, special=True, sink=False)
    inputs = {**source.inputs, "decoder_input_ids": torch.tensor([ids])}
    return replace(source, inputs=inputs, target=(start, *rest))
