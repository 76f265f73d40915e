"""Erasing the words of a text in the order of several rankings, and watching the answer of both models."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np

from attncompare.analyses.asking import BORROWED, Asked, ask, require_choice, source
from attncompare.analyses.erasure import BINS, NAMES, Erasure
from attncompare.analyses.looks import assumed, looks
from attncompare.analyses.scores import Method, Scorer
from attncompare.analyses.verdict import listing
from attncompare.attention import Progress, frozen, unheard
from attncompare.errors import BadInput, UnsupportedModel
from attncompare.models.erasing import Eraser, Erasing, Positions
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import Readout, require_outputs

GRADIENTS: tuple[Method, ...] = ("gradient_x_input", "integrated_gradients")

FEWEST_DRAWS, MOST_DRAWS = 10, 199


def erasure(
    pair: Pair,
    text: str,
    *,
    answer: str | None = None,
    against: str | None = None,
    erasing: Erasing = "delete",
    draws: int = 10,
    seed: int = 0,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Erasure:
    """Erase words in the order of attention, rollout, gradient x input, integrated gradients and ``draws`` random orders.

    Args:
        pair: the models.
        text: what both read; ``reading`` as in :func:`attncompare.compare`, at level ``word`` whatever the tokenizers: what
            is left of a word without some of its tokens is another word. Of an encoder-decoder words of the source are
            erased, with ``attention="decoder"`` those that the decoder reads.
        answer: the class or next token whose probability is watched; the tuned model's likeliest if not given. Gradients
            are the readout's, see :func:`attncompare.attribution`.
        against: another, whose logit is taken off in gradients.
        erasing: how a word is taken out.
        draws: random orders, 10 to 199, the same for both models.
        seed: of the random orders.
        progress: called between batches, may raise to stop.

    Raises:
        BadInput: as compare; fewer than two words that could be erased; an option or answer that there is not.
        PairMismatch: the models' outputs can't be compared.
    """
    require_choice("erasing", erasing, Erasing)
    _judge_draws(draws, seed)
    if reading.get("level", "word") not in ("auto", "word"):
        raise BadInput("Erasure is of whole words: leave level out, or give 'word'.")
    require_outputs(pair)
    tell = progress or unheard
    question = prepare(pair, text, progress=progress, **{**reading, "level": "word"})
    words = question.key_tokens[: len(question.keys.units)]
    erasable = tuple(i for i, word in enumerate(words) if not word.special)
    if len(erasable) < 2:
        raise BadInput(f"Nothing can be erased from a text of {len(erasable)} word: give one of at least two words.")
    eraser = Eraser(pair, erasing, decoder=question.attention == "decoder")
    readout, sides = ask(pair, question, answer, against, progress)
    scores, notes = _scores(pair, question, readout, sides, erasable, tell)
    counts = tuple(math.ceil(share * len(erasable)) for share in BINS)
    chance = np.random.default_rng(seed)
    random = np.stack([chance.permutation(len(erasable)) for _ in range(draws)])
    found = {}
    for asked in sides:
        ranked = np.argsort(-np.stack([*scores[asked.name].values()]), axis=1, kind="stable")
        found[asked.name] = _watched(eraser, readout, asked, erasable, counts, np.concatenate((ranked, random)), tell)
    names = tuple(scores["tuned"])
    return Erasure(
        source=source(pair, question),
        about=question.about,
        readout=readout,
        erasing=erasing,
        words=words,
        erasable=erasable,
        bins=BINS,
        counts=counts,
        rankings=names,
        scores={side: frozen(np.stack([*rows.values()])) for side, rows in scores.items()},
        full={side: watched.full for side, watched in found.items()},
        without={side: frozen(watched.without[: len(names)]) for side, watched in found.items()},
        only={side: frozen(watched.only[: len(names)]) for side, watched in found.items()},
        random_without={side: frozen(watched.without[len(names) :]) for side, watched in found.items()},
        random_only={side: frozen(watched.only[len(names) :]) for side, watched in found.items()},
        seed=seed,
        notes=(*question.notes, f"A word is {eraser.how}.", *notes, *_remarks(question, readout, counts)),
    )


def _judge_draws(draws: Any, seed: Any) -> None:
    for name, value in (("draws", draws), ("seed", seed)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
            raise BadInput(f"Expected {name} to be a whole number from 0 up, got {value!r:.40}.")
    if not FEWEST_DRAWS <= draws <= MOST_DRAWS:
        raise BadInput(f"{draws} random orders: give {FEWEST_DRAWS} to {MOST_DRAWS}, fewer say too little of chance.")


def _scores(
    pair: Pair,
    question: PairText,
    readout: Readout,
    sides: Sequence[Asked],
    erasable: tuple[int, ...],
    tell: Progress,
) -> tuple[dict[str, dict[str, np.ndarray]], tuple[str, ...]]:
    """Of each side each ranking's scores of the erasable words, and why a ranking is missing."""
    at, found = list(erasable), {}
    missing: dict[str, list[str]] = defaultdict(list)
    looking = looks(pair, question, readout, sides, tell)
    for name, look in looking.items():
        found[name] = {"attention": look.mean[at]}
        if look.rollout is not None:
            found[name]["rollout"] = look.rollout[at]
    for method in GRADIENTS:
        try:
            scorer = Scorer(pair, question, readout, method, baseline="auto", erasing="delete")
            scored = {asked.name: np.asarray(scorer.score(asked, tell).units)[at] for asked in sides}
        except (UnsupportedModel, BadInput) as error:
            missing[str(error)].append(NAMES[method])
            continue
        for name, units in scored.items():
            found[name][method] = units
    notes = (f"Without a ranking by {listing(names)}: {why}" for why, names in missing.items())
    return found, (*notes, *assumed(looking))


class _Watched(NamedTuple):
    """What became of the answer's probability in one model."""

    full: float
    without: np.ndarray
    only: np.ndarray


def _watched(
    eraser: Eraser,
    readout: Readout,
    asked: Asked,
    erasable: tuple[int, ...],
    counts: tuple[int, ...],
    orders: np.ndarray,
    tell: Progress,
) -> _Watched:
    """The answer's probability on the text; ``[order, bin]`` without the first words of each order and with them only."""

    def tokens(words: np.ndarray) -> Positions:
        return tuple(token for word in words.tolist() for token in asked.groups[erasable[word]])

    without = [tokens(order[:count]) for order in orders for count in counts]
    only = [tokens(order[count:]) for order in orders for count in counts]
    versions = [(), *without, *only]
    found = eraser.numbers(
        asked.side, asked.encoding, versions, lambda logits: readout.probability(logits, asked.name), tell
    )
    shape = (len(orders), len(counts))
    return _Watched(
        float(found[0]),
        found[1 : 1 + len(without)].reshape(shape).numpy(),
        found[1 + len(without) :].reshape(shape).numpy(),
    )


def _remarks(question: PairText, readout: Readout, counts: tuple[int, ...]) -> list[str]:
    said = []
    if len(set(counts)) < len(counts):
        said.append(
            f"The text is short: of the {len(counts)} bins {len(set(counts))} erase different numbers of words."
        )
    if any(question.keys.unaligned()):
        said.append("Tokens that only one model has stay in every version of its text.")
    if readout.base_head == "borrowed":
        said.append(BORROWED)
    return said
