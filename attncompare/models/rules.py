"""What is known of families beforehand, because a short text does not show it or the reason would stay unclear.

Everything else is observed when a model is loaded, in :mod:`attncompare.models.routing`.
"""

import inspect
import sys
from collections.abc import Sequence
from typing import Any

from torch import nn

from attncompare.models.calls import LayerCall

REASONS = {
    "blt": "it reads bytes in patches, and most of its attention is between patches and bytes",
    "canine": "it attends in blocks of characters and between pooled ones",
    "cpmant": "the rows that it returns leave out what its prompt slots take",
    "deepseek_v4": "it attends to compressed keys that stand for no single token",
    "falcon_mamba": "it has none, being a state-space model",
    "fnet": "it has none, mixing tokens by Fourier transforms",
    "funnel": "it pools its tokens between layers, so its maps are not tokens by tokens",
    "longformer": "it attends in a band around each token and returns the band, not maps of tokens by tokens",
    "mamba": "it has none, being a state-space model",
    "mamba2": "it has none, being a state-space model",
    "mra": "it approximates attention in blocks of several resolutions and returns no weights",
    "nystromformer": "it approximates attention through landmarks and returns a part of it alone",
    "perceiver": "its tokens attend to a few latents, not to each other",
    "prophetnet": "what it returns as attention are scores before the softmax, not rows that sum to 1",
    "reformer": "it attends within chunks of sorted tokens, so its maps are not tokens by tokens",
    "rwkv": "it has none, being a recurrent model",
    "squeezebert": "what it returns as attention are scores before the softmax, not rows that sum to 1",
    "voxtral_realtime": "it needs audio beside the text",
    "xlstm": "it has none, being a recurrent model",
    "yoso": "it estimates attention by hashing and returns no weights",
}
"""Why neither way gives a family's attention, in words; said only of models of which that has been observed."""

SELECTION_OPTIONS = ("indices", "block_indices")
"""How sparse indexers hand the keys that they chose over to attention functions of other names than transformers' own."""

SELECTION_TEST = '_attn_implementation in ("eager", "sdpa")'
"""How their code tells: under any other name the choice is not put into the mask. It shows only on texts longer than the
number of chosen keys (often 2048), which no probe is."""


def refusal(model: Any) -> str:
    """Why a model is not even probed, or an empty string."""
    if getattr(model.config, "attention_type", None) == "block_sparse":
        # On a text too short for blocks BigBird changes itself to full attention, for good.
        return "it attends in sparse blocks; with attention_type original_full in its config.json it can be"
    return ""


def has_sink(module: nn.Module) -> bool:
    """Whether attention in here has a logit sink: a learned logit beside the keys, which takes a part of every row."""
    return any("sink" in name for name, _ in module.named_parameters())


def selects_keys(calls: Sequence[LayerCall]) -> bool:
    """Whether a family chooses keys by a rule that it applies under transformers' own attention names alone."""
    if any(call.options.get(name) is not None for call in calls for name in SELECTION_OPTIONS):
        return True
    return any(SELECTION_TEST in _source(name) for name in {type(call.module).__module__ for call in calls})


def _source(module: str) -> str:
    try:
        return inspect.getsource(sys.modules[module])
    except OSError:  # code without a file, such as a notebook's
        return ""
