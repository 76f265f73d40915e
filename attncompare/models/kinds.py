"""Kinds of adapters: which ones can be compared, and what their configurations may say.

A kind is compared if peft can put it beside the base's own tensors, without editing them, and if it changes weights rather
than what is read. A configuration comes from a stranger: its patterns are never matched and its counts are bounded before
anything is built from it. Knows nothing about models.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from attncompare.errors import CheckpointError, PairMismatch, UnsupportedModel
from attncompare.models.folder import Checkpoint
from attncompare.models.quiet import reason

MODEL = "base_model.model."
"""What peft writes before the names of the base's modules."""

PREFIXES = {
    "ADALORA": "lora_",
    "BEFT": "beft_",
    "BOFT": "boft_",
    "C3A": "c3a_",
    "DEFT": "deft_",
    "DELORA": "delora_",
    "FOURIERFT": "fourierft_",
    "GLORA": "glora_",
    "GRALORA": "gralora_",
    "HIRA": "hira_",
    "HRA": "hra_",
    "IA3": "ia3_",
    "LILY": "lily_",
    "LN_TUNING": "ln_tuning_",
    "LOHA": "hada_",
    "LOKR": "lokr_",
    "LORA": "lora_",
    "MISS": "miss_",
    "OFT": "oft_",
    "OSF": "osf_",
    "PEANUT": "peanut_",
    "PSOFT": "psoft_",
    "PVERA": "pvera_lambda_",
    "RANDLORA": "randlora_",
    "ROAD": "road_",
    "SHIRA": "shira_",
    "SUPERTUNING": "supertuning_",
    "TINYLORA": "tinylora_",
    "TRAINABLE_TOKENS": "trainable_tokens_",
    "VBLORA": "vblora_",
    "VERA": "vera_lambda_",
    "WAVEFT": "waveft_",
}
"""Kinds that are compared, and how peft's names for their weights begin. A test puts each on a tiny model."""

_COMPUTED = ("BOFT", "SHIRA")
"""Kinds that peft can't lay out without computing. What they take is bounded by the sizes of the base's own weights."""

_PROMPTS = (
    "PROMPT_TUNING",
    "MULTITASK_PROMPT_TUNING",
    "P_TUNING",
    "PREFIX_TUNING",
    "CARTRIDGE",
    "CPT",
    "ADAPTION_PROMPT",
)
_REFUSED = dict.fromkeys(
    _PROMPTS, "it learns a prompt and leaves the weights alone, so its model reads other tokens than the base"
) | {
    "POLY": "it needs the number of a task with every text",
    "XLORA": "it mixes other adapters, which its configuration names",
    "SHADOW": "it runs a second model beside the base",
    "ADAMSS": "what it takes can't be checked before it is put on the base",
    "FROD": "what it takes can't be checked before it is put on the base",
    "UNILORA": "what it takes can't be checked before it is put on the base",
}

_NOT_COMPARED = (
    "megatron_config", "layer_replication", "alora_invocation_tokens", "arrow_config", "kasa_config", "monteclora_config",
    "velora_config", "use_bdlora", "use_qalora", "target_parameters", "sample_at_inference", "runtime_offload_base_weight",
)  # fmt: skip
"""Options that edit the base, draw at random, or change modules while the model runs."""

_PLAIN_STARTS = (True, False, None, "gaussian", "orthogonal", "eva")
"""Ways of starting LoRA weights that leave the base as it is. PiSSA, OLoRA, CorDA and LoftQ take something out of it, OLoRA
even behind the back of torch's version counters."""

_AT_MOST = {"num_cayley_neumann_terms": 100, "psoft_svd_lowrank_niter": 1000, "depth": 1000, "gralora_k": 1000}
"""Counts of repetitions, which no weight's shape bounds."""

_FREE_TEXT = ("base_model_name_or_path", "revision", "auto_mapping", "peft_version", "megatron_core", "task_type")
_REPLACED = ("target_modules", "exclude_modules", "layers_pattern", "layers_to_transform", "feedforward_modules")
"""Settings whose values are replaced by what the weights' own names say."""


def check_kind(adapter: Checkpoint) -> None:
    """Refuse adapters that are not compared.

    Raises:
        UnsupportedModel: for them.
    """
    settings = adapter.adapter or {}
    kind = settings.get("peft_type")
    if str(kind) not in PREFIXES:
        why = _REFUSED.get(str(kind), "expected 'LORA' or another kind of peft's that changes weights")
        raise UnsupportedModel(f"{adapter.id!r} is an adapter of kind {kind!r}, which is not compared: {why}.")
    if used := [option for option in _NOT_COMPARED if settings.get(option)]:
        raise UnsupportedModel(f"The adapter {adapter.id!r} uses {used[0]}, which is not compared.")
    start = settings.get("init_lora_weights")
    if start not in _PLAIN_STARTS:
        raise UnsupportedModel(
            f"The adapter {adapter.id!r} changes the base's own weights (init_lora_weights is {str(start)[:40]!r}): convert "
            "it to plain LoRA with peft's save_pretrained(path_initial_model_for_weight_conversion=…)."
        )


def has_layout(adapter: Checkpoint) -> bool:
    """Whether peft can lay the adapter out on a model without numbers."""
    settings = adapter.adapter or {}
    pruned = settings["peft_type"] == "ADALORA" and bool(settings.get("rank_pattern"))
    return settings["peft_type"] not in _COMPUTED and not pruned


def is_whole(adapter: Checkpoint, name: str) -> bool:
    """Whether a weight of the file stands for one of the base's (a head, a bias, an embedding) instead of adding to it."""
    return name.startswith(MODEL) and f".{_prefix(adapter)}" not in name and ".trainable_tokens_" not in name


def targets(adapter: Checkpoint) -> set[str]:
    """Names of the base's modules that the adapter changes, as its weights' names have them."""
    mark = f".{_prefix(adapter)}"
    inside = (name.removeprefix(MODEL) for name in adapter.shapes() if name.startswith(MODEL))
    return {name.rsplit(mark, 1)[0] for name in inside if mark in name}


def plain_config(adapter: Checkpoint) -> Any:
    """The adapter's configuration with its targets spelled out.

    peft matches patterns of the configuration against module names, and a stranger's regular expression could hang the
    whole process: so targets come from the file's own tensor names, and nothing else may be a pattern.

    Raises:
        UnsupportedModel: if modules are named by patterns, or by options that this peft does not know.
        CheckpointError: if the file lacks weights of a target that is listed by name.
        PairMismatch: if it has weights for a module that is not listed.
    """
    from peft import PeftConfig
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    settings, found = adapter.adapter or {}, targets(adapter)
    _check_texts(adapter, settings)
    for name, most in _AT_MOST.items():
        if not isinstance(count := settings.get(name) or 0, int) or count > most:
            raise UnsupportedModel(f"The adapter {adapter.id!r} has {name} {count!r}, at most {most} are run.")
    _check_targets(adapter, settings.get("target_modules"), found)
    if not has_layout(adapter) and (pattern := settings.get("rank_pattern")):
        kept = [len(ranks) if isinstance(ranks, list) else 0 for ranks in pattern.values()]
        if set(kept) != {settings.get("init_r")}:
            raise PairMismatch(
                f"The adapter {adapter.id!r} doesn't say of each of its init_r ranks whether it was kept."
            )
    known = {field.name for field in fields(PEFT_TYPE_TO_CONFIG_MAPPING[settings["peft_type"]])}
    if unknown := [name for name, value in settings.items() if value and name not in known]:
        raise UnsupportedModel(f"The adapter {adapter.id!r} uses {unknown[0][:60]!r}, which this peft doesn't know.")
    plain = {name: value for name, value in settings.items() if name in known and name not in _REPLACED}
    plain |= {"target_modules": found, "inference_mode": True}
    if settings.get("peft_type") == "IA3":
        # (1, in): scales what goes into a module; (out, 1): what comes out of it.
        inputs = {name for name, (_, shape) in adapter.shapes().items() if name.endswith(".ia3_l") and shape[0] == 1}
        plain["feedforward_modules"] = {name.removeprefix(MODEL).removesuffix(".ia3_l") for name in inputs}
    try:
        return PeftConfig.from_peft_type(**plain)
    except Exception as error:  # a configuration can be wrong in as many ways as there are kinds
        raise CheckpointError(
            f"adapter_config.json of {adapter.id!r} can't be used: {reason(error, adapter)}"
        ) from None


def _prefix(adapter: Checkpoint) -> str:
    return PREFIXES[(adapter.adapter or {})["peft_type"]]


def _check_texts(adapter: Checkpoint, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        for text in () if name in (*_FREE_TEXT, *_REPLACED) else _texts(value):
            if not re.fullmatch(r"[\w.-]{0,300}", text):
                raise UnsupportedModel(
                    f"The adapter {adapter.id!r} names modules by the pattern {text[:60]!r} ({name}): spell them out."
                )


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def _check_targets(adapter: Checkpoint, stated: Any, found: set[str]) -> None:
    """The file holds what the configuration says, where that lists targets by name."""
    if not found:
        raise CheckpointError(
            f"The adapter {adapter.id!r} has no weights of its kind {(adapter.adapter or {})['peft_type']}."
        )
    if not isinstance(stated, list):
        return
    for target in stated:
        if not any(f".{name}".endswith(f".{target}") for name in found):
            raise CheckpointError(f"The adapter {adapter.id!r} lacks the weights of its target {str(target)[:60]!r}.")
    for name in sorted(found):
        if not any(f".{name}".endswith(f".{target}") for target in stated):
            raise PairMismatch(f"The adapter {adapter.id!r} has weights for {name}, which is not among its targets.")
