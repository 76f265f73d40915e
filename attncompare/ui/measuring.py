"""What the yardstick is measured with: what the form says or a client sends, checked. Opens nothing and measures nothing."""

from dataclasses import dataclass
from typing import Any

from attncompare.analyses.noise import DRAWS
from attncompare.errors import BadInput
from attncompare.metrics.floor import FEWEST_DRAWS
from attncompare.ui.reading import seeded, whole

MOST_DRAWS = 199
"""For visitors and clients, who share one machine; Python and the command line allow more."""

MOST_REPLICATES = 3
"""Other trainings, each of which is a pair of its own to be loaded and kept."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """How the noise of a comparison is measured."""

    draws: int = DRAWS
    seed: int = 0
    replicates: tuple[str, ...] = ()
    """Ids of other trainings of the same base."""


def sent_measuring(draws: Any, seed: Any, replicates: Any) -> Measuring:
    """What a client sends; ``replicates`` is a list of ids or null.

    Raises:
        BadInput: numbers out of bounds, too many ids, or values of another type.
    """
    return Measuring(drawn("draws", draws), seeded("seed", seed), _ids(replicates))


def typed_measuring(draws: Any, lines: str) -> Measuring:
    """What the form says: ids of other trainings stand one a line.

    Raises:
        BadInput: as :func:`sent_measuring`.
    """
    return Measuring(
        drawn("random changes", draws), replicates=_ids([line for line in lines.splitlines() if line.strip()])
    )


def drawn(name: str, value: Any) -> int:
    """How many random changes, as typed or sent.

    Raises:
        BadInput: no whole number, or out of bounds.
    """
    count = whole(name, value)
    if not FEWEST_DRAWS <= count <= MOST_DRAWS:
        raise BadInput(f"Expected {name} to be {FEWEST_DRAWS} to {MOST_DRAWS}, got {count!r:.20}: ask for that many.")
    return count


def _ids(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
        raise BadInput(f"Expected replicates to be a list of ids of other trainings, or null, got {value!r:.80}.")
    if len(value) > MOST_REPLICATES:
        raise BadInput(
            f"At most {MOST_REPLICATES} other trainings are measured here, got {len(value)}: leave some out, or use "
            "attncompare from Python or the command line."
        )
    ids = [one.strip() for one in value]
    if twice := [one for one in ids if ids.count(one) > 1]:
        raise BadInput(f"The other training {twice[0]!r:.80} is given twice: give each of them once.")
    return tuple(ids)
