"""A text as the message of a user, in the chat template that a model was tuned with.

The template is rendered once, and both models read what came out of it: a difference between them is then never one of
wording. Its markers become special tokens, so a text may not bring markers of its own. Knows nothing about attention.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from attncompare.errors import BadInput
from attncompare.models.cache import Cache
from attncompare.models.pair import Pair, Side
from attncompare.models.tokens import special_words

MAX_CHARS = 1_000_000
"""Longest chat that is rendered."""

SECONDS = 60
"""How long a rendering may take by the clock, most of it for its process to start on a busy machine."""

RENDERED: Cache[str] = Cache(max_items=64, max_bytes=16 * 2**20, size=lambda text: 4 * len(text))
"""Rendered chats by template, special tokens and text: rendering starts a process, which takes about a second."""


def chat_prompt(pair: Pair, text: str) -> tuple[str, Literal["tuned", "base"]]:
    """``text`` as a user's message in a chat template, with the answer's opening, and whose template it is.

    The tuned model's is taken if it has one.

    Raises:
        BadInput: neither has a template, the template fails, or the text holds a marker of either model.
    """
    side, template = _template(pair)
    for other in (pair.tuned, pair.base):
        for marker in sorted(_markers(other.tokenizer, template), key=len, reverse=True):
            if marker in text:
                raise BadInput(
                    f"The text contains {marker!r}, which in a chat is a mark of {other.info.id} and not text: leave it "
                    "out, or compare without the chat template."
                )
    variables = {name: str(value) for name, value in side.tokenizer.special_tokens_map.items()}
    key = (template, tuple(sorted(variables.items())), text)
    rendered = RENDERED.get(key, lambda: _render(side.info.id, template, variables, text))
    if text.strip() not in rendered:
        raise BadInput(
            f"The chat template of {side.info.id} doesn't hand the text on to the model: compare without the chat template."
        )
    return rendered, "tuned" if side is pair.tuned else "base"


def _template(pair: Pair) -> tuple[Side, str]:
    for side in (pair.tuned, pair.base):
        if not getattr(side.tokenizer, "chat_template", None):
            continue
        try:
            return side, str(side.tokenizer.get_chat_template())
        except ValueError:
            raise BadInput(
                f"The tokenizer of {side.info.id} has several chat templates and none is its default: compare without the "
                "chat template."
            ) from None
    raise BadInput(
        f"Neither {pair.tuned.info.id} nor {pair.base.info.id} has a chat template: compare without it (chat=False)."
    )


def _markers(tokenizer: Any, template: str) -> set[str]:
    """What becomes a mark when a chat is tokenized: special tokens, and added tokens that the template writes."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    words = {*special_words(tokenizer).values(), *(word for word in added if word in template)}
    return {word for word in words if word.strip()}


def _render(owner: str, template: str, variables: dict[str, str], text: str) -> str:
    asked = {"template": template, "variables": variables, "text": text, "max_chars": MAX_CHARS}
    # -P: the script's own folder, whose modules have names like tokens and cache, stays off its import path.
    command = [sys.executable, "-P", str(Path(__file__).with_name("rendering.py"))]
    try:
        done = subprocess.run(command, input=json.dumps(asked).encode(), capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise _failed(owner, "it doesn't come to an end") from None
    if done.returncode < 0:  # ended by a signal: the limit on processor time
        raise _failed(owner, "it doesn't come to an end")
    if done.returncode:
        raise _failed(owner, (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1])
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise _failed(owner, answer["error"])
    return str(answer["rendered"])


def _failed(owner: str, why: str) -> BadInput:
    return BadInput(f"The chat template of {owner} can't be used ({why[:200]}): compare without the chat template.")
