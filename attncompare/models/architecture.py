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
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "FEATURE_EXTRACTION": "AutoModel",
}


def read_config(checkpoint: Checkpoint) -> Any:
    """The configuration of a full checkpoint as transformers reads it.

    Raises:
        CheckpointError: if it is missing, damaged, or of a type that only code in the checkpoint could run.
        UnsupportedModel: for quantised models.
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
    packed = sorted(
        {kind for kind, _ in checkpoint.shapes().values() if kind.startswith(("F8", "F4", "F6", "I4", "U4"))}
    )
    if getattr(config, "quantization_config", None) or packed:
        raise UnsupportedModel(
            f"{name!r} holds quantised weights{f' ({packed[0]})' if packed else ''}, rounded versions of others: give the "
            "checkpoint from before quantisation, and dtype='bfloat16' to save memory."
        )
    return config


def check_same_shape(base: Any, tuned: Any) -> None:
    """Compare two configurations, so that no weights are loaded in vain.

    Model type, layers and query heads must agree, in both stacks of an encoder-decoder. Where one doesn't, everything that
    differs is listed; widths and vocabularies may differ by themselves.

    Raises:
        PairMismatch: if the attention of one has another shape than the other's.
    """
    first, second = _shape(base), _shape(tuned)
    if not base.is_encoder_decoder or not tuned.is_encoder_decoder:  # then only encoders are loaded
        first, second = ({title: side[title] for title in side if "decoder" not in title} for side in (first, second))
    differ = {title: (value, second[title]) for title, value in first.items() if value != second[title]}
    if differ.keys() - {"hidden size", "vocabulary"}:
        listed = ", ".join(f"{title} {values[0]} against {values[1]}" for title, values in differ.items())
        raise PairMismatch(f"Base and tuned differ in {listed}: give a checkpoint and the one it was tuned from.")


def _shape(config: Any) -> dict[str, Any]:
    """What of a configuration can be told apart from its weights, by the name that a person knows it by."""
    text = config.get_text_config(decoder=True)
    nested = [getattr(config, "encoder", None)] if config.is_encoder_decoder else []
    return {
        "model type": text.model_type,
        "layers": _setting("num_hidden_layers", config, *nested, text),
        "query heads": _setting("num_attention_heads", config, *nested, text),
        "decoder layers": _setting("decoder_layers", config)
        or _setting("num_decoder_layers", config)
        or _setting("num_hidden_layers", text),
        "decoder query heads": _setting("decoder_attention_heads", config)
        or _setting("num_decoder_attention_heads", config)
        or _setting("num_attention_heads", text),
        "hidden size": _setting("hidden_size", text),
        "vocabulary": _setting("vocab_size", text),
    }


def _setting(name: str, *configs: Any) -> Any:
    """A setting of the first configuration that has it; a list where it is one of each layer."""
    for config in configs:
        try:
            if (value := getattr(config, name, None)) is not None:
                return value
        except RuntimeError:  # transformers' way to say that layers differ in it
            return [getattr(layer, name, None) for layer in config.per_layer_config]
    return None


def model_class(tuned: Checkpoint, config: Any) -> Any:
    """The class that both sides load with: by the adapter's task, else by the configuration, else AutoModel.

    Raises:
        CheckpointError: if only code in the checkpoint could provide the class, or there is none.
        UnsupportedModel: if the adapter was trained for a task that is not compared, or the model doesn't read text.
    """
    chosen = _named_class(tuned, config)
    concrete = chosen._model_mapping[type(config)] if hasattr(chosen, "_model_mapping") else chosen
    concrete = concrete[0] if isinstance(concrete, tuple) else concrete
    if concrete.main_input_name != "input_ids":
        raise UnsupportedModel(
            f"{tuned.id!r} is a {concrete.__name__}, which reads {concrete.main_input_name} and no text."
        )
    return chosen


def _named_class(tuned: Checkpoint, config: Any) -> Any:
    import transformers

    task = tuned.adapter.get("task_type") if tuned.adapter is not None else None
    if task is not None:
        chosen = getattr(transformers, _TASKS.get(str(task), ""), None)
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
    if type(config) not in transformers.AutoModel._model_mapping:
        raise CheckpointError(
            f"{tuned.id!r} is of model type {config.model_type!r}, for which transformers has no model."
        )
    return transformers.AutoModel


def check_plausible(checkpoint: Checkpoint, chosen: Any, config: Any) -> None:
    """Refuse a configuration that describes far more than the weights hold, before memory is taken for it.

    Raises:
        CheckpointError: for it.
    """
    shapes = [torch.Size(shape) for _, shape in checkpoint.shapes().values()]
    stored = sum(shape.numel() for shape in shapes)
    if described := _too_many(config, shapes) or _too_large(chosen, config, stored):
        raise CheckpointError(
            f"config.json of {checkpoint.id!r} describes {described}, but its weights hold {len(shapes)} tensors of "
            f"{stored:,} numbers in all."
        )


def _too_many(config: Any, shapes: list[torch.Size]) -> str:
    """Layers or experts that are more than the weights can be of: making a million modules would already be the damage."""
    stated = _shape(config)
    layers = [stated[title] for title in ("layers", "decoder layers") if stated[title] is not None]
    # An encoder's layers stand here twice; each of them has several tensors.
    if layers and (min(layers) < 1 or sum(layers) > len(shapes)):
        return f"{layers[0] if min(layers) < 1 else max(layers)} layers"
    settings = config.get_text_config(decoder=True).to_dict().items()
    experts = max((n for name, n in settings if name.endswith("experts") and isinstance(n, int)), default=0)
    # Each expert is a module, or a row of one tensor of all.
    most = max(len(shapes), *(max(shape, default=0) for shape in shapes))
    return f"{experts} experts" if experts > most else ""


def _too_large(chosen: Any, config: Any, stored: int) -> str:
    """Parameters that are far more than the weights hold, counted on a model without numbers."""
    try:
        with torch.device("meta"), quiet():
            model = getattr(chosen, "from_config", chosen)(config)
    except Exception:  # then it can't be built to be filled either, and loading says why
        return ""
    numbers = sum(parameter.numel() for parameter in model.parameters())
    # A head that the checkpoint lacks may be as large as its embeddings.
    return f"{numbers:,} parameters" if numbers > 2 * stored + 10_000_000 else ""


def _needs_code(checkpoint: Checkpoint) -> CheckpointError:
    return CheckpointError(
        f"{checkpoint.id!r} needs Python code from its own repository, which is never run: give a model whose class "
        "is part of transformers."
    )
