"""Encoder-decoders, hybrids, logit sinks, and tokenizers that differ, against dense calculations from the models' own
eager attention."""

import copy
import json

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

import attncompare
from attncompare.errors import BadInput
from attncompare.models import routing
from attncompare.models.pair import Pair, Side, common_stacks, unwrapped
from tests.conftest import draw_weights
from tests.models import readers

TEXT = "A train left the coast an hour late, and nobody said a word."
TARGET = "Der Zug verließ die Küste spät."
TINY = {"vocab_size": readers.VOCABULARY, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}


def of_config(config: transformers.PreTrainedConfig, scale: float = 0.35, kind: str = "AutoModelForCausalLM") -> Pair:
    """A pair of two random models of one configuration."""
    sides = []
    for seed in (1, 2):
        made = getattr(transformers, kind).from_config(copy.deepcopy(config)).eval()
        draw_weights(made, seed, scale)
        sides.append(readers.side(made, readers.byte_level(), f"org/{seed}", routing.install(made)))
    stacks = common_stacks(sides[0].layout, sides[1].layout)
    return Pair(*sides, f"stacks {config.model_type}", stacks, 256, "next_token", (), "own", ())


def dense(side: Side, inputs: dict[str, Tensor]) -> dict[str, list[Tensor]]:
    """A side's own eager attention by kind, ``[head, query, key]`` float64 a layer, on a copy of its model."""
    model = copy.deepcopy(unwrapped(side.model))
    model.set_attn_implementation("eager")
    with torch.no_grad():
        output = model(**inputs, output_attentions=True)
    if not model.config.is_encoder_decoder:
        return {"self": [rows[0].double() for rows in output.attentions if rows is not None]}
    kinds = {"self": output.encoder_attentions, "decoder": output.decoder_attentions, "cross": output.cross_attentions}
    return {kind: [rows[0].double() for rows in layers] for kind, layers in kinds.items()}


def tvd(base: Tensor, tuned: Tensor, *, skip_first: bool) -> float:
    """Mean over the rows that see several keys."""
    rows = (base - tuned).abs().sum(-1) / 2
    return float(rows[1:].mean() if skip_first else rows.mean())


@pytest.mark.parametrize("attention", ["self", "decoder", "cross"])
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_every_stack_of_an_encoder_decoder(family: str, attention: str) -> None:
    pair = readers.pair(family, readers.sentence_piece())
    result = attncompare.compare(pair, TEXT, target=TARGET, attention=attention)
    target = attncompare.compare(pair, TEXT, target=TARGET, attention="decoder").tokens
    number = pair.base.tokenizer.convert_tokens_to_ids
    inputs = {
        "input_ids": torch.tensor([pair.base.tokenizer(TEXT)["input_ids"]]),
        "decoder_input_ids": torch.tensor([number([token.raw for token in target])]),
    }
    looking, looked_at = {"self": (0, 0), "decoder": (1, 1), "cross": (1, 0)}[attention]
    sizes = inputs["input_ids"].shape[1], len(target)
    assert (len(result.tokens), len(result.key_tokens)) == (sizes[looking], sizes[looked_at])
    assert result.causal is (attention == "decoder")
    base, tuned = (dense(side, inputs)[attention] for side in (pair.base, pair.tuned))
    for layer in result.layers:
        maps = result.head(layer, 1)
        for ours, rows in ((maps.base, base), (maps.tuned, tuned)):
            assert np.nan_to_num(ours) == pytest.approx(rows[layer][1].numpy(), abs=3e-5)
        expected = tvd(base[layer][1], tuned[layer][1], skip_first=result.causal)
        assert float(result.heads["tvd"][layer, 1]) == pytest.approx(expected, abs=1e-5)
    assert (result.rollout is None) is (attention == "cross")
    written = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert {entry["attention"] for entry in written["heads"]} == {attention}
    assert (written["key_tokens"] is None) is (attention != "cross")


def test_an_encoder_whose_attention_can_not_be_read_leaves_the_decoder() -> None:
    """Pegasus-X attends in blocks in its encoder; its decoder looks at tokens, and at the encoder's."""
    config = transformers.PegasusXConfig(
        vocab_size=readers.VOCABULARY, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, block_size=8, num_global_tokens=2,
        decoder_start_token_id=0,
    )  # fmt: skip
    pair = of_config(config, kind="AutoModelForSeq2SeqLM")
    assert set(pair.stacks) == {"decoder", "cross"}
    result = attncompare.compare(pair, TEXT, target=TARGET, attention="cross")
    assert result.heads["jsd_bits"].min() > 0
    with pytest.raises(BadInput, match="no 'self' attention.*choose 'decoder', 'cross'"):
        attncompare.compare(pair, TEXT, target=TARGET)


def test_a_hybrid_keeps_its_own_layer_numbers() -> None:
    pair = of_config(
        transformers.JambaConfig(
            **TINY,
            num_hidden_layers=4,
            num_key_value_heads=2,
            attn_layer_period=2,
            attn_layer_offset=1,
            num_experts=2,
            mamba_d_state=4,
            mamba_expand=1,
            use_mamba_kernels=False,
        )  # fmt: skip
    )
    result = attncompare.compare(pair, TEXT)
    assert result.layers == (1, 3)
    assert set(result.frame()["layer"]) == {1, 3}
    assert {mover.layer for mover in result.movers} == {1, 3}
    rows = dense(pair.tuned, {"input_ids": torch.tensor([pair.base.tokenizer(TEXT)["input_ids"]])})["self"]
    assert np.nan_to_num(result.head(3, 2).tuned) == pytest.approx(rows[1][2].numpy(), abs=1e-5)
    with pytest.raises(
        BadInput, match="L2.H0 does not exist: these models attend in layers 1, 3 and have heads 0 to 3"
    ):
        result.head(2, 0)


def test_what_a_logit_sink_takes_is_a_key_of_its_own() -> None:
    pair = of_config(
        transformers.GptOssConfig(
            **TINY, num_hidden_layers=2, num_key_value_heads=2, head_dim=8, sliding_window=8, num_local_experts=2,
            num_experts_per_tok=1,
        ),
        scale=0.2,
    )  # fmt: skip
    result = attncompare.compare(pair, TEXT)
    last = len(result.tokens)
    assert len(result.key_tokens) == last + 1
    assert result.sinks == (0, last)
    assert result.key_tokens[-1].text == "no token"
    inputs = {"input_ids": torch.tensor([pair.base.tokenizer(TEXT)["input_ids"]])}
    base, tuned = (
        [torch.cat([rows, 1 - rows.sum(-1, keepdim=True)], -1) for rows in dense(side, inputs)["self"]]
        for side in (pair.base, pair.tuned)
    )
    assert float(base[0][..., -1].mean()) > 0.005
    for layer in result.layers:
        for head in range(4):
            maps = result.head(layer, head)
            assert np.nan_to_num(maps.base) == pytest.approx(base[layer][head].numpy(), abs=1e-5)
            # The first row sees itself and the null key, which are two.
            expected = tvd(base[layer][head], tuned[layer][head], skip_first=False)
            assert float(result.heads["tvd"][layer, head]) == pytest.approx(expected, abs=1e-5)
            sink = base[layer][head][:, [0, last]].sum(-1).mean()
            assert float(result.heads["sink_mass_base"][layer, head]) == pytest.approx(float(sink), abs=1e-5)
            tokens = base[layer][head][:, :-1]
            far = (torch.arange(last)[:, None] - torch.arange(last)).abs()
            distance = float((tokens * far).sum(-1).mean())
            assert float(result.heads["distance_base"][layer, head]) == pytest.approx(distance, abs=1e-4)
    assert all(check.passed for check in result.checks)
    assert result.rollout is not None
    mean = [(rows.mean(0)[:, :-1] / rows.mean(0)[:, :-1].sum(-1, keepdim=True)).numpy() for rows in base]
    product = np.eye(last)
    for rows in mean:
        product = (rows + np.eye(last)) / 2 @ product
    assert result.rollout.base == pytest.approx(product, abs=1e-5)


def merged(rows: np.ndarray, queries: list[list[int]], keys: list[list[int]]) -> np.ndarray:
    """Keys summed, what is left of a row made 1, queries averaged: in loops."""
    summed = np.stack([rows[:, key].sum(1) for key in keys], 1)
    summed /= summed.sum(1, keepdims=True)
    return np.stack([summed[query].mean(0) for query in queries])


@pytest.mark.parametrize("level", ["auto", "word"])
def test_two_tokenizers_meet_in_shared_units(level: str) -> None:
    pair = readers.pair("gpt2", readers.byte_level(), readers.sentence_piece(), output_kind="next_token")
    result = attncompare.compare(pair, TEXT, level=level)
    assert result.level == ("shared" if level == "auto" else "word")
    assert result.alignment["same_ids"] is False
    assert result.outputs.kl_bits is None
    text_units = [token for token in result.tokens if token.start is not None]
    assert "".join(token.text for token in text_units) == TEXT.replace(" ", "")
    sides = []
    for side in (pair.base, pair.tuned):
        encoded = side.tokenizer(TEXT, return_offsets_mapping=True, return_special_tokens_mask=True)
        spans = list(zip(encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True))
        groups = [
            [i for i, ((start, end), special) in enumerate(spans) if not special and own(TEXT, start, end, token)]
            for token in text_units
        ]
        rows = dense(side, {"input_ids": torch.tensor([encoded["input_ids"]])})["self"]
        sides.append((groups, rows))
    for layer in result.layers:
        maps = result.head(layer, 2)
        for ours, (groups, rows) in zip((maps.base, maps.tuned), sides, strict=True):
            assert np.nan_to_num(ours) == pytest.approx(merged(rows[layer][2].numpy(), groups, groups), abs=1e-5)
    assert result.rollout is not None
    for ours, (groups, rows) in zip((result.rollout.base, result.rollout.tuned), sides, strict=True):
        product = np.eye(rows[0].shape[1])
        for layer_rows in rows:
            product = (layer_rows.mean(0).numpy() + np.eye(len(product))) / 2 @ product
        assert ours == pytest.approx(merged(product, groups, groups), abs=1e-5)
        alone = attncompare.rollout(pair, TEXT, token=3, level=level)
    assert alone.tuned == pytest.approx(result.rollout.tuned[3:4], abs=1e-6)
    assert np.array_equal(np.isnan(result.rollout.log2_lift_base), np.isnan(result.rollout.log2_lift_base))
    failed = [check.name for check in result.checks if not check.passed]
    assert failed == ["same_tokens"]


def test_cross_attention_over_units_of_two_texts() -> None:
    pair = readers.pair("t5", readers.sentence_piece(), readers.byte_level(eos=True))
    result = attncompare.compare(pair, TEXT, target=TARGET, attention="cross")
    assert result.level == "shared"
    assert "".join(token.text for token in result.tokens if token.start is not None) == TARGET.replace(" ", "")
    assert "".join(token.text for token in result.key_tokens if token.start is not None) == TEXT.replace(" ", "")
    assert result.alignment["units"] == len(result.key_tokens)
    assert result.alignment["queries"]["units"] == len(result.tokens)
    assert result.alignment["unaligned_base"] is not None
    maps = result.head(1, 2)
    assert maps.base.shape == (len(result.tokens), len(result.key_tokens))
    assert maps.tuned.sum(1) == pytest.approx(1, abs=1e-5)


def own(text: str, start: int, end: int, token: attncompare.attention.Token) -> bool:
    """Whether a token's characters, without the white space before them, are within the unit's."""
    while start < end and text[start].isspace():
        start += 1
    return token.start <= start and end <= token.end and start < token.end


def test_word_level_of_the_embedded_pair(embedded_pair) -> None:
    text = "The filmmaking is unwatchable."
    tokens, words = (attncompare.compare(embedded_pair, text, level=level) for level in ("token", "word"))
    assert [token.text for token in words.tokens] == ["[CLS]", "The", "filmmaking", "is", "unwatchable", ".", "[SEP]"]
    groups: list[list[int]] = [[] for _ in words.tokens]
    for i, token in enumerate(tokens.tokens):
        at = next(j for j, word in enumerate(words.tokens) if (word.start, word.special) == (None, True) and
                  word.text == token.text or word.start is not None and token.start is not None
                  and word.start <= token.start < word.end)  # fmt: skip
        groups[at].append(i)
    expected = merged(tokens.head(3, 9).tuned.astype(np.float64), groups, groups)
    assert words.head(3, 9).tuned == pytest.approx(expected, abs=1e-5)
    # Merging can only make two rows more alike (data processing inequality, row by row before queries are averaged).
    assert float(words.heads["jsd_bits"].mean()) < float(tokens.heads["jsd_bits"].mean())


def test_a_continuation_is_compared_in_one_pass() -> None:
    pair = readers.pair("llama", readers.byte_level())
    result = attncompare.compare(pair, TEXT, generate=attncompare.Generation(max_new_tokens=6))
    new = [i for i, token in enumerate(result.tokens) if token.generated]
    assert new == list(range(len(result.tokens) - len(new), len(result.tokens)))
    assert 1 <= len(new) <= 6
    assert "continued by the tuned model (greedy)" in result.reading["notes"][0]
    assert any("continued by" in check.detail for check in result.checks)
    assert result.text == TEXT
    assert result.reading["texts"][0].startswith(TEXT)
    ids = pair.base.tokenizer.convert_tokens_to_ids([token.raw for token in result.tokens])
    rows = dense(pair.base, {"input_ids": torch.tensor([ids])})["self"]
    assert np.nan_to_num(result.head(1, 3).base) == pytest.approx(rows[1][3].numpy(), abs=1e-5)


def test_a_token_that_the_model_was_never_resized_for() -> None:
    tokenizer = copy.deepcopy(readers.byte_level())
    tokenizer.add_tokens([f"<new{i}>" for i in range(30)])
    pair = readers.pair("gpt2", tokenizer)
    rows = pair.base.model.get_input_embeddings().weight.shape[0]
    assert len(tokenizer) > rows
    assert attncompare.compare(pair, TEXT).movers
    with pytest.raises(BadInput, match=rf"org/base has no embedding for '<new29>' \(number \d+ of {rows}\)"):
        attncompare.compare(pair, f"{TEXT} <new29>")
