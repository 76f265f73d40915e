"""Made-up results of probes, built as an analysis would: pictures must not care where numbers come from."""

from dataclasses import replace

import numpy as np

from attncompare.analyses.coreference_accuracy import CoreferenceMany
from attncompare.analyses.coreference_items import Item
from attncompare.analyses.coreference_record import Candidate, Coreference, Swap
from attncompare.analyses.mentions import Mention
from attncompare.attention import About, frozen
from tests.plots.records import checkpoint, tokens
from tests.plots.records_of_causes import SOURCE, numbered


def looked(
    layers: int | tuple[int, ...] = 6,
    heads: int = 12,
    *,
    names: tuple[str, ...] = ("trophy", "suitcase"),
    hidden: tuple[int, ...] = (),
    pronoun: str = "it",
    text: str = "The trophy would not fit into the suitcase because it was large.",
    about: About | None = None,
) -> Coreference:
    """A pronoun and what it gives its candidates; those in ``hidden`` it can't see."""
    rng, rows = np.random.default_rng(4), numbered(layers)
    shape = len(names), len(rows), heads
    base = rng.dirichlet(np.full(len(names) + 4, 0.6), shape[1:]).transpose(2, 0, 1)[: len(names)]
    tuned = np.clip(base + rng.normal(scale=0.05, size=shape), 0, 1)
    uniform = np.full(shape[:2], 0.06)
    for values in (base, tuned, uniform):
        values[list(hidden)] = np.nan
    swap = Swap("another text", frozen(tuned[::-1]), frozen(base)) if len(names) == 2 and not hidden else None
    return Coreference(
        source=replace(SOURCE, text=text),
        about=about or About(),
        tokens=tokens(15),
        pronoun=Mention(pronoun, 40, 42),
        candidates=tuple(Candidate(name, at, at + 1, at not in hidden) for at, name in enumerate(names)),
        correct=None,
        layers=rows,
        base=frozen(base),
        tuned=frozen(tuned),
        uniform=frozen(uniform),
        swap=swap,
        elsewhere={},
        notes=(),
    )


def counted(
    count: int = 40,
    layers: int | tuple[int, ...] = 6,
    heads: int = 12,
    *,
    stereotypes: bool = False,
    about: About | None = None,
) -> CoreferenceMany:
    """Credits of many sentences."""
    rng, rows = np.random.default_rng(6), numbered(layers)
    kinds = ("pro", "anti")
    items = tuple(
        Item("w" * 30, (20, 22), ((0, 2), (5, 7)), at % 2, f"twin {at // 2}",
             (("stereotype", kinds[at // 2 % 2]),) if stereotypes else ())
        for at in range(count)
    )  # fmt: skip

    def credits(*shape: int) -> dict:
        return {side: frozen(rng.integers(0, 2, shape)) for side in ("base", "tuned")}

    return CoreferenceMany(
        models={"base": checkpoint("org/base"), "tuned": checkpoint("org/tuned")},
        about=about or About(),
        items=items,
        left_out={"the pronoun can't see a candidate": 3},
        layers=rows,
        heads=credits(count, len(rows), heads),
        measures={name: credits(count) for name in ("mean", "mas", "held_out")},
        baselines={name: frozen(rng.integers(0, 2, count)) for name in ("nearest", "first")},
        chosen={"base": ("L1.H2", "L3.H4"), "tuned": ("L1.H2",)},
        seed=0,
    )
