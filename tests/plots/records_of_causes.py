"""Made-up attribution, erasure, ablation and patching, built as an analysis would: pictures must not care where they come
from."""

import numpy as np

from attncompare.analyses.ablation import Ablation
from attncompare.analyses.asking import Source
from attncompare.analyses.attribution import Attribution
from attncompare.analyses.erasure import BINS, RANKINGS, Erasure
from attncompare.analyses.looks import Looks
from attncompare.analyses.patching import Patching
from attncompare.attention import About, Token, frozen
from attncompare.models.readout import Readout
from tests.plots.records import checkpoint, tokens

BORROWED = "The base answers under the tuned model's head (borrowed)."

SOURCE = Source(checkpoint("org/base"), checkpoint("org/tuned"), "as it was asked", {})


def readout(*, borrowed: bool = False, answer: str = "negative", against: str | None = "positive") -> Readout:
    kind = "log_probability" if against is None else "logit_difference"
    numbers = (0,) if against is None else (0, 1)
    return Readout(kind, answer, against, "borrowed" if borrowed else "own", numbers, numbers)


def numbered(layers: int | tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(layers)) if isinstance(layers, int) else layers


def notes(borrowed: bool) -> tuple[str, ...]:
    return (BORROWED,) if borrowed else ()


def attributed(
    count: int = 15,
    layers: int | tuple[int, ...] = 6,
    heads: int = 12,
    *,
    texts: tuple[Token, ...] | None = None,
    borrowed: bool = False,
    method: str = "integrated_gradients",
    about: About | None = None,
    asked: Readout | None = None,
    **changes: object,
) -> Attribution:
    """A few tokens carry most; the base's numbers are small under a borrowed head. ``changes`` replace fields."""
    chosen, rng, rows = texts or tokens(count), np.random.default_rng(5), numbered(layers)
    content = tuple(i for i, token in enumerate(chosen) if not (token.special or token.sink))
    sides = []
    for size in (0.03 if borrowed else 0.8, 1.0):
        values = rng.normal(size=len(chosen)) ** 3 * size
        values[[i for i in range(len(chosen)) if i not in content]] = 0
        sides.append(np.abs(values) if method == "saliency" else values)
    looks = {}
    for side in ("base", "tuned"):
        weights = (
            rng.dirichlet(np.full(len(chosen), 0.5), (len(rows), heads)) if chosen else np.zeros((len(rows), heads, 0))
        )
        looks[side] = Looks((0,), frozen(weights), frozen(weights.mean((0, 1))))
    whole = method == "integrated_gradients"
    nothing = {"base": float("nan"), "tuned": float("nan")}
    fields: dict[str, object] = {
        "source": SOURCE,
        "about": about or About(), "readout": asked or readout(borrowed=borrowed), "method": method,
        "how": "Compared with a text of [PAD].", "tokens": chosen, "base": frozen(sides[0]), "tuned": frozen(sides[1]),
        "outputs": {"base": 0.14, "tuned": 3.87}, "baselines": {"base": -0.01, "tuned": 1.18} if whole else nothing,
        "steps": {"base": 50, "tuned": 100} if whole else {"base": None, "tuned": None},
        "errors": {"base": 0.0002, "tuned": 0.031} if whole else nothing, "looks": looks, "layers": rows,
        "tau": {side: frozen(rng.uniform(-0.6, 0.6, (len(rows), heads))) for side in ("base", "tuned")},
        "overlap": {side: frozen(np.full((len(rows), heads), 0.5)) for side in ("base", "tuned")}, "top": 4,
        "content": content, "notes": notes(borrowed),
    }  # fmt: skip
    return Attribution(**{**fields, **changes})  # type: ignore[arg-type]


def erased(
    words: int = 13, *, borrowed: bool = False, draws: int = 10, asked: Readout | None = None, **changes: object
) -> Erasure:
    """Integrated gradients find the words that count, attention does so in the tuned model alone."""
    rng, chosen = np.random.default_rng(2), tokens(words + 2)
    counts = tuple(int(np.ceil(share * words)) for share in BINS)
    falls = {"base": (0.02, 0.02, 0.05, 0.3), "tuned": (0.5, 0.1, 0.05, 0.7)}
    scale = {"base": 0.05 if borrowed else 0.6, "tuned": 1.0}
    full, without, only, random_without, random_only = {"base": 0.53, "tuned": 0.97}, {}, {}, {}, {}
    depth = np.array([0.2, 0.4, 0.6, 0.9, 1.0])
    for side in full:
        without[side] = frozen(full[side] - scale[side] * np.outer(falls[side], depth))
        only[side] = frozen(full[side] - scale[side] * np.outer(0.8 - np.array(falls[side]), depth[::-1]))
        random_without[side] = frozen(full[side] - scale[side] * rng.uniform(0.02, 0.2, (draws, 1)) * depth)
        random_only[side] = frozen(full[side] - scale[side] * rng.uniform(0.5, 0.75, (draws, 1)) * depth[::-1])
    fields: dict[str, object] = {
        "source": SOURCE,
        "about": About(level="word"), "readout": asked or readout(borrowed=borrowed), "erasing": "delete", "words": chosen,
        "erasable": tuple(range(1, words + 1)), "bins": BINS, "counts": counts, "rankings": RANKINGS,
        "scores": {side: frozen(rng.normal(size=(4, words))) for side in full}, "full": full, "without": without,
        "only": only, "random_without": random_without, "random_only": random_only, "seed": 0, "notes": notes(borrowed),
    }  # fmt: skip
    return Erasure(**{**fields, **changes})  # type: ignore[arg-type]


def ablated(
    layers: int | tuple[int, ...] = 3,
    heads: int = 4,
    *,
    borrowed: bool = False,
    about: About | None = None,
    **changes: object,
) -> Ablation:
    """Effects of a few heads are large; the base's are small under a borrowed head."""
    rows, rng = numbered(layers), np.random.default_rng(3)
    size = {"base": 0.02 if borrowed else 0.5, "tuned": 1.0}
    effects = {side: frozen(rng.normal(size=(len(rows), heads)) ** 3 * size[side] * 0.1) for side in size}
    fields: dict[str, object] = {
        "source": SOURCE,
        "about": about or About(), "readout": readout(borrowed=borrowed), "how": "zero", "layers": rows,
        "outputs": {"base": 0.14, "tuned": 3.87}, "heads": effects,
        "whole_layers": {side: frozen(values.sum(1) * 1.5) for side, values in effects.items()},
        "everything": {"base": -0.03, "tuned": -3.77},
        "importance": {side: frozen(np.abs(values) * 0.6) for side, values in effects.items()}, "notes": notes(borrowed),
    }  # fmt: skip
    return Ablation(**{**fields, **changes})  # type: ignore[arg-type]


def patched(
    layers: int | tuple[int, ...] = 6,
    heads: int = 12,
    *,
    borrowed: bool = False,
    about: About | None = None,
    outputs: tuple[float, float] = (0.14, 3.87),
    **changes: object,
) -> Patching:
    """Few heads carry most of the divergence and of the effects; some are of both kinds, some needed as they were."""
    rows, rng = numbered(layers), np.random.default_rng(9)
    shape = (len(rows), heads)
    bits, into_base, into_tuned, critical = (rng.lognormal(-4, 1.3, shape) for _ in range(4))
    bits = np.minimum(bits, 0.9)
    into_tuned = into_tuned * (0.3 + bits / bits.max() * 3)
    signs = rng.choice([-1, 1], shape)
    effects = {"into_base": frozen(into_base * 0.2), "into_tuned": frozen(-into_tuned * signs)}
    fields: dict[str, object] = {
        "source": SOURCE,
        "about": about or About(), "readout": readout(borrowed=borrowed), "what": "pattern", "layers": rows,
        "jsd_bits": frozen(bits), "outputs": dict(zip(("base", "tuned"), outputs, strict=True)), "heads": effects,
        "whole_layers": {name: frozen(values.sum(1) * 1.3) for name, values in effects.items()},
        "everything": {"into_base": 0.9, "into_tuned": -1.5}, "critical": frozen(-critical), "notes": notes(borrowed),
    }  # fmt: skip
    return Patching(**{**fields, **changes})  # type: ignore[arg-type]
