"""A link to what is on the screen: pair, text, how it is read, head and tab, as parameters of the page's address.

Written from an answer and read when a page is opened. What stands in an address was typed by a stranger: it is judged here
as far as it can be without opening anything, and the rest by whoever answers the question.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attncompare.attention import head_name
from attncompare.errors import BadInput
from attncompare.models.checkpoint import LONGEST_SPEC
from attncompare.models.generation import Generation
from attncompare.ui.questions import Answer
from attncompare.ui.reading import MAX_CHARACTERS

LONGEST_TEXT = 1_500
"""Characters of all texts together that a link holds: browsers and mail programs cut longer addresses."""

TABS = ("changed", "flow", "probes", "rests", "matters", "real", "several", "code")
"""Ids of the tabs, in the order of the page."""

CHOICES = {
    "chat": ("false", "true"),
    "generate": ("none", "tuned", "base"),
    "level": ("auto", "token", "word"),
    "attention": ("self", "decoder", "cross"),
    "tab": TABS,
}
"""Parameters that are one of a few words, the default first."""

TEXTS = ("text", "text_pair", "target")
NUMBERS = ("max_new_tokens", "temperature", "seed")
NAMES = ("base", "tuned", *TEXTS, "chat", "generate", *NUMBERS, "level", "attention", "head", "tab")
"""Every parameter; others are none of ours."""

_HEAD = re.compile(r"L(\d{1,4})\.H(\d{1,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Link:
    """What a link asks for."""

    base: str
    tuned: str
    text: str
    """Empty where the link has none."""
    options: tuple[Any, ...]
    """How the text is read, as :func:`attncompare.ui.reading.typed_reading` takes it."""
    head: tuple[int, int] | None
    tab: str


def parse(parameters: Mapping[str, str]) -> Link | None:
    """The link in the parameters of an address; None if there is nothing of ours in them.

    Raises:
        BadInput: a value that no link of this page has.
    """
    given = {name: parameters[name] for name in NAMES if name in parameters}
    if not given:
        return None
    for name in ("base", "tuned"):
        if len(given.get(name, "")) > LONGEST_SPEC:
            raise BadInput(f"The link names a {name} of {len(given[name]):,} characters, which is no id.")
    for name in TEXTS:
        if len(given.get(name, "")) > MAX_CHARACTERS:
            raise BadInput(f"The link has a {name} of more than {MAX_CHARACTERS:,} characters: shorten it.")
    word = {name: _choice(name, given.get(name, choices[0])) for name, choices in CHOICES.items()}
    defaults = (Generation.max_new_tokens, Generation.temperature, Generation.seed)
    numbers = [_number(name, given.get(name), default) for name, default in zip(NUMBERS, defaults, strict=True)]
    options = (
        *(given.get("text_pair", ""), given.get("target", ""), word["chat"] == "true", word["generate"]),
        *(*numbers, word["level"], word["attention"]),
    )
    base, tuned, text = (given.get(name, "") for name in ("base", "tuned", "text"))
    return Link(base, tuned, text, options, _head(given.get("head")), word["tab"])


def parameters(answer: Answer) -> dict[str, Any]:
    """The address of an answer, for the page: ``parameters`` as pairs, without head and tab, which the page knows; the
    ``head`` that a link asked for; and ``left_out``, the number of characters that are too many for a link, else 0."""
    asked, reading = answer.question, answer.question.reading
    texts = {"text": asked.text, "text_pair": reading.get("text_pair"), "target": reading.get("target")}
    long = sum(len(text) for text in texts.values() if text)
    found: dict[str, Any] = {"base": asked.base, "tuned": asked.tuned}
    if long <= LONGEST_TEXT:
        found |= texts
    found["chat"] = "true" if reading.get("chat") else ""
    if generate := reading.get("generate"):
        found |= {"generate": generate.by} | {name: f"{getattr(generate, name):g}" for name in NUMBERS[:2]}
        found["seed"] = str(generate.seed)
    found |= {"level": reading.get("level"), "attention": reading.get("attention")}
    return {
        "parameters": [[name, value] for name, value in found.items() if value],
        "head": head_name(*answer.opened) if answer.opened else "",
        "left_out": long if long > LONGEST_TEXT else 0,
    }


def _choice(name: str, value: str) -> str:
    if value not in CHOICES[name]:
        raise BadInput(f"The link has {name}={value!r:.40}: expected one of {', '.join(CHOICES[name])}.")
    return value


def _number(name: str, value: str | None, default: float) -> float:
    """A number as the form takes it; whether it may be that large is judged with the question."""
    if value is None:
        return default
    kind = float if name == "temperature" else int
    if not re.fullmatch(r"\d{1,18}(\.\d{1,6})?", value, re.ASCII) or (kind is int and "." in value):
        raise BadInput(f"The link has {name}={value!r:.40}: expected a number.")
    return kind(value)


def _head(value: str | None) -> tuple[int, int] | None:
    if value is not None and head_of(value) is None:
        raise BadInput(f"The link has head={value!r:.40}: expected a head such as L3.H9.")
    return None if value is None else head_of(value)


def head_of(name: str) -> tuple[int, int] | None:
    """Layer and head of a name such as ``L3.H9``; None for anything else.

    >>> head_of("L3.H9"), head_of("L3.H9 ")
    ((3, 9), None)
    """
    found = _HEAD.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None
