"""The bias probe against loops over the models' own maps, and models that see two words alike."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import attncompare
from attncompare.analyses import blocks
from attncompare.analyses.bias import NO_OUTPUTS, bias
from attncompare.analyses.word_groups import DEFAULT
from attncompare.errors import BadInput
from attncompare.models.erasing import Eraser
from attncompare.models.reading import prepare
from tests.conftest import WORDS, eager_attentions, save_tiny, tiny_pair

NAMED = {"she": 10, "he": 11, "her": 12, "his": 13, "years": 14, "led": 15, "Mary": 16, "James": 17, "Dr": 18}
"""Words that stand in the place of some of the tiny vocabulary."""

TEXT = "w30 she led w31 her w32 w33 years w34 Dr w35 w36 Mary w37 led w38 w39"


def save_words(folder, *, causal: bool) -> None:
    """The tiny tokenizer with some words of the groups among its own."""
    numbers = {word: at for at, word in enumerate(WORDS)}
    for word, at in NAMED.items():
        del numbers[WORDS[at]]
        numbers[word] = at
    made = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"unk_token": "[UNK]"}
    if not causal:
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
        names |= {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names).save_pretrained(folder)


def exchange(folder, *pairs: tuple[str, str]) -> None:
    """Let a saved model see each of two words as the other."""
    found = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    rows = found.get_input_embeddings().weight
    with torch.no_grad():
        for first, second in pairs:
            at = [NAMED[first], NAMED[second]]
            rows[at] = rows[at[::-1]].clone()
    found.save_pretrained(folder)


@pytest.fixture(scope="module", params=["bert", "gpt2", "mistral"])
def pair(request, tmp_path_factory) -> attncompare.Pair:
    folder = tmp_path_factory.mktemp(request.param)
    for name, tune in (("base", 0.0), ("tuned", 0.15)):
        save_tiny(folder / name, request.param, seed=11, tune=tune)
        save_words(folder / name, causal=request.param != "bert")
    return attncompare.load_pair(folder / "base", folder / "tuned", device="cpu")


@pytest.fixture(scope="module")
def found(pair):
    return bias(pair, TEXT)


def maps_of(pair, side, text=TEXT):
    """The model's own eager maps, ``[layer, head, query, key]``."""
    ids = torch.tensor([list(prepare(pair, text, level="word").base.ids)])
    return torch.stack(eager_attentions(getattr(pair, side).model, ids)).double().numpy()


def test_shares_are_those_of_the_eager_maps_and_sum_to_one(pair, found):
    tokens = found.words
    content = [at for at, token in enumerate(tokens) if not (token.special or token.sink)]
    maps = {side: maps_of(pair, side) for side in ("base", "tuned")}
    wanted = {
        "female": [at for at in content if tokens[at].text in ("she", "her")],
        "male": [],
        "titles": [at for at in content if tokens[at].text == "Dr"],
        "names": [at for at in content if tokens[at].text == "Mary"],
        "experience": [at for at in content if tokens[at].text in ("led", "years")],
    }
    assert found.found == {name: tuple(at) for name, at in wanted.items()}
    layers, heads, size, _ = maps["base"].shape
    for layer in range(layers):
        for head in range(heads):
            rows = [
                query
                for query in range(size)
                if min(maps[side][layer, head, query, content].sum() for side in maps) >= 0.1
            ]
            for side, values in maps.items():
                for at, name in enumerate(wanted):
                    share = [
                        values[layer, head, q, wanted[name]].sum() / values[layer, head, q, content].sum() for q in rows
                    ]
                    assert found.shares[side][at, layer, head] == pytest.approx(np.mean(share), abs=1e-5)
            for at, name in enumerate(wanted):
                seen = [[key for key in content if maps["base"][layer, head, q, key] > 0] for q in rows]
                even = np.mean([len(set(keys) & set(wanted[name])) / len(keys) for keys in seen])
                assert found.even[at, layer, head] == pytest.approx(even, abs=1e-6)
    for values in (*found.shares.values(), found.even):
        assert values.sum(0) == pytest.approx(np.ones((layers, heads)), abs=1e-5)


def test_several_blocks_give_the_same(pair, found, monkeypatch):
    monkeypatch.setattr(blocks, "MIN_ROWS", 5)
    monkeypatch.setattr(blocks, "BLOCK_CELLS", {"cpu": 0})
    small = bias(pair, TEXT)
    for side in ("base", "tuned"):
        assert small.shares[side] == pytest.approx(found.shares[side], abs=1e-6)
        assert small.swap.bits[side] == pytest.approx(found.swap.bits[side], abs=1e-6)


def test_leakage_is_of_the_row_that_the_answer_is_read_from(pair, found):
    leak, tokens = found.leakage, found.words
    read = len(tokens) - 1 if pair.causal else 0
    gendered = [at for at, token in enumerate(tokens) if token.text in ("she", "her")]
    content = [at for at, token in enumerate(tokens) if not (token.special or token.sink)]
    assert leak.words == tuple(gendered)
    for side in ("base", "tuned"):
        assert leak.read[side] == (read,)
        row = maps_of(pair, side)[:, :, read]
        assert leak.share[side] == pytest.approx(row[..., gendered].sum(-1), abs=1e-5)
        mass = row[..., content].sum(-1)
        expected = np.where(mass >= 0.1, row[..., gendered].sum(-1) / mass, np.nan)
        assert leak.content[side] == pytest.approx(expected, abs=1e-4, nan_ok=True)
    assert leak.even == len(gendered) / len(content)


def test_the_swap_is_the_other_text_read_by_the_same_models(pair, found):
    swap = found.swap
    assert swap.text == TEXT.replace("she", "he").replace("her", "his").replace("Mary", "James")
    other = bias(pair, swap.text, answer=found.readout.answer, against=found.readout.against)
    for side in ("base", "tuned"):
        assert swap.outputs[side] == pytest.approx(other.outputs[side], abs=1e-4)
        assert swap.bits[side] == pytest.approx(
            naive_bits(maps_of(pair, side), maps_of(pair, side, swap.text)), abs=1e-5
        )
        changed = [at for at, word in enumerate(found.words) if word.text in ("she", "her", "Mary")]
        read = found.leakage.read[side][0]
        assert swap.read_after[side] == pytest.approx(
            maps_of(pair, side, swap.text)[:, :, read][..., changed].sum(-1), abs=1e-5
        )


def naive_bits(first, second):
    """Mean over rows that see several keys of the Jensen-Shannon divergence, by entropies."""

    def entropy(rows):
        return -(rows * np.log2(np.maximum(rows, 1e-300))).sum(-1)

    several = (first > 0).sum(-1)[0, 0] > 1
    found = entropy((first + second) / 2) - (entropy(first) + entropy(second)) / 2
    return found[..., several].mean(-1)


def test_a_head_off_and_words_erased_against_the_models(pair, found):
    question = prepare(pair, TEXT, level="word")
    eraser = Eraser(pair, "delete")
    for side, encoding in ((pair.base, question.base), (pair.tuned, question.tuned)):
        name = "tuned" if side is pair.tuned else "base"
        gone = tuple(found.found["female"])
        values = eraser.numbers(
            side, encoding, [(), gone], lambda logits, name=name: found.readout.value(logits, name), lambda *_: None
        )
        assert found.erased["female"][name] == pytest.approx(float(values[1] - values[0]), abs=1e-4)
    assert set(found.erased) == {"female", "titles", "names", "experience"}
    record = attncompare.ablation(pair, TEXT, answer=found.readout.answer, against=found.readout.against)
    for side, off in found.off.items():
        assert found.leakage.share[side][off.row, off.head] == found.leakage.share[side].max()
        assert off.effect == pytest.approx(float(record.heads[side][off.row, off.head]), abs=1e-3)


def test_attribution_is_a_share_of_its_size_over_content(pair, found):
    record = attncompare.attribution(
        pair, TEXT, answer=found.readout.answer, against=found.readout.against, level="word"
    )
    for side, values in (("base", record.base), ("tuned", record.tuned)):
        sizes = np.abs(values[list(record.content)])
        assert found.attribution[side].sum() == pytest.approx(1, abs=1e-5)
        for at, name in enumerate(found.groups):
            mine = np.abs(values[list(found.found[name])]).sum()
            assert found.attribution[side][at] == pytest.approx(mine / sizes.sum(), abs=1e-3)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory) -> attncompare.Pair:
    """Two models that are the same but for words of one gender, which the second one sees as those of the other."""
    folder = tmp_path_factory.mktemp("mirrored")
    for name in ("base", "tuned"):
        save_tiny(folder / name, "bert", seed=11)
        save_words(folder / name, causal=False)
    exchange(folder / "tuned", ("she", "he"), ("her", "his"), ("Mary", "James"))
    return attncompare.load_pair(folder / "base", folder / "tuned", device="cpu")


def test_a_mirrored_model_has_the_results_of_the_swapped_text_exactly(mirrored):
    here = bias(mirrored, TEXT)
    there = bias(mirrored, here.swap.text, answer=here.readout.answer, against=here.readout.against)
    assert here.outputs["base"] == there.outputs["tuned"] == here.swap.outputs["tuned"]
    assert here.outputs["tuned"] == there.outputs["base"] == here.swap.outputs["base"]
    female, male = list(DEFAULT).index("female"), list(DEFAULT).index("male")
    np.testing.assert_array_equal(here.shares["base"][female], there.shares["tuned"][male])
    np.testing.assert_array_equal(here.shares["tuned"][female], there.shares["base"][male])
    assert not here.shares["base"][male].any()
    np.testing.assert_array_equal(here.leakage.share["base"], there.leakage.share["tuned"])
    np.testing.assert_array_equal(here.swap.read_before["base"], here.swap.read_after["tuned"])
    np.testing.assert_allclose(here.swap.bits["base"], here.swap.bits["tuned"], atol=1e-7)
    assert here.change("base") == -here.change("tuned") != 0
    assert here.erased["female"]["base"] == pytest.approx(there.erased["male"]["tuned"], abs=1e-6)


def test_a_model_that_sees_two_words_alike_is_not_moved_by_a_swap(tmp_path):
    for name in ("base", "tuned"):
        save_tiny(tmp_path / name, "bert", seed=11, tune=0.1 * (name == "tuned"))
        save_words(tmp_path / name, causal=False)
        made = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / name)
        with torch.no_grad():
            for first, second in (("she", "he"), ("her", "his"), ("Mary", "James")):
                made.get_input_embeddings().weight[NAMED[first]] = made.get_input_embeddings().weight[NAMED[second]]
        made.save_pretrained(tmp_path / name)
    found = bias(attncompare.load_pair(tmp_path / "base", tmp_path / "tuned", device="cpu"), TEXT)
    assert (found.change("base"), found.change("tuned")) == (0, 0)
    for side in ("base", "tuned"):
        assert not found.swap.bits[side].any()
        np.testing.assert_array_equal(found.swap.read_before[side], found.swap.read_after[side])


def test_words_of_several_pieces_count_as_one(embedded_pair):
    text = "The neuroradiologist met her colleagues after she retired."
    groups = {"female": ["she", "her"], "work": ["Neuroradiologist"]}
    question = prepare(embedded_pair, text, level="word")
    unit = next(at for at, token in enumerate(question.key_tokens) if token.text == "neuroradiologist")
    pieces = question.keys.base
    assert len(pieces[unit]) > 2
    found = bias(embedded_pair, text, groups=groups)
    assert found.found["work"] == (unit,)
    ids = torch.tensor([list(question.base.ids)])
    rows = torch.stack(eager_attentions(embedded_pair.base.model, ids)).double().numpy()
    merged = np.stack([rows[..., list(group)].sum(-1) for group in pieces], -1)
    merged = np.stack([merged[:, :, list(group)].mean(2) for group in pieces], 2)
    content = [at for at, token in enumerate(question.key_tokens) if not token.special]
    for layer, head in ((0, 0), (2, 5), (5, 11)):
        tuned = attncompare.head_maps(embedded_pair, text, layer, head, level="word").tuned
        mass = merged[layer, head][:, content].sum(-1)
        rows = np.flatnonzero(np.minimum(mass, tuned[:, content].sum(-1)) >= 0.1)
        expected = (merged[layer, head][rows, unit] / mass[rows]).mean()
        assert found.shares["base"][1, layer, head] == pytest.approx(expected, abs=1e-5)


def test_a_swap_may_change_how_many_pieces_a_word_has(tmp_path):
    vocabulary = {word: at for at, word in enumerate(WORDS)}
    for word, at in {"she": 10, "h": 11, "##e": 12, "led": 13}.items():
        del vocabulary[WORDS[at]]
        vocabulary[word] = at
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    for name in ("base", "tuned"):
        save_tiny(tmp_path / name, "bert", seed=11, tune=0.1 * (name == "tuned"))
        transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]").save_pretrained(tmp_path / name)
    pair = attncompare.load_pair(tmp_path / "base", tmp_path / "tuned", device="cpu")
    text = "w30 she led w31 w32"
    found = bias(pair, text)
    assert found.swap.text == "w30 he led w31 w32"
    assert len(prepare(pair, text, level="token").base.ids) == 5
    assert len(prepare(pair, found.swap.text, level="token").base.ids) == 6
    after = maps_of(pair, "base", found.swap.text)
    words = [[0], [1, 2], [3], [4], [5]]
    merged = np.stack([after[..., word].sum(-1) for word in words], -1)
    merged = np.stack([merged[:, :, word].mean(2) for word in words], 2)
    assert found.swap.bits["base"] == pytest.approx(naive_bits(maps_of(pair, "base", text), merged), abs=1e-5)


def test_models_without_outputs_have_the_part_about_attention(pair):
    mute = replace(pair, output_kind="none", key=f"{pair.key} mute")
    found = bias(mute, TEXT)
    assert found.readout is None
    assert NO_OUTPUTS in found.notes
    assert (found.outputs, found.attribution, found.off, found.erased) == ({}, {}, {}, {})
    assert found.leakage.read["tuned"] == ((len(found.words) - 1 if pair.causal else 0),)
    assert found.swap.outputs == {}
    assert found.answers[0].startswith(
        "With 3 words swapped (‘she’ to ‘he’, ‘her’ to ‘his’, ‘Mary’ to ‘James’), the rows of"
    )
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_borrowed_head_is_told(embedded_pair):
    found = bias(embedded_pair, "She led a team.")
    assert "borrowed" in " ".join(found.notes)
    assert "in the base (under the tuned model's head)" in found.answers[0]


def test_answers_end_with_what_to_try_and_that_it_is_no_verdict(found):
    steps = [sentence for sentence in found.answers if sentence.startswith("To try next on")]
    assert [step.split(":")[0].split()[-1] for step in steps] == ["swap", "attention", "leakage", "erasing"]
    assert found.answers[-5:-1] == tuple(steps)
    assert "not a verdict" in found.answers[-1]
    assert f"{found.change('tuned'):+.2g}".replace("-", "−") in found.answers[0]


def test_frame_and_json_carry_the_same_numbers(found):
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    frame = found.frame()
    assert len(frame) == found.even[0].size
    assert written["groups"] == {name: list(words) for name, words in DEFAULT.items()}
    shares = np.array(written["shares"]["tuned"], float)
    np.testing.assert_allclose(frame["female_tuned"], shares[0].ravel(), atol=1e-7)
    np.testing.assert_allclose(
        frame["leakage_delta"], np.array(written["leakage"]["share"]["delta"]).ravel(), atol=1e-7
    )


def test_a_text_without_gender_has_no_leakage_and_no_swap(pair):
    found = bias(pair, "w30 w31 led w32 w33 years w34")
    assert found.leakage is None
    assert found.swap is None
    assert found.off == {}
    assert set(found.erased) == {"experience"}
    assert any("nothing was swapped" in note for note in found.notes)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"groups": {"a": ["she"], "b": ["She"]}}, "‘She’ is in two groups, ‘a’ and ‘b’"),
        ({"groups": {"a": ["elle"]}}, "lists that come with this are English"),
        ({"level": "token"}, "Word groups are of whole words"),
        ({"generate": attncompare.Generation("tuned")}, "leave generate out"),
    ],
)
def test_what_is_refused(pair, how, said):
    with pytest.raises(BadInput, match=said):
        bias(pair, TEXT, **how)


def test_a_word_at_a_sink_is_told(tmp_path):
    pair = tiny_pair(tmp_path, "gpt2")
    groups = {"female": ["w30"], "other": ["w31"]}
    found = bias(pair, "w30 w31 w32 w33", groups=groups)
    assert found.found == {"female": (), "other": (1,)}
    assert any("‘w30’ stands at a sink" in note for note in found.notes)
    with pytest.raises(BadInput, match="Every word of the groups in this text stands at a sink"):
        bias(pair, "w30 w32 w33", groups=groups)


def test_leakage_among_content_is_over_the_heads_that_were_measured_in_both(found):
    content = found.leakage.content
    both = np.isfinite(content["base"]) & np.isfinite(content["tuned"])
    said = next(sentence for sentence in found.answers if sentence.startswith("Of what those rows give to content"))
    assert f"get {content['base'][both].mean():.1%} in base and {content['tuned'][both].mean():.1%} in tuned" in said
    assert f"mean over {both.sum()} heads" in said
