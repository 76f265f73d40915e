"""How the text is read: what the form says or a client sends, checked, as the options of every analysis.

What is left at its default is left out, so that a question that asks for nothing special says nothing.
"""

from typing import Any

from attncompare.errors import BadInput
from attncompare.models.generation import Generation
from attncompare.models.reading import Reading

MAX_CHARACTERS = 200_000
"""Longest text that is tokenized at all."""

MAX_NEW_TOKENS = 256
"""Longest continuation for visitors and clients, who share one machine; Python and the command line allow more."""

LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.01, 10

_DEFAULTS: dict[str, Any] = {
    "text_pair": None,
    "target": None,
    "chat": False,
    "generate": None,
    "attention": "self",
    "level": "auto",
}
_NAMES = {"text_pair": "the second text", "target": "the target text"}


def sent_reading(value: Any) -> Reading:
    """The ``reading`` of an endpoint: a JSON object with any of the options of :func:`attncompare.compare`, or null.

    Raises:
        BadInput: no object, unknown names, or values of another type; what else is wrong is found by the analyses.
    """
    if value is None:
        return {}
    options = _object("reading", value, tuple(_DEFAULTS))
    found: dict[str, Any] = {name: options[name] for name in options if options[name] != _DEFAULTS[name]}
    for name in _NAMES.keys() & found.keys():
        _require_text(name, found[name])
    for name in ("attention", "level"):
        if not isinstance(found.get(name, ""), str):
            raise BadInput(f"Expected {name} of reading to be a string, got {found[name]!r:.80}.")
    if not isinstance(found.get("chat", False), bool):
        raise BadInput(f"Expected chat of reading to be true or false, got {found['chat']!r:.80}.")
    if "generate" in found:
        found["generate"] = _generation(found["generate"])
    return Reading(**found)  # type: ignore[typeddict-item]


def typed_reading(
    text_pair: str,
    target: str,
    chat: bool,
    by: str,
    tokens: Any,
    temperature: Any,
    seed: Any,
    level: str,
    attention: str,
) -> Reading:
    """What the form says; an empty field is one that was not asked for.

    Raises:
        BadInput: as :func:`sent_reading`.
    """
    generate = {"by": by, "max_new_tokens": tokens, "temperature": temperature, "seed": seed} if by != "none" else None
    return sent_reading(
        {
            "text_pair": text_pair or None,
            "target": target or None,
            "chat": chat,
            "generate": generate,
            "attention": attention,
            "level": level,
        }
    )


def said(reading: Reading) -> str:
    """The options in a few words, for the closed part of the form; empty where none is set."""
    words = [text for name, text in (("text_pair", "sentence pair"), ("target", "target text"), ("chat", "chat template"))
             if reading.get(name)]  # fmt: skip
    if generate := reading.get("generate"):
        words.append(f"up to {generate.max_new_tokens} tokens by the {generate.by} model")
    level, attention = reading.get("level", "auto"), reading.get("attention", "self")
    words += {"token": ["token by token"], "word": ["by words"]}.get(level, [])
    words += {"decoder": ["decoder"], "cross": ["cross-attention"]}.get(attention, [])
    return ", ".join(words)


def whole(name: str, value: Any) -> int:
    """The value, if it is a whole number; true and false are none.

    Raises:
        BadInput: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        raise BadInput(f"Expected {name} to be a whole number, got {value!r:.80}.")
    return int(value)


def seeded(name: str, value: Any) -> int:
    """The value, if random numbers can start from it.

    Raises:
        BadInput: they can't.
    """
    seed = whole(name, value)
    if not 0 <= seed < 2**63:
        raise BadInput(f"Expected {name} to be a whole number from 0, got {seed!r:.20}.")
    return seed


def _object(name: str, value: Any, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"Expected {name} to be an object with any of {', '.join(known)}, or null, got {value!r:.80}.")
    if unknown := [repr(key)[:40] for key in value if key not in known]:
        raise BadInput(f"There is no {', '.join(unknown[:5])} in {name}: it may have {', '.join(known)}.")
    return value


def _require_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise BadInput(f"Expected {name} of reading to be a string or null, got {type(value).__name__}.")
    if not value.strip():
        raise BadInput(f"{_NAMES[name].capitalize()} is blank: type one, or leave it empty.")
    if len(value) > MAX_CHARACTERS:
        raise BadInput(
            f"{_NAMES[name].capitalize()} has {len(value):,} characters and at most {MAX_CHARACTERS:,} are read: shorten it."
        )


def _generation(value: Any) -> Generation:
    asked = _object("generate", value, ("by", "max_new_tokens", "temperature", "seed"))
    by = asked.get("by", Generation.by)
    if by not in ("tuned", "base"):
        raise BadInput(f"Expected by of generate to be 'tuned' or 'base', got {by!r:.80}.")
    tokens = whole("max_new_tokens", asked.get("max_new_tokens", Generation.max_new_tokens))
    if not 1 <= tokens <= MAX_NEW_TOKENS:
        raise BadInput(f"A continuation here has 1 to {MAX_NEW_TOKENS} tokens, got {tokens!r:.20}: ask for that many.")
    temperature = asked.get("temperature", Generation.temperature)
    number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    if not number or not (temperature == 0 or LEAST_TEMPERATURE <= temperature <= MOST_TEMPERATURE):
        raise BadInput(
            f"Expected temperature to be 0 (the likeliest token each time) or {LEAST_TEMPERATURE} to {MOST_TEMPERATURE}, "
            f"got {temperature!r:.20}."
        )
    seed = seeded("seed", asked.get("seed", Generation.seed))
    return Generation(by, tokens, float(temperature), seed)
