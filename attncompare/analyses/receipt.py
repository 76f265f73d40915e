"""The receipt of a result: which checks ran, what they found, and which libraries computed it."""

import platform
from functools import cache
from importlib.metadata import version

from attncompare.attention import Check
from attncompare.metrics.kernel import LayerNumbers
from attncompare.models.pair import Pair, Side
from attncompare.models.question import PairText
from attncompare.models.tokens import Encoding
from attncompare.version import __version__

SUM_TOLERANCE = 1e-4
"""How far a float32 row may be from summing to 1."""


_PATHS = {
    "tap": "rows computed from queries and keys, which matched the family's own eager attention at load",
    "tap-own": "rows computed from queries and keys by the family's own code, which also gives the output (no SDPA)",
    "dense": "all weights as the family's own eager attention returned them",
}


def receipt(pair: Pair, question: PairText, layers: list[LayerNumbers]) -> tuple[Check, ...]:
    """What was checked on the way, with what was found."""
    worst, forbidden = max(n.worst_sum for n in layers), max(n.forbidden for n in layers)
    unknown = sum(_unknown(pair.base, question.base)) + sum(_unknown(pair.tuned, question.tuned))
    training = [side.info.id for side in (pair.base, pair.tuned) if side.model.training]
    return (
        Check("same_tokens", question.queries.same_ids and question.keys.same_ids, _tokens(question)),
        Check(
            "known_tokens",
            not unknown,
            f"{unknown} tokens are unknown to their tokenizer, and mean the same to the models"
            if unknown
            else "every token is known to its tokenizer",
        ),
        Check("rows_sum_to_1", worst <= SUM_TOLERANCE, f"largest difference from 1: {worst:.1e}"),
        Check("masks_respected", forbidden == 0, f"largest mass on a key that its query may not see: {forbidden:.1e}"),
        Check("dropout_off", not training, f"in training mode: {', '.join(training) or 'neither model'}"),
        Check(
            "exact_attention",
            True,
            f"{_paths(pair)}; {pair.base.info.dtype} weights, float32 rows",
        ),
        *(Check(f"note_{i}", True, note) for i, note in enumerate((*question.notes, *pair.notes), start=1)),
    )


def _unknown(side: Side, encoding: Encoding) -> list[bool]:
    """Which tokens of a side's text and target its tokenizer doesn't know.

    A special token may share the id: GPT-2 has one for unknown, first and last.
    """
    ids = (*encoding.ids, *(encoding.target_ids or ()))
    marks = zip(ids, (*encoding.tokens, *(encoding.target or ())), strict=True)
    return [number == side.tokenizer.unk_token_id and not token.special for number, token in marks]


def _paths(pair: Pair) -> str:
    """How attention was read, of each side where the two differ."""
    base, tuned = pair.base.info.attention_path, pair.tuned.info.attention_path
    return _PATHS[base] if base == tuned else f"base: {_PATHS[base]}; tuned: {_PATHS[tuned]}"


def _tokens(question: PairText) -> str:
    """How the two models' tokens were laid side by side."""
    if question.keys is question.queries:
        return question.queries.sentence()
    return f"Queries: {question.queries.sentence()} Keys: {question.keys.sentence()}"


@cache
def versions() -> dict[str, str]:
    """The libraries that a result depends on."""
    libraries = {name: version(name) for name in ("torch", "transformers", "peft", "numpy")}
    return {"attncompare": __version__, "python": platform.python_version(), **libraries}
