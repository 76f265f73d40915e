"""Two models on one text: the pair's attention calls, walked layer by layer, and kept where they fit.

A trace is the queries and keys of every layer, never a map: maps are computed from it on demand. Where both models' traces
fit the cache's limit they are kept, and a second question about the same text costs no forward pass. Where they don't, the
base is recorded and the tuned model is walked beside it, each layer dropped when it has been visited.

Knows nothing about metrics.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.attention import AttentionKind, Progress, unheard
from attncompare.errors import BadInput, UnsupportedModel
from attncompare.models import tap
from attncompare.models.cache import Cache
from attncompare.models.calls import AttentionCall
from attncompare.models.layout import Place
from attncompare.models.memory import available, require
from attncompare.models.pair import PAIRS, Pair, Side, unwrapped
from attncompare.models.question import PairText
from attncompare.models.storage import Storage
from attncompare.models.tokens import Encoding

TRACE_LIMIT_BYTES = 512 * 2**20

TRACE_LIMIT = 16
"""Most traces kept. One that was recorded after its pair had been evicted holds that pair's weights until its turn comes."""

Visit = Callable[[Place, AttentionCall, AttentionCall], None]


@dataclass(frozen=True, eq=False)
class Trace:
    """Every attention call of one model on one text, and the logits of its answer (None: no answer)."""

    calls: tuple[tuple[Place, AttentionCall], ...]
    logits: Float[Tensor, " label"] | None

    def stack(self, attention: AttentionKind) -> list[tuple[Place, AttentionCall]]:
        """The calls of one stack, first layer to last."""
        return [(place, call) for place, call in self.calls if place.attention == attention]


@dataclass(frozen=True, eq=False)
class PairTrace:
    """Both models' traces of one text."""

    base: Trace
    tuned: Trace

    def layer(self, attention: AttentionKind, layer: int) -> tuple[AttentionCall, AttentionCall]:
        """One layer, by the model's own number, in both models."""
        base, tuned = (dict((p.layer, call) for p, call in side.stack(attention)) for side in (self.base, self.tuned))
        return base[layer], tuned[layer]

    @property
    def nbytes(self) -> int:
        """Bytes of everything that the calls hold; what several layers share, such as a mask, counts once."""
        calls = (call for side in (self.base, self.tuned) for _, call in side.calls)
        held = [tensor.untyped_storage() for call in calls for tensor in call.tensors()]
        return sum({storage.data_ptr(): storage.nbytes() for storage in held}.values())


TRACES: Cache[PairTrace] = Cache(max_items=TRACE_LIMIT, max_bytes=TRACE_LIMIT_BYTES, size=lambda trace: trace.nbytes)


def _forget(pair_key: str, _: Pair) -> None:
    """A trace refers to the model's own modules: without this an evicted pair's weights would stay in memory."""
    TRACES.drop(lambda key: key[0] == pair_key)


PAIRS.on_evict.append(_forget)


def walk(
    pair: Pair, question: PairText, visit: Visit, progress: Progress | None = None
) -> tuple[Tensor | None, Tensor | None]:
    """Visit every layer of the question's stack in both models, first to last, as ``visit(place, base_call, tuned_call)``.

    Returns the logits of both models' answers. ``progress`` may raise to stop the work within one layer.
    """
    tell, layers = progress or unheard, len(question.stack.layers)
    if _estimated_bytes(pair, question) <= TRACE_LIMIT_BYTES:
        trace = pair_trace(pair, question, tell)
        sides = (trace.base.stack(question.attention), trace.tuned.stack(question.attention))
        for layer, ((place, base), (_, tuned)) in enumerate(zip(*sides, strict=True)):
            visit(place, base, tuned)
            tell("comparing", 2 * layers + layer + 1, 3 * layers)
        return trace.base.logits, trace.tuned.logits
    kept = record_side(pair, question, pair.base, tell, only=question.attention)
    return kept.logits, walk_beside(pair, question, kept, pair.tuned, visit, tell)


def base_trace(pair: Pair, question: PairText, tell: Progress) -> Trace:
    """The base's trace of the question's stack, from the cache where both models' fit it."""
    if _estimated_bytes(pair, question) <= TRACE_LIMIT_BYTES:
        return pair_trace(pair, question, tell).base
    return record_side(pair, question, pair.base, tell, only=question.attention)


def walk_beside(
    pair: Pair,
    question: PairText,
    trace: Trace,
    side: Side,
    visit: Visit,
    tell: Progress,
    encoding: Encoding | None = None,
) -> Tensor | None:
    """Visit every layer of the question's stack in a trace and, while it runs, in another model of the same shape.

    ``encoding`` is what that model reads, if not what its side of the pair does. Returns the logits of its answer.
    """
    waiting = [call for _, call in reversed(trace.stack(question.attention))]
    layers = len(waiting)

    def on_call(place: Place, call: AttentionCall) -> None:
        if place.attention == question.attention:
            visit(place, waiting.pop(), call)
            tell("comparing", 2 * layers - len(waiting), 2 * layers)

    return _run(pair, side, encoding or _read_by(pair, question, side), on_call)


def pair_trace(pair: Pair, question: PairText, tell: Progress) -> PairTrace:
    """Both models' traces from the cache, recorded if they are not there; two threads record them once."""

    def make() -> PairTrace:
        base = record_side(pair, question, pair.base, tell)
        return PairTrace(base, record_side(pair, question, pair.tuned, tell, done=len(base.calls)))

    return TRACES.get(question.key, make)


def record_side(
    pair: Pair,
    question: PairText,
    side: Side,
    tell: Progress,
    done: int = 0,
    only: AttentionKind | None = None,
    encoding: Encoding | None = None,
) -> Trace:
    """One model's trace, of all its stacks or of one; ``encoding`` as in :func:`walk_beside`."""
    calls: list[tuple[Place, AttentionCall]] = []
    storage = Storage(sum(only in (None, place.attention) for place in side.layout))
    step = "reading the base" if side is pair.base else "reading the tuned model"
    seen = 0

    def on_call(place: Place, call: AttentionCall) -> None:
        nonlocal seen
        seen += 1
        if only in (None, place.attention):
            calls.append((place, storage.keep(call)))
        tell(step, done + seen, 3 * len(side.layout))

    logits = _run(pair, side, encoding or _read_by(pair, question, side), on_call)
    return Trace(tuple(calls), logits)


def layer_calls(pair: Pair, question: PairText, layer: int) -> tuple[AttentionCall, AttentionCall]:
    """One layer of both models: from the cache, or by running both passes again and keeping that layer alone."""
    trace = TRACES.get_if_present(question.key)
    if trace is None and _estimated_bytes(pair, question) <= TRACE_LIMIT_BYTES:
        trace = pair_trace(pair, question, unheard)
    if trace is not None:
        return trace.layer(question.attention, layer)
    base, tuned = (_one_call(pair, question, side, layer) for side in (pair.base, pair.tuned))
    return base, tuned


def _one_call(pair: Pair, question: PairText, side: Side, layer: int) -> AttentionCall:
    found: list[AttentionCall] = []

    def on_call(place: Place, call: AttentionCall) -> None:
        if (place.attention, place.layer) == (question.attention, layer):
            found.append(call)

    _run(pair, side, _read_by(pair, question, side), on_call)
    return found[0]


def _read_by(pair: Pair, question: PairText, side: Side) -> Encoding:
    """What a side reads, if nothing else is said: the base's text, but for the tuned model."""
    return question.tuned if side is pair.tuned else question.base


def _run(pair: Pair, side: Side, encoding: Encoding, on_call: tap.OnCall) -> Float[Tensor, " label"] | None:
    """One recorded pass; the logits of the answer: class logits, or those of the next token."""
    _check_embedded(side, encoding)
    _check_dense(side, max(len(ids) for ids in (encoding.ids, encoding.target_ids or ())))
    device = torch.device(side.info.device)
    inputs: dict[str, Any] = {name: value.to(device) for name, value in encoding.inputs.items()}
    if pair.output_kind == "next_token" and takes(side.model, "logits_to_keep"):
        inputs["logits_to_keep"] = 1  # 8192 tokens x 50257 words of logits would be 1.6 GB

    def checked(place: Place, call: AttentionCall) -> None:
        if not call.finite():
            raise _not_a_number(side)
        on_call(place, call)

    output = tap.record(side.model, inputs, side.layout, checked)
    if pair.output_kind == "none":
        return None
    logits: Tensor = output.logits[0].float().cpu()
    if logits.isnan().any():
        raise _not_a_number(side)
    return logits if pair.output_kind == "label" else logits[-1]


def _not_a_number(side: Side) -> UnsupportedModel:
    return UnsupportedModel(
        f"{side.info.id} computes NaN or infinity on this text in {side.info.dtype}, so there is nothing to compare: "
        "its weights are damaged, or need dtype float32."
    )


def takes(model: Any, option: str) -> bool:
    """Whether a model's forward pass has this option."""
    return option in inspect.signature(unwrapped(model).forward).parameters


def _estimated_bytes(pair: Pair, question: PairText) -> int:
    """Upper bound of both traces, as if every query head had keys of its own."""
    tokens = question.longest
    if "dense" in (pair.base.info.attention_path, pair.tuned.info.attention_path):
        return 2 * _dense_bytes(pair.base, tokens)
    config = pair.base.model.config.get_text_config()
    heads = max(stack.heads for stack in pair.stacks.values())
    size = getattr(config, "head_dim", None) or getattr(config, "d_kv", None) or config.hidden_size // heads
    return 2 * 2 * len(pair.base.layout) * heads * size * pair.base.model.dtype.itemsize * tokens


def _check_embedded(side: Side, encoding: Encoding) -> None:
    """Every token has a row in the model's embeddings: a tokenizer may know more tokens than its model."""
    rows = unwrapped(side.model).get_input_embeddings().weight.shape[0]
    for ids, tokens in ((encoding.ids, encoding.tokens), (encoding.target_ids or (), encoding.target or ())):
        for number, token in zip(ids, tokens, strict=True):
            if number >= rows:
                raise BadInput(
                    f"{side.info.id} has no embedding for {token.raw!r} (number {number} of {rows}): its tokenizer knows "
                    "tokens that the model does not, so leave it out of the text."
                )


def _dense_bytes(side: Side, tokens: int) -> int:
    """Bytes of a model's float32 weights over all layers and heads."""
    return 4 * sum(place.heads for place in side.layout) * tokens**2


def _check_dense(side: Side, tokens: int) -> None:
    """Before anything runs: the dense way needs memory that grows with the square of the text."""
    if side.info.attention_path != "dense":
        return
    free = available(torch.device(side.info.device))
    fits = math.isqrt((free or 0) // (2 * _dense_bytes(side, 1)))
    require(
        2 * _dense_bytes(side, tokens),  # what the model returns, and the same made to sum to 1
        f"The attention of {side.info.model_class}, which it returns only as a whole,",
        f"shorten the text from {tokens} to {fits} tokens",
        free=free,
    )
