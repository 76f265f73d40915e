"""What changed? Both models on one text, every head compared, as one frozen record.

The base is recorded, the tuned model walked beside it, and each layer is reduced to per-head numbers block by block; no
tensor over layers, heads, queries and keys is ever held.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Unpack

import numpy as np
import pandas as pd
import torch

from attncompare.analyses.blocks import Together, blocks
from attncompare.analyses.every_head import EveryHead, Form, Words, every_head, words
from attncompare.analyses.flows import Flows
from attncompare.analyses.maps import HeadMaps, Window, kept_maps
from attncompare.analyses.movers import Mover, movers
from attncompare.analyses.noise import Noise
from attncompare.analyses.outputs import Outputs, outputs
from attncompare.analyses.receipt import receipt, versions
from attncompare.analyses.routes import Routes, full_routes, omitted
from attncompare.analyses.verdict import Claim, claims, verdict
from attncompare.analyses.yardstick import judge, measure
from attncompare.attention import About, AttentionKind, Check, CheckpointInfo, Progress, Token, frozen
from attncompare.errors import BadInput
from attncompare.metrics import COLUMNS, DELTAS, FLOORS, METRICS
from attncompare.metrics.kernel import LayerKernel, LayerNumbers
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.merged import LeftOut
from attncompare.models.pair import Pair
from attncompare.models.question import PairText
from attncompare.models.reading import Reading, prepare
from attncompare.models.traces import walk
from attncompare.models.views import AnyCall

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that was measured on one text. Arrays are read-only float32; NaN is "not measured", never 0."""

    base: CheckpointInfo
    tuned: CheckpointInfo
    text: str
    """As it was asked."""
    reading: dict[str, Any]
    """How it was read: ``texts``, which the offsets of tokens refer to (rendered, continued, a sentence pair),
    ``target_text``, which a decoder's do, and ``notes``."""
    attention: AttentionKind
    encoder_decoder: bool
    """Whether ``attention`` is one kind of several."""
    level: str
    """token: every position is a token of the models' shared tokenizer; shared, word: tokens merged, see ``alignment``."""
    alignment: dict[str, Any]
    tokens: tuple[Token, ...]
    """The queries: the text's tokens or units; an encoder-decoder's target where ``attention`` is decoder or cross."""
    key_tokens: tuple[Token, ...]
    """The keys: the same, but the source text for cross-attention, and a last null token where there is a logit sink."""
    sinks: tuple[int, ...]
    """Keys of the sink set."""
    causal: bool
    layers: tuple[int, ...]
    """The model's own number of each compared layer, the first axis of ``heads``."""
    heads: dict[str, np.ndarray]
    """Measured columns (:data:`attncompare.metrics.COLUMNS`) and floors (:data:`attncompare.metrics.FLOORS`, NaN without
    ``noise``), each ``[layer, head]``."""
    received_base: np.ndarray
    """``[key]``: attention received, mean over layers, heads and the queries that can see the key."""
    received_tuned: np.ndarray
    movers: tuple[Mover, ...]
    outputs: Outputs
    rollout: Routes | None
    rollout_omitted: str | None
    checks: tuple[Check, ...]
    claims: tuple[Claim, ...]
    """What the numbers say, a sentence each, with the picture that shows it."""
    _question: PairText = field(repr=False)
    noise: Noise | None = None
    """What divergence is measured by; None until it was."""

    @property
    def verdict(self) -> str:
        """The claims as a paragraph."""
        return verdict(self.claims)

    @property
    def about(self) -> About:
        """Which attention this is about, and what its positions are."""
        return About(self.attention, self.level, self.encoder_decoder)

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

    def with_noise(self, noise: Noise) -> "Comparison":
        """The same beside its floors, which the verdict then goes by.

        Raises:
            BadInput: the noise was measured for another pair, text or reading.
        """
        if noise.question_key != self._question.key or noise.about != self.about:
            raise BadInput("This noise was measured for another question: measure it for the same pair and text.")
        heads = {**self.heads, **noise.columns()}
        said = claims(heads, self.movers, self._question, self.outputs, noise)
        return replace(self, heads=heads, noise=noise, claims=said)

    def head(self, layer: int, head: int, *, queries: Window | None = None, keys: Window | None = None) -> HeadMaps:
        """One head's maps in both models, from the trace that this comparison left behind.

        ``queries`` and ``keys`` are windows ``(start, stop)``, as in :func:`attncompare.head_maps`.

        Raises:
            BadInput: no such head or window. TraceGone: the trace is no longer kept; the message names the cure.
        """
        return kept_maps(self._question, layer, head, queries=queries, keys=keys)

    def every_head(self, form: Form | None = None) -> EveryHead:
        """All heads' maps in both models as codes, from the same trace; ``form``: how exact, by default what fits a page.

        Raises:
            TraceGone: the trace is no longer kept.
        """
        return every_head(self._question, form)

    def words(self) -> Words | None:
        """Which tokens make each word; None where maps over tokens can't be merged into maps over words."""
        return words(self._question)

    def frame(self) -> pd.DataFrame:
        """One line per head: layer, head and every metric."""
        row, head = (axis.ravel() for axis in np.indices(self.heads["jsd_bits"].shape))
        numbers = {name: self.metric(name).ravel() for name in (*COLUMNS, *DELTAS, *FLOORS)}
        layer = np.asarray(self.layers)[row]
        return pd.DataFrame({"attention": self.attention, "layer": layer, "head": head, **numbers})

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        rollout = self.rollout.to_dict() if self.rollout else None
        received = zip(self.received_base.tolist(), self.received_tuned.tolist(), strict=True)
        return {
            "schema_version": SCHEMA_VERSION,
            "base": self.base.to_dict(),
            "tuned": self.tuned.to_dict(),
            "text": self.text,
            "reading": self.reading,
            "attention": self.attention,
            "level": self.level,
            "alignment": self.alignment,
            "checks": {c.name: {"passed": c.passed, "detail": c.detail} for c in self.checks if not c.is_note},
            "notes": [c.detail for c in self.checks if c.is_note],
            "verdict": self.verdict,
            "tokens": [asdict(token) for token in self.tokens],
            "key_tokens": None if self.key_tokens is self.tokens else [asdict(token) for token in self.key_tokens],
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
            "noise": self.noise.summary() if self.noise else None,
            "versions": versions(),
        }

    def _head_rows(self) -> list[dict[str, Any]]:
        columns = {name: self.heads[name].astype(np.float64) for name in (*COLUMNS, *FLOORS)}
        return [
            {
                "attention": self.attention,
                "layer": layer,
                "head": head,
                **{name: None if np.isnan(v := float(values[row, head])) else v for name, values in columns.items()},
            }
            for row, layer in enumerate(self.layers)
            for head in range(self.heads["jsd_bits"].shape[1])
        ]

    def _repr_html_(self) -> str:
        from html import escape

        top = self.frame().nlargest(5, "jsd_bits")[["layer", "head", "jsd_bits", "content_jsd_bits", "sink_mass_delta"]]
        return f"<p>{escape(self.verdict)}</p>{top.to_html(index=False, float_format='{:.3f}'.format)}"


def compare(
    pair: Pair,
    text: str,
    *,
    floor: int | None = None,
    floor_seed: int = 0,
    replicates: Sequence[Pair] = (),
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Comparison:
    """Compare the attention of both models of ``pair`` on ``text``, head by head.

    How the text is read (all keyword arguments, none needed):

    - ``text_pair``: the second text of a sentence pair, for encoders.
    - ``chat``: put the text as a user's turn into the tuned model's chat template, else the base's.
    - ``generate``: a :class:`~attncompare.Generation`: let one model continue the text, compare over text and continuation.
    - ``target``: what the decoder of an encoder-decoder reads; where it is needed and not given, the tuned model writes it.
    - ``attention``: ``"self"`` (an encoder-decoder's encoder), ``"decoder"`` or ``"cross"``.
    - ``level``: ``"auto"`` compares tokens where both models read the same ids, else the units that both tokenizers share;
      ``"token"`` refuses the latter; ``"word"`` compares words.

    With ``floor``, a number of random changes, or ``replicates``, other trainings, the divergences get their yardstick:
    :func:`attncompare.noise` explains both. ``progress`` is called between layers and may raise to stop.

    Raises:
        BadInput: a text or an option that can't be used. PairMismatch: ``level="token"`` and the ids differ.
    """
    if floor is not None or replicates:
        judge(pair, floor or 0, floor_seed, replicates)
    question = prepare(pair, text, progress=progress, **reading)
    found = _compare(pair, text, question, progress)
    if floor is None and not replicates:
        return found
    return found.with_noise(measure(pair, question, floor or 0, floor_seed, replicates, progress))


def _compare(pair: Pair, text: str, question: PairText, progress: Progress | None) -> Comparison:
    """Everything that two passes tell."""
    no_rollout = omitted(question)
    rollout = None if no_rollout else Flows(question)
    left_out = LeftOut(), LeftOut()
    numbers: list[LayerNumbers] = []

    def count(base: AnyCall, tuned: AnyCall, layers: int) -> None:
        kernel = LayerKernel(base.heads, len(question.key_tokens), list(question.sinks), null=question.null)
        for block in blocks(base, tuned):
            kernel.add(block)
            if rollout and question.queries.identity:
                rollout.add(block, layers)
        numbers.extend(kernel.numbers().split(layers))
        if rollout and question.queries.identity:
            rollout.end_layer()

    def visit(place: Place, base: AttentionCall, tuned: AttentionCall) -> None:
        if rollout and not question.queries.identity:  # it runs over tokens, of which these blocks are not
            rollout.read(base, tuned)
        together.visit(*question.views(base, tuned, left_out))

    together = Together(count)
    logits = walk(pair, question, visit, progress)
    together.end()
    heads = {name: frozen(np.stack([layer.columns[name] for layer in numbers])) for name in COLUMNS}
    heads |= {name: frozen(np.full_like(heads["jsd_bits"], np.nan)) for name in FLOORS}
    seen = torch.stack([layer.seen for layer in numbers]).sum(0) * question.stack.heads
    moved = movers(numbers, question.stack.layers)
    answers = outputs(pair, *logits)
    routes = full_routes(question, rollout) if rollout else None
    return Comparison(
        base=pair.base.info,
        tuned=pair.tuned.info,
        text=text,
        reading=question.to_dict(),
        attention=question.attention,
        encoder_decoder=pair.encoder_decoder,
        level=question.level,
        alignment=question.alignment(left_out),
        tokens=question.query_tokens,
        key_tokens=question.key_tokens,
        sinks=question.sinks,
        causal=question.causal,
        layers=question.stack.layers,
        heads=heads,
        received_base=frozen(torch.stack([n.received_base for n in numbers]).sum((0, 1)) / seen),
        received_tuned=frozen(torch.stack([n.received_tuned for n in numbers]).sum((0, 1)) / seen),
        movers=moved,
        outputs=answers,
        rollout=routes,
        rollout_omitted=no_rollout,
        checks=receipt(pair, question, numbers),
        claims=claims(heads, moved, question, answers),
        _question=question,
    )
