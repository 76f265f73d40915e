"""Heads of one model changed one set at a time, on one text, and what that does to the readout.

Every set is a row of a batch, beside a row in which nothing is changed: what a set does is the difference between the two,
so arithmetic of another batch is no effect. Where the model's blocks can be stepped into, a row joins the batch at the
first layer that is changed in it. No model is modified: the tap makes the outputs (:func:`attncompare.models.tap.editing`).

Knows nothing about which sets are asked for, or what is made of the effects.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attncompare.attention import Progress
from attncompare.errors import UnsupportedModel
from attncompare.models import tap
from attncompare.models.calls import LayerCall
from attncompare.models.gates import require_tap
from attncompare.models.layered import Layered
from attncompare.models.layout import Place
from attncompare.models.pair import Pair, Side
from attncompare.models.passes import answered, batches, one_at_a_time, repeated
from attncompare.models.question import PairText
from attncompare.models.readout import Readout, SideName
from attncompare.models.routing import FAILURES
from attncompare.models.traces import record_side

GROWN = 3
"""A batch that rows join on its way may have this many times as many: on average it holds half, and the last layers are
over soon."""

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
"""How far a row of a batch may be from the same text alone, relative to the largest logit; 5e-2 in half precision."""


@dataclass(frozen=True, eq=False)
class Clean:
    """One model's own pass over its text: what changed heads are made from."""

    calls: dict[int, LayerCall]
    """The calls of the asked stack, by the layer's place in it."""
    outputs: dict[int, Float[Tensor, "1 query head dim"]]
    logits: Float[Tensor, " label"]


Edit = Callable[[int, tap.Running, Int[Tensor, " row"]], Float[Tensor, "row query head dim"]]
"""Makes other outputs of all heads for some rows of a call; the number is the layer's place in its stack."""


class Interventions:
    """One model on one text, ready for its heads to be changed. For one thread at a time."""

    def __init__(self, pair: Pair, question: PairText, side: Side, readout: Readout) -> None:
        """
        Raises:
            UnsupportedModel: the model's attention can be read but not changed.
        """
        require_tap(side)
        self.side = side
        self.name: SideName = "tuned" if side is pair.tuned else "base"
        self._pair = pair
        self._readout = readout
        self._inputs = (question.tuned if side is pair.tuned else question.base).inputs
        self._tokens = question.longest
        stack = [place for place in side.layout if place.attention == question.attention]
        self._at = {place: at for at, place in enumerate(stack)}
        self.clean, modules = run_clean(pair, question, side)
        self.output = float(readout.value(self.clean.logits, self.name))
        """The readout with nothing changed."""
        self._alone = one_at_a_time(pair, side)
        self._layered: Layered | None = None
        if not self._alone:
            try:
                self._layered = Layered(side.model, modules)
            except ValueError:
                pass  # whole passes, then

    def effects(
        self,
        wanted: Bool[Tensor, "row layer head"],
        edit: Edit,
        tell: Progress,
        done: int = 0,
        total: int | None = None,
    ) -> Float[Tensor, " row"]:
        """The readout with each row's heads changed minus without.

        Args:
            wanted: which heads are changed in each row; at least one.
            edit: makes their outputs. tell: told how many of ``total`` rows there are after ``done`` others; may stop.
        """
        order = wanted.any(2).int().argmax(1).argsort(stable=True)
        found = torch.full((len(wanted),), torch.nan, dtype=torch.float64)
        size = self._tokens if self._layered is None else max(1, self._tokens // GROWN)
        for chunk in batches(self._pair, self.side, len(order), size):
            rows = order[chunk]
            values = self._readout.value(self._logits(wanted[rows], edit), self.name).double()
            found[rows] = values[1:] - values[0]
            tell("changing heads", done + chunk.stop, total or len(wanted))
        return found

    def _logits(self, wanted: Bool[Tensor, "row layer head"], edit: Edit) -> Float[Tensor, "version label"]:
        """Logits of a row in which nothing is changed, and of one for each of ``wanted``, in order of their first layers."""
        if not self._alone:
            wanted = torch.cat((torch.zeros_like(wanted[:1]), wanted))
        wanted = wanted.to(self.side.info.device)
        changed = {at: wanted[:, at].any(1).nonzero()[:, 0] for at in self._at.values()}

        def make(place: Place, call: tap.Running) -> Tensor:
            output = call.output()
            at = self._at.get(place)
            if at is None or not len(rows := changed[at]):
                return output
            new = edit(at, call, rows)
            output[rows] = torch.where(wanted[rows, at][:, None, :, None], new, output[rows])
            return output

        if self._layered is not None:
            logits = self._growing(make, wanted[1:].any(2).int().argmax(1))
            if logits is not None:
                return logits
            self._layered = None
        with torch.no_grad(), tap.editing(self.side.layout, make):
            logits = answered(self._pair, self.side, repeated(self._inputs, len(wanted), self.side.info.device)).cpu()
        if self._alone:  # the clean pass had one row too, so it is what this one is held against
            return torch.cat((self.clean.logits[None], logits))
        if not self._is_clean(logits[0]):
            raise UnsupportedModel(
                f"{self.side.info.model_class} computes something else for a text among others than for the text alone, so "
                "its heads can't be changed in batches: divergence, rollout, attribution and erasure remain."
            )
        return logits

    def _growing(self, make: tap.Editor, first: Int[Tensor, " row"]) -> Float[Tensor, "version label"] | None:
        """The same in a batch that each row joins at its first changed layer; None where the model can't be run so."""
        assert self._layered is not None
        joining = [0] * self._layered.blocks
        places = {at: self.side.layout.index(place) for place, at in self._at.items()}
        for at in first.tolist():
            joining[self._layered.block[places[at]]] += 1
        side = replace(self.side, model=self._layered.model)
        try:
            with torch.no_grad(), self._layered.growing(joining), tap.editing(self.side.layout, make):
                logits = answered(self._pair, side, repeated(self._inputs, 1, self.side.info.device)).cpu()
        except FAILURES:
            return None
        return logits if len(logits) == 1 + len(first) and self._is_clean(logits[0]) else None

    def _is_clean(self, logits: Float[Tensor, " label"]) -> bool:
        clean = self.clean.logits
        allowed = TOLERANCE.get(self.side.model.dtype, 5e-2) * clean.abs().max()
        return bool((logits - clean).abs().max() <= allowed)


def run_clean(pair: Pair, question: PairText, side: Side) -> tuple[Clean, list[torch.nn.Module]]:
    """One pass in which nothing is changed, and the modules that made its attention calls."""
    at = {place: at for at, place in enumerate(place for place in side.layout if place.attention == question.attention)}
    outputs: dict[int, Tensor] = {}
    modules: list[torch.nn.Module] = []

    def keep(place: Place, call: tap.Running) -> Tensor:
        modules.append(call.module)
        output = call.output()
        if place in at:
            outputs[at[place]] = output.clone()
        return output

    with tap.editing(side.layout, keep):
        trace = record_side(pair, question, side, lambda *_: None, only=question.attention)
    assert trace.logits is not None
    calls = {at[place]: call for place, call in trace.calls if isinstance(call, LayerCall)}
    return Clean(calls, outputs, trace.logits), modules
