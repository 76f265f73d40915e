"""The questions that the page and its endpoints ask, with what a stranger may type checked first.

Results are small frozen records; models and traces stay in the bounded caches of :mod:`attncompare.models`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from attncompare.analyses.comparison import Comparison, compare
from attncompare.analyses.distance import Reach
from attncompare.analyses.maps import HeadMaps, Window, head_maps
from attncompare.analyses.noise import Noise
from attncompare.analyses.reaching import reach
from attncompare.analyses.routes import Routes, rollout
from attncompare.analyses.several import Several, require_texts, several
from attncompare.analyses.text_lists import which
from attncompare.analyses.yardstick import DRAWING, noise
from attncompare.attention import AttentionKind, Progress
from attncompare.errors import AttnCompareError, BadInput
from attncompare.models.checkpoint import LocalRule
from attncompare.models.opening import open_pair
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading, prepare
from attncompare.models.tokens import encode
from attncompare.ui.measuring import Measuring
from attncompare.ui.pace import Stopwatch, pass_seconds
from attncompare.ui.reading import MAX_CHARACTERS
from attncompare.ui.work import considerate, loading, turn

MAX_TOKENS = 4096
"""Longest text that the page and its endpoints compare: work grows with the square, and everybody waits for it."""

SEVERAL_TOKENS = 512
"""Longest of several texts that are compared in one go."""


class TooLong(BadInput):
    """A text that could be read if it were shorter."""


@dataclass(frozen=True)
class Question:
    """Which pair, which text, and how it is read, as typed; empty ids are the embedded pair."""

    base: str
    tuned: str
    text: str
    reading: Reading = field(default_factory=Reading)

    def about(self, attention: AttentionKind) -> "Question":
        """The same about another stack of an encoder-decoder."""
        return replace(self, reading=Reading(**{**self.reading, "attention": attention}))


@dataclass(frozen=True, eq=False)
class Answer:
    """A comparison with the question that it answers, so that more can be asked about the same."""

    question: Question
    comparison: Comparison
    pass_seconds: float | None = None
    """What one forward pass of one model on this text takes; None where none was timed."""
    opened: tuple[int, int] | None = None
    """The layer and head that a link asked to open; None where none was."""

    @property
    def first(self) -> tuple[int, int]:
        """The head to open first: the one asked for, else the one that moved most, else the first one."""
        movers = self.comparison.movers
        moved = (movers[0].layer, movers[0].head) if movers else (self.comparison.layers[0], 0)
        return self.opened or moved

    def beside(self, yardstick: Noise | None) -> Comparison:
        """The comparison beside its floors, as far as they were measured; those of an earlier question are not its own."""
        try:
            return self.comparison if yardstick is None else self.comparison.with_noise(yardstick)
        except BadInput:
            return self.comparison


def question(base: Any, tuned: Any, text: Any, reading: Reading | None = None) -> Question:
    """A question from what was typed or sent.

    Raises:
        BadInput: an id or the text is no string. TooLong: too many characters.
    """
    for name, value in (("base", base), ("tuned", tuned), ("text", text)):
        if not isinstance(value, str):
            raise BadInput(f"Expected {name} to be a string, got {type(value).__name__}.")
    if not text.strip():
        raise BadInput("The text is empty: type or paste a sentence to compare the models on.")
    if len(text) > MAX_CHARACTERS:
        raise TooLong(f"The text has {len(text):,} characters and at most {MAX_CHARACTERS:,} are read: shorten it.")
    return Question(base.strip(), tuned.strip(), text, reading or Reading())


def ask_comparison(asked: Question, local: LocalRule, progress: Progress, floor: int | None = None) -> Answer:
    """Load the pair and compare it on the text; with ``floor``, beside so many random changes."""
    with ready(asked, local, progress) as pair:
        watch = Stopwatch(considerate(progress, _drawing))
        result = compare(pair, asked.text, floor=floor, progress=watch, **asked.reading)
        return Answer(asked, result, pass_seconds(pair.key, watch, len(pair.base.layout), len(result.tokens)))


def ask_noise(asked: Question, local: LocalRule, progress: Progress, measuring: Measuring) -> Noise:
    """What every head's divergence is measured by."""
    trainings = [_training(asked, one, local, progress) for one in measuring.replicates]
    with ready(asked, local, progress) as pair:
        return noise(
            pair, asked.text, draws=measuring.draws, seed=measuring.seed, replicates=trainings,
            progress=considerate(progress, _drawing), **asked.reading,
        )  # fmt: skip


def ask_head(
    asked: Question,
    local: LocalRule,
    progress: Progress,
    layer: int,
    head: int,
    queries: Window | None = None,
    keys: Window | None = None,
) -> HeadMaps:
    """One head's maps, by running the models again if their trace has gone."""
    with ready(asked, local, progress) as pair:
        windows: dict[str, Any] = {"queries": queries, "keys": keys}
        return head_maps(pair, asked.text, layer, head, **windows, progress=progress, **asked.reading)


def ask_rollout(
    asked: Question, local: LocalRule, progress: Progress, token: int | None, layers: int | None = None
) -> Routes:
    """Attention rollout of both models, of one output token or of all, through so many layers (None: all)."""
    with ready(asked, local, progress) as pair:
        return rollout(pair, asked.text, token=token, layers=layers, progress=progress, **asked.reading)


def ask_reach(asked: Question, local: LocalRule, progress: Progress) -> Reach:
    """Near, mid and far mass of every head, and the strongest far links."""
    with ready(asked, local, progress) as pair:
        return reach(pair, asked.text, progress=progress, **asked.reading)


def ask_several(asked: Question, texts: Sequence[str], local: LocalRule, progress: Progress) -> Several:
    """The pair of a question on several texts of its kind, one after another; others may use the models in between.

    Raises:
        BadInput: too few or too many texts, or one that is blank or too long; the sentence says which.
    """
    require_texts(texts)
    reading = Reading(**{name: value for name, value in asked.reading.items() if name not in ("text_pair", "target")})  # type: ignore[typeddict-item]
    with ready_for_each(replace(asked, reading=reading), texts, local, progress, "compared") as pair:
        return several(pair, texts, progress=considerate(progress, between_texts), **reading)


def shortened(asked: Question, local: LocalRule, progress: Progress) -> str:
    """The longest beginning of the text, cut between tokens, that both models and the page can read in this way.

    Raises:
        BadInput: nothing of it can be read, and why.
    """
    pair = _loaded(asked, local, progress)
    generate = asked.reading.get("generate")
    room = generate.max_new_tokens if generate else 0
    if pair.max_tokens is not None:
        room = min(room, pair.max_tokens // 2)
    ends = [*_ends(pair, asked.text), len(asked.text)]
    low, high = -1, len(ends)  # up to the low-th token it can be read, up to the high-th it can't
    problem = None
    while high - low > 1:
        progress("shortening the text", 0, 0)
        middle = (low + high) // 2 if high < len(ends) else len(ends) - 1
        found = _excess(pair, asked, asked.text[: ends[middle]], room)
        low, high, problem = (middle, high, problem) if found is None else (low, middle, found)
    if low < 0 and problem is not None:
        raise problem
    return asked.text[: ends[low]]


@contextmanager
def ready(asked: Question, local: LocalRule, progress: Progress, most: int | None = None) -> Iterator[Pair]:
    """The pair, with its models free for this question alone, once it is known that the text can be read.

    Raises:
        BadInput: the text can't be read, or has more than ``most`` tokens (None: than the page compares).
    """
    pair = _loaded(asked, local, progress)
    if problem := _excess(pair, asked, asked.text, most=most):
        ends = _ends(pair, asked.text)
        if len(ends) > 1 and _excess(pair, asked, asked.text[: ends[0]]) is None:
            raise TooLong(str(problem))
        raise problem
    with turn(progress):
        yield pair


@contextmanager
def ready_for_each(
    asked: Question, texts: Sequence[str], local: LocalRule, progress: Progress, done: str
) -> Iterator[Pair]:
    """The same for many texts in place of the question's own; ``done`` is what is done to them, such as ``compared``.

    Raises:
        BadInput: one of them can't be read, or has more than :data:`SEVERAL_TOKENS` tokens; the sentence says which.
    """
    pair = _loaded(asked, local, progress)
    for number, text in enumerate(texts, 1):
        try:
            one = question(asked.base, asked.tuned, text, asked.reading)
        except BadInput as error:
            raise BadInput(which(number, text, done, error)) from None
        if problem := _excess(pair, one, text, most=SEVERAL_TOKENS):
            raise BadInput(which(number, text, done, problem))
    with turn(progress):
        yield pair


def between_texts(step: str) -> bool:
    """Whether work on many texts is about to begin one, and so is making nothing for a cache."""
    return ":" not in step


def _loaded(asked: Question, local: LocalRule, progress: Progress) -> Pair:
    # Not in turn(): a slow download must not keep others from models that are loaded already.
    with loading(progress):
        progress("loading the models", 0, 0)
        return open_pair(asked.base or None, asked.tuned or None, None, None, local=local)


def _training(asked: Question, one: str, local: LocalRule, progress: Progress) -> Pair:
    """Another training of the same base.

    Raises:
        BadInput: it can't be opened, or makes no pair with the base.
    """
    try:
        return _loaded(replace(asked, tuned=one), local, progress)
    except AttnCompareError as error:
        raise BadInput(f"The other training {one!r:.200} can't be used: {error}") from None


def _excess(pair: Pair, asked: Question, text: str, room: int = 1, most: int | None = None) -> BadInput | None:
    """Why these models or this page can't read the text and write ``room`` tokens if they are to; None if they can.

    No model runs.
    """
    unwritten = {name: value for name, value in asked.reading.items() if name not in ("generate", "attention")}
    try:
        read = prepare(pair, text, **unwritten)  # type: ignore[arg-type]
    except BadInput as error:
        return error
    sides = (read.base, read.tuned)
    for what, count in (
        ("text", max(len(side.tokens) for side in sides)),
        ("target", max(len(side.target or ()) for side in sides)),
    ):
        limit, verb = (MAX_TOKENS, "compares") if most is None else (most, "asks this about")
        if count > limit:
            return BadInput(
                f"The {what} has {count:,} tokens and the page {verb} at most {limit:,}: shorten it, or use attncompare "
                "from Python or the command line."
            )
    count, limit = len(sides[0].tokens), pair.max_tokens
    if asked.reading.get("generate") and not pair.encoder_decoder and limit is not None and count + room > limit:
        return BadInput(
            f"The text has {count:,} tokens of the {limit:,} that these models read: shorten it to let one go on."
        )
    return None


def _ends(pair: Pair, text: str) -> list[int]:
    """Where the base's tokens end in the text."""
    return [token.end for token in encode(pair.base.tokenizer, text).tokens if token.end is not None]


def _drawing(step: str) -> bool:
    return step == DRAWING
