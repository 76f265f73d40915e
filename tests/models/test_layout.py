"""Where attention calls belong, and the text that a model is probed with."""

import pytest
import torch
import transformers
from torch import nn

from attncompare.errors import UnsupportedModel
from attncompare.models import routing
from attncompare.models.layout import kind_of, layer_numbers
from attncompare.models.probe import Probe
from tests.conftest import CONFIGS, VOCABULARY, draw_weights


@pytest.mark.parametrize(
    ("queries", "keys", "target", "kind"),
    [
        (24, 24, None, "self"),
        (24, 24, 13, "self"),
        (13, 13, 13, "decoder"),
        (13, 24, 13, "cross"),
        (13, 37, 13, None),  # one softmax over both texts
        (24, 30, None, None),  # compressed keys beside the tokens
        (13, 13, None, None),
    ],
)
def test_a_call_is_known_by_its_lengths(queries: int, keys: int, target: int | None, kind: str | None) -> None:
    assert kind_of(queries, keys, 24, target) == kind


def stack(names: list[str]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """A model with a module at each dotted name; a repeated module is given as ``name=other``."""
    root, made = nn.Module(), {}
    for entry in names:
        name, _, other = entry.partition("=")
        parent = root
        for part in name.split(".")[:-1]:
            if not hasattr(parent, part):
                parent.add_module(part, nn.Module())
            parent = getattr(parent, part)
        made[name] = made[other] if other else nn.Module()
        parent.add_module(name.split(".")[-1], made[name])
    return root, made


def test_layers_are_numbered_by_name_with_holes() -> None:
    model, made = stack(["model.layers.1.attn", "model.layers.5.attn"])
    assert layer_numbers(model, list(made.values())) == [1, 5]


def test_a_module_under_two_names_is_called_under_one_after_the_other() -> None:
    model, made = stack(["layers.2.shared", "layers.8.shared=layers.2.shared"])
    assert layer_numbers(model, list(made.values())) == [2, 8]


def test_a_module_called_again_and_again_is_counted() -> None:
    model, made = stack(["groups.0.layers.0.attn"])
    assert layer_numbers(model, [made["groups.0.layers.0.attn"]] * 3) == [0, 1, 2]


def test_modules_without_a_number_are_counted() -> None:
    model, made = stack(["first.attn", "second.attn"])
    assert layer_numbers(model, list(made.values())) == [0, 1]


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        (CONFIGS["bert"], 24),
        (CONFIGS["mistral"], 24),  # a window of 8
        (transformers.MistralConfig(**{**CONFIGS["mistral"].to_dict(), "sliding_window": 60}), 72),
        (transformers.MistralConfig(**{**CONFIGS["mistral"].to_dict(), "sliding_window": 4096}), 24),
    ],
)
def test_the_probe_is_longer_than_a_window_that_fits(config: transformers.PreTrainedConfig, tokens: int) -> None:
    probe = Probe.of(transformers.AutoModel.from_config(config))
    assert probe.inputs["input_ids"].shape == (1, tokens)
    assert probe.source == tokens
    assert probe.target is None


def test_an_encoder_decoder_is_probed_with_texts_of_different_lengths() -> None:
    config = transformers.BartConfig(
        vocab_size=VOCABULARY, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, num_labels=3,
    )  # fmt: skip
    model = transformers.BartForSequenceClassification(config).eval()
    draw_weights(model, seed=1)
    assert Probe.of(model).target != Probe.of(model).source
    # The head answers at the end-of-text token, which the probe has none of: the body is probed.
    assert [place.attention for place in routing.install(model)] == ["self", "decoder", "cross"]


def test_damaged_weights_are_named_at_load() -> None:
    model = transformers.AutoModel.from_config(CONFIGS["bert"]).eval()
    model.encoder.layer[1].attention.self.query.weight.data.fill_(torch.nan)
    with pytest.raises(UnsupportedModel, match="computes NaN, so its weights are damaged"):
        routing.install(model)
