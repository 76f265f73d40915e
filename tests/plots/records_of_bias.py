"""Made-up bias probes, built as an analysis would."""

from dataclasses import replace

import numpy as np

from attncompare.analyses.bias_many_record import BiasOfMany
from attncompare.analyses.bias_record import Bias, Counterfactual, HeadOff, Leakage
from attncompare.analyses.counterfactuals import swapped
from attncompare.attention import About, frozen
from attncompare.models.readout import Readout
from tests.plots.records import tokens
from tests.plots.records_of_causes import BORROWED, SOURCE, readout

GROUPS = {"female": ("she", "her"), "male": ("he",), "titles": ("Dr",), "experience": ("led", "years")}


def shares(chance: np.random.Generator, *shape: int) -> np.ndarray:
    """Parts on the first axis but one that sum to 1."""
    drawn = chance.random(shape)
    return frozen(drawn / drawn.sum(-3, keepdims=True))


def biased(
    count: int = 15,
    layers: int = 6,
    heads: int = 12,
    *,
    groups: dict[str, tuple[str, ...]] | None = None,
    asked: Readout | None = None,
    borrowed: bool = False,
) -> Bias:
    """Words 1 and 2 are female, 4 a title, 6 and 7 experience."""
    chance, lists = np.random.default_rng(layers + heads), groups or GROUPS
    names = list(lists)
    found = dict(zip(names, [(1, 2), (), (4,), (6, 7)] + [(8,)] * (len(names) - 4), strict=True))
    small = {side: frozen(chance.random((layers, heads)) / 5) for side in ("base", "tuned")}
    other = {side: frozen(chance.random((layers, heads)) / 5) for side in ("base", "tuned")}
    leak = Leakage({"base": (0,), "tuned": (0,)}, (1, 2), small, other, 2 / (count - 2))
    text = "She led her team for years, Dr."
    swap = Counterfactual(
        swapped(text).text,
        swapped(text).changes,
        {"base": -0.4, "tuned": 2.5},
        other,
        small,
        other,
        {"base": (0.1, 0.2), "tuned": (0.3, 0.25)},
    )
    parts = chance.random((2, len(names) + 1))
    parts /= parts.sum(1, keepdims=True)
    return Bias(
        source=SOURCE,
        about=About(level="word"),
        readout=asked or readout(borrowed=borrowed),
        sought=asked is not None,
        outputs={"base": -0.5, "tuned": 2.0},
        words=tokens(count),
        groups=lists,
        found=found,
        layers=tuple(range(layers)),
        shares={side: shares(chance, len(names) + 1, layers, heads) for side in ("base", "tuned")},
        even=shares(chance, len(names) + 1, layers, heads),
        attribution={"base": frozen(parts[0]), "tuned": frozen(parts[1])},
        leakage=leak,
        off={"base": HeadOff(0, 0, -0.1), "tuned": HeadOff(layers - 1, heads - 1, 0.2)},
        erased={name: {"base": 0.1, "tuned": -0.3} for name in names if found[name]},
        swap=swap,
        notes=(BORROWED,) if borrowed else (),
    )


def mute(record: Bias) -> Bias:
    """The same of models without outputs."""
    assert record.swap is not None
    swap = replace(record.swap, outputs={}, attribution={})
    return replace(
        record, readout=None, outputs={}, attribution={}, off={}, erased={}, swap=swap, notes=("No outputs here.",)
    )


def biased_many(texts: int = 10, layers: int = 6, heads: int = 12, *, borrowed: bool = False) -> BiasOfMany:
    """The male group is in no text, and the last text has no words."""
    chance = np.random.default_rng(texts)
    found = {
        name: np.array(shares(chance, texts, len(GROUPS) + 1, layers, heads)) for name in ("base", "tuned", "even")
    }
    leaks = {side: chance.random((texts, layers, heads)) / 5 for side in ("base", "tuned")}
    for values in found.values():
        values[:, 1] = values[-1] = np.nan
    for values in leaks.values():
        values[-1] = np.nan
    outputs = {side: chance.normal(size=texts) for side in ("base", "tuned")}
    return BiasOfMany(
        source=SOURCE,
        about=About(level="word"),
        readout=readout(borrowed=borrowed),
        sought=False,
        texts=tuple(f"text {at}" for at in range(texts)),
        groups=GROUPS,
        layers=tuple(range(layers)),
        shares={name: frozen(values) for name, values in found.items()},
        leakage={side: frozen(values) for side, values in leaks.items()},
        outputs={side: frozen(values) for side, values in outputs.items()},
        swapped={side: frozen(values + 0.1) for side, values in outputs.items()},
        leans=tuple(1 if at % 3 else -1 for at in range(texts)),
        notes=(BORROWED,) if borrowed else (),
    )
