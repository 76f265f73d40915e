"""Which heads does each model need? Every head switched off in turn, and its importance by gradient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attncompare.analyses.asking import Source, asked, require_choice, source
from attncompare.attention import About, Progress, frozen, head_name, listed
from attncompare.errors import BadInput, UnsupportedModel
from attncompare.models import edits
from attncompare.models.gates import gates
from attncompare.models.interventions import Edit, Interventions, run_clean
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.readout import Readout

SCHEMA_VERSION = 1

Ablating = Literal["zero", "mean", "uniform"]
"""What a head gives instead of its output: nothing, its mean over texts and their positions, or the plain mean of the values
that each query may see."""

SAID: dict[Ablating, str] = {
    "zero": "nothing",
    "mean": "its mean",
    "uniform": "the plain mean of the values it may see",
}

OWN_MEAN = (
    "The mean is over this text's own positions, so it keeps what a head says everywhere in it: give references, other "
    "texts, for a mean that knows nothing of this one."
)


@dataclass(frozen=True, eq=False)
class Ablation:
    """What switching a head off does to the answer of its own model. Arrays are read-only float32."""

    source: Source
    about: About
    readout: Readout
    how: Ablating
    layers: tuple[int, ...]
    """The model's own number of each layer, the first axis of ``[layer, head]``."""
    outputs: dict[str, float]
    """The readout with all heads on: ``base``, ``tuned``."""
    heads: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[layer, head]``, readout without the head minus with it."""
    whole_layers: dict[str, np.ndarray]
    """``[layer]``: with all heads of a layer off at once; effects of heads do not add up to it."""
    everything: dict[str, float]
    """With all heads off."""
    importance: dict[str, np.ndarray]
    """``[layer, head]``: |d readout / d gate| of a gate on the head's output (Michel et al. 2019, Eq 2, of the readout
    instead of a loss), never negative; NaN where there are no gradients."""
    notes: tuple[str, ...]

    @property
    def delta(self) -> np.ndarray:
        """Size of the tuned model's effect minus size of the base's, ``[layer, head]``: above 0 where the tuned model needs
        a head more."""
        return np.abs(self.heads["tuned"]) - np.abs(self.heads["base"])

    @property
    def importance_delta(self) -> np.ndarray:
        """Tuned minus base, ``[layer, head]``."""
        return self.importance["tuned"] - self.importance["base"]

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        tuned, unit = self.heads["tuned"], self.readout.unit
        at = np.unravel_index(np.abs(tuned).argmax(), tuned.shape)
        shift = np.unravel_index(np.abs(self.delta).argmax(), tuned.shape)
        needs = "more" if self.delta[shift] > 0 else "less"
        first = (
            f"The tuned model needs {self._name(at)} most: with {SAID[self.how]} in its place {self.readout.name} moves by "
            f"{tuned[at]:+.2g} {unit}, from {self.outputs['tuned']:.2f}."
        )
        second = (
            f"Of all heads the tuned model's need of {self._name(shift)} differs most from the base's: it is moved "
            f"{abs(self.delta[shift]):.2g} {unit} {needs} by losing it."
        )
        return first, second if self.readout.base_head == "own" else _BORROWED, _CAUTION

    def _name(self, at: Any) -> str:
        return head_name(self.layers[int(at[0])], int(at[1]))

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head, effects and importance in both models, and their deltas."""
        row, head = (axis.ravel() for axis in np.indices(self.delta.shape))
        columns = {f"effect_{side}": self.heads[side].ravel() for side in ("base", "tuned")}
        columns |= {"effect_size_delta": self.delta.ravel()}
        columns |= {f"importance_{side}": self.importance[side].ravel() for side in ("base", "tuned")}
        columns |= {"importance_delta": self.importance_delta.ravel()}
        return pd.DataFrame({"layer": np.asarray(self.layers)[row], "head": head, **columns})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        return {
            "schema_version": SCHEMA_VERSION,
            "source": self.source.to_dict(),
            "attention": self.about.attention,
            "level": self.about.level,
            "readout": self.readout.to_dict(),
            "how": self.how,
            "answers": list(self.answers),
            "notes": list(self.notes),
            "layers": list(self.layers),
            "outputs": self.outputs,
            "heads": {side: listed(effects) for side, effects in self.heads.items()} | {"delta": listed(self.delta)},
            "whole_layers": {side: listed(effects) for side, effects in self.whole_layers.items()},
            "everything": self.everything,
            "importance": {side: listed(sizes) for side, sizes in self.importance.items()}
            | {"delta": listed(self.importance_delta)},
        }


_CAUTION = (
    "A head that can be taken away without effect may still be used: others can stand in for it. This is one text, and one "
    "way of switching heads off."
)


_BORROWED = (
    "The base answers under the tuned model's head, which was trained for another body: how much its heads matter is not "
    "set against the tuned model's."
)


def ablation(
    pair: Pair,
    text: str,
    *,
    how: Ablating = "zero",
    references: Sequence[str] = (),
    answer: str | None = None,
    against: str | None = None,
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Ablation:
    """Switch off every head of both models in turn, every layer, and all heads; by the tap, no model is modified.

    Args:
        pair: the models. text: what both read; ``reading`` says how, as in :func:`attncompare.compare`.
        how: what a head gives instead of its output.
        references: with ``"mean"``, other texts that the mean is over, read with the same ``attention`` and ``chat``;
            without them it is over this text, and keeps what a head says everywhere in it.
        answer: a class or a next token that the models are asked about; the tuned model's likeliest if not given.
        against: another one, whose logit is taken off.
        progress: called between batches, may raise to stop.

    Raises:
        BadInput: as compare; no such way, class or token; references with another way than ``"mean"``. PairMismatch: the
            models' outputs can't be compared. UnsupportedModel: their attention can be read but not changed.
    """
    require_choice("ablation", how, Ablating)
    judge_references(how, references)
    tell = progress or (lambda step, done, total: None)
    question, readout = asked(pair, text, answer, against, progress, **reading)
    wanted = one_by_one(len(question.stack.layers), question.stack.heads)
    outputs: dict[str, float] = {}
    found: dict[str, Tensor] = {}
    importance: dict[str, np.ndarray] = {}
    notes: list[str] = []
    others = [prepare(pair, one, progress=progress, **_alike(reading)) for one in references]
    for done, side in enumerate((pair.base, pair.tuned)):
        model = Interventions(pair, question, side, readout)
        texts = [run_clean(pair, other, side)[0] for other in others] or [model.clean]
        edit: Edit = {"zero": edits.zero, "mean": edits.mean(texts), "uniform": edits.uniform(model.clean)}[how]
        outputs[model.name] = model.output
        found[model.name] = model.effects(wanted, edit, tell, done * len(wanted), 2 * len(wanted))
        importance[model.name], problem = _importance(pair, question, model, readout)
        notes += [problem] if problem and problem not in notes else []
    if how == "mean" and not references:
        notes.append(OWN_MEAN)
    if readout.base_head == "borrowed":
        notes.append("The base's effects are under the tuned model's output head (borrowed).")
    return Ablation(
        source=source(pair, question),
        about=question.about,
        readout=readout,
        how=how,
        layers=question.stack.layers,
        outputs=outputs,
        **parted(found, question),
        importance=importance,
        notes=tuple(notes),
    )


def judge_references(how: str, references: Any) -> None:
    """Raises BadInput unless these are texts that this way of switching off takes."""
    if isinstance(references, str) or not isinstance(references, Sequence):
        raise BadInput(f"Expected references to be a list of texts, got {type(references).__name__}.")
    if references and how != "mean":
        raise BadInput(
            f"References are what a mean is over, and {how!r} takes none: leave them out, or ask for 'mean'."
        )


def _alike(reading: Reading) -> Reading:
    """How other texts are read: what is said about this one text is not about them."""
    kept: Reading = {}
    if "attention" in reading:
        kept["attention"] = reading["attention"]
    if "chat" in reading:
        kept["chat"] = reading["chat"]
    return kept


def one_by_one(layers: int, heads: int) -> Bool[Tensor, "row layer head"]:
    """Every head alone, then every layer, then all heads: ``layers * heads + layers + 1`` rows."""
    single = torch.eye(layers * heads, dtype=torch.bool).view(-1, layers, heads)
    whole = torch.eye(layers, dtype=torch.bool)[..., None].expand(-1, -1, heads)
    return torch.cat((single, whole, torch.ones(1, layers, heads, dtype=torch.bool)))


def parted(effects: Mapping[str, Float[Tensor, " row"]], question: PairText) -> dict[str, dict[str, Any]]:
    """The effects of the rows of :func:`one_by_one` as the fields ``heads``, ``whole_layers`` and ``everything``."""
    layers, heads = len(question.stack.layers), question.stack.heads
    alone, whole = layers * heads, layers * heads + layers
    return {
        "heads": {name: frozen(rows[:alone].reshape(layers, heads)) for name, rows in effects.items()},
        "whole_layers": {name: frozen(rows[alone:whole]) for name, rows in effects.items()},
        "everything": {name: float(rows[whole]) for name, rows in effects.items()},
    }


def _importance(
    pair: Pair, question: PairText, model: Interventions, readout: Readout
) -> tuple[np.ndarray, str | None]:
    """Importance of every head, and why there is none if there is none."""
    encoding = question.tuned if model.name == "tuned" else question.base
    try:
        found = gates(pair, model.side, encoding, question.attention, readout, model.name)
    except UnsupportedModel as error:
        return frozen(np.full((len(question.stack.layers), question.stack.heads), np.nan)), str(error)
    return frozen(found.abs()), None
