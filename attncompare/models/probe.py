"""The short text that a model is read on when it is loaded, and what its own eager code says about it.

Knows nothing about routes.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SOURCE_TOKENS = 24
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
        inputs = {"input_ids": _ids(model, SOURCE_TOKENS)}
        if "decoder_input_ids" not in inspect.signature(model.base_model.forward).parameters:
            return cls(inputs, SOURCE_TOKENS, None)
        inputs["decoder_input_ids"] = _ids(model, TARGET_TOKENS).flip(1)
        return cls(inputs, SOURCE_TOKENS, TARGET_TOKENS)

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


def _ids(model: Any, tokens: int) -> Tensor:
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.linspace(vocabulary // 4, vocabulary - 1, tokens).long()
    return ids[None].to(next(model.parameters()).device)
