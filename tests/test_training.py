"""The training script's parts, and the shipped adapters against what metrics.json and the card say."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from scipy.stats import binomtest

from attncompare.models import embedded
from training import movie_sentiment as script
from training import sentiment_lora as lora
from training.model_card import card
from training.movie_data import Snippet, TrainingError, parse, part_of, read_corpus, split

# PEFT asks transformers for an attribute under its old name.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

ASSETS = Path(__file__).parents[1] / "assets" / "movie-sentiment"
SEEDS = [1, 2]
FOLDERS = [*(f"step-{step:04d}" for step in lora.SAVED_STEPS), "final", *(f"seed-{seed}" for seed in SEEDS)]


@pytest.fixture(scope="module")
def metrics() -> dict:
    return json.loads((ASSETS / "metrics.json").read_text())


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    return [f"Sentence number {number}, seen on day {number * 7919 % 365}." for number in range(5000)]


def test_parse_reads_ratings_and_entities() -> None:
    lines = ["1\t2.5\tLovely &amp; Amazing\r\n", "\n", "2\t-0.75\tdull, 'flat' film", "3\t0.1\tso so"]
    assert parse(lines) == [
        Snippet("Lovely & Amazing", 2.5),
        Snippet("dull, 'flat' film", -0.75),
        Snippet("so so", 0.1),
    ]


@pytest.mark.parametrize("line", ["1\t2.5", "1\tgood\tA film.", "1\t2.5\tA film.\tmore"])
def test_parse_names_the_bad_line(line: str) -> None:
    with pytest.raises(TrainingError, match="Line 2"):
        parse(["1\t1.0\tFine.", line])


def test_labels_are_signs_of_clear_ratings() -> None:
    snippets = [Snippet(f"film {rating}", rating) for rating in (-3.0, -0.5, -0.49, 0.0, 0.49, 0.5, 3.0)]
    kept = [snippet for part in split(snippets).values() for snippet in part]
    assert {(snippet.rating, snippet.label) for snippet in kept} == {(-3.0, 0), (-0.5, 0), (0.5, 1), (3.0, 1)}


def test_split_is_disjoint_complete_and_80_10_10(sentences: list[str]) -> None:
    parts = split(Snippet(sentence, 1.0) for sentence in sentences)
    texts = {part: {snippet.text for snippet in snippets} for part, snippets in parts.items()}
    assert sum(len(text) for text in texts.values()) == len(set.union(*texts.values())) == len(sentences)
    for part, share in {"train": 0.8, "dev": 0.1, "test": 0.1}.items():
        error = math.sqrt(share * (1 - share) / len(sentences))
        assert abs(len(texts[part]) / len(sentences) - share) < 4 * error


def test_split_depends_on_letters_and_digits_alone(sentences: list[str]) -> None:
    for sentence in sentences[:200]:
        assert part_of(sentence) == part_of(f"  {sentence.upper().replace(' ', ' -- ')}!")
    reversed_parts = split(Snippet(sentence, 1.0) for sentence in reversed(sentences))
    assert all(part_of(snippet.text) == part for part, snippets in reversed_parts.items() for snippet in snippets)


def test_other_bytes_are_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "corpus.tar.gz").write_bytes(b"not the corpus")
    with pytest.raises(TrainingError, match="sha256"):
        read_corpus(tmp_path / "corpus.tar.gz")
    with pytest.raises(TrainingError, match="Cannot read"):
        read_corpus(tmp_path / "missing.tar.gz")


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (10, 10), (7, 10), (841, 984), (1, 1)])
def test_wilson_agrees_with_scipy(correct: int, n: int) -> None:
    expected = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert script.wilson(correct, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_batches_visit_every_sentence_once_an_epoch() -> None:
    lengths = [2 + 13 * row % 37 for row in range(1000)]
    data = lora.Encoded([[101] * length for length in lengths], torch.zeros(1000, dtype=torch.long))
    batches = list(lora.shuffled_batches(data, epochs=2, seed=3))
    first, second = batches[: len(batches) // 2], batches[len(batches) // 2 :]
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(1000))
    assert first != second
    assert batches == list(lora.shuffled_batches(data, epochs=2, seed=3))
    assert batches != list(lora.shuffled_batches(data, epochs=2, seed=4))


def test_batch_masks_padding_only() -> None:
    data = lora.Encoded([[101, 7, 102], [101, 102]], torch.tensor([1, 0]))
    batch = data.batch([1, 0])
    assert batch["input_ids"].tolist() == [[101, 102, 0], [101, 7, 102]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch["labels"].tolist() == [0, 1]


def test_targets_are_attention_projections_alone() -> None:
    linears = [name for name, module in lora.base_model().named_modules() if isinstance(module, torch.nn.Linear)]
    matched = {name for name in linears if re.fullmatch(lora.TARGETS, name)}
    ends = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
    assert matched == {f"bert.encoder.layer.{layer}.{end}" for layer in range(6) for end in ends}


@pytest.mark.parametrize("folder", FOLDERS)
def test_adapter_folder_is_complete_and_portable(folder: str, metrics: dict) -> None:
    files = {path.name: path for path in (ASSETS / folder).iterdir()}
    assert set(files) == {"adapter_config.json", "adapter_model.safetensors", "labels.json"}
    config = json.loads(files["adapter_config.json"].read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == (embedded.BASE_ID, embedded.BASE_REVISION)
    assert (config["task_type"], config["r"]) == ("SEQ_CLS", lora.RANK)
    assert not [value for value in config.values() if isinstance(value, str) and Path(value).is_absolute()]
    assert json.loads(files["labels.json"].read_text()) == {"id2label": {"0": "negative", "1": "positive"}}
    assert lora.sha256(files["adapter_model.safetensors"]) == metrics["adapters_sha256"][folder]
    with safe_open(files["adapter_model.safetensors"], "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118


def test_step_0_equals_the_base_exactly() -> None:
    batch = lora.encode([Snippet("A short film.", 1.0), Snippet("Not quite as good as the last one.", -1.0)])
    inputs = batch.batch([0, 1])
    tuned, base = lora.shipped_model(ASSETS / "step-0000"), lora.base_model().eval()
    with torch.inference_mode():
        ours = tuned(**inputs, output_hidden_states=True).hidden_states
        theirs = base(**inputs, output_hidden_states=True).hidden_states
    assert len(ours) == 7
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_projection_moves_after_step_0(folder: str) -> None:
    weights = load_file(ASSETS / folder / "adapter_model.safetensors")
    ups = [tensor for name, tensor in weights.items() if "lora_B" in name]
    assert len(ups) == 24
    assert all(bool(tensor.any()) != (folder == "step-0000") for tensor in ups)
    assert all(bool(tensor.isfinite().all()) for tensor in weights.values())


def test_metrics_agree_with_the_script_and_with_themselves(metrics: dict) -> None:
    assert sorted(metrics["adapters_sha256"]) == sorted(FOLDERS)
    chosen = next(recipe for recipe in metrics["tried"] if recipe["name"] == metrics["chosen"])
    assert [point["step"] for point in chosen["curve"]] == [*lora.SAVED_STEPS, metrics["final_step"]]
    assert [one["seed"] for one in metrics["replicates"]] == SEEDS
    assert metrics["seed"] not in SEEDS
    final = {recipe["name"]: recipe["curve"][-1]["dev_accuracy"] for recipe in metrics["tried"]}
    assert list(final) == [recipe.name for recipe in script.RECIPES]
    assert final[metrics["chosen"]] == max(final.values())
    test = metrics["test"]
    assert test["n"] == sum(metrics["data"]["counts"]["test"].values())
    assert test["interval_95"] == pytest.approx(script.wilson(test["correct"], test["n"]))
    assert test["correct"] / test["n"] == test["accuracy"] >= script.REQUIRED_ACCURACY


def test_card_is_written_from_the_metrics(metrics: dict) -> None:
    assert (ASSETS / "README.md").read_text() == card(metrics)


def test_shipped_adapters_stay_small() -> None:
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 10e6


def test_final_adapter_reads_plain_sentences() -> None:
    sentences = [
        Snippet("A wonderful, moving film with superb acting.", 1.0),
        Snippet("The film is not good, and the dialogue is painfully dull.", -1.0),
        Snippet("Warm, clever and very funny.", 1.0),
        Snippet("A tedious mess that wastes its cast.", -1.0),
    ]
    predicted, loss_nats = lora.evaluate(lora.shipped_model(ASSETS / "final"), lora.encode(sentences))
    assert predicted.tolist() == [snippet.label for snippet in sentences]
    assert loss_nats < math.log(2)
