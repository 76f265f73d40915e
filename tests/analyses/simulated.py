"""Tunings that are random changes themselves: how often are they called real? Prints the rates as JSON.

A program of its own: hundreds of runs take seconds, and minutes where every signature is checked as it is in the tests.
"""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import torch

import attncompare
from attncompare.metrics.floor import ALPHA, floor
from attncompare.models.pair import Pair
from tests.models import readers

RUNS = 120
TEXTS = 20
SENTENCE = readers.SENTENCES[0]
_COUNT = count()


def beside(pair: Pair, change: Callable[[Any], None], content: str = "1" * 16) -> Pair:
    """The pair with a changed copy of its base as the tuned model."""
    model = copy.deepcopy(pair.base.model)
    change(model)
    info = replace(pair.base.info, id="org/tuned", content_hash=content)
    return replace(pair, tuned=replace(pair.base, model=model, info=info), key=f"changed {next(_COUNT)}")


def random_change(rng: np.random.Generator, size: float = 1.0) -> Callable[[Any], None]:
    """A change of rank 4 in random directions, of three matrices of every layer."""

    def change(model: Any) -> None:
        for layer in model.encoder.layer:
            own = layer.attention.self
            for weight in (own.query.weight, own.key.weight, own.value.weight):
                left, right = (np.linalg.qr(rng.standard_normal((n, 4)))[0] for n in weight.shape)
                weight += torch.tensor(left * np.array([1, 0.7, 0.5, 0.3]) * size @ right.T, dtype=torch.float32)

    return change


def called_real(base: Pair) -> float:
    """Share of random tunings of which any head is said to have moved, each with draws of its own."""
    return float(
        np.mean(
            [
                attncompare.noise(
                    beside(base, random_change(np.random.default_rng(run))), SENTENCE, draws=19, seed=run
                ).moved.any()
                for run in range(RUNS)
            ]
        )
    )


def over_texts(base: Pair) -> tuple[float, float, float]:
    """Draws held against the other draws over 20 texts. By flipping the signs of texts: share of heads, and of models with
    any head, called real. By the draws: share of models."""
    pair = beside(base, random_change(np.random.default_rng(7)))
    texts = [" ".join(np.random.default_rng(i).permutation(SENTENCE.split())) for i in range(TEXTS)]
    draws = np.stack([attncompare.noise(pair, text, draws=39).draws for text in texts], axis=1).astype(float)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (999, TEXTS))
    wrong, right = [], []
    for index, mine in enumerate(draws):
        others = np.delete(draws, index, axis=0)
        above = mine - others.mean(0)
        chance = np.tensordot(signs, above, 1)
        wrong.append(((1 + (chance >= above.sum(0)).sum(0)) / 1000 <= ALPHA).ravel())
        right.append((floor(mine.mean(0), others.mean(1)).p <= ALPHA).any())
    return float(np.mean(wrong)), float(np.mean(np.any(wrong, axis=1))), float(np.mean(right))


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    made = readers.pair("bert", output_kind="none", kind="AutoModel")
    small = replace(made, tuned=made.base)
    print(json.dumps({"called_real": called_real(small), "over_texts": over_texts(small)}))
