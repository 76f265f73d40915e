"""The comparison in words, every one computed from its numbers. Bits only: there is no yardstick here, and it says so."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from attncompare.analyses.movers import Masses, Mover
from attncompare.analyses.noise import Noise
from attncompare.analyses.outputs import Outputs
from attncompare.analyses.patching import Patching
from attncompare.attention import Token
from attncompare.metrics.concentration import carriers
from attncompare.models.question import PairText

View = Literal["heads", "one-head", "layers", "movers", "outputs", "noise", "patching"]
"""The picture that a claim can be checked in."""

NO_YARDSTICK = (
    "These are bits on one text without a yardstick: "
    "they say what changed, not that it is more than noise or that it matters."
)

YARDSTICK = (
    "The yardstick is a random change of the weights of the same size, on one text. That is a low bar: "
    "it does not say that another training run would not do the same, nor that it matters."
)
SEEDS = (
    "Other trainings are the yardstick that counts, random changes of the same size a low bar; both are about one text, "
    "and neither says that a change matters."
)

SPREAD = 0.2
"""A largest gain below this share of the largest loss is no destination."""

SINKS_NAMED = 4
"""Sinks that are named; there are as many as the text has ends of sentences."""

LONGEST_SHOWN = 40
"""Characters of a token or answer that are printed."""

TOP_MOVERS = 8
"""Heads whose tokens are counted: as many as the picture of the movers shows."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of a verdict, and where it can be checked."""

    about: str
    """Its subject in a few words, which stand before it where claims are listed."""
    sentence: str
    view: View
    head: str | None = None
    """The head that ``one-head`` has to show, such as ``L3.H9``."""


def caution(noise: Noise | None) -> str:
    """What not to conclude, the last sentence of a verdict on what moved."""
    if noise and noise.replicates:
        return SEEDS
    return YARDSTICK if noise and noise.testable else NO_YARDSTICK


def verdict(claims: tuple[Claim, ...]) -> str:
    """The claims as a paragraph; sentences are separated by single spaces."""
    return " ".join(claim.sentence for claim in claims)


def claims(
    heads: dict[str, np.ndarray],
    movers: tuple[Mover, ...],
    question: PairText,
    outputs: Outputs,
    noise: Noise | None = None,
) -> tuple[Claim, ...]:
    """What the numbers say, always in this order; it goes by the noise where that was measured."""
    # Other trainings, where there are some, are the yardstick that counts: they stand before random changes.
    beyond = [Claim("More than noise?", sentence, "noise") for sentence in (noise.answers[::-1] if noise else ())]
    answers = [Claim("Answers", sentence, "outputs") for sentence in _answers(outputs)]
    if np.isnan(heads["jsd_bits"]).all():
        return Claim("Heads", "Nothing to compare: no token of this text sees another one.", "heads"), *answers
    if not movers:
        identical = "No head moved: the two models attend identically on this text."
        return Claim("Heads", identical, "heads"), *beyond, *answers
    layers = question.stack.layers
    bits = np.nan_to_num(heads["jsd_bits"].astype(np.float64))
    first = movers[0]
    return (
        Claim("Heads", _concentration(bits), "heads"),
        Claim("Moved most", _top(heads, layers.index(first.layer), first, question.key_tokens), "one-head", first.name),
        *_crowd(movers[:TOP_MOVERS], question.key_tokens),
        Claim("Sink or content", _split(heads, question.key_tokens), "layers"),
        Claim("Layers", _layers(bits, layers), "layers"),
        *answers,
        *beyond,
        Claim("Not to conclude", caution(noise), "noise"),
    )


def matter_claims(found: Patching) -> tuple[Claim, ...]:
    """What swapping heads says of whether the change matters: all heads, the largest effect, which matter or are idle."""
    return tuple(Claim("Does it matter?", sentence, "patching") for sentence in found.answers[:4])


def _concentration(bits: np.ndarray) -> str:
    count = int(carriers(bits).sum())
    return f"{count} of {bits.size} heads {'carries' if count == 1 else 'carry'} half of the change."


def _top(heads: dict[str, np.ndarray], row: int, mover: Mover, tokens: tuple[Token, ...]) -> str:
    def part(change: tuple[int, float]) -> str:
        kind = "the sink " if tokens[change[0]].sink else ""
        return f"{kind}{named(tokens, change[0])} ({change[1]:+.2f})"

    multiple = heads["floor_multiple"][row, mover.head]
    digits = ",.0f" if multiple >= 10 else ".2g"
    times = "" if np.isnan(multiple) else f", {multiple:{digits}} times what a random change gives"
    size = f"{mover.name} moved most ({heads['jsd_bits'][row, mover.head]:.2g} bits of at most 1{times})"
    if not (mover.lost and mover.gained):
        return f"{size}."
    if mover.gained[0][1] < SPREAD * -mover.lost[0][1]:
        return f"{size}: on average away from {part(mover.lost[0])}, spread over many tokens."
    return f"{size}: on average away from {part(mover.lost[0])}, towards {part(mover.gained[0])}."


def _crowd(movers: tuple[Mover, ...], tokens: tuple[Token, ...]) -> list[Claim]:
    """Which token lost most in how many of the heads that moved most, and which gained most; nothing of a single head."""
    moved = [mover for mover in movers if mover.lost and mover.gained]
    if len(moved) < 2:
        return []
    lost, losers = _commonest([mover.lost for mover in moved])
    gained, gainers = _commonest([mover.gained for mover in moved])
    sentence = (
        f"Of the {len(moved)} heads that moved most, {losers} lost most on {_kind(tokens, lost)} and {gainers} gained most "
        f"on {_kind(tokens, gained)}."
    )
    return [Claim("From and to", sentence, "movers")]


def _commonest(changes: list[Masses]) -> tuple[int, int]:
    """The key that comes first most often, by the larger mass where several do, and how often."""
    found: dict[int, list[float]] = {}
    for (key, size), *_ in changes:
        found.setdefault(key, []).append(abs(size))
    key = max(found, key=lambda key: (len(found[key]), sum(found[key])))
    return key, len(found[key])


def _kind(tokens: tuple[Token, ...], at: int) -> str:
    return f"the sink {named(tokens, at)}" if tokens[at].sink else named(tokens, at)


def named(tokens: tuple[Token, ...], at: int) -> str:
    """The token in quotes, short and printable, with its position where the text repeats it."""
    text = tokens[at].text
    repeated = sum(token.text == text for token in tokens) > 1
    return f"‘{printable(text)}’" + (f" at position {at}" if repeated else "")


def listing(parts: list[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def printable(text: str) -> str:
    """Models and texts may hold control characters, which must not reach a terminal."""
    if text.isspace():
        return repr(text)[1:-1] if text.strip(" ") else "␣" * len(text)
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return visible if len(visible) <= LONGEST_SHOWN else visible[: LONGEST_SHOWN - 1] + "…"


def _layers(bits: np.ndarray, layers: tuple[int, ...]) -> str:
    means = bits.mean(axis=1)
    if len(means) == 1:
        return f"The only layer moved {means[0]:.2g} bits a head."
    most, least = int(means.argmax()), int(means.argmin())
    return (
        f"Layer {layers[most]} moved most ({means[most]:.2g} bits a head), "
        f"layer {layers[least]} least ({means[least]:.2g})."
    )


def _split(heads: dict[str, np.ndarray], tokens: tuple[Token, ...]) -> str:
    """How much of the change is about sinks, which those are, and how much of all attention they hold."""
    share = float(np.nansum(heads["content_bits"])) / float(np.nansum(heads["jsd_bits"]))
    sinks = [at for at, token in enumerate(tokens) if token.sink]
    if not sinks:
        return "All of the change is between content tokens: this text has no sink, where unused attention would rest."
    held = [float(np.nanmean(heads[f"sink_mass_{side}"])) for side in ("base", "tuned")]
    names = [f"‘{name}’" for name in dict.fromkeys(printable(tokens[at].text) for at in sinks)]
    more = f" and {len(names) - SINKS_NAMED} more" if len(names) > SINKS_NAMED else ""
    return (
        f"{1 - share:.0%} of the change moves attention to, from or among sinks, where unused attention rests (here "
        f"{', '.join(names[:SINKS_NAMED])}{more}: {held[0]:.0%} of all attention in the base, {held[1]:.0%} in the tuned "
        f"model); {share:.0%} is between content tokens."
    )


def _answers(outputs: Outputs) -> list[str]:
    if outputs.kind == "none":
        return []
    (base, base_p), (tuned, tuned_p) = outputs.base[0], outputs.tuned[0]
    what = "" if outputs.kind == "label" else " as the next token"
    there = f"‘{printable(base)}’ (p = {base_p:.2g})"
    if outputs.base_head == "own":
        beside = f"the base gives {'the same answer' if outputs.same else 'another answer'}, {there}"
    else:
        beside = f"the base has no answer of its own, and under the tuned model's head it says {there}"
    return [f"The tuned model says ‘{printable(tuned)}’{what} (p = {tuned_p:.2g}); {beside}."]
