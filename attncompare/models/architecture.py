"""What kind of model a checkpoint holds: its configuration and the class that both sides of a pair load with.

A checkpoint may be anything that somebody uploaded, so a configuration is judged before memory is taken for
it, and code that comes with it is never run. Knows nothing about weights beyond their number.
"""

from typing import Any

import torch

from attncompare.errors import CheckpointError, UnsupportedModel
from attncompare.models.checkpoint import Checkpoint
from attncompare.models.quiet import first_line, quiet

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

    raw = checkpoint.config()
    model_type = raw.get("model_type")
    if model_type not in CONFIG_MAPPING:
        if "auto_map" in raw:
            raise _needs_code(checkpoint)
        raise CheckpointError(
            f"{checkpoint.id!r} is of model type {model_type!r}, which this version of transformers doesn't know."
        )
    try:
        with quiet():
            config = AutoConfig.from_pretrained(
                checkpoint.folder, trust_remote_code=False, local_files_only=True
            )
    except Exception as error:  # a configuration can be wrong in as many ways as there are model types
        raise CheckpointError(
            f"config.json of {checkpoint.id!r} can't be used: {first_line(error)}"
        ) from None
    if config.is_encoder_decoder:
        raise UnsupportedModel(
            f"{checkpoint.id!r} is an encoder-decoder model ({model_type}): only encoders and decoders are compared."
        )
    if getattr(config, "quantization_config", None):
        raise UnsupportedModel(
            f"{checkpoint.id!r} holds quantised weights: give the checkpoint before quantisation."
        )
    return config


def model_class(tuned: Checkpoint, config: Any) -> Any:
    """The class that both sides load with: the adapter's task, else the architecture that ``config`` names,
    else AutoModel.

    Raises:
        CheckpointError: if only code in the checkpoint could provide the class.
        UnsupportedModel: if the adapter was trained for a task that is not compared.
    """
    import transformers

    task = tuned.adapter.get("task_type") if tuned.adapter is not None else None
    if task is not None:
        if task not in _TASKS:
            raise UnsupportedModel(
                f"{tuned.id!r} is an adapter for {task!r}, expected one of {', '.join(_TASKS)}."
            )
        chosen = getattr(transformers, _TASKS[task])
        if type(config) not in chosen._model_mapping:
            raise UnsupportedModel(
                f"Models of type {config.model_type!r} have no class for {task}, the task of {tuned.id!r}."
            )
        return chosen
    architecture = (config.architectures or [None])[0]
    found = getattr(transformers, str(architecture), None)
    if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
        if isinstance(config, found.config_class):
            return found
        raise CheckpointError(
            f"config.json of {tuned.id!r} names the class {architecture}, which is none of model type {config.model_type!r}."
        )
    if getattr(config, "auto_map", None):
        raise _needs_code(tuned)
    return transformers.AutoModel


def _needs_code(checkpoint: Checkpoint) -> CheckpointError:
    return CheckpointError(
        f"{checkpoint.id!r} needs Python code from its own repository, which is never run: "
        "give a model whose class is part of transformers."
    )


def check_plausible(checkpoint: Checkpoint, chosen: Any, config: Any) -> None:
    """Refuse a configuration that describes far more than the weights hold, before memory is taken for it."""
    shapes = [torch.Size(shape) for _, shape in checkpoint.shapes().values()]
    stored = sum(shape.numel() for shape in shapes)
    layers = config.get_text_config().num_hidden_layers
    described = None
    if layers <= len(shapes):  # building the modules of a million layers would already be the damage
        make = getattr(chosen, "from_config", chosen)
        try:
            with torch.device("meta"), quiet():
                described = sum(parameter.numel() for parameter in make(config).parameters())
        except Exception as error:  # as in load
            raise CheckpointError(
                f"config.json of {checkpoint.id!r} can't be used: {first_line(error)}"
            ) from None
    # A head that the checkpoint lacks may be as large as its embeddings.
    if described is None or described > 2 * stored + 10_000_000:
        size = f"{layers} layers" if described is None else f"{described:,} parameters"
        raise CheckpointError(
            f"config.json of {checkpoint.id!r} describes {size}, but its weights hold {len(shapes)} tensors "
            f"with {stored:,} numbers."
        )
