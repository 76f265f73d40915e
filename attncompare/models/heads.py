"""Which output head each side of a pair runs under: its own, the tuned model's on loan, or none worth comparing.

A head that a checkpoint lacks would be random. The tuned model's is lent to a base without one; a tuned model without
one leaves the pair without outputs. Knows nothing about files.
"""

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import torch

from attncompare.attention import OutputKind
from attncompare.models import adapter
from attncompare.models.folder import Checkpoint
from attncompare.models.loading import Loaded, load
from attncompare.models.pair import unwrapped
from attncompare.models.twin import twin

_LABELLED = ("ForSequenceClassification", "ForTokenClassification")
_POOLED = ("ForSequenceClassification", "ForMultipleChoice", "ForNextSentencePrediction")
"""Classes whose outputs are computed from the pooler, where there is one."""
_OTHER_LABELS = "the base's own output head is for other labels; the base runs under the tuned model's"


@dataclass(frozen=True, eq=False)
class Models:
    """Both models of a pair and the state of their heads."""

    base: Any
    tuned: Any
    borrowed: bool
    """The base runs under the tuned model's head."""
    headless: bool
    """The tuned model has no trained head: its outputs mean nothing."""
    notes: tuple[str, ...]


def full_models(
    first: Checkpoint,
    second: Checkpoint,
    chosen: Any,
    configs: tuple[Any, Any],
    dtype: torch.dtype,
    device: torch.device,
) -> Models:
    """Load two full checkpoints; ``configs`` are the base's and the tuned one's."""
    tuned = load(second, chosen, configs[1], dtype, device)
    others = _take_labels(configs[0], dict(configs[1].id2label), chosen)
    base = load(first, chosen, configs[0], dtype, device)
    wanted = _wanted(base, others)
    for name in wanted:
        path, _, leaf = name.rpartition(".")
        setattr(base.model.get_submodule(path), leaf, getattr(tuned.model.get_submodule(path), leaf))
    headless = _matters(tuned, tuned.absent | tuned.misfits)
    borrowed = not headless and _matters(base, wanted)
    return Models(base.model, tuned.model, borrowed, headless, _notes(base, wanted, borrowed, headless))


def adapter_models(
    body: Checkpoint,
    adapters: tuple[Checkpoint, ...],
    chosen: Any,
    config: Any,
    dtype: torch.dtype,
    device: torch.device,
) -> Models:
    """Load a full checkpoint and put a twin with each adapter beside it; the last one is the tuned side.

    With one adapter the full checkpoint is the base; with two the first one's twin is.
    """
    tuned, task = adapters[-1], (adapters[-1].adapter or {}).get("task_type")
    names = [adapter.labels(side, config) for side in adapters]
    others = _take_labels(config, names[-1], chosen)
    loaded = load(body, chosen, config, dtype, device)
    wanted = _wanted(loaded, others)
    # Filled in before a twin is made, so that the random head is nowhere left.
    filled = adapter.fill(loaded.model, tuned, wanted) if wanted else set()
    headless = _matters(loaded, wanted - filled)
    second = twin(loaded.model, tuned, task=task)
    borrowed = not headless and _matters(loaded, wanted)
    notes = _notes(loaded, wanted, borrowed, headless)
    if len(adapters) == 1:
        return Models(loaded.model, second, borrowed, headless, notes)
    tensors = loaded.model.state_dict()
    head = {name: tensors[name] for name in loaded.head if name in tensors}
    first, saved = adapters[0], adapter.saved_whole(adapters[0])
    if not saved.keys() & head:
        return Models(twin(loaded.model, first, task=task, head=head), second, borrowed, headless, notes)
    fits = all(saved[name] == value.shape for name, value in head.items() if name in saved)
    same_task = (first.adapter or {}).get("task_type") == task
    if fits and same_task and not (chosen.__name__.endswith(_LABELLED) and _differ(*names)):
        return Models(twin(loaded.model, first, task=task), second, False, headless, notes if headless else ())
    head |= {name: value.to(head[name]) for name, value in adapter.read(tuned, head).items()}
    base = twin(loaded.model, first, task=task, head=head)
    return Models(base, second, not headless, headless, notes if headless else (_OTHER_LABELS,))


def output_kind(models: Models, causal: bool) -> OutputKind:
    """What the outputs of both models are, if both mean the same."""
    base, tuned = unwrapped(models.base), unwrapped(models.tuned)
    name, config = type(base).__name__, tuned.config
    if models.headless:
        return "none"
    if name.endswith("ForSequenceClassification"):
        single = config.problem_type in (None, "single_label_classification")
        return "label" if single and config.num_labels >= 2 else "none"
    if (causal and name.endswith(("ForCausalLM", "LMHeadModel"))) or _translates(base):
        words = [model.get_output_embeddings().weight.shape[0] for model in (base, tuned)]
        return "next_token" if words[0] == words[1] else "none"
    return "none"


def _translates(model: Any) -> bool:
    """Whether a model is an encoder-decoder that predicts the next word of its target."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES

    named = type(model).__name__ in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.values()
    return bool(model.config.is_encoder_decoder) and named and model.get_output_embeddings() is not None


def _take_labels(config: Any, labels: dict[int, str], chosen: Any) -> bool:
    """Give a base's configuration the tuned model's labels; True if a head of its own would name other things."""
    if not chosen.__name__.endswith(_LABELLED):
        return False
    own, config.id2label = dict(config.id2label), labels
    config.label2id = {label: index for index, label in labels.items()}
    return _differ(own, labels)


def _differ(first: dict[int, str], second: dict[int, str]) -> bool:
    """Whether two heads answer in other labels; numbers instead of names may stand for any."""
    names = [[str(side[index]).lower() for index in sorted(side)] for side in (first, second)]
    generic = any(re.fullmatch(r"label_\d+", name) for side in names for name in side)
    return len(first) != len(second) or (not generic and names[0] != names[1])


def _wanted(base: Loaded, others: bool) -> set[str]:
    """What the base needs from the tuned model: a head goes as a whole, half of one would be neither's."""
    unfilled = set(base.absent | base.misfits)
    return unfilled | base.head if others or unfilled & base.head else unfilled


def _matters(loaded: Loaded, names: Set[str]) -> bool:
    """Whether outputs are computed from any of these: from a head always, from a pooler in some classes."""
    return bool(names & loaded.head) or (bool(names) and type(loaded.model).__name__.endswith(_POOLED))


def _notes(base: Loaded, wanted: set[str], borrowed: bool, headless: bool) -> tuple[str, ...]:
    if headless:
        return ("the tuned checkpoint has no trained output head, so outputs are not compared",)
    if borrowed and base.head - base.absent:
        return (_OTHER_LABELS,)
    if borrowed:
        parts = [part for part, names in (("pooler", wanted - base.head), ("head", wanted & base.head)) if names]
        return (f"the base checkpoint has no output {' and '.join(parts)}; the base runs under the tuned model's",)
    return ("the base checkpoint has no pooler, which is not used",) if wanted else ()
