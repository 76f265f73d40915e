"""The receipt below the verdict: what was compared, how, what was checked and what was not measured, as escaped HTML."""

from html import escape
from textwrap import shorten
from typing import Any

import numpy as np

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.noise import Noise
from attncompare.attention import AttentionKind, Check, CheckpointInfo
from attncompare.metrics import FLOORS, METRICS

ALIGNED = "same_tokens"
"""The check whose failing is no failure: tokens that differ are compared by the units that they share."""

KINDS: dict[AttentionKind, str] = {
    "self": "self-attention: of the text over itself",
    "decoder": "decoder self-attention: of the target over itself",
    "cross": "cross-attention: of the decoder's target over the encoder's text",
}

_PATHS = {
    "tap": "tap: rows from queries and keys, float32",
    "tap-own": "tap through the family's own attention, float32",
    "dense": "dense: all weights at once, as the family's eager attention returns them",
}

TEXT_SHOWN = 240
"""Characters of the text in the receipt."""


def label(check: Check) -> str:
    """What a check is called."""
    return "note" if check.is_note else check.name.replace("_", " ")


def receipt_html(comparison: Comparison) -> str:
    """The receipt, closed until it is opened."""
    rows = [("base", _checkpoint(comparison.base)), ("tuned", _checkpoint(comparison.tuned))]
    rows.append(("text", shorten(comparison.text, TEXT_SHOWN, placeholder=" …")))
    rows += _read(comparison)
    rows.append(("attention", KINDS[comparison.attention]))
    rows.append(("computed by", " · ".join(dict.fromkeys(_PATHS[side.attention_path] for side in sides(comparison)))))
    rows.append(("aligned by", _alignment(comparison)))
    rows.append(("tokens", _tokens(comparison)))
    if comparison.noise is not None:
        rows.append(("yardstick", yardstick(comparison.noise)))
    rows.append(("not measured", _not_measured(comparison)))
    checks = [check for check in comparison.checks if check.name != ALIGNED]
    rows += [(label(check), ("" if check.passed else "FAILED: ") + check.detail) for check in checks]
    lines = "".join(f"<dt>{escape(name)}</dt><dd><bdi>{escape(detail)}</bdi></dd>" for name, detail in rows)
    return f"<details><summary>Receipt: what was compared, and what was checked</summary><dl>{lines}</dl></details>"


def yardstick(noise: Noise) -> str:
    """What divergence was measured by, in words."""
    parts = [_drawn(noise, noise.change)] if noise.change else []
    if noise.numeric:
        parts.append(f"the base against itself in other arithmetic ({', '.join(sorted(noise.numeric))})")
    if np.isfinite(noise.ceiling_bits):
        parts.append("heads that have nothing to do with each other")
    if noise.replicates is not None:
        parts.append(f"{len(noise.replicates.ids)} trainings ({', '.join(noise.replicates.ids)})")
    return "; ".join(parts) or "nothing could be measured"


def _drawn(noise: Noise, change: dict[str, Any]) -> str:
    """What the random changes were."""
    low, high, matrices = (change[name] for name in ("rank_low", "rank_high", "matrices"))
    changed = [f"{matrices} weight matrices"] if matrices else []
    changed += [f"{others} other weights"] if (others := change["weights"] - matrices) else []
    rank = f"rank ({low if low == high else f'{low} to {high}'}) and " if matrices else ""
    size = "size" if change["relative_norm"] is None else f"relative size ({change['relative_norm']:.2g})"
    drawn = f"{len(noise.draws)} random changes (seed {noise.seed})"
    return f"{drawn} of {' and '.join(changed)}, of the tuning's {rank}{size}"


def sides(comparison: Comparison) -> tuple[CheckpointInfo, CheckpointInfo]:
    """Both checkpoints."""
    return comparison.base, comparison.tuned


def _read(comparison: Comparison) -> list[tuple[str, str]]:
    """What was read, where that is more than the text as it was typed."""
    read = comparison.reading
    first, second = read["texts"][0], " ".join(read["texts"][1:])
    found = {
        "as it was read": "" if first == comparison.text else first,
        "second text": second,
        "target text": read["target_text"] or "",
    }
    return [(name, shorten(value, TEXT_SHOWN, placeholder=" …")) for name, value in found.items() if value]


def _alignment(comparison: Comparison) -> str:
    """The alignment in a sentence, with the attention that it leaves out."""
    record = comparison.alignment
    sentence = next(check.detail for check in comparison.checks if check.name == ALIGNED)
    left = [
        f"{_share(record[f'unaligned_{side}'])} of the {name}'s"
        for side, name in (("base", "base"), ("tuned", "tuned model"))
        if record[f"unaligned_tokens_{side}"]
    ]
    return f"{sentence} Attention on tokens without a partner is left out: {', '.join(left)}." if left else sentence


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"


def _tokens(comparison: Comparison) -> str:
    """How many there are, and of which kinds."""
    queries, keys = comparison.tokens, comparison.key_tokens
    written = sum(token.generated for token in queries)
    second = sum(token.segment == 1 for token in queries)
    parts = [f"{len(queries)}" if keys is queries else f"{len(queries)} queries, {len(keys)} keys"]
    parts.append("1 sink" if len(comparison.sinks) == 1 else f"{len(comparison.sinks)} sinks")
    parts += [f"{written} written by a model"] if written else []
    parts += [f"{second} of the second text"] if second else []
    return ", ".join(parts)


def _not_measured(comparison: Comparison) -> str:
    """The numbers that are blank, which is not the same as 0."""
    unasked = FLOORS if comparison.noise is None else ()
    blank = {
        METRICS[name].title: int(np.isnan(values).sum())
        for name, values in comparison.heads.items()
        if name in METRICS and name not in unasked
    }
    every = comparison.heads["jsd_bits"].size
    parts = [f"{title} ({'all' if count == every else count} heads)" for title, count in blank.items() if count]
    if unasked:
        parts.append("Floors (there is no yardstick yet)")
    if comparison.rollout is None:
        parts.append(f"Rollout ({comparison.rollout_omitted})")
    if comparison.outputs.kind == "none":
        parts.append("Answers (these models give none)")
    return "; ".join(parts) or "nothing: every number of every head was measured"


def _checkpoint(info: CheckpointInfo) -> str:
    revision = f"@{info.revision[:12]}" if info.revision else ""
    kind = f"{info.model_class}, an adapter" if info.adapter else info.model_class
    return f"{info.id}{revision} · {kind} · {info.dtype} on {info.device} · weights {info.content_hash}"
