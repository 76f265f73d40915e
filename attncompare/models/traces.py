"""Two models on one text: the pair's attention calls, walked layer by layer, and kept where they fit.

A trace is the queries and keys of every layer, never a map: maps are computed from it on demand. Where both models' traces
fit the cache's limit they are kept, and a second question about the same text costs no forward pass. Where they don't, the
base is recorded and the tuned model is walked beside it, each layer dropped when it has been visited.

Knows nothing about metrics.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attncompare.attention import Progress
from attncompare.errors import BadInput, UnsupportedModel
from attncompare.models import reading, tap
from attncompare.models.cache import Cache
from attncompare.models.calls import AttentionCall
from attncompare.models.pair import PAIRS, Pair, Side
from attncompare.models.reading import PairText as PairText
from attncompare.models.reading import TraceKey as TraceKey

TRACE_LIMIT_BYTES = 512 * 2**20

TRACE_LIMIT = 16
"""Most traces kept. One that was recorded after its pair had been evicted holds that pair's weights until its turn comes."""

DENSE_LIMIT_BYTES = 2 * 2**30
"""Largest attention of one model on the dense way, over all layers and heads."""

Visit = Callable[[int, AttentionCall, AttentionCall], None]


@dataclass(frozen=True, eq=False)
class PairTrace:
    """Every attention call of both models on one text, and the logits of their answers (None: no answer)."""

    base: list[AttentionCall]
    tuned: list[AttentionCall]
    base_logits: Float[Tensor, " label"] | None
    tuned_logits: Float[Tensor, " label"] | None

    @property
    def nbytes(self) -> int:
        """Bytes of everything that the calls hold; what several layers share, such as a mask, counts once."""
        held = [tensor.untyped_storage() for call in (*self.base, *self.tuned) for tensor in call.tensors()]
        return sum({storage.data_ptr(): storage.nbytes() for storage in held}.values())


TRACES: Cache[PairTrace] = Cache(max_items=TRACE_LIMIT, max_bytes=TRACE_LIMIT_BYTES, size=lambda trace: trace.nbytes)


def _forget(pair_key: str, _: Pair) -> None:
    """A trace refers to the model's own modules: without this an evicted pair's weights would stay in memory."""
    TRACES.drop(lambda key: key[0] == pair_key)


PAIRS.on_evict.append(_forget)


def prepare(pair: Pair, text: Any) -> PairText:
    """:func:`attncompare.models.reading.prepare` for models that see the same tokens, with the memory of the dense way.

    Raises:
        BadInput: blank or too long, for the models or for the dense way. PairMismatch: the models don't see the same tokens.
    """
    question = reading.prepare(pair, text, level="token")
    _check_dense(pair, len(question.base.tokens))
    return question


def walk(question: PairText, visit: Visit, progress: Progress | None = None) -> tuple[Tensor | None, Tensor | None]:
    """Visit every layer of both models, first to last, as ``visit(layer, base_call, tuned_call)``.

    Returns the logits of both models' answers. ``progress`` may raise to stop the work within one layer.
    """
    pair, tell = question.pair, progress or (lambda step, done, total: None)
    if _estimated_bytes(question) <= TRACE_LIMIT_BYTES:
        trace = pair_trace(question, tell)
        for layer, (base_call, tuned_call) in enumerate(zip(trace.base, trace.tuned, strict=True)):
            visit(layer, base_call, tuned_call)
            tell("comparing", 2 * pair.layers + layer + 1, 3 * pair.layers)
        return trace.base_logits, trace.tuned_logits
    waiting, base_logits = record_side(question, pair.base, tell)
    waiting.reverse()
    visited = 0

    def on_call(call: AttentionCall) -> None:
        nonlocal visited
        visit(visited, waiting.pop(), call)
        visited += 1
        tell("comparing", pair.layers + visited, 2 * pair.layers)

    return base_logits, _run(question, pair.tuned, on_call)


def pair_trace(question: PairText, tell: Progress) -> PairTrace:
    """Both models' traces from the cache, recorded if they are not there; two threads record them once."""

    def make() -> PairTrace:
        base, base_logits = record_side(question, question.pair.base, tell)
        tuned, tuned_logits = record_side(question, question.pair.tuned, tell, done=question.pair.layers)
        return PairTrace(base, tuned, base_logits, tuned_logits)

    return TRACES.get(question.key, make)


def record_side(
    question: PairText, side: Side, tell: Progress, done: int = 0
) -> tuple[list[AttentionCall], Float[Tensor, " label"] | None]:
    """One model's calls, kept whole, and the logits of its answer."""
    calls: list[AttentionCall] = []
    step = "reading the base" if side is question.pair.base else "reading the tuned model"

    def on_call(call: AttentionCall) -> None:
        calls.append(call)
        tell(step, done + len(calls), 3 * question.pair.layers)

    logits = _run(question, side, on_call)
    return calls, logits


def layer_calls(question: PairText, layer: int) -> tuple[AttentionCall, AttentionCall]:
    """One layer of both models: from the cache, or by running both passes again and keeping that layer alone."""
    trace = TRACES.get_if_present(question.key)
    if trace is None and _estimated_bytes(question) <= TRACE_LIMIT_BYTES:
        trace = pair_trace(question, lambda step, done, total: None)
    if trace is not None:
        return trace.base[layer], trace.tuned[layer]
    return _one_call(question, question.pair.base, layer), _one_call(question, question.pair.tuned, layer)


def _one_call(question: PairText, side: Side, layer: int) -> AttentionCall:
    found: list[AttentionCall] = []
    seen = 0

    def on_call(call: AttentionCall) -> None:
        nonlocal seen
        if seen == layer:
            found.append(call)
        seen += 1

    _run(question, side, on_call)
    return found[0]


def _run(question: PairText, side: Side, on_call: tap.OnCall) -> Float[Tensor, " label"] | None:
    """One recorded pass; the logits of the answer: class logits, or those of the next token."""
    device = torch.device(side.info.device)
    inputs: dict[str, Any] = {name: value.to(device) for name, value in question.encoding(side).inputs.items()}
    if question.pair.output_kind == "next_token" and _keeps_logits(side.model):
        inputs["logits_to_keep"] = 1  # 8192 tokens x 50257 words of logits would be 1.6 GB
    seen = 0

    def count(call: AttentionCall) -> None:
        nonlocal seen
        seen += 1
        if seen > question.pair.layers:
            raise UnsupportedModel(f"{side.info.id} makes more attention calls than its configuration has layers.")
        if not call.finite():
            raise _not_a_number(side)
        on_call(call)

    output = tap.record(side.model, inputs, count)
    if seen != question.pair.layers:
        raise UnsupportedModel(f"{side.info.id} has {question.pair.layers} layers, but {seen} of them use attention.")
    if question.pair.output_kind == "none":
        return None
    logits: Tensor = output.logits[0].float().cpu()
    if logits.isnan().any():
        raise _not_a_number(side)
    return logits if question.pair.output_kind == "label" else logits[-1]


def _not_a_number(side: Side) -> UnsupportedModel:
    return UnsupportedModel(
        f"{side.info.id} computes NaN or infinity on this text in {side.info.dtype}, so there is nothing to compare: "
        "its weights are damaged, or need dtype float32."
    )


def _keeps_logits(model: Any) -> bool:
    body = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(body.forward).parameters


def _estimated_bytes(question: PairText) -> int:
    """Upper bound of both traces, as if every query head had keys of its own."""
    pair, tokens = question.pair, len(question.base.tokens)
    if is_dense(pair):
        return 2 * dense_bytes(pair, tokens)
    config = pair.base.model.config.get_text_config()
    size = getattr(config, "head_dim", None) or config.hidden_size // pair.heads
    return 2 * 2 * pair.layers * pair.heads * size * pair.base.model.dtype.itemsize * tokens


def is_dense(pair: Pair) -> bool:
    """Whether a model of the pair returns all its weights at once."""
    return "dense" in (pair.base.info.attention_path, pair.tuned.info.attention_path)


def dense_bytes(pair: Pair, tokens: int) -> int:
    """Bytes of one model's float32 weights over all layers and heads."""
    return 4 * pair.layers * pair.heads * tokens**2


def _check_dense(pair: Pair, tokens: int) -> None:
    """Before anything runs: the dense way needs memory that grows with the square of the text."""
    if is_dense(pair) and dense_bytes(pair, tokens) > DENSE_LIMIT_BYTES:
        fits = int((DENSE_LIMIT_BYTES / dense_bytes(pair, 1)) ** 0.5)
        raise BadInput(
            f"{pair.base.info.model_class} returns its attention only as a whole, which takes "
            f"{dense_bytes(pair, tokens) / 1e9:.1f} GB for these {tokens} tokens: shorten the text to {fits} tokens."
        )
