"""The embedded pair: the numbers of a comparison against two plain passes and against the dense way, one thread."""

import copy

import torch

import attncompare
from attncompare.analyses.comparison import compare
from attncompare.metrics.divergence import jsd_bits
from attncompare.models import tap
from attncompare.models.calls import AttentionCall
from attncompare.models.traces import TRACES
from benchmarks.texts import text_of
from benchmarks.timing import medians

LENGTHS = (30, 128, 512)


def rows() -> list[tuple[str, str]]:
    """Lines of the table."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        pair = attncompare.load_pair(device="cpu")
        eager = [_eager(pair.base.model), _eager(pair.tuned.model)]
        return [line for length in LENGTHS for line in _lines(pair, eager, length)]
    finally:
        torch.set_num_threads(threads)


def _eager(model):
    """A copy that runs the family's own eager attention and returns every map."""
    twin = copy.deepcopy(model)
    body = twin.get_base_model() if hasattr(twin, "get_base_model") else twin
    body.set_attn_implementation("eager")
    return twin


def _lines(pair: attncompare.Pair, eager: list, length: int) -> list[tuple[str, str]]:
    text = text_of(pair.base.tokenizer, length)
    inputs = pair.base.tokenizer(text, return_tensors="pt")
    assert inputs["input_ids"].shape[1] == length

    def plain() -> None:
        with torch.no_grad():
            pair.base.model(**inputs)
            pair.tuned.model(**inputs)

    def dense() -> None:
        with torch.no_grad():
            base, tuned = (torch.stack(model(**inputs, output_attentions=True).attentions) for model in eager)
        jsd_bits(base, tuned).mean(-1)

    def fresh() -> None:
        TRACES.drop(lambda key: True)
        compare(pair, text)

    found = medians(
        {"plain": plain, "dense": dense, "fresh": fresh, "kept": lambda: compare(pair, text)},
        repeats=15 if length < 500 else 5,
    )
    calls: list[AttentionCall] = []
    tap.record(pair.base.model, dict(inputs), calls.append)
    one_map = medians({"map": lambda: calls[3].rows([9])}, repeats=15)["map"]
    unit = found["plain"]
    return [
        (f"two plain passes, {length} tokens (the unit)", f"{unit * 1e3:.1f} ms"),
        (
            f"compare, every column, movers, rollout, {length} tokens",
            f"{found['fresh'] * 1e3:.0f} ms, {found['fresh'] / unit:.2f} x",
        ),
        (
            f"the same with the trace kept, {length} tokens",
            f"{found['kept'] * 1e3:.0f} ms, {found['kept'] / unit:.2f} x",
        ),
        (
            f"dense way, divergence alone, {length} tokens",
            f"{found['dense'] * 1e3:.0f} ms, {found['dense'] / unit:.2f} x",
        ),
        (f"one head's map from a kept trace, {length} tokens", f"{one_map * 1e3:.1f} ms"),
    ]
