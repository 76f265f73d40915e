"""Whom a pronoun looks at, against the models' own attention, and what must not change or must."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

import attncompare
from attncompare.analyses.coreference import coreference
from attncompare.analyses.coreference_many import built_in
from attncompare.analyses.mentions import exchanged, find
from attncompare.analyses.winograd import SENTENCES
from attncompare.errors import BadInput
from attncompare.models.generation import Generation
from tests.analyses.test_stacks import of_config
from tests.conftest import CONFIGS, WORDS, draw_weights, save_tiny, tiny_pair, tiny_tokenizer
from tests.families.configs import tiny_config
from tests.models.readers import VOCABULARY
from tests.ui.kinds import save_kind

TEXT = "w3 w10 w17 w24 w31 w38 w45 w52 w4 w11 w18 w25 w32"
ASKED = ("w45 w52", ["w17 w24", "w31", "w4 w11 w18"])
"""Pronoun and candidates of several pieces; the last one stands after the pronoun."""

PLACES = [6, 7], [[2, 3], [4], [8, 9, 10]]
"""The same as positions without special tokens."""

TROPHY = "The trophy would not fit into the brown suitcase because it was too large."


@pytest.fixture(scope="module", params=["bert", "gpt2", "mistral"])
def family(request) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp(family)


@pytest.fixture(scope="module")
def pair(folder, family) -> attncompare.Pair:
    return tiny_pair(folder, family)


def eager_maps(folder: Path, text: str) -> np.ndarray:
    """``[layer, head, query, key]`` as the family's own code returns them."""
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return torch.cat(model(**tokenizer(text, return_tensors="pt"), output_attentions=True).attentions).numpy()


def test_scores_are_those_of_the_models_own_maps(pair, folder, family) -> None:
    found = coreference(pair, TEXT, *ASKED)
    shift = 1 if family == "bert" else 0
    queries, candidates = PLACES
    for side in ("base", "tuned"):
        maps = eager_maps(folder / side, TEXT)
        for number, keys in enumerate(candidates):
            for layer in range(3):
                for head in range(4):
                    given = [sum(maps[layer, head, q + shift, k + shift] for k in keys) for q in queries]
                    ours = found.scores(side)[number, layer, head]
                    if number == 2 and family != "bert":
                        assert np.isnan(ours)
                        assert sum(given) == 0
                    else:
                        assert ours == pytest.approx(sum(given) / 2, abs=1e-5)
    assert [candidate.visible for candidate in found.candidates] == [True, True, family == "bert"]


def test_uniform_attention_is_the_share_of_what_is_visible(pair, family) -> None:
    uniform = coreference(pair, TEXT, *ASKED).uniform
    if family == "bert":
        assert uniform == pytest.approx(np.repeat([[2 / 15], [1 / 15], [3 / 15]], 3, 1))
    elif family == "gpt2":
        assert uniform[:2] == pytest.approx(np.repeat([[(2 / 7 + 2 / 8) / 2], [(1 / 7 + 1 / 8) / 2]], 3, 1))
        assert np.isnan(uniform[2]).all()


def test_a_candidate_out_of_sight_is_not_visible_and_never_chosen(pair, family) -> None:
    if family == "bert":
        return
    found = coreference(pair, TEXT, *ASKED)
    assert "‘w4 w11 w18’ is not visible to ‘w45 w52’, which can't see what stands after it." in found.answers
    assert found.choice("base")[2].max() == 0
    assert (found.choice("base")[:2].sum(0) == 1).all()
    alone = coreference(pair, TEXT, "w45 w52", ["w31", "w11"])
    assert alone.swap is None
    assert "nothing to choose between" in alone.answers[0]
    assert np.isnan(alone.choice("tuned")).all()
    assert json.loads(json.dumps(alone.to_dict(), allow_nan=False))["scores"]["base"][1][0] == [None] * 4
    if family == "mistral":  # a window of 8
        far = coreference(pair, TEXT, "w32", ["w3", "w18"])
        assert [candidate.visible for candidate in far.candidates] == [False, True]
        assert "can't see as far as that" in far.answers[0]


def test_choices_shares_and_means_are_those_of_a_loop(pair) -> None:
    found = coreference(pair, TEXT, "w52", ["w24", "w31"])
    for side in ("base", "tuned"):
        scores = found.scores(side)
        counts, sums = [0, 0], [0.0, 0.0]
        for layer in range(3):
            for head in range(4):
                a, b = scores[:, layer, head]
                best = int(b > a)
                counts[best] += 1
                sums[best] += max(a, b)
                assert found.preference(side)[layer, head] == pytest.approx((a - b) / (a + b), abs=1e-5)
        assert found.choice(side).sum((1, 2)).tolist() == counts
        assert found.mas(side) == pytest.approx(np.array(sums) / sum(sums), rel=1e-5)
        assert found.mean(side) == pytest.approx(scores.mean((1, 2)), rel=1e-5)
    changed = (found.base[0] > found.base[1]) != (found.tuned[0] > found.tuned[1])
    assert (found.changed == changed).all()


def test_the_order_of_the_candidates_does_not_matter(pair) -> None:
    one, other = coreference(pair, TEXT, "w52", ["w24", "w31"]), coreference(pair, TEXT, "w52", ["w31", "w24"])
    np.testing.assert_array_equal(one.tuned, other.tuned[::-1])
    assert one.preference("tuned") == pytest.approx(-other.preference("tuned"))
    assert one.mas("base") == pytest.approx(other.mas("base")[::-1])
    for mine, theirs in zip(one.follows("base"), other.follows("base"), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_exchanged_words_are_read_as_their_own_text(pair) -> None:
    found = coreference(pair, TEXT, "w52", ["w17 w24", "w38"])
    assert found.swap is not None
    assert found.swap.text == TEXT.replace("w17 w24", "!").replace("w38", "w17 w24").replace("!", "w38")
    again = coreference(pair, found.swap.text, "w52", ["w17 w24", "w38"])
    np.testing.assert_allclose(again.base, found.swap.base, atol=1e-6)
    np.testing.assert_allclose(again.tuned, found.swap.tuned, atol=1e-6)
    assert again.swap is not None
    assert again.swap.text == TEXT
    np.testing.assert_allclose(again.swap.tuned, found.tuned, atol=1e-6)


def made_pair(folder: Path, change) -> attncompare.Pair:
    """A pair of encoders whose weights were changed before they were saved."""
    for name, seed in (("base", 11), ("tuned", 12)):
        model = transformers.BertForSequenceClassification(CONFIGS["bert"]).eval()
        draw_weights(model, seed)
        change(model.bert.embeddings)
        model.save_pretrained(folder / name)
        tiny_tokenizer(causal=False).save_pretrained(folder / name)
    return attncompare.load_pair(folder / "base", folder / "tuned", device="cpu")


def test_without_positions_every_choice_follows_the_word(tmp_path) -> None:
    pair = made_pair(tmp_path, lambda embeddings: embeddings.position_embeddings.weight.zero_())
    found = coreference(pair, TEXT, "w52", ["w24", "w38"])
    assert found.swap is not None
    for side in ("base", "tuned"):
        word, place = found.follows(side)
        assert (word.sum(), place.sum()) == (12, 0)
        np.testing.assert_allclose(getattr(found.swap, side), found.scores(side), atol=1e-5)


def test_words_that_are_read_alike_make_every_choice_keep_to_the_place(tmp_path) -> None:
    def alike(embeddings) -> None:
        words = embeddings.word_embeddings.weight
        words[WORDS.index("w24")] = words[WORDS.index("w38")]

    found = coreference(made_pair(tmp_path, alike), TEXT, "w52", ["w24", "w38"])
    assert found.swap is not None
    for side in ("base", "tuned"):
        word, place = found.follows(side)
        assert (word.sum(), place.sum()) == (0, 12)
        np.testing.assert_allclose(getattr(found.swap, side), found.scores(side)[::-1], atol=1e-6)
    assert "0 heads follow the word and 12 keep to the place in base, 0 and 12 in tuned" in " ".join(found.answers)


def test_words_of_several_pieces_are_the_same_over_words(embedded_pair) -> None:
    text = "The anaesthesiologist thanked the paediatrician because she had stayed late."
    asked = (text, "she", ["anaesthesiologist", "paediatrician"])
    tokens, words = coreference(embedded_pair, *asked), coreference(embedded_pair, *asked, level="word")
    assert len(tokens.tokens) > len(words.tokens)
    np.testing.assert_allclose(tokens.tuned, words.tuned, atol=1e-6)
    assert words.about.level == "word"


def test_two_models_that_are_the_same_choose_the_same(pair) -> None:
    same = coreference(replace(pair, tuned=pair.base, key=f"{pair.key} twice"), TEXT, "w52", ["w24", "w31"])
    assert not same.changed.any()
    assert any(sentence.startswith("No preference changed") for sentence in same.answers)
    assert same.elsewhere["base"] == same.elsewhere["tuned"]


def test_the_best_head_elsewhere_knows_neither_the_sentence_nor_its_twin(embedded_pair) -> None:
    known = built_in(embedded_pair)
    assert len(known.items) == len(SENTENCES) == 24
    found = coreference(embedded_pair, TROPHY, "it", ["trophy", "suitcase"])
    for side in ("base", "tuned"):
        right = known.heads[side][2:].sum(0)  # the trophy and its twin are the first two
        best = found.elsewhere[side]
        assert (best.right, best.total) == (right.max(), 22)
        assert right[best.row, best.head] == right.max()
        assert best.name in " ".join(found.answers)
    other = coreference(embedded_pair, "The cat saw the dog because it was awake.", "it", ["cat", "dog"])
    assert {best.total for best in other.elsewhere.values()} == {24}


def test_the_answers_say_what_the_numbers_are(embedded_pair) -> None:
    found = coreference(embedded_pair, TROPHY, "it", ["trophy", "suitcase"], correct="trophy")
    mean, mas, right, heads, changed, elsewhere, swap, limits = found.answers
    for side in ("base", "tuned"):
        means, counts = found.mean(side), (found.choice(side) == 1).sum((1, 2))
        assert mean.index(f"{means[0]:.1%} in {side}") < mean.index(f"{means[1]:.1%} in {side}")
        assert f"{found.mas(side)[0]:.0%} in {side}" in mas
        assert f"{counts[0]} in {side}" in heads
        assert found.elsewhere[side].name in elsewhere
    assert right.startswith("The right one is ‘trophy’")
    assert f"{found.changed.sum()} look most at another" in heads
    assert "changed most in L" in changed
    assert "With the two words exchanged" in swap
    assert "Looking is not resolving" in limits
    wrong = coreference(embedded_pair, TROPHY, "it", ["trophy", "suitcase"], correct="suitcase")
    by_mas = sum(wrong.mas(side)[1] > 0.5 for side in ("base", "tuned"))
    assert ["neither", "alone", "both"][by_mas] in wrong.answers[2]


def test_frame_and_json_carry_the_same_numbers(pair) -> None:
    found = coreference(pair, TEXT, "w52", ["w24", "w31"], correct="w31")
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    frame = found.frame()
    assert len(frame) == 2 * 12
    assert np.ravel(written["scores"]["tuned"]) == pytest.approx(frame["tuned"])
    assert np.ravel(written["choices"]["base"]) == pytest.approx(frame["choice_base"])
    assert np.ravel(written["swap"]["base"]) == pytest.approx(frame["swapped_base"])
    assert frame["delta"].to_numpy() == pytest.approx(frame["tuned"] - frame["base"], abs=1e-6)
    assert written["correct"] == 1
    assert written["pronoun"] == {"text": "w52", "start": TEXT.index("w52"), "end": TEXT.index("w52") + 3}
    assert not found.base.flags.writeable


def test_more_than_two_candidates_are_chosen_among_and_not_exchanged(embedded_pair) -> None:
    text = "Anna met Maria and Olga before she left."
    found = coreference(embedded_pair, text, "she", ["Anna", "Maria", "Olga"])
    assert found.swap is None
    assert found.choice("base").sum(0) == pytest.approx(1)
    assert found.mas("tuned").sum() == pytest.approx(1)
    assert all(name in found.answers[0] for name in ("‘Anna’", "‘Maria’", "‘Olga’"))


def test_characters_name_words_too(embedded_pair) -> None:
    spans = [(TROPHY.index(word), TROPHY.index(word) + len(word)) for word in ("it was", "trophy", "suitcase")]
    spans[0] = (spans[0][0], spans[0][0] + 2)
    one = coreference(embedded_pair, TROPHY, spans[0], spans[1:], correct=spans[2])
    other = coreference(embedded_pair, TROPHY, "it", ["trophy", "suitcase"], correct="suitcase")
    np.testing.assert_array_equal(one.base, other.base)
    assert one.correct == other.correct == 1


@pytest.mark.parametrize(
    ("pronoun", "candidates", "options", "expected"),
    [
        ("it", ["trophy"], {}, "Expected 2 to 10 candidates"),
        ("it", "trophy", {}, "Expected 2 to 10 candidates, each by words of the text, got one string"),
        ("she", ["trophy", "suitcase"], {}, "The pronoun 'she' is not in the text as whole words"),
        ("it", ["trophy", "suit"], {}, "The candidate 'suit' is not in the text as whole words"),
        ("it", ["trophy", "the brown trophy"], {}, "is not in the text as whole words"),
        ("it", ["The", "suitcase", ""], {}, "The candidate is empty"),
        ("it", ["trophy", "brown suitcase", "suitcase"], {}, "‘brown suitcase’ and the candidate ‘suitcase’ overlap"),
        ("it", ["trophy", "it was"], {}, "The pronoun ‘it’ and the candidate ‘it was’ overlap|overlap in the text"),
        ("it", ["trophy", "trophy"], {}, "overlap in the text"),
        ((5, 3), ["trophy", "suitcase"], {}, "holds no word"),
        ((0, 900), ["trophy", "suitcase"], {}, "holds no word"),
        ("it@2", ["trophy", "suitcase"], {}, "stands 1 times in the text as whole words, so there is no number 2"),
        ((1, 2), ["trophy", "suitcase"], {}, "is read as a part of"),
        ("it", ["trophy", "suitcase"], {"correct": "brown"}, "‘brown’ is none of ‘trophy’ and ‘suitcase’"),
        ("it", ["trophy", "suitcase"], {"text_pair": "More."}, "within one text"),
        ("it", ["trophy", "suitcase"], {"attention": "cross"}, "leave attention at 'self'"),
    ],
)
def test_what_can_t_be_asked_is_refused_in_one_sentence(embedded_pair, pronoun, candidates, options, expected) -> None:
    with pytest.raises(BadInput, match=expected) as raised:
        coreference(embedded_pair, TROPHY, pronoun, candidates, **options)
    assert "\n" not in str(raised.value)


def test_a_word_that_stands_twice_is_named_by_its_number(embedded_pair) -> None:
    text = "It fell. The cup hit the plate, and it broke; it was old."
    with pytest.raises(BadInput, match="'it' stands 2 times in the text: name one of them, such as it@2"):
        coreference(embedded_pair, text, "it", ["cup", "plate"])
    second = coreference(embedded_pair, text, "it@2", ["cup", "plate"])
    assert second.pronoun.start == text.index("it was")
    by_place = coreference(embedded_pair, text, second.pronoun.span, ["cup", "plate"])
    np.testing.assert_array_equal(second.base, by_place.base)
    assert coreference(embedded_pair, text, "It", ["cup", "plate"]).pronoun.start == 0
    assert coreference(embedded_pair, text, "It", ["CUP", "Plate"]).candidates[0].text == "cup"


@pytest.mark.parametrize("wanted", [7, (0.0, 1.0), [1], (True, 2), None])
def test_neither_words_nor_characters(wanted) -> None:
    with pytest.raises(BadInput, match="Expected the pronoun to be words of the text or their characters"):
        find("It fell.", wanted, "pronoun")


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("the lawyer's dog", "lawyer", (4, 10)), ("it's old", "it", (0, 2)), ("I see: it!", "it", (7, 9)),
        ("他看见我", "他", (0, 1)), ("a user@2 b", "user@2", (2, 8)), ("He saw he", "He", (0, 2)),
        ("a.b (c) d", "(c)", (4, 7)),
    ],
)  # fmt: skip
def test_words_are_found_whole_as_they_are_written(text, words, expected) -> None:
    assert find(text, words, "pronoun").span == expected


@pytest.mark.parametrize("others", [[(0, 1)], [(5, 6)], [(9, 10)]])
def test_exchanging_twice_gives_the_text_back(others) -> None:
    text = "a bcd e fg h"
    swapped, one, other, moved = exchanged(text, (2, 5), (8, 10), others)
    assert swapped == "a fg e bcd h"
    assert (swapped[slice(*one)], swapped[slice(*other)]) == ("bcd", "fg")
    back, first, second, _ = exchanged(swapped, one, other, moved)
    assert (back, first, second) == (text, (2, 5), (8, 10))
    assert swapped[slice(*exchanged(text, (2, 5), (8, 10), [(6, 7)])[3][0])] == "e"


def test_a_word_that_shares_its_token_is_refused(tmp_path) -> None:
    pair = tiny_pair(tmp_path, "bert")
    with pytest.raises(BadInput, match="‘w10’ is read as a part of ‘w10,’"):
        coreference(pair, "w3 w10, w17 w24", "w24", ["w10", "w17"])


def test_a_word_that_only_one_tokenizer_reads_apart_is_refused(tmp_path) -> None:
    """The tuned model's tokenizer joins two words."""
    save_tiny(tmp_path / "base", "bert", seed=11)
    save_tiny(tmp_path / "tuned", "bert", seed=11, tune=0.15)
    words = {word: at for at, word in enumerate(WORDS)} | {"w10 w17": WORDS.index("w80")}
    joined = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    joined.pre_tokenizer = pre_tokenizers.Split(Regex(r"w10 w17|\S+"), "removed", invert=True)
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=joined, unk_token="[UNK]")
    made.save_pretrained(tmp_path / "tuned")
    pair = attncompare.load_pair(tmp_path / "base", tmp_path / "tuned", device="cpu")
    assert coreference(pair, "w3 w10 w17 w24 w31", "w31", ["w3", "w24"]).about.level == "shared"
    with pytest.raises(BadInput, match="‘w17’ is read as a part of ‘w10 w17’"):
        coreference(pair, "w3 w10 w17 w24 w31", "w31", ["w17", "w24"])


def test_progress_is_told_and_may_stop(embedded_pair) -> None:
    steps: list[str] = []
    coreference(embedded_pair, TROPHY, "it", ["trophy", "suitcase"], progress=lambda step, *_: steps.append(step))
    assert "exchanging the words" in steps

    def stop(*_: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        coreference(embedded_pair, TROPHY, "it", ["trophy", "suitcase"], progress=stop)


CHAT = "The film bored the critic because it was long."


def places(result: attncompare.Comparison, word: str, offset: int = 0) -> list[int]:
    """Where a word of :data:`CHAT` stands among what was compared; ``offset`` is how far into the text that is read."""
    start = CHAT.index(f" {word} ") + 1 + offset
    spans = [(at, one) for at, one in enumerate(result.tokens) if one.start is not None]
    return [at for at, one in spans if start < one.end and one.start < start + len(word) and one.text.strip()]


@pytest.mark.parametrize("kind", ["lora", "full", "decoder", "t5", "tokenizers"])
def test_every_kind_of_pair_is_asked_by_the_rows_of_its_own_words(tmp_path, kind) -> None:
    """Chat templates, continuations, words of many bytes, two tokenizers, and an encoder under a decoder."""
    made = save_kind(kind, tmp_path)
    reading = {name: value for name, value in made.reading.items() if name in ("chat", "level")}
    if "generate" in made.reading:
        reading["generate"] = Generation(**made.reading["generate"])
    pair = attncompare.load_pair(made.base or None, made.tuned, device="cpu")
    found = coreference(pair, CHAT, "it", ["film", "critic"], **reading)
    assert found.about.level == made.level
    result = attncompare.compare(pair, CHAT, **reading)
    offset = 0 if "chat" not in reading else len("<|user|>")

    queries, keys = places(result, "it", offset), [places(result, word, offset) for word in ("film", "critic")]
    assert min(map(len, (queries, *keys))) > 0
    for layer, head in ((result.layers[0], 0), (result.layers[-1], 1)):
        maps, row = result.head(layer, head), found.layers.index(layer)
        for side in ("base", "tuned"):
            for number, columns in enumerate(keys):
                given = np.mean([sum(getattr(maps, side)[query, key] for key in columns) for query in queries])
                assert found.scores(side)[number, row, head] == pytest.approx(given, abs=1e-5)
    assert found.swap is not None
    assert found.swap.text == "The critic bored the film because it was long."


def test_windows_hide_candidates_in_some_layers_and_a_logit_sink_is_one_more_key() -> None:
    config = tiny_config("gpt_oss")
    config.vocab_size = VOCABULARY
    pair = of_config(config)
    found = coreference(pair, CHAT, "it", ["film", "critic"])
    result = attncompare.compare(pair, CHAT)
    queries, keys = places(result, "it"), places(result, "film")
    hidden = np.isnan(found.base[0]).all(1)
    assert set(hidden) == {True, False}  # every second layer has a window of 8
    assert found.candidates[0].visible
    for row, layer in enumerate(result.layers):
        seen = ~np.isnan(result.head(layer, 0).base[queries])  # the last key is the logit sink
        shares = [seen[at, keys].sum() / seen[at].sum() for at in range(len(queries))]
        assert hidden[row] == (not any(shares))
        if not hidden[row]:
            assert found.uniform[0, row] == pytest.approx(np.mean(shares))
            given = np.nansum(result.head(layer, 1).tuned[queries][:, keys], 1).mean()
            assert found.tuned[0, row, 1] == pytest.approx(given, abs=1e-5)
    assert np.isnan(found.uniform[0][hidden]).all()
    assert np.isnan(found.choice("base")[:, hidden]).all()
    assert (found.choice("base")[:, ~hidden].sum(0) == 1).all()
    assert found.mean("base")[0] == pytest.approx(found.base[0][~hidden].mean(), rel=1e-5)
