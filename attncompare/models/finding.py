"""Which checkpoints a pair is made of: both sides, and the full checkpoint that an adapter is put on.

Knows nothing about what is in them beyond which are adapters.
"""

from dataclasses import dataclass
from pathlib import Path

from attncompare.errors import BadInput, CheckpointError, NotAllowed
from attncompare.models import embedded
from attncompare.models.adapter import named_base
from attncompare.models.checkpoint import LocalRule, given, no_folder, resolve
from attncompare.models.folder import Checkpoint
from attncompare.models.kinds import check_kind


@dataclass(frozen=True)
class Sources:
    """The checkpoints of a pair, on disk."""

    body: Checkpoint
    """The full checkpoint that the base runs on: the base itself, or what its adapter is put on."""
    base: Checkpoint
    tuned: Checkpoint
    notes: tuple[str, ...]
    """How they were chosen, where that is not what was asked for."""

    @property
    def adapters(self) -> tuple[Checkpoint, ...]:
        """Those sides that are adapters, the tuned one last."""
        return tuple(side for side in (self.base, self.tuned) if side.adapter is not None)

    def fingerprint(self) -> str:
        """Changes when the files of any of them may have changed."""
        sides = (self.base, self.tuned) if self.base is self.body else (self.body, self.base, self.tuned)
        return "|".join(side.fingerprint() for side in sides)


def find(base: str | Path | None, tuned: str | Path | None, local: LocalRule) -> Sources:
    """Resolve what was asked for.

    Raises:
        BadInput: if a side is missing.
        NotAllowed: if one is a local folder that may not be opened.
        CheckpointError: if one can't be found, or makes no pair with the other.
        UnsupportedModel: for adapters of kinds that are not compared.
    """
    base, tuned = given(base), given(tuned)
    if tuned is None and base is not None:
        raise BadInput(f"Give the tuned checkpoint that {str(base)!r} is to be compared with.")
    second = resolve(embedded.TUNED if tuned is None else tuned, local)
    if second.adapter is None:
        if base is None:
            raise BadInput(f"Give the base of {second.id!r} too: only adapters name theirs.")
        first = resolve(base, local)
        if first.adapter is not None:
            raise CheckpointError(
                f"{first.id!r} is an adapter: expected a full checkpoint as base, or an adapter as tuned too."
            )
        return Sources(first, first, second, ())
    check_kind(second)
    if base is None:
        first = _body_of(second, local)
        return Sources(first, first, second, ())
    first = resolve(base, local)
    if first.adapter is None:
        return Sources(first, first, second, _difference(second, first))
    check_kind(first)
    body = _shared_body(first, second, local)
    return Sources(body, first, second, (*_difference(first, body), *_difference(second, body)))


def _shared_body(first: Checkpoint, second: Checkpoint, local: LocalRule) -> Checkpoint:
    """What both adapters are put on: the base that the first one names, or else the second's."""
    try:
        return _body_of(first, local)
    except CheckpointError as error:
        try:
            return _body_of(second, local)
        except CheckpointError:
            raise error from None


def _difference(adapter: Checkpoint, body: Checkpoint) -> tuple[str, ...]:
    named = (adapter.adapter or {}).get("base_model_name_or_path")
    return () if named == body.id else (f"the adapter {adapter.id} names the base {named}, compared with {body.id}",)


def _body_of(adapter: Checkpoint, local: LocalRule) -> Checkpoint:
    """The full checkpoint that an adapter names. One from the hub may not point at folders of this machine."""
    name = named_base(adapter)
    try:
        body = resolve(name, local if adapter.revision is None else no_folder)
    except NotAllowed:
        raise NotAllowed(
            f"The adapter {adapter.id!r} names a local folder as its base, which is not opened here: give the base too."
        ) from None
    except CheckpointError as error:
        if name.startswith(embedded.BASE_ID):  # then the error already says what to install
            raise
        raise CheckpointError(
            f"The adapter {adapter.id!r} came without its base, so give the base too: {error}"
        ) from None
    if body.adapter is not None:
        raise CheckpointError(f"The adapter {adapter.id!r} names another adapter as its base, {body.id!r}.")
    return body
