"""Pairs and texts to begin with, and the two sides of a pair exchanged. Knows nothing about models beyond their ids."""

import json
from typing import Any

import gradio as gr

from attncompare.ui.files import asset, examples
from attncompare.ui.verdict import note_html

UNSWAPPABLE = (
    "The embedded pair can't be swapped: its tuned side is an adapter, which needs the base below it. Two full checkpoints "
    "can be, or two adapters."
)
HALF = "Only one of the two ids is given, so there is nothing to swap it with: type the other one too."


def pairs() -> list[dict[str, str]]:
    """Pairs to choose from: ``title``, ``kind``, ids of ``base`` and ``tuned``, ``size`` of the download, and a ``text``
    that shows something of the pair. The first is the embedded one."""
    return list(json.loads(asset("pairs.json").read_text(encoding="utf-8")))


def pair_label(pair: dict[str, str]) -> str:
    """What a pair is called where it is chosen.

    >>> pair_label({"title": "T5 small", "kind": "encoder-decoder", "size": "484 MB"})
    'T5 small · encoder-decoder · 484 MB'
    """
    return f"{pair['title']} · {pair['kind']} · {pair['size']}"


def choose(number: int, text: str) -> tuple[Any, Any, Any]:
    """A pair was chosen: updates of base, tuned and text. A text that somebody typed stays."""
    pair = pairs()[number]
    ours = {sample["text"] for sample in (*examples(), *pairs())}
    return pair["base"], pair["tuned"], pair["text"] if not text.strip() or text in ours else gr.skip()


def swap(base: str, tuned: str) -> tuple[Any, Any, str]:
    """Updates of base, tuned and status: each in the other's place, or a sentence that says why not."""
    first, second = base.strip(), tuned.strip()
    if not first and not second:
        return gr.skip(), gr.skip(), note_html(UNSWAPPABLE)
    if not first or not second:
        return gr.skip(), gr.skip(), note_html(HALF)
    return second, first, note_html("Base and tuned are swapped. Press Compare.")
