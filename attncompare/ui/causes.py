"""The questions that the page and its endpoints ask about answers: what they rest on, and which heads they need.

Each takes hundreds of forward passes, so the models are lent to whoever asks for less between the batches.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attncompare.analyses.ablation import Ablating, Ablation, ablation
from attncompare.analyses.attributing import attribution
from attncompare.analyses.attribution import Attribution
from attncompare.analyses.erasing import erasure
from attncompare.analyses.erasure import Erasure
from attncompare.analyses.mixing import value_zeroing
from attncompare.analyses.patching import Patching, Swapped
from attncompare.analyses.routes import Routes
from attncompare.analyses.scores import Baseline, Method
from attncompare.analyses.swapping import patching
from attncompare.attention import Progress
from attncompare.models.checkpoint import LocalRule
from attncompare.models.erasing import Erasing
from attncompare.models.pair import Pair
from attncompare.models.passes import IN_BATCHES
from attncompare.ui.questions import Question, ready
from attncompare.ui.sought import Sought, chosen
from attncompare.ui.work import considerate

MAX_TOKENS = 512
"""Longest text that visitors and clients may ask this about; Python and the command line have no such limit."""


def ask_attribution(
    asked: Question, local: LocalRule, progress: Progress, about: Sought, method: Any, baseline: Any, erasing: Any
) -> Attribution:
    """How much each token moves the answer of both models."""
    how = {
        "method": chosen("method", method, Method),
        "baseline": chosen("baseline", baseline, Baseline),
        "erasing": chosen("erasing", erasing, Erasing),
    }
    with _lent(asked, local, progress) as (pair, tell):
        return attribution(
            pair, asked.text, answer=about.answer, against=about.against, progress=tell, **how, **asked.reading
        )


def ask_erasure(
    asked: Question, local: LocalRule, progress: Progress, about: Sought, erasing: Any, draws: int = 10, seed: int = 0
) -> Erasure:
    """Which ranking of the words is faithful."""
    how: dict[str, Any] = {"erasing": chosen("erasing", erasing, Erasing), "draws": draws, "seed": seed}
    with _lent(asked, local, progress) as (pair, tell):
        return erasure(
            pair, asked.text, answer=about.answer, against=about.against, progress=tell, **how, **asked.reading
        )


def ask_patching(asked: Question, local: LocalRule, progress: Progress, about: Sought, what: Any) -> Patching:
    """What heads swapped between the models do to the answer."""
    part = chosen("what", what, Swapped)
    with _lent(asked, local, progress) as (pair, tell):
        return patching(
            pair, asked.text, what=part, answer=about.answer, against=about.against, progress=tell, **asked.reading
        )


def ask_ablation(
    asked: Question, local: LocalRule, progress: Progress, about: Sought, how: Any, references: tuple[str, ...] = ()
) -> Ablation:
    """What switching heads off does to the answer of each model."""
    options: dict[str, Any] = {"how": chosen("how", how, Ablating), "references": references}
    with _lent(asked, local, progress) as (pair, tell):
        return ablation(
            pair, asked.text, answer=about.answer, against=about.against, progress=tell, **options, **asked.reading
        )


def ask_value_zeroing(asked: Question, local: LocalRule, progress: Progress) -> Routes:
    """Where it flows by what zeroed values change."""
    with _lent(asked, local, progress) as (pair, tell):
        return value_zeroing(pair, asked.text, progress=tell, **asked.reading)


@contextmanager
def _lent(asked: Question, local: LocalRule, progress: Progress) -> Iterator[tuple[Pair, Progress]]:
    """The pair, and progress that lets others use it between batches; while anything is made for a cache it is kept."""
    with ready(asked, local, progress, MAX_TOKENS) as pair:
        yield pair, considerate(progress, lambda step: step.startswith(IN_BATCHES))
