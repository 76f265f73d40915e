"""Results with made-up numbers, built as an analysis would: pictures must not care where numbers come from."""

import numpy as np

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.maps import HeadMaps
from attncompare.analyses.movers import Mover
from attncompare.analyses.outputs import Outputs
from attncompare.analyses.routes import Routes
from attncompare.attention import CheckpointInfo, Token, frozen
from attncompare.metrics import COLUMNS

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


def rows(count: int, seed: int, *, causal: bool) -> np.ndarray:
    """Rows that sum to 1, NaN where masked."""
    scores = np.random.default_rng(seed).normal(size=(count, count)) * 2
    visible = np.tri(count, dtype=bool) if causal else np.ones((count, count), dtype=bool)
    weights = np.where(visible, np.exp(scores), 0)
    return np.where(visible, weights / weights.sum(1, keepdims=True), np.nan)


def head_maps(count: int = 15, *, causal: bool = False, texts: tuple[Token, ...] | None = None) -> HeadMaps:
    chosen = texts or tokens(count, causal=causal)
    base, tuned = (frozen(rows(len(chosen), seed, causal=causal)) for seed in (0, 1))
    return HeadMaps(3, 9, chosen, base, tuned, 0.52, 2.31)


def routes(
    count: int = 15,
    *,
    causal: bool = False,
    lift: bool = False,
    query: int | None = None,
    texts: tuple[Token, ...] | None = None,
) -> Routes:
    chosen = texts or tokens(count, causal=causal)
    at = list(range(len(chosen))) if query is None else [query]
    base, tuned = (np.nan_to_num(rows(len(chosen), seed, causal=causal))[at] for seed in (0, 1))
    lifts = [frozen(np.log2(np.where(side > 1e-3, side * 4, np.nan))) if lift else None for side in (base, tuned)]
    omitted = None if lift else "the null leaves nothing to compare" if causal else "only causal models need a null"
    return Routes(chosen, tuple(at), frozen(base), frozen(tuned), *lifts, omitted)


def checkpoint(name: str) -> CheckpointInfo:
    return CheckpointInfo(name, None, "0" * 16, "BertModel", "bert", "float32", "cpu", False, "tap")


def comparison(
    layers: int = 6,
    heads: int = 12,
    *,
    texts: tuple[Token, ...] | None = None,
    movers: tuple[Mover, ...] | None = None,
    **columns: np.ndarray,
) -> Comparison:
    """Random columns, of which the three parts add up to the divergence; ``columns`` replace some."""
    chosen = texts or tokens(15)
    rng = np.random.default_rng(7)
    numbers = {name: rng.uniform(0.01, 0.6, (layers, heads)) for name in COLUMNS}
    parts = ("sink_bits", "within_sink_bits", "content_bits")
    for part in parts:
        numbers[part] = rng.uniform(0, 0.2, (layers, heads))
    numbers["jsd_bits"] = sum(numbers[part] for part in parts)
    numbers |= columns
    return Comparison(
        base=checkpoint("org/base-model"),
        tuned=checkpoint("assets/tuned"),
        text="a text",
        level="token",
        tokens=chosen,
        sinks=(0,),
        causal=False,
        heads={name: frozen(values) for name, values in numbers.items()},
        received_base=frozen(np.ones(len(chosen))),
        received_tuned=frozen(np.ones(len(chosen))),
        movers=default_movers() if movers is None else movers,
        outputs=Outputs("none", (), (), "own", None, None),
        rollout=None,
        rollout_omitted=None,
        checks=(),
        verdict="",
        _trace=("", ()),
    )


def default_movers() -> tuple[Mover, ...]:
    return (
        Mover(3, 9, ((0, -0.35), (2, -0.07)), ((12, 0.59), (4, 0.07), (5, 0.01)), (), ()),
        Mover(4, 10, ((1, -0.2),), ((14, 0.3),), (), ()),
        Mover(2, 1, (), ((3, 0.004),), (), ()),
    )
