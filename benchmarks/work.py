"""What is measured: questions to a pair, two plain passes, the dense way, and the least that any way has to compute."""

import copy
from collections.abc import Callable
from typing import TypeVar
from unittest.mock import patch

import torch

import attncompare
from attncompare.analyses import routes
from attncompare.analyses.divergence import divergence
from attncompare.metrics.divergence import jsd_bits
from attncompare.models.calls import LayerCall
from attncompare.models.reading import prepare
from attncompare.models.traces import TRACES, layer_calls
from benchmarks.texts import text_of

Work = Callable[[], object]
T = TypeVar("T")

BLOCK = 128
"""Queries at a time in the bound: the faster of 64 and 128 on the machine that this was written on."""


def questions(pair: attncompare.Pair, tokens: int) -> dict[str, Work]:
    """Two plain passes, then the questions, every one without a kept trace; "all" is all columns with rollout."""
    text = text_of(pair.base.tokenizer, tokens)
    inputs = pair.base.tokenizer(text, return_tensors="pt")
    assert inputs["input_ids"].shape[1] == tokens

    def plain() -> None:
        with torch.no_grad():
            pair.base.model(**inputs)
            pair.tuned.model(**inputs)

    def columns(pair: attncompare.Pair, text: str) -> None:
        with patch.object(routes, "FULL_TOKENS", 0):
            attncompare.compare(pair, text)

    return {
        "plain": plain,
        "divergence": without_trace(divergence, pair, text),
        "columns": without_trace(columns, pair, text),
        "all": without_trace(attncompare.compare, pair, text),
    }


def without_trace(question: Callable[[attncompare.Pair, str], T], pair: attncompare.Pair, text: str) -> Callable[[], T]:
    """The question as it is asked first: nothing of the text is kept from an earlier one."""

    def ask() -> T:
        TRACES.drop(lambda key: True)
        return question(pair, text)

    return ask


def dense(pair: attncompare.Pair, tokens: int) -> Work:
    """Both models' own eager attention with every map returned, and the divergence of those."""
    inputs = pair.base.tokenizer(text_of(pair.base.tokenizer, tokens), return_tensors="pt")
    twins = [eager(side.model) for side in (pair.base, pair.tuned)]

    def ask() -> None:
        with torch.no_grad():
            maps = [model(**inputs, output_attentions=True).attentions for model in twins]
        for base, tuned in zip(*maps, strict=True):
            jsd_bits(base, tuned).mean(-1)

    return ask


def eager(model):
    """A copy that shares the weights and runs the family's own eager attention."""
    weights = (*model.parameters(), *model.buffers())
    twin = copy.deepcopy(model, {id(weight): weight for weight in weights})
    body = twin.get_base_model() if hasattr(twin, "get_base_model") else twin
    body.set_attn_implementation("eager")
    return twin


def bound(pair: attncompare.Pair, tokens: int) -> Work:
    """One layer's two products of queries and keys and two softmaxes in both models, and nothing else."""
    calls = layer_calls(pair, prepare(pair, text_of(pair.base.tokenizer, tokens)), 0)
    return lambda: [_rows(call) for call in calls]


def _rows(call: LayerCall) -> None:
    memory = torch.empty(BLOCK * call.keys)
    for start in range(0, call.queries, BLOCK):
        stop = min(start + BLOCK, call.queries)
        keys = stop if call.causal_without_mask else call.keys
        rows = memory[: (stop - start) * keys].view(stop - start, keys)
        for query, key in zip(call.query[0, :, start:stop], call.key[0, :, :keys], strict=True):
            torch.matmul(query, key.T, out=rows)
            torch.softmax(rows, -1, out=rows)
