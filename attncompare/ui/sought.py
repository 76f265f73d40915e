"""What is asked about an answer: what the form says or a client sends, checked. Opens nothing and measures nothing."""

from dataclasses import dataclass
from typing import Any, get_args

from attncompare.errors import BadInput
from attncompare.ui.reading import seeded, whole

FEWEST_RANKINGS, MOST_RANKINGS = 10, 100
"""Random rankings, for visitors and clients, who share one machine; Python and the command line allow more."""

MOST_REFERENCES = 16
"""Texts that a mean is over."""

_LONGEST = 200
"""Characters of an answer: a class or one token."""

_LONGEST_REFERENCES = 20_000


@dataclass(frozen=True, slots=True)
class Sought:
    """Which answer is asked about; None is the tuned model's likeliest."""

    answer: str | None = None
    against: str | None = None
    """Another, whose logit is taken off."""


def sought(answer: Any, against: Any) -> Sought:
    """As typed or sent; what is blank is not asked for.

    Raises:
        BadInput: no strings, or long ones. Whether the models know such answers is found later.
    """
    return Sought(_word("answer", answer), _word("against", against))


def chosen(name: str, value: Any, choices: Any) -> Any:
    """An option by its name; ``choices`` is the Literal type of all there are.

    Raises:
        BadInput: there is no such option.
    """
    if value not in (known := get_args(choices)):
        raise BadInput(f"Expected {name} to be one of {', '.join(map(repr, known))}, got {value!r:.40}.")
    return value


def ranked(draws: Any, seed: Any) -> tuple[int, int]:
    """How many random rankings, and their seed.

    Raises:
        BadInput: no whole numbers, or out of bounds.
    """
    count = whole("draws", draws)
    if not FEWEST_RANKINGS <= count <= MOST_RANKINGS:
        raise BadInput(
            f"Expected draws to be {FEWEST_RANKINGS} to {MOST_RANKINGS}, got {count!r:.20}: ask for that many."
        )
    return count, seeded("seed", seed)


def referred(value: Any) -> tuple[str, ...]:
    """Texts that a mean is over: a list of strings, or null for none.

    Raises:
        BadInput: something else, too many or too long ones. Whether the models can read them is found later.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
        raise BadInput(f"Expected references to be a list of texts, or null, got {value!r:.80}.")
    if len(value) > MOST_REFERENCES or sum(map(len, value)) > _LONGEST_REFERENCES:
        raise BadInput(
            f"A mean here is over at most {MOST_REFERENCES} texts of {_LONGEST_REFERENCES:,} characters together: leave "
            "some out."
        )
    return tuple(value)


def _word(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadInput(f"Expected {name} to be a string or null, got {type(value).__name__}.")
    if len(value) > _LONGEST:
        raise BadInput(f"Expected {name} to be a class or one token, got {len(value):,} characters: shorten it.")
    return value if value.strip() else None
