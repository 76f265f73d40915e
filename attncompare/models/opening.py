"""From two ids to a loaded pair.

Both sides load with one class, one data type and one device. A base whose checkpoint lacks the tuned model's output
head runs under the tuned model's head, and says so. This module knows nothing about attention.
"""

import gc
import re
import threading
from pathlib import Path
from typing import Any

import torch

from attncompare.attention import CheckpointInfo
from attncompare.errors import CheckpointError, UnsupportedModel
from attncompare.models import routing
from attncompare.models.architecture import check_same_shape, model_class, read_config
from attncompare.models.checkpoint import LocalRule, any_folder
from attncompare.models.finding import Sources, find
from attncompare.models.folder import Checkpoint
from attncompare.models.heads import Models, adapter_models, full_models, output_kind
from attncompare.models.layout import Place
from attncompare.models.pair import PAIRS, Pair, Side, common_stacks, unwrapped
from attncompare.models.placement import check_room, default_dtype, named_dtype, pick_device
from attncompare.models.tokenizers import load_tokenizers, vocabulary_note

_BUILDING = threading.Lock()
"""Held while models are made. from_pretrained swaps process-wide settings (default dtype, torch.nn.init, tie_weights) for
its own duration; two that overlap would restore each other's, for good. It also keeps one pair at a time in the making."""

_LACKS_HALF = re.compile(r"not implemented for|[Uu]nsupported dtype|[Ll]ow precision|expected scalar type", re.ASCII)
"""How torch says that an operation lacks a data type; on a CPU those are Fourier transforms and linear algebra."""


def load_pair(
    base: str | Path | None = None,
    tuned: str | Path | None = None,
    *,
    device: str | None = None,
    dtype: str | torch.dtype | None = None,
) -> Pair:
    """Load a base and a checkpoint tuned from it; without arguments the embedded pair.

    Args:
        base: hub id (``org/name``, ``org/name@revision``) or folder; an adapter as ``tuned`` names its own. May itself be an
            adapter if ``tuned`` is one: both are then put on the full checkpoint that they name.
        tuned: hub id or folder of a full checkpoint or of a PEFT adapter.
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
    sources = find(base, tuned, local)
    kind = kind or default_dtype(target, sources.body if sources.tuned.adapter is not None else sources.tuned)
    key = "|".join((sources.fingerprint(), str(target), str(kind)))

    def build() -> Pair:
        with _BUILDING:
            return _build(sources, target, kind, key)

    return PAIRS.get(key, build)


def _build(sources: Sources, device: torch.device, dtype: torch.dtype, key: str) -> Pair:
    second = sources.tuned
    configs = (read_config(sources.body), read_config(sources.body if second.adapter is not None else second))
    check_same_shape(*configs)
    chosen = model_class(second, configs[1])
    _make_room(sources, device, dtype)
    # Hashing first also proves the embedded base before anything is read from it.
    hashes = {id(side): side.content_hash() for side in (sources.body, sources.base, second)}
    if second.adapter is None:
        models = full_models(sources.base, second, chosen, configs, dtype, device)
    else:
        models = adapter_models(sources.body, sources.adapters, chosen, configs[0], dtype, device)
    tokenizers, notes = load_tokenizers(sources, configs)
    sides = []
    for word, checkpoint, model, tokenizer in zip(
        ("base", "tuned model"), (sources.base, second), (models.base, models.tuned), tokenizers, strict=True
    ):
        layout = _install(checkpoint, unwrapped(model), dtype)
        sides.append(Side(_info(checkpoint, unwrapped(model), hashes[id(checkpoint)]), model, tokenizer, layout))
        notes += vocabulary_note(word, tokenizer, model)
    if sources.body is not sources.base:
        notes += (f"both adapters are put on {sources.body.id} (weights {hashes[id(sources.body)]})",)
    return _pair(sides[0], sides[1], models, key, (*sources.notes, *models.notes, *notes))


def _make_room(sources: Sources, device: torch.device, dtype: torch.dtype) -> None:
    """Refuse what won't fit; pairs that are kept for later are given up for it first."""
    try:
        return check_room(sources, device, dtype)
    except CheckpointError:
        PAIRS.drop(lambda key: True)
        gc.collect()
    return check_room(sources, device, dtype)


def _install(checkpoint: Checkpoint, model: Any, dtype: torch.dtype) -> tuple[Place, ...]:
    """Make a model run the tap, and say where its attention calls belong; the one place that does.

    Raises:
        UnsupportedModel: if its attention can't be read, or this machine can't run it in this precision.
    """
    try:
        return routing.install(model)
    except UnsupportedModel as error:
        if dtype in (torch.float16, torch.bfloat16) and _LACKS_HALF.search(str(error)):
            raise UnsupportedModel(
                f"{checkpoint.id!r} can't run in {str(dtype).removeprefix('torch.')} on this {model.device.type}, give "
                f"dtype='float32': {error}"
            ) from None
        raise


def _pair(base: Side, tuned: Side, models: Models, key: str, notes: tuple[str, ...]) -> Pair:
    stacks = common_stacks(base.layout, tuned.layout)
    kind = output_kind(models, stacks["self"].causal)
    labels = dict(unwrapped(base.model).config.id2label) if kind == "label" else {}
    return Pair(
        base,
        tuned,
        key=key,
        stacks=stacks,
        max_tokens=min((*_limits(base), *_limits(tuned)), default=None),
        output_kind=kind,
        labels=tuple(labels[index] for index in sorted(labels)),
        base_head="borrowed" if models.borrowed else "own",
        notes=notes,
    )


def _info(checkpoint: Checkpoint, model: Any, digest: str) -> CheckpointInfo:
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
