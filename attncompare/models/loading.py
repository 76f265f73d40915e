"""From files to a model and its tokenizer in memory.

Only safetensors are read. What a checkpoint lacks is reported, never hidden behind fresh random weights.
Knows nothing about pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from attncompare.errors import CheckpointError
from attncompare.models.architecture import check_plausible
from attncompare.models.checkpoint import Checkpoint
from attncompare.models.quiet import first_line, quiet

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model",
                    "sentencepiece.bpe.model", "tekken.json")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model and what its checkpoint did not have."""

    model: Any
    head: frozenset[str]
    """Names of the output head's own parameters and buffers (not shared with the body)."""
    missing: frozenset[str]
    """Names of head or pooler weights that the checkpoint lacks or has in another shape: random, never to be
    used."""


def load(
    checkpoint: Checkpoint, chosen: Any, config: Any, dtype: torch.dtype, device: torch.device
) -> Loaded:
    """Read the weights of a full checkpoint into a model in evaluation mode whose parameters want no
    gradients.

    Raises:
        CheckpointError: if weights of the body are missing or don't fit the configuration, or memory is too
            small.
    """
    check_plausible(checkpoint, chosen, config)
    try:
        with quiet():
            model, report = chosen.from_pretrained(
                checkpoint.folder,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                # Reported below by name; transformers itself would only say that something did not fit.
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        model = model.to(device).eval().requires_grad_(False)
    except (torch.OutOfMemoryError, MemoryError):
        raise CheckpointError(
            f"{checkpoint.id!r} in {dtype} doesn't fit into the memory of {device}."
        ) from None
    except Exception as error:  # damaged weights and odd configurations surface as any class of error
        raise CheckpointError(f"{checkpoint.id!r} can't be loaded: {first_line(error)}") from None
    head = _head(model)
    misfits = {name: (tuple(got), tuple(wanted)) for name, got, wanted in report["mismatched_keys"]}
    missing = set(report["missing_keys"]) | set(misfits)
    body = sorted(name for name in missing if name not in head and "pooler" not in name.split("."))
    if body and body[0] in misfits:
        got, wanted = misfits[body[0]]
        raise CheckpointError(
            f"The weights of {checkpoint.id!r} don't fit its config.json: {body[0]} has shape {got}, expected {wanted}."
        )
    if body:
        raise CheckpointError(
            f"{checkpoint.id!r} lacks {len(body)} of the weights of {type(model).__name__}, such as {', '.join(body[:3])}."
        )
    return Loaded(model, frozenset(head), frozenset(missing))


def load_tokenizer(checkpoints: list[Checkpoint], config: Any) -> Any:
    """The tokenizer of the first checkpoint that has one.

    Raises:
        CheckpointError: if none has one, or it can't say which characters a token stands for.
    """
    from transformers import AutoTokenizer

    owner = next(
        (c for c in checkpoints if any((c.folder / name).is_file() for name in _TOKENIZER_FILES)), None
    )
    if owner is None:
        names = " and ".join(repr(c.id) for c in checkpoints)
        raise CheckpointError(
            f"There is no tokenizer in {names}: save it beside the weights (tokenizer.json)."
        )
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                owner.folder, config=config, trust_remote_code=False, local_files_only=True
            )
    except Exception as error:  # tokenizer files can be wrong in as many ways as there are tokenizers
        raise CheckpointError(f"The tokenizer of {owner.id!r} can't be loaded: {first_line(error)}") from None
    if not tokenizer.is_fast:
        raise CheckpointError(
            f"The tokenizer of {owner.id!r} ({type(tokenizer).__name__}) doesn't report character offsets: "
            "a fast tokenizer (tokenizer.json) is needed."
        )
    return tokenizer


def _head(model: Any) -> set[str]:
    """Names outside the body (transformers calls the body ``base_model``) that share no tensor with it."""
    body = model.base_model
    if body is model:
        return set()
    inside = {id(tensor) for tensor in (*body.parameters(), *body.buffers())}
    return {name for name, tensor in named_tensors(model).items() if id(tensor) not in inside}


def named_tensors(model: nn.Module) -> Mapping[str, torch.Tensor]:
    """Parameters and buffers by name."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
