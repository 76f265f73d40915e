"""From files to a model and its tokenizer in memory.

Only safetensors are read. What a checkpoint lacks is reported, never hidden behind fresh random weights. Knows nothing
about pairs.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from attncompare.errors import CheckpointError
from attncompare.models.architecture import check_plausible
from attncompare.models.folder import Checkpoint
from attncompare.models.quiet import quiet, reason

_TOKENIZER_FILES = {
    "tokenizer.json",
    "tokenizer.model",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
}


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model and those of its weights that its checkpoint did not fill: they are random and never to be used."""

    model: Any
    head: frozenset[str]
    """Names of the output head's own parameters and buffers (not shared with the body)."""
    absent: frozenset[str]
    """Names of head or pooler weights that the checkpoint lacks."""
    misfits: frozenset[str]
    """Names of head or pooler weights that the checkpoint has in another shape."""


def load(checkpoint: Checkpoint, chosen: Any, config: Any, dtype: torch.dtype, device: torch.device) -> Loaded:
    """Read a full checkpoint into a model in evaluation mode whose parameters want no gradients.

    Raises:
        CheckpointError: if weights of the body are missing or don't fit, or there is too little memory.
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
                # Judged below, by name; transformers itself would only say that something did not fit.
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        model = model.to(device).eval().requires_grad_(False)
    except (torch.OutOfMemoryError, MemoryError):
        raise CheckpointError(f"{checkpoint.id!r} doesn't fit into the memory of {device} as {dtype}.") from None
    except Exception as error:  # damaged weights and odd configurations surface as any class of error
        raise CheckpointError(f"{checkpoint.id!r} can't be loaded: {reason(error, checkpoint)}") from None
    head = _head(model)
    misfits = {name: (tuple(got), tuple(wanted)) for name, got, wanted in report["mismatched_keys"]}
    absent = set(report["missing_keys"]) - misfits.keys()
    _check_body(checkpoint, [name for name in (*misfits, *absent) if _is_body(name, head)], misfits)
    return Loaded(model, frozenset(head), frozenset(absent), frozenset(misfits))


def _is_body(name: str, head: set[str]) -> bool:
    """Neither the head nor a pooler, which few checkpoints of encoders have trained and attention does without."""
    return name not in head and "pooler" not in name.split(".")


def _check_body(checkpoint: Checkpoint, unfilled: list[str], misfits: dict[str, Any]) -> None:
    for name in unfilled:
        if name in misfits:
            got, wanted = misfits[name]
            raise CheckpointError(
                f"The weights of {checkpoint.id!r} don't fit its config.json: {name} is {got}, expected {wanted}."
            )
    if unfilled:
        raise CheckpointError(
            f"{checkpoint.id!r} lacks {len(unfilled)} of its model's weights, such as {', '.join(sorted(unfilled)[:3])}."
        )


def _head(model: Any) -> set[str]:
    """Names outside the body (transformers calls the body ``base_model``) that share no tensor with it."""
    body = model.base_model
    if body is model:
        return set()
    inside = {id(tensor) for tensor in named_tensors(body).values()}
    return {name for name, tensor in named_tensors(model).items() if id(tensor) not in inside}


def named_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, each once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def load_tokenizers(first: Checkpoint, second: Checkpoint, configs: tuple[Any, Any]) -> tuple[Any, Any]:
    """The tokenizers of base and tuned; one that is missing is the other's.

    Raises:
        CheckpointError: if both are missing, or one can't say which characters a token stands for.
    """
    owners = [(c, config) for c, config in zip((first, second), configs, strict=True) if _has_tokenizer(c)]
    if not owners:
        raise CheckpointError(
            f"Neither {first.id!r} nor {second.id!r} has a tokenizer: save it beside the weights (tokenizer.json)."
        )
    found = [_load_tokenizer(*owner) for owner in owners]
    return found[0], found[-1]


def _has_tokenizer(checkpoint: Checkpoint) -> bool:
    return any((checkpoint.folder / name).is_file() for name in _TOKENIZER_FILES)


def _load_tokenizer(owner: Checkpoint, config: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                owner.folder, config=config, trust_remote_code=False, local_files_only=True
            )
    except Exception as error:  # tokenizer files can be wrong in as many ways as there are tokenizers
        raise CheckpointError(f"The tokenizer of {owner.id!r} can't be loaded: {reason(error, owner)}") from None
    if not tokenizer.is_fast:
        raise CheckpointError(
            f"The tokenizer of {owner.id!r} ({type(tokenizer).__name__}) doesn't say which characters a token stands "
            "for: save a fast one (tokenizer.json) beside the weights."
        )
    # Saved truncation and padding would be switched off at the first use, which is no safe moment: threads share this.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer
