"""What changed? Both models on one text, every head compared, as one frozen record.

The base is recorded, the tuned model walked beside it, and each layer is reduced to per-head numbers block by block; no
tensor over layers, heads, queries and keys is ever held.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from attncompare.analyses.blocks import Stacks, blocks
from attncompare.analyses.maps import HeadMaps, kept_maps
from attncompare.analyses.movers import Mover, movers
from attncompare.analyses.outputs import Outputs, outputs
from attncompare.analyses.receipt import receipt, versions
from attncompare.analyses.routes import FULL_TOKENS, RolloutWalk, Routes
from attncompare.analyses.verdict import verdict
from attncompare.attention import Check, CheckpointInfo, Progress, Token, frozen
from attncompare.errors import BadInput
from attncompare.metrics import COLUMNS, DELTAS, METRICS
from attncompare.metrics.kernel import LayerKernel, LayerNumbers
from attncompare.models.calls import AttentionCall
from attncompare.models.pair import Pair
from attncompare.models.tokens import mark_sinks, sink_positions
from attncompare.models.traces import TraceKey, prepare, walk

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that was measured on one text. Arrays are read-only float32; NaN is "not measured", never 0."""

    base: CheckpointInfo
    tuned: CheckpointInfo
    text: str
    level: str
    """token: every position is a token of the models' shared tokenizer."""
    tokens: tuple[Token, ...]
    sinks: tuple[int, ...]
    causal: bool
    heads: dict[str, np.ndarray]
    """Measured columns (:data:`attncompare.metrics.COLUMNS`), each ``[layer, head]``."""
    received_base: np.ndarray
    """``[token]``: attention received, mean over layers, heads and the queries that can see the token."""
    received_tuned: np.ndarray
    movers: tuple[Mover, ...]
    outputs: Outputs
    rollout: Routes | None
    rollout_omitted: str | None
    checks: tuple[Check, ...]
    verdict: str
    _trace: TraceKey = field(repr=False)

    def metric(self, name: str) -> np.ndarray:
        """Any of :data:`attncompare.metrics.METRICS`, ``[layer, head]``.

        Raises:
            BadInput: no such metric.
        """
        if name in DELTAS:
            base, tuned = DELTAS[name]
            return self.heads[tuned] - self.heads[base]
        if name not in self.heads:
            raise BadInput(f"There is no metric {name!r}: choose one of {', '.join(METRICS)}.")
        return self.heads[name]

    def head(self, layer: int, head: int) -> HeadMaps:
        """One head's maps in both models, from the trace that this comparison left behind.

        Raises:
            BadInput: no such head. TraceGone: the trace is no longer kept; the message names the cure.
        """
        return kept_maps(self._trace, layer, head, self.tokens)

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head and every metric."""
        layers, heads = self.heads["jsd_bits"].shape
        layer, head = (axis.ravel() for axis in np.indices((layers, heads)))
        numbers = {name: self.metric(name).ravel() for name in (*COLUMNS, *DELTAS)}
        return pd.DataFrame({"attention": "self", "layer": layer, "head": head, **numbers})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        rollout = self.rollout.to_dict() if self.rollout else None
        received = zip(self.received_base.tolist(), self.received_tuned.tolist(), strict=True)
        return {
            "schema_version": SCHEMA_VERSION,
            "base": self.base.to_dict(),
            "tuned": self.tuned.to_dict(),
            "text": self.text,
            "level": self.level,
            "alignment": {"level": self.level, "same_ids": True, "units": len(self.tokens)},
            "checks": {c.name: {"passed": c.passed, "detail": c.detail} for c in self.checks if not c.is_note},
            "notes": [c.detail for c in self.checks if c.is_note],
            "verdict": self.verdict,
            "tokens": [
                {name: getattr(token, name) for name in ("text", "raw", "start", "end", "special", "sink")}
                for token in self.tokens
            ],
            "sinks": list(self.sinks),
            "heads": self._head_rows(),
            "tokens_received": [
                {"token": i, "base": base, "tuned": tuned, "delta": tuned - base}
                for i, (base, tuned) in enumerate(received)
            ],
            "movers": [mover.to_dict() for mover in self.movers],
            "outputs": self.outputs.to_dict(),
            "rollout": rollout,
            "rollout_omitted": self.rollout_omitted,
            "versions": versions(),
        }

    def _head_rows(self) -> list[dict[str, Any]]:
        columns = {name: self.heads[name].astype(np.float64) for name in COLUMNS}
        layers, heads = self.heads["jsd_bits"].shape
        return [
            {
                "attention": "self",
                "layer": layer,
                "head": head,
                **{name: None if np.isnan(v := float(values[layer, head])) else v for name, values in columns.items()},
            }
            for layer in range(layers)
            for head in range(heads)
        ]

    def _repr_html_(self) -> str:
        from html import escape

        top = self.frame().nlargest(5, "jsd_bits")[["layer", "head", "jsd_bits", "content_jsd_bits", "sink_mass_delta"]]
        return f"<p>{escape(self.verdict)}</p>{top.to_html(index=False, float_format='{:.3f}'.format)}"


def compare(pair: Pair, text: str, *, level: str = "auto", progress: Progress | None = None) -> Comparison:
    """Compare the attention of both models of ``pair`` on ``text``, head by head.

    ``level`` is ``"auto"`` or ``"token"``, which are the same while both models share their tokens. ``progress`` is called
    between layers and may raise to stop.

    Raises:
        BadInput: blank or too long text, or an unknown level. PairMismatch: the models don't see the same tokens.
    """
    if level not in ("auto", "token"):
        raise BadInput(f"Level {level!r} is not known: choose 'auto' or 'token'.")
    question = prepare(pair, text)
    ids = question.base.ids
    sinks = sink_positions(pair.base.tokenizer, ids, causal=pair.causal)
    tokens = mark_sinks(question.base.tokens, sinks)
    rollout = RolloutWalk(len(ids)) if len(ids) <= FULL_TOKENS else None
    layers: list[LayerNumbers] = []

    def visit(base: AttentionCall, tuned: AttentionCall, count: int) -> None:
        kernel = LayerKernel(base.heads, len(ids), sinks)
        for block in blocks(base, tuned):
            kernel.add(block)
            if rollout:
                rollout.add(block, count)
        layers.extend(kernel.numbers().split(count))
        if rollout:
            rollout.end_layer()

    stacks = Stacks(visit)
    base_logits, tuned_logits = walk(question, stacks.visit, progress)
    stacks.end()
    heads = {name: frozen(np.stack([numbers.columns[name] for numbers in layers])) for name in COLUMNS}
    seen = torch.stack([numbers.seen for numbers in layers]).sum(0) * pair.heads
    moved = movers(layers)
    answers = outputs(pair, base_logits, tuned_logits)
    return Comparison(
        base=pair.base.info,
        tuned=pair.tuned.info,
        text=text,
        level="token",
        tokens=tokens,
        sinks=tuple(sinks),
        causal=pair.causal,
        heads=heads,
        received_base=frozen(torch.stack([n.received_base for n in layers]).sum((0, 1)) / seen),
        received_tuned=frozen(torch.stack([n.received_tuned for n in layers]).sum((0, 1)) / seen),
        movers=moved,
        outputs=answers,
        rollout=rollout.routes(tokens, pair.causal) if rollout else None,
        rollout_omitted=None
        if rollout
        else f"above {FULL_TOKENS} tokens: ask rollout(pair, text, token=…) for one row",
        checks=receipt(question, layers),
        verdict=verdict(heads, moved, tokens, answers),
        _trace=question.key,
    )
