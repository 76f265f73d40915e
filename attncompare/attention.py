"""The words of attncompare, as types and frozen records that every layer may use.

Axes (every signature, plot axis and result uses these names):

- ``layer``: attention layers in call order, 0-based.
- ``head``: *query* heads of a layer, 0-based; a head is shown as ``L5.H9``.
- ``query``: the position that looks. ``key``: the position looked at. ``attention[query, key]`` is one row per query;
  a row is a distribution over the keys that its query may see and sums to 1. A key that a query may not see is
  *masked*: 0 in arithmetic, blank in pictures.
- ``token``: an index into the tokens of the text, special tokens included. ``special``: added by the tokenizer.
  ``sink``: a key that soaks up unused attention (see :func:`attncompare.models.tokens.sink_positions`).
- ``base`` and ``tuned``: the two sides of a ``pair``. ``delta`` is always tuned minus base. A ``divergence`` is never
  negative and is in bits where it is an information measure.

This module knows nothing about models, tokenizers or pictures.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

AttentionKind = Literal["self", "decoder", "cross"]
OutputKind = Literal["label", "next_token", "none"]
HeadOrigin = Literal["own", "borrowed"]

Progress = Callable[[str, int, int], None]
"""Called as ``progress(step, done, total)`` between layers; whatever it raises stops the work and reaches the caller."""


def unheard(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def part(tell: Progress, step: str, done: int, total: int) -> Progress:
    """Progress of one part of a whole: it says where the whole is, and may stop the work at every layer."""
    tell(step, done, total)
    return lambda *_: tell(step, done, total)


@dataclass(frozen=True, slots=True)
class Token:
    """One token of the text, as both models see it."""

    text: str
    """What a person reads: no word-piece or byte-level marks."""
    raw: str
    """What the tokenizer calls it: ``##ful``, ``Ġfilm``."""
    start: int | None
    """First character in the text; None for a token that stands for no character."""
    end: int | None
    special: bool
    sink: bool
    segment: int = 0
    """Which text of a sentence pair it belongs to, 0 or 1."""
    generated: bool = False
    """Whether a model wrote it."""


@dataclass(frozen=True, slots=True)
class About:
    """Which attention a result is about, and what its positions are. Numbers about different things share no scale."""

    attention: AttentionKind = "self"
    level: str = "token"
    """token; shared or word where tokens were merged."""
    encoder_decoder: bool = False
    """Whether ``self`` is one stack of several."""


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """Where one side of a pair came from, precise enough to load it again."""

    id: str
    revision: str | None
    """Commit of the hub repository; None for a local folder."""
    content_hash: str
    """First 16 hex digits of the SHA-256 of the weight files."""
    model_class: str
    model_type: str
    dtype: str
    device: str
    adapter: bool
    attention_path: Literal["tap", "tap-own", "dense"]
    """How its attention was read: computed from queries and keys (under SDPA, or the family's own eager output), or all
    weights as the model returned them."""

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the receipt: a check that ran, whether it held, and the measured detail."""

    name: str
    passed: bool
    detail: str

    @property
    def is_note(self) -> bool:
        """Whether this says how the pair was loaded rather than what was checked."""
        return self.name.startswith("note_")


def head_name(layer: int, head: int) -> str:
    """The one way a head is written, ``L5.H9``.

    >>> head_name(5, 9)
    'L5.H9'
    """
    return f"L{layer}.H{head}"


def frozen(array: Any) -> np.ndarray:
    """A read-only float32 copy: results are shared between sessions, so nobody may write into them."""
    copy = np.asarray(array).astype(np.float32)
    copy.setflags(write=False)
    return copy


def listed(values: np.ndarray) -> list[Any]:
    """Numbers as JSON values, nested as their axes; None for what was not measured."""
    found: list[Any] = np.where(np.isfinite(values), values.astype(object), np.array(None)).tolist()
    return found
