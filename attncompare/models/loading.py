"""From files to a model in memory.

Only safetensors are read. What a checkpoint lacks is reported, never hidden behind fresh random weights. Knows nothing
about pairs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from attncompare.errors import CheckpointError
from attncompare.models.architecture import check_plausible
from attncompare.models.folder import Checkpoint
from attncompare.models.quiet import quiet, reason


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
    check_finite(checkpoint, model.named_parameters())
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
    """Names outside the body that share no tensor with it."""
    tensors, body = named_tensors(model), model.base_model
    if body is not model:
        inside = {id(tensor) for tensor in named_tensors(body).values()}
    elif (output := model.get_output_embeddings()) is not None:
        # T5 and others keep encoder, decoder and head side by side, with nothing around the body.
        own = set(map(id, output.parameters()))
        inside = {id(tensor) for tensor in tensors.values() if id(tensor) not in own}
        inside.add(id(model.get_input_embeddings().weight))
    else:
        return set()
    return {name for name, tensor in tensors.items() if id(tensor) not in inside}


def check_finite(checkpoint: Checkpoint, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Refuse weights that hold NaN or infinity.

    A sum is infinite or NaN whenever one of its terms is, and is read at the speed of memory; the slow exact look follows
    where the sum says so, since a sum in half precision can overflow by itself.

    Raises:
        CheckpointError: for them, with the first one's name.
    """
    for name, tensor in weights:
        if tensor.is_floating_point() and not bool(tensor.sum().isfinite()) and not bool(tensor.isfinite().all()):
            hint = "" if tensor.dtype in (torch.float32, torch.float64) else ", or give dtype='float32'"
            raise CheckpointError(
                f"{checkpoint.id!r} has NaN or infinity in {name} as {str(tensor.dtype).removeprefix('torch.')}, so there "
                f"is nothing to compare: fetch or save it again{hint}."
            )


def named_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, each once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
