"""The questions that the page and its endpoints ask, with what a stranger may type checked first.

Results are small frozen records; models and traces stay in the bounded caches of :mod:`attncompare.models`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from attncompare.analyses.comparison import Comparison, compare
from attncompare.analyses.maps import HeadMaps, head_maps
from attncompare.analyses.routes import Routes, rollout
from attncompare.attention import Progress
from attncompare.errors import AttnCompareError, BadInput, TraceGone
from attncompare.models.checkpoint import LocalRule
from attncompare.models.opening import open_pair
from attncompare.models.pair import Pair
from attncompare.models.traces import prepare
from attncompare.ui.work import loading, turn

MAX_CHARACTERS = 200_000
"""Longest text that is tokenized at all."""

MAX_TOKENS = 4096
"""Longest text that the page and its endpoints compare: work grows with the square, and everybody waits for it."""

UNEXPECTED = "Something went wrong on the server; its log says what. Nothing that you typed is lost."

_LOG = logging.getLogger("attncompare.ui")


@dataclass(frozen=True)
class Question:
    """Which pair and which text, as typed; empty ids are the embedded pair."""

    base: str
    tuned: str
    text: str


@dataclass(frozen=True, eq=False)
class Answer:
    """A comparison with the question that it answers, so that more can be asked about the same."""

    question: Question
    comparison: Comparison


def question(base: Any, tuned: Any, text: Any) -> Question:
    """A question from what was typed or sent.

    Raises:
        BadInput: an id or the text is no string, or the text is too long.
    """
    for name, value in (("base", base), ("tuned", tuned), ("text", text)):
        if not isinstance(value, str):
            raise BadInput(f"Expected {name} to be a string, got {type(value).__name__}.")
    if not text.strip():
        raise BadInput("The text is empty: type or paste a sentence to compare the models on.")
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"The text has {len(text):,} characters and at most {MAX_CHARACTERS:,} are read: shorten it.")
    return Question(base.strip(), tuned.strip(), text)


def ask_comparison(asked: Question, local: LocalRule, progress: Progress, level: str = "auto") -> Answer:
    """Load the pair and compare it on the text."""
    pair = _pair(asked, local, progress)
    with turn(progress):
        return Answer(asked, compare(pair, asked.text, level=level, progress=progress))


def ask_head(asked: Question, local: LocalRule, progress: Progress, layer: int, head: int) -> HeadMaps:
    """One head's maps, by running the models again if their trace has gone."""
    pair = _pair(asked, local, progress)
    with turn(progress):
        return head_maps(pair, asked.text, layer, head)


def ask_rollout(asked: Question, local: LocalRule, progress: Progress, token: int | None) -> Routes:
    """Attention rollout of both models, of one output token or of all."""
    pair = _pair(asked, local, progress)
    with turn(progress):
        return rollout(pair, asked.text, token=token, progress=progress)


def open_head(answer: Answer, local: LocalRule, layer: int, head: int) -> HeadMaps:
    """One head of a comparison: from the trace that it left behind, or by asking again."""
    try:
        return answer.comparison.head(layer, head)
    except TraceGone:
        return ask_head(answer.question, local, unheard, layer, head)


def _pair(asked: Question, local: LocalRule, progress: Progress) -> Pair:
    # Not in turn(): a slow download must not keep others from models that are loaded already.
    with loading(progress):
        progress("loading the models", 0, 0)
        pair = open_pair(asked.base or None, asked.tuned or None, None, None, local=local)
    count = len(prepare(pair, asked.text).base.tokens)
    if count > MAX_TOKENS:
        raise BadInput(
            f"The text has {count:,} tokens and the page compares at most {MAX_TOKENS:,}: shorten it, or use attncompare "
            "from Python or the command line."
        )
    return pair


def unheard(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a visitor is told when a question can't be answered: one sentence."""

    sentence: str

    def toast(self) -> gr.Error:
        """For the page, which renders it as HTML: it may quote what a stranger typed."""
        return gr.Error(escape(self.sentence, quote=False), duration=6, print_exception=False)

    def message(self) -> gr.Error:
        """For a client, which reads it as text."""
        return gr.Error(self.sentence, print_exception=False)


def failure(error: Exception) -> Failure:
    """The sentence of an error raised on purpose; any other goes to the server's log and to nobody else."""
    if isinstance(error, AttnCompareError):
        return Failure(str(error))
    _LOG.error("unexpected error", exc_info=error)
    return Failure(UNEXPECTED)


@contextmanager
def shown_errors() -> Iterator[None]:
    """On the page: whatever is raised inside becomes a toast."""
    try:
        yield
    except Exception as error:
        raise failure(error).toast() from None
