"""The comparison in words, every one computed from its numbers. Bits only: there is no yardstick here, and it says so."""

import numpy as np

from attncompare.analyses.movers import Mover
from attncompare.analyses.noise import Noise
from attncompare.analyses.outputs import Outputs
from attncompare.attention import Token
from attncompare.metrics.concentration import carriers
from attncompare.models.question import PairText

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

LONGEST_SHOWN = 40
"""Characters of a token or answer that are printed."""


def caution(noise: Noise | None) -> str:
    """What not to conclude, the last sentence of a verdict on what moved."""
    if noise and noise.replicates:
        return SEEDS
    return YARDSTICK if noise and noise.testable else NO_YARDSTICK


def verdict(
    heads: dict[str, np.ndarray],
    movers: tuple[Mover, ...],
    question: PairText,
    outputs: Outputs,
    noise: Noise | None = None,
) -> str:
    """A short paragraph, which goes by the noise where it was measured; sentences are separated by single spaces."""
    layers = question.stack.layers
    bits = np.nan_to_num(heads["jsd_bits"].astype(np.float64))
    if np.isnan(heads["jsd_bits"]).all():
        return " ".join(["Nothing to compare: no token of this text sees another one.", *_answers(outputs)])
    if not movers:
        identical = "No head moved: the two models attend identically on this text."
        return " ".join([identical, *(noise.answers if noise else ()), *_answers(outputs)])
    sentences = [
        *(noise.answers if noise else ()),
        _concentration(bits),
        _top(heads, layers.index(movers[0].layer), movers[0], question.key_tokens),
        _layers(bits, layers),
        _split(heads),
        *_answers(outputs),
    ]
    return " ".join([*sentences, caution(noise)])


def _concentration(bits: np.ndarray) -> str:
    count = int(carriers(bits).sum())
    return f"{count} of {bits.size} heads {'carries' if count == 1 else 'carry'} half of the change."


def _top(heads: dict[str, np.ndarray], row: int, mover: Mover, tokens: tuple[Token, ...]) -> str:
    def part(change: tuple[int, float]) -> str:
        return f"{named(tokens, change[0])} ({change[1]:+.2f})"

    multiple = heads["floor_multiple"][row, mover.head]
    digits = ",.0f" if multiple >= 10 else ".2g"
    times = "" if np.isnan(multiple) else f", {multiple:{digits}} times what a random change gives"
    size = f"{mover.name} moved most ({heads['jsd_bits'][row, mover.head]:.2g} bits{times})"
    if not (mover.lost and mover.gained):
        return f"{size}."
    if mover.gained[0][1] < SPREAD * -mover.lost[0][1]:
        return f"{size}: on average away from {part(mover.lost[0])}, spread over many tokens."
    return f"{size}: on average away from {part(mover.lost[0])}, towards {part(mover.gained[0])}."


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


def _split(heads: dict[str, np.ndarray]) -> str:
    total = float(np.nansum(heads["jsd_bits"]))
    share = float(np.nansum(heads["content_bits"])) / total
    return f"{share:.0%} of the change is between content tokens, the rest moves mass to, from or among sink tokens."


def _answers(outputs: Outputs) -> list[str]:
    if outputs.kind == "none":
        return []
    (base, base_p), (tuned, tuned_p) = outputs.base[0], outputs.tuned[0]
    owner = "the base" if outputs.base_head == "own" else "the base body under the tuned model's head"
    agreement = "the same answer" if outputs.same else "another answer"
    what = "" if outputs.kind == "label" else " as the next token"
    return [
        f"The tuned model says ‘{printable(tuned)}’{what} (p = {tuned_p:.2g}); {owner} gives {agreement}, "
        f"‘{printable(base)}’ (p = {base_p:.2g})."
    ]
