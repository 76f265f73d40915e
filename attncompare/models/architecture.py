"""What kind of model a checkpoint holds: its configuration and the class that both sides of a pair load with.

A checkpoint may be anything that somebody uploaded, so a configuration is judged before memory is taken for it, and
code that comes with it is never run. Knows nothing about weights beyond their number.
"""

from typing import Any

import torch

from attncompare.errors import CheckpointError, PairMismatch, UnsupportedModel
from attncompare.models.folder import Checkpoint
from attncompare.models.quiet import quiet, reason

_TASKS = {
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "CAUSAL_LM": "AutoModelForCausalLM",
    "FEATURE_EXTRACTION": "AutoModel",
}


def read_config(checkpoint: Checkpoint) -> Any:
    """The configuration of a full checkpoint as transformers reads it.

    Raises:
        CheckpointError: if it is missing, damaged, or of a type that only code in the checkpoint could run.
        UnsupportedModel: for encoder-decoder and quantised models.
    """
    from transformers import CONFIG_MAPPING, AutoConfig

    raw, name = checkpoint.config(), checkpoint.id
    model_type = raw.get("model_type")
    if model_type not in CONFIG_MAPPING:
        if "auto_map" in raw:
            raise _needs_code(checkpoint)
        raise CheckpointError(f"{name!r} is of model type {model_type!r}, which this transformers doesn't know.")
    try:
        with quiet():
            config = AutoConfig.from_pretrained(checkpoint.folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # a configuration can be wrong in as many ways as there are model types
        raise CheckpointError(f"config.json of {name!r} can't be used: {reason(error, checkpoint)}") from None
    if config.is_encoder_decoder:
        raise UnsupportedModel(f"{name!r} is an encoder-decoder: so far only encoders and decoders are compared.")
    if getattr(config, "quantization_config", None):
        raise UnsupportedModel(f"{name!r} holds quantised weights: give the checkpoint before quantisation.")
    return config


def check_same_shape(base: Any, tuned: Any) -> None:
    """Compare two configurations, so that no weights are loaded in vain.

    Raises:
        PairMismatch: if model type, layers or query heads differ.
    """
    named = {"model type": "model_type", "layers": "num_hidden_layers", "query heads": "num_attention_heads"}
    differ = []
    for title, attribute in named.items():
        values = [getattr(config.get_text_config(), attribute, None) for config in (base, tuned)]
        if values[0] != values[1]:
            differ.append(f"{title} {values[0]} against {values[1]}")
    if differ:
        raise PairMismatch(
            f"Base and tuned differ in {', '.join(differ)}: give a checkpoint and the one it was tuned from."
        )


def model_class(tuned: Checkpoint, config: Any) -> Any:
    """The class that both sides load with: by the adapter's task, else by the configuration, else AutoModel.

    Raises:
        CheckpointError: if only code in the checkpoint could provide the class.
        UnsupportedModel: if the adapter was trained for a task that is not compared.
    """
    import transformers

    task = tuned.adapter.get("task_type") if tuned.adapter is not None else None
    if task is not None:
        chosen = getattr(transformers, _TASKS.get(task, ""), None)
        if chosen is None:
            raise UnsupportedModel(f"{tuned.id!r} is an adapter for {task!r}, expected {', '.join(_TASKS)}.")
        if type(config) not in chosen._model_mapping:
            raise UnsupportedModel(f"{tuned.id!r} is for {task}, which {config.model_type!r} models can't do.")
        return chosen
    architecture = str((config.architectures or [None])[0])
    found = getattr(transformers, architecture, None)
    if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
        if type(config) is found.config_class:
            return found
        raise CheckpointError(
            f"config.json of {tuned.id!r} names the class {architecture}, which is not for {config.model_type!r} models."
        )
    if getattr(config, "auto_map", None):
        raise _needs_code(tuned)
    return transformers.AutoModel


def check_plausible(checkpoint: Checkpoint, chosen: Any, config: Any) -> None:
    """Refuse a configuration that describes far more than the weights hold, before memory is taken for it.

    Raises:
        CheckpointError: for it.
    """
    shapes = [torch.Size(shape) for _, shape in checkpoint.shapes().values()]
    stored = sum(shape.numel() for shape in shapes)
    layers = getattr(config.get_text_config(), "num_hidden_layers", 1)
    described = f"{layers} layers"
    if 1 <= layers <= len(shapes):  # building the modules of a million layers would already be the damage
        try:
            with torch.device("meta"), quiet():
                model = getattr(chosen, "from_config", chosen)(config)
        except Exception:  # then it can't be built to be filled either, and loading says why
            return
        numbers = sum(parameter.numel() for parameter in model.parameters())
        # A head that the checkpoint lacks may be as large as its embeddings.
        if numbers <= 2 * stored + 10_000_000:
            return
        described = f"{numbers:,} parameters"
    raise CheckpointError(
        f"config.json of {checkpoint.id!r} describes {described}, but its weights hold {len(shapes)} tensors of "
        f"{stored:,} numbers in all."
    )


def _needs_code(checkpoint: Checkpoint) -> CheckpointError:
    return CheckpointError(
        f"{checkpoint.id!r} needs Python code from its own repository, which is never run: give a model whose class "
        "is part of transformers."
    )
