"""Attribution, erasure, heads swapped and switched off, value zeroing: both models of the embedded pair, 30 tokens.

One thread, and its processor time, as in speed.py. ``pip install captum ferret-xai`` (into an environment that may be thrown
away) measures those beside ours; neither is needed. ``python -m benchmarks.matter NUMBER NAME`` is a process of its own that
prints the bytes by which resident memory peaked.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import torch

import attncompare
from attncompare.analyses.ablation import one_by_one
from attncompare.analyses.asking import ask
from attncompare.analyses.scores import Scorer
from attncompare.models import edits, interventions, passes
from attncompare.models.interventions import Interventions
from attncompare.models.reading import prepare
from attncompare.models.traces import TRACES
from benchmarks import plainly
from benchmarks.memory import extra_peak
from benchmarks.shapes import load
from benchmarks.table import Table
from benchmarks.texts import text_of
from benchmarks.timing import medians

TOKENS = 30
REPEATS = 5
COLUMNS = (
    "both models of the embedded pair, 30 tokens", "attncompare", "extra peak memory", "beside it", "time",
    "extra peak memory", "attncompare, of that time", "largest difference of the numbers",
)  # fmt: skip

Work = Callable[[], np.ndarray | None]
"""Gives its numbers, if they can be set against those of what it stands beside."""


class Question(NamedTuple):
    """What is asked, our way to answer it, and others, each with how it is made ready; that may raise ImportError."""

    name: str
    ours: Callable[[], Work]
    beside: dict[str, Callable[[], Work]]


def table() -> Table:
    """The lines, measured when they are asked for."""
    return Table(COLUMNS, _lines())


def _lines() -> Iterator[tuple[str, ...]]:
    peaks: dict[str, str] = {}
    for number, question in enumerate(questions()):
        work, missing = {"attncompare": question.ours()}, []
        for name, start in question.beside.items():
            try:
                work[name] = start()
            except ImportError:
                missing.append(name)
            else:
                peaks[name] = peaks.get(name) or _peak(number, name)
        found = medians(work, REPEATS, time.process_time)
        numbers = {name: run() for name, run in work.items()}
        mine = numbers["attncompare"]
        ours = (question.name, f"{found['attncompare']:.2f} s", _peak(number, "attncompare"))
        for name in question.beside:
            if name in missing:
                yield (*ours, name, "not measured: not installed", "", "", "")
                continue
            theirs = numbers[name]
            apart = "" if mine is None or theirs is None else f"{np.abs(mine - theirs).max():.0e}"
            ratio = f"{found['attncompare'] / found[name]:.2f} x"
            yield (*ours, name, f"{found[name]:.2f} s", peaks[name], ratio, apart)


def questions() -> list[Question]:
    """Everything that is measured, on one pair and text."""
    pair = load(None)
    text = text_of(pair.base.tokenizer, TOKENS)
    question = prepare(pair, text)
    readout, sides = ask(pair, question, None, None, None)
    base, tuned = models = plainly.Asked.of(pair, text, readout)
    batch = next(passes.batches(pair, pair.tuned, 10**6, TOKENS)).stop

    def asked(name: str, numbers: Callable[..., np.ndarray], **options: object) -> Callable[[], Work]:
        """A question as it is asked first: nothing of the text is kept from an earlier one."""

        def run() -> np.ndarray:
            TRACES.drop(lambda key: True)
            return numbers(getattr(attncompare, name)(pair, text, **options))

        return lambda: run

    def both(ask_one: Callable[[plainly.Asked], np.ndarray]) -> Callable[[], Work]:
        return lambda: lambda: np.stack([ask_one(model) for model in models])

    def integrals() -> Work:
        scorer = Scorer(pair, question, readout, "integrated_gradients", baseline="auto", erasing="delete")
        return lambda: np.stack([np.asarray(scorer.score(side, lambda *_: None).units) for side in sides])

    def by_captum() -> Work:
        attribute = [plainly.captum(model, batch) for model in models]
        return lambda: np.stack([run() for run in attribute])

    @cache
    def ranked() -> tuple[attncompare.Erasure, dict[str, list[plainly.Order]]]:
        """Our erasure, and the orders that it went by in each model."""
        result = attncompare.erasure(pair, text)
        shuffled = np.random.default_rng(result.seed)
        chance = [shuffled.permutation(len(result.erasable)) for _ in result.random_only["base"]]
        return result, {
            side: [*np.argsort(-scores, axis=1, kind="stable"), *chance] for side, scores in result.scores.items()
        }

    def by_ferret() -> Work:
        result, orders = ranked()
        evaluate = [plainly.ferret(model, text, orders[model.name], result.counts) for model in models]
        return lambda: np.stack([run() for run in evaluate])

    def one_by_one_erased() -> Work:
        result, orders = ranked()
        return lambda: np.stack([plainly.erased(model, orders[model.name], result.counts) for model in models])

    def swapped(*, pattern: bool) -> Callable[[], Work]:
        def run() -> np.ndarray:
            given = [
                plainly.given(mine, theirs) if pattern else plainly.given(theirs)
                for mine, theirs in ((base, tuned), (tuned, base))
            ]
            return np.stack([plainly.replaced(model, new) for model, new in zip(models, given, strict=True)])

        return lambda: run

    def off(*, joining: bool) -> Callable[[], Work]:
        """The effects alone of switching off each of the heads: no whole layers, no gradients."""

        def run() -> np.ndarray:
            alone = one_by_one(base.layers, base.heads)[: base.layers * base.heads]
            blocks = interventions.Layered if joining else None
            with patch.object(interventions, "Layered", blocks or _no_blocks):
                found = [Interventions(pair, question, side.side, readout) for side in sides]
            effects = [model.effects(alone, edits.zero, lambda *_: None) for model in found]
            return torch.stack(effects).view(2, base.layers, base.heads).numpy()

        return lambda: run

    one_pass_each = {f"{2 * base.layers * base.heads} plain passes": lambda: lambda: _plain(models)}
    zeros = both(lambda model: plainly.replaced(model, [torch.zeros_like(one) for one in plainly.given(model)]))
    return [
        Question(
            "integrated gradients and agreement with attention",
            asked("attribution", lambda result: np.stack([result.base, result.tuned])),
            {"captum, integrated gradients": by_captum},
        ),
        Question("integrated gradients alone", integrals, {"captum, integrated gradients": by_captum}),
        Question(
            "erasure: 4 rankings and 10 random ones, made and watched",
            asked("erasure", _curves),
            {
                "ferret, the same rankings given": by_ferret,
                "one pass each, the same rankings given": one_by_one_erased,
            },
        ),
        *(
            Question(
                f"each head's {what} swapped, both ways",
                asked("patching", lambda result: np.stack([result.heads[way] for way in WAYS]), what=what),
                {**one_pass_each, "one hooked pass each": swapped(pattern=what == "pattern")},
            )
            for what in ("pattern", "output")
        ),
        Question(
            "each head switched off, and its importance",
            asked("ablation", lambda result: np.stack([result.heads[side] for side in ("base", "tuned")]), how="zero"),
            {**one_pass_each, "one hooked pass each": zeros},
        ),
        Question("each head switched off, joining the batch at its layer", off(joining=True), one_pass_each),
        Question("each head switched off, whole passes in batches", off(joining=False), one_pass_each),
        Question(
            "value zeroing",
            asked("value_zeroing", lambda result: np.stack([result.base, result.tuned])),
            {"one layer alone for each layer and token": both(plainly.zeroed)},
        ),
    ]


WAYS = ("into_base", "into_tuned")


def _curves(result: attncompare.Erasure) -> np.ndarray:
    """``[side, comprehensiveness or sufficiency, ranking]``, the random rankings behind the others."""
    return np.array(
        [
            [
                [*result.comprehensiveness(side), *result.random_comprehensiveness(side)],
                [*result.sufficiency(side), *result.random_sufficiency(side)],
            ]
            for side in ("base", "tuned")
        ]
    )


def _plain(models: tuple[plainly.Asked, ...]) -> None:
    for model in models:
        for _ in range(model.layers * model.heads):
            model.value()


def _no_blocks(*_: object) -> None:
    raise ValueError("whole passes are asked for")


def _peak(number: int, name: str) -> str:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.matter", str(number), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return f"{int(done.stdout.split()[-1]) / 1e6:.0f} MB"


def main() -> None:
    """The child."""
    torch.set_num_threads(1)
    question = questions()[int(sys.argv[1])]
    run = (question.beside | {"attncompare": question.ours})[sys.argv[2]]()
    run()
    print(extra_peak(run))


if __name__ == "__main__":
    main()
