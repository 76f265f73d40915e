"""Other tools on the same weights and texts. None of them is needed: one that isn't installed is skipped, and said to be.

``pip install bertviz transformer-lens nnsight`` (into an environment that may be thrown away) measures them all.
"""

import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

import attncompare
from attncompare.metrics.divergence import jsd_bits
from benchmarks.shapes import gpt2_shape, load
from benchmarks.table import Table
from benchmarks.texts import text_of
from benchmarks.timing import medians
from benchmarks.work import dense, questions, without_trace

COLUMNS = ("tool", "work", "time", "result")
TOKENS = 512


def table() -> Table:
    """The lines, measured when they are asked for."""
    return Table(COLUMNS, _lines())


def _lines() -> Iterator[tuple[str, ...]]:
    yield from _views()
    with gpt2_shape(12, TOKENS) as folder:
        yield from _maps_of_both(folder)


def _views() -> Iterator[tuple[str, ...]]:
    """What a page has to be sent to show every head: bertviz sends all maps, we the numbers, and maps one by one."""
    pair = load(None)
    for tokens in (128, 512):
        text = text_of(pair.base.tokenizer, tokens)
        compare = without_trace(lambda pair, text: json.dumps(attncompare.compare(pair, text).to_dict()), pair, text)
        seconds, record = _timed(compare)
        work = f"both models of the embedded pair compared, {tokens} tokens, to JSON"
        yield ("attncompare", work, f"{seconds:.2f} s", f"{len(record) / 1e6:.1f} MB")
        view = f"head view of one of them (6 layers x 12 heads), {tokens} tokens"
        try:
            seconds, page = _timed(lambda text=text: _bertviz(pair, text))
        except ImportError:
            yield ("bertviz", view, "not measured", "not installed")
            continue
        yield ("bertviz", view, f"{seconds:.1f} s", f"{len(page) / 1e6:.1f} MB")


def _timed(work: Callable[[], str]) -> tuple[float, str]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _bertviz(pair: attncompare.Pair, text: str) -> str:
    from bertviz import head_view

    from benchmarks.work import eager

    inputs = pair.base.tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        maps = eager(pair.base.model)(**inputs, output_attentions=True).attentions
    tokens = pair.base.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    return head_view(maps, tokens, html_action="return").data


def _maps_of_both(folder: Path) -> Iterator[tuple[str, ...]]:
    """The divergence of every head of both models of GPT-2's shape."""
    pair = load(folder)
    ids = pair.base.tokenizer(text_of(pair.base.tokenizer, TOKENS), return_tensors="pt")["input_ids"]
    ours = questions(pair, TOKENS)
    work: dict[str, Callable[[], object]] = {
        "two plain SDPA passes": ours["plain"],
        "attncompare, divergence alone": ours["divergence"],
        "attncompare, all columns": ours["columns"],
        "transformers, output_attentions": dense(pair, TOKENS),
    }
    missing = []
    for name, start in (("TransformerLens, hook_pattern", _transformer_lens), ("nnsight, traced output", _nnsight)):
        try:
            with warnings.catch_warnings(action="ignore"):
                work[name] = start(folder, ids)
        except ImportError:
            missing.append(name)
    found = medians(work, 3, time.process_time)
    what = f"divergence of every head, 12 layers x 12 heads x 64, causal, {TOKENS} tokens"
    for name, seconds in found.items():
        yield (name, what, f"{seconds:.2f} s", f"{seconds / found['two plain SDPA passes']:.2f} x")
    for name in missing:
        yield (name, what, "not measured", "not installed")


def _transformer_lens(folder: Path, ids: torch.Tensor) -> Callable[[], object]:
    from transformer_lens.model_bridge import TransformerBridge

    models = [TransformerBridge.boot_transformers(str(folder / side), device="cpu") for side in ("base", "tuned")]

    def maps(model: TransformerBridge) -> list[torch.Tensor]:
        cache = model.run_with_cache(ids, names_filter=lambda name: name.endswith("hook_pattern"))[1]
        return list(cache.values())

    return lambda: _divergences(*map(maps, models))


def _nnsight(folder: Path, ids: torch.Tensor) -> Callable[[], object]:
    from nnsight import LanguageModel

    options = {"attn_implementation": "eager", "device_map": "cpu", "dispatch": True}
    models = [LanguageModel(str(folder / side), **options) for side in ("base", "tuned")]

    def maps(model: LanguageModel) -> list[torch.Tensor]:
        with torch.no_grad(), model.trace(ids, output_attentions=True):
            output = model.output.save()
        return list(output.attentions)

    return lambda: _divergences(*map(maps, models))


def _divergences(base: list[torch.Tensor], tuned: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for of_base, of_tuned in zip(base, tuned, strict=True):
            jsd_bits(of_base, of_tuned).mean(-1)
