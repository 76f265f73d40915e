"""One head in both models: what the interactive view is sent with every answer, and what it asks for afterwards.

With an answer come the maps of all heads in one file, as exact as fits a page, so that heads are switched without asking
the server. The head that is open is then fetched whole where that was not exact, or a part of it where the text is long.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.every_head import EveryHead, coded_head
from attncompare.analyses.maps import HeadMaps, Window
from attncompare.analyses.routes import FULL_TOKENS
from attncompare.attention import Progress, Token, listed, unheard
from attncompare.errors import BadInput, TraceGone
from attncompare.models.checkpoint import LocalRule
from attncompare.ui.failures import failure
from attncompare.ui.files import kept
from attncompare.ui.printable import printable
from attncompare.ui.questions import Answer, ask_head
from attncompare.ui.reading import whole
from attncompare.ui.taking import served
from attncompare.ui.verdict import error_html, progress_html
from attncompare.ui.work import Step, follow

MOST = FULL_TOKENS
"""Longest side of a part that can be fetched: 512 x 512 in both models are 1 MB."""

MOST_CELLS = 2**29
"""Attention weights of both models that are computed before anybody asked for them, about a second's work. Of a text that
has more, heads are fetched one by one."""

_NAME = re.compile(r"L(\d{1,4})\.H(\d{1,4})")


@dataclass(frozen=True, slots=True)
class Part:
    """One head, and the part of its maps that is asked for; ``row`` is the place of its layer among those compared."""

    row: int
    head: int
    queries: Window
    keys: Window


def payload(answer: Answer) -> dict[str, Any]:
    """Everything that the view shows of an answer before it asks for more, as JSON values."""
    result = answer.comparison
    every = _every_head(result)
    bits = result.metric("jsd_bits")
    words = result.words()
    same = result.key_tokens is result.tokens
    return {
        "layers": list(result.layers),
        "heads": bits.shape[1],
        "bits": listed(bits.astype(np.float64).round(6)),
        "order": _order(bits),
        "open": list(place(answer, "")),
        "tokens": _tokens(result.tokens),
        "keys": None if same else _tokens(result.key_tokens),
        "words": [list(group) for group in words.groups] if words else None,
        "word_texts": [printable(unit.text) for unit in words.units] if words else None,
        "causal": result.causal,
        "level": result.level,
        "codes": served(kept("heads.bin", every.content())) if every else None,
        "format": _format(every) if every else None,
        "most": MOST,
    }


def exact(local: LocalRule, answer: Answer | None, asked: Any) -> Iterator[tuple[Any, Any, Any]]:
    """One head's maps at 16 bits: updates of view, status and the part that was fetched last.

    ``asked`` is what the view, or a stranger, sent.
    """

    def busy(step: Step) -> tuple[Any, Any, Any]:
        return gr.skip(), progress_html(step), gr.skip()

    if answer is None:
        yield gr.skip()  # a handler that gives nothing would empty its outputs
        return
    try:
        part = sent_part(answer.comparison, asked)
        maps = yield from follow(lambda told: head_maps(local, answer, part, told), busy)
        content, hides = coded_head(maps)
        file = served(kept(f"head-{maps.name}.bin", content))
        found = {"row": part.row, "head": part.head, "queries": list(maps.queries), "keys": list(maps.keys)}
        yield gr.update(exact={**found, "file": file, "visible": hides}), "", part
    except Exception as error:
        failed = failure(error)
        yield gr.skip(), error_html(failed.sentence), gr.skip()
        raise failed.toast() from None


def head_maps(local: LocalRule, answer: Answer, part: Part, progress: Progress = unheard) -> HeadMaps:
    """One head's maps, from the kept trace, or by letting the models read the text again."""
    layer = answer.comparison.layers[part.row]
    windows: dict[str, Window] = {"queries": part.queries, "keys": part.keys}
    try:
        return answer.comparison.head(layer, part.head, **windows)
    except TraceGone:  # a long text, or one of a while ago
        return ask_head(answer.question, local, progress, layer, part.head, **windows)


def sent_part(result: Comparison, asked: Any) -> Part:
    """What was sent, checked.

    Raises:
        BadInput: there is no such head or part, or the part is too large.
    """
    given = asked if isinstance(asked, dict) else {}
    layers, heads = result.metric("jsd_bits").shape
    row, head = (_below(name, given.get(name), count) for name, count in (("row", layers), ("head", heads)))
    queries = window("queries", given.get("queries"), len(result.tokens))
    return Part(row, head, queries, window("keys", given.get("keys"), len(result.key_tokens)))


def window(name: str, sent: Any, length: int) -> Window:
    """``[start, stop]`` as sent: a part of the text that is not too large.

    Raises:
        BadInput: it is none.
    """
    if not isinstance(sent, list | tuple) or len(sent) != 2:
        raise BadInput(
            f"Expected {name} to be two numbers, where the part starts and where it stops, got {sent!r:.80}."
        )
    start, stop = (whole(name, end) for end in sent)
    if not 0 <= start < stop <= length:
        raise BadInput(f"Expected {name} to be a part of 0 to {length}, got {start!r:.20} to {stop!r:.20}.")
    if stop - start > MOST:
        raise BadInput(f"At most {MOST} {name} are shown at once, got {stop - start}: choose a smaller part.")
    return start, stop


def place(answer: Answer, opened: Any) -> tuple[int, int]:
    """Row and head of ``L3.H9``, as the page or a stranger sent it; of the head to open first where that is none."""
    layers, heads = answer.comparison.layers, answer.comparison.metric("jsd_bits").shape[1]
    named = _NAME.fullmatch(opened) if isinstance(opened, str) else None
    wanted = (int(named[1]), int(named[2])) if named else (-1, -1)
    for layer, head in (wanted, answer.first):
        if layer in layers and 0 <= head < heads:
            return layers.index(layer), head
    return 0, 0


def choices(answer: Answer) -> tuple[Any, Any]:
    """Updates of a choice of layer and of a choice of head: the one to open first is chosen."""
    layers, heads = answer.comparison.layers, answer.comparison.metric("jsd_bits").shape[1]
    row, head = place(answer, "")
    layer = gr.update(choices=[(f"L{i}", i) for i in layers], value=layers[row])
    return layer, gr.update(choices=[(f"H{i}", i) for i in range(heads)], value=head)


def _below(name: str, value: Any, count: int) -> int:
    number = whole(name, value)
    if not 0 <= number < count:
        raise BadInput(f"Expected {name} to be 0 to {count - 1}, got {number!r:.20}.")
    return number


def _every_head(result: Comparison) -> EveryHead | None:
    """All heads' maps; None where they are too many to compute unasked, or the trace is no longer kept."""
    if 2 * result.metric("jsd_bits").size * len(result.tokens) * len(result.key_tokens) > MOST_CELLS:
        return None
    try:
        return result.every_head()
    except TraceGone:
        return None


def _format(every: EveryHead) -> dict[str, Any]:
    queries, keys = every.base.shape[2:]
    return {
        "bits": every.form.bits,
        "queries": queries,
        "keys": keys,
        "step": every.form.step,
        "visible": every.visible is not None,
    }


def _order(bits: np.ndarray) -> list[list[int]]:
    """Row and head of every head, the largest divergence first, those not measured last."""
    ranked = np.argsort(-np.nan_to_num(bits, nan=-1.0), axis=None, kind="stable")
    return [list(divmod(place, bits.shape[1])) for place in ranked.tolist()]


def _tokens(tokens: Sequence[Token]) -> list[dict[str, Any]]:
    return [{"text": printable(token.text), "special": token.special, "sink": token.sink} for token in tokens]
