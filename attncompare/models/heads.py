"""Which output head each side of a pair runs under: its own, the tuned model's on loan, or none worth
comparing.

A head that a checkpoint lacks would be random. The tuned model's is lent to a base without one; a tuned model
without one leaves the pair without outputs. Knows nothing about files.
"""

import re
from dataclasses import dataclass
from typing import Any

import torch

from attncompare.attention import OutputKind
from attncompare.models import adapter
from attncompare.models.checkpoint import Checkpoint
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
    relabelled = _take_labels(configs[0], dict(configs[1].id2label), chosen)
    base = load(first, chosen, configs[0], dtype, device)
    lacking = _lacking(base, relabelled)
    for name in lacking:
        path, _, leaf = name.rpartition(".")
        setattr(base.model.get_submodule(path), leaf, getattr(tuned.model.get_submodule(path), leaf))
    headless = _matters(tuned, set(tuned.missing))
    borrowed = _matters(base, lacking) and not headless
    return Models(
        base.model, tuned.model, borrowed, headless, _notes(base, lacking, borrowed, headless, relabelled)
    )


def adapter_models(
    first: Checkpoint, second: Checkpoint, chosen: Any, config: Any, dtype: torch.dtype, device: torch.device
) -> Models:
    """Load a base and put a twin with the adapter beside it."""
    relabelled = _take_labels(config, adapter.labels(second, config), chosen)
    base = load(first, chosen, config, dtype, device)
    lacking = _lacking(base, relabelled)
    saved = adapter.saved_weights(second) if lacking else {}
    tensors = base.model.state_dict()
    # Filled in before the twin is made, so that the random head is nowhere left.
    for name in lacking & saved.keys():
        tensors[name].copy_(saved[name])
    headless = _matters(base, lacking - saved.keys())
    borrowed = _matters(base, lacking) and not headless
    tuned = adapter.twin(base.model, second)
    return Models(
        base.model, tuned, borrowed, headless, _notes(base, lacking, borrowed, headless, relabelled)
    )


def output_kind(models: Models, causal: bool) -> OutputKind:
    """What the outputs of both models are, if both mean the same."""
    name, config = type(models.base).__name__, models.base.config
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
    """Give a base's configuration the tuned model's labels; True if its own head, if any, names other
    things."""
    if not chosen.__name__.endswith(_LABELLED):
        return False
    own, config.id2label = dict(config.id2label), labels
    config.label2id = {label: index for index, label in labels.items()}
    named = [
        {str(label).lower() for label in side.values()} for side in (own, labels) if not _are_generic(side)
    ]
    return len(own) != len(labels) or (len(named) == 2 and own != labels)


def _are_generic(labels: dict[int, str]) -> bool:
    return all(re.fullmatch(r"LABEL_\d+", str(label)) for label in labels.values())


def _lacking(base: Loaded, relabelled: bool) -> set[str]:
    """What the base needs from the tuned model: a head goes as a whole, half of one would be neither's."""
    lacking = set(base.missing)
    return lacking | base.head if relabelled or lacking & base.head else lacking


def _matters(loaded: Loaded, names: set[str]) -> bool:
    """Whether outputs are computed from any of these weights: a head's always, a pooler's where the class
    uses it."""
    return bool(names & loaded.head) or (bool(names) and type(loaded.model).__name__.endswith(_POOLED))


def _notes(
    base: Loaded, lacking: set[str], borrowed: bool, headless: bool, relabelled: bool
) -> tuple[str, ...]:
    if headless:
        return ("the tuned checkpoint has no trained output head, so outputs are not compared",)
    if borrowed and relabelled:
        return ("the base's own head has other labels; the base runs under the tuned model's head",)
    if borrowed:
        parts = "head" if lacking & base.head else "pooler"
        parts = "pooler and head" if lacking & base.head and lacking - base.head else parts
        return (f"the base checkpoint has no output {parts}; the base runs under the tuned model's",)
    return ("the pooler is missing and not used",) if base.missing else ()
