"""Results with made-up numbers, built as an analysis would: pictures must not care where numbers come from."""

from dataclasses import replace
from typing import Any

import numpy as np

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.distance import Link, Reach
from attncompare.analyses.maps import HeadMaps, Window
from attncompare.analyses.movers import Mover
from attncompare.analyses.noise import Noise
from attncompare.analyses.outputs import Outputs
from attncompare.analyses.replicates import Replicates
from attncompare.analyses.routes import Routes
from attncompare.attention import About, CheckpointInfo, Token, frozen
from attncompare.metrics import COLUMNS, FLOORS
from attncompare.models.reading import PairText

HOSTILE = (
    "[CLS]", "$\\frac{$", "</script>", "😀", "🦊", "日本", "\u202eevil", "a\u200fb", "\x00", "\ud800", "\n", " ", "",
    "\u0301", "ﷺ", "שלום", "مرحبا", "x" * 5000, "%s{0}", "_^$", "[SEP]",
)  # fmt: skip


def token(text: str, *, special: bool = False, sink: bool = False) -> Token:
    return Token(text, text, None, None, special, sink)


def tokens(count: int, *, causal: bool = False) -> tuple[Token, ...]:
    """An encoder's tokens end in special ones; a causal model's first token is a sink."""
    words = [f"word{index}" for index in range(count)]
    if causal:
        return tuple(token(word, sink=index == 0) for index, word in enumerate(words))
    return (token("[CLS]", special=True, sink=True), *map(token, words[1:-1]), token("[SEP]", special=True, sink=True))


def hostile() -> tuple[Token, ...]:
    return tuple(token(text, special=text[:1] == "[", sink=text[:1] == "[") for text in HOSTILE)


NULL = Token("no token", "", None, None, True, True)


def pair_of_texts(first: int = 6, second: int = 5) -> tuple[Token, ...]:
    """A sentence pair as BERT reads it."""
    names = ["[CLS]", *(f"a{i}" for i in range(first)), "[SEP]", *(f"b{i}" for i in range(second)), "[SEP]"]
    marked = (token(name, special=name[0] == "[", sink=name[0] == "[") for name in names)
    return tuple(replace(one, segment=int(i > first + 1)) for i, one in enumerate(marked))


def continued(prompt: int = 6, written: int = 5) -> tuple[Token, ...]:
    """A prompt and what a model wrote."""
    return tuple(replace(one, generated=i >= prompt) for i, one in enumerate(tokens(prompt + written, causal=True)))


def rows(count: int, seed: int, *, causal: bool, keys: int | None = None) -> np.ndarray:
    """Rows that sum to 1, NaN where masked."""
    shape = (count, keys or count)
    scores = np.random.default_rng(seed).normal(size=shape) * 2
    visible = np.tri(*shape, dtype=bool) if causal else np.ones(shape, dtype=bool)
    weights = np.where(visible, np.exp(scores), 0)
    return np.where(visible, weights / weights.sum(1, keepdims=True), np.nan)


def head_maps(
    count: int = 15,
    *,
    causal: bool = False,
    texts: tuple[Token, ...] | None = None,
    keys: tuple[Token, ...] | None = None,
    window: tuple[Window, Window] | None = None,
    about: About | None = None,
) -> HeadMaps:
    """``keys`` are others than ``texts`` for cross-attention; a last :data:`NULL` is seen by every query."""
    chosen = texts or tokens(count, causal=causal)
    over = keys or chosen
    shown = window or ((0, len(chosen)), (0, len(over)))
    base, tuned = (rows(len(chosen), seed, causal=causal, keys=len(over)) for seed in (0, 1))
    if over[-1] is NULL:
        for side in (base, tuned):
            side[:, -1] = 0.25
            side[:, :-1] *= 0.75 / np.nansum(side[:, :-1], axis=1, keepdims=True)
    cut = tuple(slice(*ends) for ends in shown)
    crossed = keys is not None and over[-1] is not NULL
    known = about or About("cross" if crossed else "self", encoder_decoder=crossed)
    return HeadMaps(3, 9, chosen, over, *shown, frozen(base[cut]), frozen(tuned[cut]), 0.52, 2.31, known)


def routes(
    count: int = 15,
    *,
    causal: bool = False,
    lift: bool = False,
    query: int | None = None,
    texts: tuple[Token, ...] | None = None,
    about: About | None = None,
) -> Routes:
    chosen = texts or tokens(count, causal=causal)
    at = list(range(len(chosen))) if query is None else [query]
    base, tuned = (np.nan_to_num(rows(len(chosen), seed, causal=causal))[at] for seed in (0, 1))
    lifts = [frozen(np.log2(np.where(side > 1e-3, side * 4, np.nan))) if lift else None for side in (base, tuned)]
    omitted = None if lift else "the null leaves nothing to compare" if causal else "only causal models need a null"
    return Routes(chosen, tuple(at), frozen(base), frozen(tuned), *lifts, omitted, about or About())


def checkpoint(name: str) -> CheckpointInfo:
    return CheckpointInfo(name, None, "0" * 16, "BertModel", "bert", "float32", "cpu", False, "tap")


def comparison(
    layers: int | tuple[int, ...] = 6,
    heads: int = 12,
    *,
    texts: tuple[Token, ...] | None = None,
    keys: tuple[Token, ...] | None = None,
    movers: tuple[Mover, ...] | None = None,
    attention: Any = "self",
    level: str = "token",
    encoder_decoder: bool = False,
    measured: Noise | None = None,
    **columns: np.ndarray,
) -> Comparison:
    """Random columns, of which the three parts add up to the divergence; ``columns`` replace some.

    ``layers`` are the model's own numbers, or how many there are. ``measured``: beside this noise, which is asked for
    the divergence too; floors are NaN without.
    """
    chosen = texts or tokens(15)
    numbered = tuple(range(layers)) if isinstance(layers, int) else layers
    layers = len(numbered)
    rng = np.random.default_rng(7)
    numbers = {name: rng.uniform(0.01, 0.6, (layers, heads)) for name in COLUMNS}
    parts = ("sink_bits", "within_sink_bits", "content_bits")
    for part in parts:
        numbers[part] = rng.uniform(0, 0.2, (layers, heads))
    numbers["jsd_bits"] = sum(numbers[part] for part in parts)
    numbers |= {name: np.full((layers, heads), np.nan) for name in FLOORS}
    if measured is not None:
        numbers |= {"jsd_bits": measured.jsd_bits, **measured.columns()}
    numbers |= columns
    return Comparison(
        base=checkpoint("org/base-model"),
        tuned=checkpoint("assets/tuned"),
        text="a text",
        reading={},
        attention=attention,
        encoder_decoder=encoder_decoder,
        level=level,
        alignment={},
        tokens=chosen,
        key_tokens=keys or chosen,
        sinks=(0,),
        causal=False,
        layers=numbered,
        heads={name: frozen(values) for name, values in numbers.items()},
        received_base=frozen(np.ones(len(chosen))),
        received_tuned=frozen(np.ones(len(chosen))),
        movers=default_movers() if movers is None else movers,
        outputs=Outputs("none", (), (), "own", None, None),
        rollout=None,
        rollout_omitted=None,
        checks=(),
        claims=(),
        _question=object.__new__(PairText),  # no picture may look at it
        noise=measured,
    )


def default_movers() -> tuple[Mover, ...]:
    return (
        Mover(3, 9, ((0, -0.35), (2, -0.07)), ((12, 0.59), (4, 0.07), (5, 0.01)), (), ()),
        Mover(4, 10, ((1, -0.2),), ((14, 0.3),), (), ()),
        Mover(2, 1, (), ((3, 0.004),), (), ()),
    )


def noise(
    layers: int | tuple[int, ...] = 6,
    heads: int = 12,
    *,
    draws: int = 39,
    beyond: int = 9,
    trainings: int = 0,
    notes: tuple[str, ...] = (),
    about: About | None = None,
    bits: np.ndarray | None = None,
    numeric: float | None = 2e-8,
) -> Noise:
    """Random draws that grow with the layers; ``beyond`` heads, all over the model, diverge far more than theirs.

    ``bits`` replaces the divergence; ``trainings``: how many replicates; ``numeric``: bits that arithmetic alone makes.
    """
    numbered = tuple(range(layers)) if isinstance(layers, int) else layers
    shape = (len(numbered), heads)
    rng = np.random.default_rng(11)
    typical = 0.002 * 25 ** np.linspace(0, 1, shape[0])[:, None] * rng.uniform(0.5, 2, shape)
    random = typical * rng.lognormal(0, 0.25, (draws, *shape))
    moved = typical * rng.lognormal(0, 0.2, shape)
    strong = rng.permutation(moved.size)[: min(beyond, moved.size)]
    moved.flat[strong] = np.minimum(typical.flat[strong] * rng.uniform(6, 12, len(strong)), 0.9)
    bits = frozen(moved if bits is None else bits)
    others = frozen(bits * rng.lognormal(0, 0.15, (max(trainings, 1), *shape)))
    pairs = trainings * (trainings - 1) // 2
    replicates = Replicates(
        tuple(f"assets/tuned-{seed}" for seed in range(trainings)),
        frozen(np.concatenate([bits[None], others[1:]])),
        frozen(np.full((pairs, *shape), 0.3) * bits * rng.lognormal(0, 0.3, (pairs, *shape))),
    )
    change = {"matrices": 24, "relative_norm": 0.011, "rank_low": 8, "rank_high": 8, "worst_norm_error": 2e-7}
    return Noise(
        about=about or About(),
        layers=numbered,
        jsd_bits=bits,
        draws=frozen(random),
        seed=0,
        change=change if draws else None,
        numeric={} if numeric is None else {"dtype": frozen(np.full(shape, numeric))},
        unrelated=frozen(rng.uniform(0.4, 0.7, shape)),
        replicates=replicates if trainings else None,
        notes=notes,
        question_key=("made up", (), ()),
    )


def reach(
    count: int = 300,
    layers: int | tuple[int, ...] = 6,
    heads: int = 12,
    *,
    texts: tuple[Token, ...] | None = None,
    about: About | None = None,
) -> Reach:
    """Random bands as a text of this length allows; links from the end of the text to its beginning."""
    chosen = texts or tokens(count)
    numbered = tuple(range(layers)) if isinstance(layers, int) else layers
    distance = np.abs(np.subtract.outer(range(len(chosen)), range(len(chosen))))
    uniform = [float(inside.mean()) for inside in (distance <= 8, (distance > 8) & (distance <= 64), distance > 64)]
    rng = np.random.default_rng(3)
    sides = []
    for _ in range(2):
        masses = rng.dirichlet([1, 1, 1], (len(numbered), heads)) * (np.array(uniform) > 0)
        masses /= masses.sum(-1, keepdims=True)
        sides.append({band: frozen(masses[..., i]) for i, band in enumerate(("near", "mid", "far"))})
    null = {
        band: frozen(np.full(len(numbered), value)) for band, value in zip(("near", "mid", "far"), uniform, strict=True)
    }
    last = len(chosen) - 2
    links = tuple(Link(numbered[-1], i % heads, last - i, 1 + i, 0.9 - i / 50, 0.5 + i / 50) for i in range(20))
    means = {side: frozen(rng.uniform(1, 20, (len(numbered), heads))) for side in ("base", "tuned")}
    halves = tuple(int(i >= len(chosen) // 2) for i in range(len(chosen)))
    said = " ".join(token.text for token in chosen)
    return Reach(
        chosen, numbered, *sides, null, links if distance.max() > 64 else (), means,
        frozen(np.full(len(numbered), 15.0)), links[:3], halves, (said,), about or About(),
    )  # fmt: skip
