"""From two ids to a loaded pair.

Both sides load with one class, one data type and one device. A base whose checkpoint lacks the tuned model's output
head runs under the tuned model's head, and says so. This module knows nothing about attention.
"""

import threading
from pathlib import Path
from typing import Any

import torch

from attncompare.attention import CheckpointInfo
from attncompare.errors import BadInput, CheckpointError, NotAllowed
from attncompare.models import adapter, embedded, routing
from attncompare.models.architecture import check_same_shape, model_class, read_config
from attncompare.models.checkpoint import LocalRule, any_folder, given, no_folder, resolve
from attncompare.models.folder import Checkpoint
from attncompare.models.heads import adapter_models, full_models, output_kind
from attncompare.models.loading import load_tokenizers
from attncompare.models.pair import PAIRS, Pair, Side, common_stacks
from attncompare.models.placement import default_dtype, named_dtype, pick_device

_BUILDING = threading.Lock()
"""Held while models are made. from_pretrained swaps process-wide settings (default dtype, torch.nn.init, tie_weights) for
its own duration; two that overlap would restore each other's, for good. It also keeps one pair at a time in the making."""


def load_pair(
    base: str | Path | None = None,
    tuned: str | Path | None = None,
    *,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
) -> Pair:
    """Load a base and a checkpoint tuned from it; without arguments the embedded pair.

    Args:
        base: hub id (``org/name``, ``org/name@revision``) or folder; an adapter as ``tuned`` names its own.
        tuned: hub id or folder of a full checkpoint or of a LoRA adapter.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; the best there is if not given.
        dtype: ``float32``, ``float16``, ``bfloat16``; if not given, float32 on a CPU and elsewhere the checkpoint's.

    Raises:
        BadInput: if a side is missing, or device or dtype do not exist.
        CheckpointError: if a checkpoint can't be found, reached, trusted or read.
        PairMismatch: if the two can't be compared with each other.
        UnsupportedModel: if their attention can't be read exactly.
    """
    return open_pair(base, tuned, device, dtype, local=any_folder)


def open_pair(
    base: str | Path | None,
    tuned: str | Path | None,
    device: str | None,
    dtype: str | torch.dtype | None,
    *,
    local: LocalRule,
) -> Pair:
    """:func:`load_pair` where ``local`` decides which folders may be opened.

    Raises:
        NotAllowed: for a folder that may not; otherwise as :func:`load_pair`.
    """
    target, kind = pick_device(device), named_dtype(dtype)
    first, second, notes = _find(given(base), given(tuned), local)
    kind = kind or default_dtype(target, second if second.adapter is None else first)
    key = "|".join((first.fingerprint(), second.fingerprint(), str(target), str(kind)))

    def build() -> Pair:
        with _BUILDING:
            return _build(first, second, target, kind, key, notes)

    return PAIRS.get(key, build)


def _find(
    base: str | Path | None, tuned: str | Path | None, local: LocalRule
) -> tuple[Checkpoint, Checkpoint, list[str]]:
    """Both checkpoints, on disk, and notes on how they were chosen."""
    if tuned is None and base is not None:
        raise BadInput(f"Give the tuned checkpoint that {str(base)!r} is to be compared with.")
    second = resolve(embedded.TUNED if tuned is None else tuned, local)
    if second.adapter is None:
        if base is None:
            raise BadInput(f"Give the base of {second.id!r} too: only adapters name theirs.")
        return _full(resolve(base, local)), second, []
    adapter.check_kind(second)
    named = second.adapter.get("base_model_name_or_path")
    if base is None:
        return _base_of(second, local), second, []
    first = _full(resolve(base, local))
    notes = [f"the adapter names the base {named}, compared with {first.id}"] if named != first.id else []
    return first, second, notes


def _base_of(second: Checkpoint, local: LocalRule) -> Checkpoint:
    """The base that an adapter names. One from the hub may not point at folders of this machine."""
    name = adapter.named_base(second)
    try:
        return _full(resolve(name, local if second.revision is None else no_folder))
    except NotAllowed:
        raise NotAllowed(
            f"The adapter {second.id!r} names a local folder as its base, which is not opened here: give the base too."
        ) from None
    except CheckpointError as error:
        if name.startswith(embedded.BASE_ID):  # then the error already says what to install
            raise
        raise CheckpointError(
            f"The adapter {second.id!r} came without its base, so give the base too: {error}"
        ) from None


def _full(checkpoint: Checkpoint) -> Checkpoint:
    if checkpoint.adapter is not None:
        raise CheckpointError(f"{checkpoint.id!r} is an adapter: expected a full checkpoint as base.")
    return checkpoint


def _build(
    first: Checkpoint,
    second: Checkpoint,
    device: torch.device,
    dtype: torch.dtype,
    key: str,
    notes: list[str],
) -> Pair:
    configs = (read_config(first), read_config(first if second.adapter is not None else second))
    check_same_shape(*configs)
    chosen = model_class(second, configs[1])
    # Hashing first also proves the embedded base before anything is read from it.
    hashes = (first.content_hash(), second.content_hash())
    if second.adapter is None:
        models = full_models(first, second, chosen, configs, dtype, device)
    else:
        models = adapter_models(first, second, chosen, configs[0], dtype, device)
    layouts = (
        routing.install(models.base),
        routing.install(models.tuned if second.adapter is None else models.tuned.get_base_model()),
    )
    tokenizers = load_tokenizers(first, second, configs)
    base, tuned = (
        Side(_info(checkpoint, model, digest), model, tokenizer, layout)
        for checkpoint, model, digest, tokenizer, layout in zip(
            (first, second), (models.base, models.tuned), hashes, tokenizers, layouts, strict=True
        )
    )
    stacks = common_stacks(*layouts)
    kind = output_kind(models, list(stacks.values())[-1].causal or "decoder" in stacks)
    labels = dict(models.base.config.id2label) if kind == "label" else {}
    return Pair(
        base,
        tuned,
        key=key,
        stacks=stacks,
        max_tokens=min((*_limits(base), *_limits(tuned)), default=None),
        output_kind=kind,
        labels=tuple(labels[index] for index in sorted(labels)),
        base_head="borrowed" if models.borrowed else "own",
        notes=(*notes, *models.notes),
    )


def _info(checkpoint: Checkpoint, model: Any, digest: str) -> CheckpointInfo:
    model = model.get_base_model() if checkpoint.adapter is not None else model
    return CheckpointInfo(
        id=checkpoint.id,
        revision=checkpoint.revision,
        content_hash=digest,
        model_class=type(model).__name__,
        model_type=model.config.model_type,
        dtype=str(model.dtype).removeprefix("torch."),
        device=str(model.device),
        adapter=checkpoint.adapter is not None,
        attention_path=routing.route(model),
    )


def _limits(side: Side) -> list[int]:
    """How many tokens a side can read: by its configuration, by its table of positions, by its tokenizer."""
    found = [getattr(side.model.config.get_text_config(), "max_position_embeddings", None)]
    for name, module in side.model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and padding is not None:
            found.append(module.num_embeddings - padding - 1)  # RoBERTa's positions start behind the padding's
    if side.tokenizer.model_max_length < 1e9:  # transformers writes 1e30 for "unknown"
        found.append(side.tokenizer.model_max_length)
    return [limit for limit in found if isinstance(limit, int) and limit > 0]
