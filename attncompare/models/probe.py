"""The short text that a model is read on when it is loaded, and what its own eager code says about it.

Knows nothing about routes.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SHORTEST = 24
LONGEST = 160
"""Tokens of the source. It is longer than the model's window (sliding, chunked, local) where that fits, so that the window
is checked too, such as ModernBERT's 128. Windows of 512 and more are transformers' own masks on either way, and are left to
the tests of each family."""

WINDOWS = ("sliding_window", "attention_chunk_size", "attention_window_size", "local_attention", "window_size")
"""What configurations call the reach of a local layer, in tokens."""

TARGET_TOKENS = 13
"""Another number than the source's: queries and keys of a call then tell encoder, decoder and cross attention apart."""


@dataclass(frozen=True, eq=False)
class Probe:
    """An arbitrary text for one model, with a second one for its decoder if it is an encoder-decoder."""

    inputs: Mapping[str, Tensor]
    source: int
    target: int | None

    @classmethod
    def of(cls, model: Any) -> "Probe":
        """Evenly spaced ids from the upper three quarters of the vocabulary, where no special tokens live."""
        tokens = _source_tokens(model)
        inputs = {"input_ids": _ids(model, tokens)}
        if "decoder_input_ids" not in inspect.signature(model.base_model.forward).parameters:
            return cls(inputs, tokens, None)
        inputs["decoder_input_ids"] = _ids(model, TARGET_TOKENS).flip(1)
        return cls(inputs, tokens, TARGET_TOKENS)

    def run(self, model: Any, *, attentions: bool = False) -> Any:
        """The output of the model's body without gradients; a head would cost time and want texts of its own kind."""
        with torch.no_grad():
            return model.base_model(**self.inputs, output_attentions=attentions, output_hidden_states=True)


def last_hidden(output: Any) -> Tensor:
    """The last hidden state of a pass with ``output_hidden_states``; the decoder's where there is one."""
    for field in ("decoder_hidden_states", "hidden_states"):
        if states := getattr(output, field, None):
            return states[-1]
    return output[0]


def _source_tokens(model: Any) -> int:
    config = model.config.get_text_config()
    windows = [window for name in WINDOWS if isinstance(window := vars(config).get(name), int)]
    longer = [window + SHORTEST // 2 for window in windows if window + SHORTEST // 2 <= LONGEST]
    return max(SHORTEST, *longer) if longer else SHORTEST


def _ids(model: Any, tokens: int) -> Tensor:
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.linspace(vocabulary // 4, vocabulary - 1, tokens).long()
    return ids[None].to(next(model.parameters()).device)
