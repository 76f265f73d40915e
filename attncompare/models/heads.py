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

_LABELLED = ("ForSequenceClassification", "ForTokenClassification")
_POOLED = ("ForSequenceClassification", "ForMultipleChoice", "ForNextSentencePrediction")
"""Classes whose outputs are computed from the pooler, where there is one."""


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
    first: Checkpoint, second: Checkpoint, chosen: Any, config: Any, dtype: torch.dtype, device: torch.device
) -> Models:
    """Load a base and put a twin with the adapter beside it."""
    others = _take_labels(config, adapter.labels(second, config), chosen)
    base = load(first, chosen, config, dtype, device)
    wanted = _wanted(base, others)
    # Filled in before the twin is made, so that the random head is nowhere left.
    filled = adapter.fill(base.model, second, wanted) if wanted else set()
    headless = _matters(base, wanted - filled)
    borrowed = not headless and _matters(base, wanted)
    tuned = adapter.twin(base.model, second)
    return Models(base.model, tuned, borrowed, headless, _notes(base, wanted, borrowed, headless))


def output_kind(models: Models, causal: bool) -> OutputKind:
    """What the outputs of both models are, if both mean the same."""
    name, config = type(models.base).__name__, models.tuned.config
    if models.headless:
        return "none"
    if name.endswith("ForSequenceClassification"):
        single = config.problem_type in (None, "single_label_classification")
        return "label" if single and config.num_labels >= 2 else "none"
    if causal and name.endswith(("ForCausalLM", "LMHeadModel")):
        words = [model.get_output_embeddings().weight.shape[0] for model in (models.base, models.tuned)]
        return "next_token" if words[0] == words[1] else "none"
    return "none"


def _take_labels(config: Any, labels: dict[int, str], chosen: Any) -> bool:
    """Give a base's configuration the tuned model's labels; True if a head of its own would name other things."""
    if not chosen.__name__.endswith(_LABELLED):
        return False
    own, config.id2label = dict(config.id2label), labels
    config.label2id = {label: index for index, label in labels.items()}
    names = [[str(side[index]).lower() for index in sorted(side)] for side in (own, labels)]
    generic = any(re.fullmatch(r"label_\d+", name) for side in names for name in side)
    return len(own) != len(labels) or (not generic and names[0] != names[1])


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
        return ("the base's own output head is for other labels; the base runs under the tuned model's",)
    if borrowed:
        parts = [part for part, names in (("pooler", wanted - base.head), ("head", wanted & base.head)) if names]
        return (f"the base checkpoint has no output {' and '.join(parts)}; the base runs under the tuned model's",)
    return ("the base checkpoint has no pooler, which is not used",) if wanted else ()
