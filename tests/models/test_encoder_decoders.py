"""Encoder-decoders: which class they load with, whose head they run under, and what two of them must have in common."""

import copy
import warnings
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from torch import Tensor

from attncompare.errors import CheckpointError, PairMismatch, UnsupportedModel
from attncompare.models.architecture import check_plausible, check_same_shape, model_class, read_config
from attncompare.models.checkpoint import any_folder, resolve
from attncompare.models.heads import Models, adapter_models, full_models, output_kind
from attncompare.models.opening import load_pair
from tests.models.checkpoints import edit_json, edit_weights, model, refused, save, save_adapter

SIZES = {"vocab_size": 40, "d_model": 32, "pad_token_id": 0, "decoder_start_token_id": 0, "eos_token_id": 1}
HALVES = {
    "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 64, "forced_eos_token_id": None,
}  # fmt: skip
CONFIGS: dict[str, Any] = {
    "t5": transformers.T5Config(**SIZES, num_layers=2, num_decoder_layers=3, num_heads=4, d_kv=8, d_ff=32),
    "switch": transformers.SwitchTransformersConfig(  # experts, and a head of its own
        **SIZES,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=4,
        d_kv=8,
        d_ff=32,
        num_experts=2,
        tie_word_embeddings=False,
    ),
    "bart": transformers.BartConfig(**SIZES, **HALVES),
    "marian": transformers.MarianConfig(**SIZES, **HALVES),
}
TARGETS = {"t5": ["q", "v"], "switch": ["q", "v"], "bart": ["q_proj", "v_proj"], "marian": ["q_proj", "v_proj"]}
INPUTS = {"input_ids": torch.tensor([[5, 6, 7, 8, 1]]), "decoder_input_ids": torch.tensor([[0, 9, 5, 4]])}


def pair(base: Path, tuned: Path) -> Models:
    """Both sides as loading a pair makes them."""
    first, second = (resolve(folder, any_folder) for folder in (base, tuned))
    if second.adapter is not None:
        config = read_config(first)
        chosen = model_class(second, config)
        return adapter_models(first, (second,), chosen, config, torch.float32, torch.device("cpu"))
    configs = (read_config(first), read_config(second))
    check_same_shape(*configs)
    chosen = model_class(second, configs[1])
    return full_models(first, second, chosen, configs, torch.float32, torch.device("cpu"))


def logits(made: Any) -> Tensor:
    with torch.no_grad():
        return made(**INPUTS).logits


@pytest.mark.parametrize("family", CONFIGS)
def test_full_checkpoints(tmp_path: Path, family: str) -> None:
    made = [model("ForSeq2SeqLM", CONFIGS[family], seed=seed) for seed in (0, 1)]
    models = pair(save(made[0], tmp_path / "base"), save(made[1], tmp_path / "tuned"))
    assert type(models.base) is type(models.tuned) is type(made[0])
    assert (models.borrowed, models.headless, models.notes) == (False, False, ())
    assert output_kind(models, causal=False) == "next_token"
    for found, original in zip((models.base, models.tuned), made, strict=True):
        assert torch.equal(logits(found), logits(original))


@pytest.mark.parametrize("family", CONFIGS)
def test_adapters(tmp_path: Path, family: str) -> None:
    made = model("ForSeq2SeqLM", CONFIGS[family])
    base, alone = save(made, tmp_path / "base"), logits(made)
    options = {"task_type": "SEQ_2_SEQ_LM", "target_modules": TARGETS[family]}
    adapter = save_adapter(made, tmp_path / "adapter", base=str(base), **options)
    models = pair(base, adapter)
    original = transformers.AutoModelForSeq2SeqLM.from_pretrained(base).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = logits(peft.PeftModel.from_pretrained(original, str(adapter)).eval())
    assert torch.equal(logits(models.base), alone)
    assert torch.equal(logits(models.tuned), expected)
    assert not torch.allclose(alone, expected, atol=1e-3)
    assert output_kind(models, causal=False) == "next_token"


def test_a_base_without_head(tmp_path: Path) -> None:
    """An untied head that the base lacks is borrowed; a tied one is its own embeddings."""
    tuned = save(model("ForSeq2SeqLM", CONFIGS["switch"], seed=1), tmp_path / "tuned")
    models = pair(save(model("", CONFIGS["switch"]), tmp_path / "base"), tuned)
    assert (models.borrowed, output_kind(models, causal=False)) == (True, "next_token")
    assert models.base.lm_head.weight is models.tuned.lm_head.weight
    for family in ("t5", "bart"):
        tuned = save(model("ForSeq2SeqLM", CONFIGS[family], seed=1), tmp_path / family / "tuned")
        models = pair(save(model("", CONFIGS[family]), tmp_path / family / "base"), tuned)
        assert output_kind(models, causal=False) == "next_token"
        assert models.base.lm_head.weight is models.base.get_input_embeddings().weight
        assert not models.headless


def test_an_encoder_alone(tmp_path: Path) -> None:
    """A T5 tuned as an encoder is compared with the encoder of the whole one."""
    base = save(model("ForSeq2SeqLM", CONFIGS["t5"]), tmp_path / "base")
    torch.manual_seed(1)
    tuned = save(transformers.T5EncoderModel(copy.deepcopy(CONFIGS["t5"])), tmp_path / "tuned")
    models = pair(base, tuned)
    assert type(models.base) is type(models.tuned) is transformers.T5EncoderModel
    assert output_kind(models, causal=False) == "none"
    with torch.no_grad():
        found = models.base(INPUTS["input_ids"]).last_hidden_state
        whole = transformers.T5ForConditionalGeneration.from_pretrained(base).encoder.eval()
        assert torch.equal(found, whole(INPUTS["input_ids"]).last_hidden_state)


def test_a_classifier_on_both_stacks(tmp_path: Path) -> None:
    base = save(model("ForSeq2SeqLM", CONFIGS["bart"]), tmp_path / "base")
    tuned = save(model("ForSequenceClassification", CONFIGS["bart"], seed=1), tmp_path / "tuned")
    models = pair(base, tuned)
    assert (models.borrowed, output_kind(models, causal=False)) == (True, "label")


@pytest.mark.parametrize(
    ("family", "changes", "parts"),
    [
        ("t5", {"num_decoder_layers": 1}, ["decoder layers 3 against 1"]),
        ("t5", {"num_layers": 1, "d_model": 64, "vocab_size": 50}, ["layers 2 against 1", "hidden size 32 against 64",
                                                                    "vocabulary 40 against 50"]),
        ("bart", {"decoder_layers": 1}, ["decoder layers 3 against 1"]),
        ("bart", {"encoder_layers": 1, "decoder_attention_heads": 8}, ["layers 2 against 1", "decoder query heads 2"]),
        ("marian", {"encoder_attention_heads": 8}, ["query heads 4 against 8"]),
    ],
)  # fmt: skip
def test_everything_that_differs_is_listed(family: str, changes: dict[str, int], parts: list[str]) -> None:
    other = type(CONFIGS[family])(**{**CONFIGS[family].to_dict(), **changes})
    check_same_shape(CONFIGS[family], CONFIGS[family])
    with refused(PairMismatch, "Base and tuned differ in", *parts):
        check_same_shape(CONFIGS[family], other)


def test_widths_and_vocabularies_may_differ_by_themselves() -> None:
    check_same_shape(CONFIGS["bart"], type(CONFIGS["bart"])(**{**CONFIGS["bart"].to_dict(), "vocab_size": 45}))


def test_shapes_of_every_configuration_can_be_read() -> None:
    """Nested, hybrid and renamed configurations; those of state-space models have no heads at all."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    for model_type in CONFIG_MAPPING_NAMES:
        try:
            config = transformers.AutoConfig.for_model(model_type)
            config.get_text_config(decoder=True)
        except Exception:  # it can't be made without arguments, or has several texts
            continue
        check_same_shape(config, config)


@pytest.mark.parametrize("changes", [{}, {"is_encoder_decoder": False}])
def test_configurations_too_large_for_their_weights(tmp_path: Path, changes: dict[str, bool]) -> None:
    folder = save(model("ForSeq2SeqLM", CONFIGS["t5"]), tmp_path)
    checkpoint = resolve(folder, any_folder)
    for stack in ("num_layers", "num_decoder_layers"):
        edit_json(folder / "config.json", **{"num_layers": 2, "num_decoder_layers": 3, stack: 10**9} | changes)
        config = read_config(checkpoint)
        with refused(CheckpointError, "describes 1000000000 layers, but its weights hold"):
            check_plausible(checkpoint, model_class(checkpoint, config), config)


def test_missing_weights_of_a_decoder(tmp_path: Path) -> None:
    base = save(model("ForSeq2SeqLM", CONFIGS["t5"]), tmp_path / "base")
    edit_weights(base / "model.safetensors", lambda t: {name: t[name] for name in t if "decoder.block.2" not in name})
    with refused(CheckpointError, "lacks", "decoder.block.2"):
        pair(base, base)


def test_models_that_read_no_text(tmp_path: Path) -> None:
    speech = transformers.WhisperConfig(
        vocab_size=40, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=32, decoder_ffn_dim=32, pad_token_id=0, num_mel_bins=8,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
    )  # fmt: skip
    folder = save(transformers.WhisperModel(speech), tmp_path)
    checkpoint = resolve(folder, any_folder)
    with refused(UnsupportedModel, "is a WhisperModel, which reads input_features and no text"):
        model_class(checkpoint, read_config(checkpoint))


@pytest.mark.usefixtures("no_pair_is_kept")
@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
def test_opened_as_a_pair(tmp_path: Path, family: str) -> None:
    base = save(made := model("ForSeq2SeqLM", CONFIGS[family]), tmp_path / "base")
    options = {"task_type": "SEQ_2_SEQ_LM", "target_modules": TARGETS[family], "base": str(base)}
    first = save_adapter(made, tmp_path / "first", **options)
    second = save_adapter(model("ForSeq2SeqLM", CONFIGS[family]), tmp_path / "second", seed=2, **options)
    tuned = save(model("ForSeq2SeqLM", CONFIGS[family], seed=1), tmp_path / "tuned")
    for sides in ((base, tuned), (base, first), (first, second)):
        opened = load_pair(*sides, device="cpu")
        assert list(opened.stacks) == ["self", "decoder", "cross"]
        assert [len(stack.layers) for stack in opened.stacks.values()] == [2, 3, 3]
        assert (opened.output_kind, opened.encoder_decoder) == ("next_token", True)
        assert not torch.allclose(logits(opened.base.model), logits(opened.tuned.model), atol=1e-3)
