"""Does the change matter? Heads swapped between the two models, one at a time, and what that does to the answer."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from attncompare.analyses.asking import Source
from attncompare.attention import About, head_name, listed
from attncompare.metrics.concentration import carriers
from attncompare.models.readout import Readout

SCHEMA_VERSION = 1

Swapped = Literal["pattern", "output"]
"""What of a head comes from the other model: where it looks, with the values of the model that it is put into; or all that
it gives."""

Direction = Literal["into_base", "into_tuned"]
"""The tuned model's head put into the base (is the change enough?), or the base's into the tuned model (is it needed?)."""

Verdict = Literal["changed and matters", "changed but idle", "unchanged but critical", "neither"]

NEARLY_ALL = 0.9

NAMED = 6
"""Heads that a sentence names."""

SMALLEST_GAP = 0.05
"""With less than this between the two models' readouts no share of it is given."""


@dataclass(frozen=True, eq=False)
class Patching:
    """What swapping heads between the models does to the answer. Arrays are read-only float32."""

    source: Source
    about: About
    readout: Readout
    what: Swapped
    layers: tuple[int, ...]
    """The model's own number of each layer, the first axis of ``[layer, head]``."""
    jsd_bits: np.ndarray
    """``[layer, head]``: divergence between base and tuned."""
    outputs: dict[str, float]
    """The readout of ``base`` and ``tuned`` as they are."""
    heads: dict[str, np.ndarray]
    """``into_base``, ``into_tuned``: ``[layer, head]``, readout with the head swapped minus without."""
    whole_layers: dict[str, np.ndarray]
    """``[layer]``: with all heads of a layer swapped at once; effects of heads do not add up to it."""
    everything: dict[str, float]
    """With all heads swapped."""
    critical: np.ndarray
    """``[layer, head]``: what switching the head off in the tuned model does to the readout (zero ablation)."""
    notes: tuple[str, ...]

    def gap(self, direction: Direction) -> float:
        """What a complete swap would do: the other model's readout minus that of the model it is put into."""
        gap = self.outputs["tuned"] - self.outputs["base"]
        return gap if direction == "into_base" else -gap

    def share(self, direction: Direction) -> np.ndarray | None:
        """``[layer, head]``: effects as shares of the gap; None where the models hardly differ, so that it says nothing."""
        gap = self.gap(direction)
        return None if abs(gap) < SMALLEST_GAP else self.heads[direction] / gap

    @property
    def changed(self) -> np.ndarray:
        """``[layer, head]`` bool: the fewest heads that carry half of all divergence."""
        return carriers(self.jsd_bits)

    @property
    def unchanged(self) -> np.ndarray:
        """``[layer, head]`` bool: all but the fewest heads that carry nine tenths of all divergence."""
        return ~carriers(self.jsd_bits, NEARLY_ALL)

    @property
    def matters(self) -> np.ndarray:
        """``[layer, head]`` bool: the fewest heads that carry half of all effects' sizes, with the base's head put into the
        tuned model."""
        return carriers(np.abs(self.heads["into_tuned"]))

    @property
    def idle(self) -> np.ndarray:
        """``[layer, head]`` bool: all but the fewest heads that carry nine tenths of the same."""
        return ~carriers(np.abs(self.heads["into_tuned"]), NEARLY_ALL)

    @property
    def is_critical(self) -> np.ndarray:
        """``[layer, head]`` bool: the fewest heads that carry half of all that switching heads off does."""
        return carriers(np.abs(self.critical))

    @property
    def verdicts(self) -> np.ndarray:
        """``[layer, head]`` of :data:`Verdict`: changed and matters; changed but idle (its change hardly moves the readout);
        unchanged but critical (the tuned model needs it, and it is what it was); or neither, which most heads are."""
        found = np.full(self.jsd_bits.shape, "neither", dtype=object)
        found[self.unchanged & self.is_critical] = "unchanged but critical"
        found[self.changed & self.idle] = "changed but idle"
        found[self.changed & self.matters] = "changed and matters"
        return found

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        if not self.jsd_bits.any() and self.gap("into_base") == 0:
            return ("The two models attend and answer identically on this text: there is no change that could matter.",)
        return self._together(), self._largest(), *self._groups(), self._sum(), _CAUTION

    def _together(self) -> str:
        """What all heads do at once, both ways."""
        back, there = (self._moved(self.everything[direction], direction) for direction in get_args(Direction)[::-1])
        return (
            f"With {_WHAT[self.what]}s of all heads back at the base's, the tuned model's {self.readout.name} moves by "
            f"{back}, from {self.outputs['tuned']:.2f} towards the base's {self.outputs['base']:.2f}; the tuned model's "
            f"in the base move the base by {there}."
        )

    def _moved(self, effect: float, direction: Direction) -> str:
        """An effect, and its share of the gap where there is one."""
        gap = self.gap(direction)
        share = f" ({effect / gap:.0%} of the gap)" if abs(gap) >= SMALLEST_GAP else ""
        return f"{effect:+.2g} {self.readout.unit}{share}"

    def _largest(self) -> str:
        effects = self.heads["into_tuned"]
        at = np.unravel_index(np.abs(effects).argmax(), effects.shape)
        return f"Of single heads {self._name(at)} moves it most, by {self._moved(float(effects[at]), 'into_tuned')}."

    def _groups(self) -> list[str]:
        """The heads of each verdict but the last: those that matter by effect, the idle ones by divergence."""
        orders = {
            "changed and matters": np.abs(self.heads["into_tuned"]),
            "changed but idle": self.jsd_bits,
            "unchanged but critical": np.abs(self.critical),
        }
        said = []
        for verdict, size in orders.items():
            places = np.argwhere(self.verdicts == verdict)
            names = [self._name(at) for at in sorted(places, key=lambda at: -size[tuple(at)])]
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            said.append(f"{verdict.capitalize()}: {', '.join(names[:NAMED]) or 'no head'}{more}.")
        return said

    def _sum(self) -> str:
        alone = float(self.heads["into_tuned"].sum())
        return (
            f"One by one they add up to {alone:+.2g}, and all at once they move it by "
            f"{self.everything['into_tuned']:+.2g}: effects of heads do not add."
        )

    def _name(self, at: Any) -> str:
        return head_name(self.layers[int(at[0])], int(at[1]))

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head, divergence, both effects, their shares of the gap (NaN without), what switching
        the head off does, and the verdict."""
        row, head = (axis.ravel() for axis in np.indices(self.jsd_bits.shape))
        columns: dict[str, np.ndarray] = {"jsd_bits": self.jsd_bits.ravel()}
        for direction in get_args(Direction):
            share = self.share(direction)
            columns[direction] = self.heads[direction].ravel()
            columns[f"share_{direction}"] = np.full(len(row), np.nan) if share is None else share.ravel()
        columns |= {"critical": self.critical.ravel(), "verdict": self.verdicts.ravel()}
        return pd.DataFrame({"layer": np.asarray(self.layers)[row], "head": head, **columns})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        shares = {direction: self.share(direction) for direction in get_args(Direction)}
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source.to_dict(),
            "attention": self.about.attention,
            "level": self.about.level,
            "readout": self.readout.to_dict(),
            "what": self.what,
            "answers": list(self.answers),
            "notes": list(self.notes),
            "layers": list(self.layers),
            "outputs": self.outputs,
            "gap": self.gap("into_base"),
            "jsd_bits": listed(self.jsd_bits),
            "heads": {direction: listed(effects) for direction, effects in self.heads.items()},
            "shares": {direction: None if share is None else listed(share) for direction, share in shares.items()},
            "whole_layers": {direction: listed(effects) for direction, effects in self.whole_layers.items()},
            "everything": self.everything,
            "critical": listed(self.critical),
            "verdicts": self.verdicts.tolist(),
        }


_WHAT: dict[Swapped, str] = {"pattern": "the pattern", "output": "the output"}

_CAUTION = (
    "This is about one text and one number of the output: a head that is idle here may matter elsewhere, and others may "
    "stand in for it."
)
