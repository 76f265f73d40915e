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
LONGEST = 96
"""Tokens of the source. It is longer than the reach of the model's local layers where that fits, so that their window is
checked too, such as ModernBERT's 64 (a pass of 76 tokens takes a 150 million parameter model about half a second). Windows
of 512 and more are transformers' own masks on either way, and are left to the tests of each family."""

REACHES = {
    "sliding_window": 1.0,
    "attention_chunk_size": 1.0,
    "attention_window_size": 1.0,
    "window_size": 1.0,
    "local_attention": 0.5,  # ModernBERT's, to both sides together
}
"""What configurations call the reach of a local layer, and how many tokens that is for each of it."""

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
    """Half of the shortest probe behind the farthest window that fits."""
    known = vars(model.config.get_text_config())
    reaches = [int(known[name] * part) for name, part in REACHES.items() if isinstance(known.get(name), int)]
    longest = max((tokens for reach in reaches if (tokens := reach + SHORTEST // 2) <= LONGEST), default=0)
    return max(SHORTEST, longest)


def _ids(model: Any, tokens: int) -> Tensor:
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.linspace(vocabulary // 4, vocabulary - 1, tokens).long()
    return ids[None].to(next(model.parameters()).device)
