"""What the bias probe found: attention and attribution on groups of words, what the answer's place takes of the gendered
ones, and what becomes of both models when those are taken away or swapped.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from attncompare.analyses.asking import Source
from attncompare.analyses.counterfactuals import Change
from attncompare.attention import About, Token, head_name, listed
from attncompare.models.readout import Readout

SCHEMA_VERSION = 1

SIDES = ("base", "tuned")

Sides = dict[str, float]
"""A number of ``base`` and of ``tuned``."""

REST = "rest"
"""What is called that belongs to no group."""


@dataclass(frozen=True, eq=False)
class Leakage:
    """What the place that the answer is read from gives to the gendered words. Arrays are ``[layer, head]``."""

    read: dict[str, tuple[int, ...]]
    """The words that each model's answer is read from; rows are means over them."""
    words: tuple[int, ...]
    """The gendered words."""
    share: dict[str, np.ndarray]
    """``base``, ``tuned``: share of the whole row, sinks kept: what of the row can reach the answer. The main number."""
    content: dict[str, np.ndarray]
    """The same as a share of what the row gives to content; NaN where that is less than 0.1."""
    even: float
    """The share of the content words that are gendered: what of its content an even row would give them."""

    @property
    def delta(self) -> np.ndarray:
        """Tuned minus base, of the whole row."""
        return self.share["tuned"] - self.share["base"]

    def most(self, side: str) -> tuple[int, int]:
        """Layer row and head with the largest share."""
        row, head = np.unravel_index(int(self.share[side].argmax()), self.share[side].shape)
        return int(row), int(head)

    @property
    def moved(self) -> tuple[int, int]:
        """Layer row and head whose share changed most."""
        row, head = np.unravel_index(int(np.abs(self.delta).argmax()), self.delta.shape)
        return int(row), int(head)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "read": {side: list(read) for side, read in self.read.items()},
            "words": list(self.words),
            "share": {side: listed(values) for side, values in self.share.items()} | {"delta": listed(self.delta)},
            "content": {side: listed(values) for side, values in self.content.items()},
            "even": self.even,
        }


@dataclass(frozen=True, slots=True)
class HeadOff:
    """What switching off the head that looks most at the gendered words does to the readout."""

    row: int
    """Of its layer."""
    head: int
    effect: float
    """Without it minus with it."""


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """Both models on the text with the gender of its words swapped."""

    text: str
    changes: tuple[Change, ...]
    """Of all texts that are read, one after another."""
    outputs: Sides
    """The same readout on the swapped text; empty without outputs."""
    bits: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[layer, head]``, mean Jensen-Shannon divergence in bits of the rows of one text from those of
    the other, word by word; NaN where no word sees two."""
    read_before: dict[str, np.ndarray]
    """``[layer, head]``: share of the row that the answer is read from which the swapped words have in the text, sinks left
    out,"""
    read_after: dict[str, np.ndarray]
    """and in the swapped one."""
    attribution: dict[str, tuple[float, float]]
    """Share of the size of all attribution on the swapped words, before and after; empty where there is none."""

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "text": self.text,
            "changes": [asdict(change) for change in self.changes],
            "outputs": self.outputs,
            "bits": {side: listed(values) for side, values in self.bits.items()},
            "read_before": {side: listed(values) for side, values in self.read_before.items()},
            "read_after": {side: listed(values) for side, values in self.read_after.items()},
            "attribution": {side: listed(np.array(shares)) for side, shares in self.attribution.items()},
        }


@dataclass(frozen=True, eq=False)
class Bias:
    """The probe of one text. Arrays are read-only float32; positions are words."""

    source: Source
    about: About
    readout: Readout | None
    sought: bool
    """Whether somebody named the answer; else it is the tuned model's likeliest."""
    """None of models without outputs that can be compared."""
    outputs: Sides
    """The readout on the text; empty without one."""
    words: tuple[Token, ...]
    groups: dict[str, tuple[str, ...]]
    """The lists that were used."""
    found: dict[str, tuple[int, ...]]
    """Of each group the words of the text that are in it."""
    layers: tuple[int, ...]
    """The model's own number of each layer."""
    shares: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[part, layer, head]``: share of the attention to content, mean over rows, of each group and
    last of the rest; the parts sum to 1. NaN where no row gives enough to content."""
    even: np.ndarray
    """``[part, layer, head]``: the null, evenly spread attention over the same rows."""
    attribution: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[part]``: share of the size of all attribution to content; empty where there is none."""
    leakage: Leakage | None
    """None where the text has no gendered word."""
    off: dict[str, HeadOff]
    """``base``, ``tuned``: empty where no head was switched off."""
    erased: dict[str, Sides]
    """Of each group that the text has, and of ``gendered`` words together: the readout without its words minus with them."""
    swap: Counterfactual | None
    """None where there is nothing to swap."""
    notes: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The groups, and the rest."""
        return *self.groups, REST

    @property
    def present(self) -> tuple[str, ...]:
        """The groups that have words in this text."""
        return tuple(name for name, words in self.found.items() if words)

    def mean(self, side: str, group: str) -> float:
        """A group's share of the attention to content, mean over the heads that were measured; ``side`` may be ``even``."""
        values = self.even if side == "even" else self.shares[side]
        return _mean(values[self.parts.index(group)])

    def change(self, side: str) -> float:
        """What the swap does to the readout; NaN without one."""
        if self.swap is None or not self.swap.outputs:
            return float("nan")
        return self.swap.outputs[side] - self.outputs[side]

    def name(self, row: int, head: int) -> str:
        """``L5.H9``."""
        return head_name(self.layers[row], head)

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, what a person might try next, and last what that is not."""
        from attncompare.analyses.bias_answers import answers  # which is about this record

        return answers(self)

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head, each group's share in base and tuned with its null, leakage, and the swap."""
        row, head = (axis.ravel() for axis in np.indices(self.even.shape[1:]))
        columns: dict[str, Any] = {"layer": np.asarray(self.layers)[row], "head": head}
        for at, part in enumerate(self.parts):
            columns |= {f"{part}_{side}": self.shares[side][at].ravel() for side in SIDES}
            columns |= {f"{part}_even": self.even[at].ravel()}
        if self.leakage is not None:
            columns |= {f"leakage_{side}": self.leakage.share[side].ravel() for side in SIDES}
            columns |= {"leakage_delta": self.leakage.delta.ravel()}
            columns |= {f"leakage_content_{side}": self.leakage.content[side].ravel() for side in SIDES}
        if self.swap is not None:
            columns |= {f"swap_bits_{side}": self.swap.bits[side].ravel() for side in SIDES}
            change = {side: self.swap.read_after[side] - self.swap.read_before[side] for side in SIDES}
            columns |= {f"swap_read_change_{side}": change[side].ravel() for side in SIDES}
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source.to_dict(),
            "attention": self.about.attention,
            "level": self.about.level,
            "readout": None if self.readout is None else self.readout.to_dict(),
            "answers": list(self.answers),
            "notes": list(self.notes),
            "outputs": self.outputs,
            "words": [word.text for word in self.words],
            "groups": {name: list(words) for name, words in self.groups.items()},
            "found": {name: list(words) for name, words in self.found.items()},
            "layers": list(self.layers),
            "parts": list(self.parts),
            "shares": {side: listed(values) for side, values in self.shares.items()} | {"even": listed(self.even)},
            "attribution": {side: listed(values) for side, values in self.attribution.items()},
            "leakage": None if self.leakage is None else self.leakage.to_dict(),
            "head_off": {
                side: {"head": self.name(off.row, off.head), "effect": off.effect} for side, off in self.off.items()
            },
            "erased": self.erased,
            "swap": None if self.swap is None else self.swap.to_dict(),
        }


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
