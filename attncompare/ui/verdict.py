"""What stands between the form and the tabs: progress, errors, and the verdict with its receipt, as escaped HTML.

Tokens, ids and texts come from strangers: everything is escaped here and shown by ``gr.HTML``'s own ``${value}`` template,
which inserts it as it is. (A Handlebars ``{{value}}`` would not do: gradio evaluates its output as a template once more.)
"""

import re
from html import escape
from textwrap import shorten

import numpy as np

from attncompare.analyses.comparison import Comparison
from attncompare.analyses.verdict import NO_YARDSTICK
from attncompare.attention import AttentionKind, Check, CheckpointInfo
from attncompare.metrics import METRICS
from attncompare.ui.work import Step

CAUTIONS = ("one text: test many before believing it", "attention is not an explanation")
"""True of every comparison of one text."""

EMPTY = """
<section class="verdict empty"><p class="lead"><strong>Nothing compared yet.</strong> Press Compare: both models read the
text, and every attention head of the one is laid over the same head of the other.</p>
<ul><li><b>What changed</b>: which heads moved, by how many bits, from which tokens to which; click a head to see it in
both models.</li><li><b>Where it flows</b>: attention followed through all layers, before and after.</li>
<li><b>How far it looks</b>: near, at middle distance or far.</li></ul>
<p class="aside">Ids left empty compare the pair that comes with this page: a small English encoder, and the same encoder
tuned to tell good film reviews from bad ones. It needs no network.</p></section>
"""

_HEAD = re.compile(r"\bL\d+\.H\d+\b")
_QUOTED = re.compile("‘(.+?)’")

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


def progress_html(step: Step) -> str:
    """What is being done, with a bar; the bar has no length where the end can't be seen."""
    length = f' value="{step.done}" max="{step.total}"' if step.total else ""
    count = f": {step.done} of {step.total}" if step.total else " …"
    return (
        f'<div class="status busy" role="status"><progress aria-label="progress"{length}></progress>'
        f"<span>{escape(step.name)}{count}</span></div>"
    )


def note_html(text: str) -> str:
    """A quiet line, such as that the work was cancelled."""
    return f'<div class="status" role="status">{escape(text)}</div>'


def error_html(text: str) -> str:
    """The sentence that says what could not be done; it stays until the next question."""
    return f'<div class="status error" role="alert">{escape(text)}</div>'


def verdict_html(comparison: Comparison) -> str:
    """The verdict, its first sentence emphasised, and the receipt."""
    first, stop, rest = comparison.verdict.removesuffix(NO_YARDSTICK).partition(". ")
    aside = f'<p class="aside">{NO_YARDSTICK}</p>' if comparison.verdict.endswith(NO_YARDSTICK) else ""
    chips = [_chip(check) for check in comparison.checks]
    chips += [f'<li class="care">{escape(text)}</li>' for text in CAUTIONS]
    lead = f'<p class="lead"><strong>{_marked(first + stop.strip())}</strong> {_marked(rest)}</p>'
    return (
        f'<section class="verdict">{lead}{aside}'
        f'<ul class="chips" aria-label="checks and cautions">{"".join(chips)}</ul>{_receipt(comparison)}</section>'
    )


def _marked(text: str) -> str:
    """Escaped text with heads and tokens set off; a token's own direction marks end with it."""
    heads = _HEAD.sub(lambda found: f"<b>{found[0]}</b>", escape(text, quote=False))
    return _QUOTED.sub(lambda found: f"‘<bdi>{found[1]}</bdi>’", heads)


def _chip(check: Check) -> str:
    if check.name == ALIGNED and not check.passed:
        return f'<li class="care" title="{escape(check.detail)}">tokens differ: compared by what they share</li>'
    kind = "care" if check.is_note else "good" if check.passed else "bad"
    mark = "" if check.is_note else "✓ " if check.passed else "✗ "
    label = check.detail if check.is_note else _label(check)
    return f'<li class="{kind}" title="{escape(check.detail)}">{mark}<bdi>{escape(label)}</bdi></li>'


def _label(check: Check) -> str:
    return "note" if check.is_note else check.name.replace("_", " ")


def _receipt(comparison: Comparison) -> str:
    rows = [("base", _checkpoint(comparison.base)), ("tuned", _checkpoint(comparison.tuned))]
    rows.append(("text", shorten(comparison.text, TEXT_SHOWN, placeholder=" …")))
    rows += _read(comparison)
    rows.append(("attention", KINDS[comparison.attention]))
    rows.append(("computed by", " · ".join(dict.fromkeys(_PATHS[side.attention_path] for side in sides(comparison)))))
    rows.append(("aligned by", _alignment(comparison)))
    rows.append(("tokens", _tokens(comparison)))
    rows.append(("not measured", _not_measured(comparison)))
    checks = [check for check in comparison.checks if check.name != ALIGNED]
    rows += [(_label(check), ("" if check.passed else "FAILED: ") + check.detail) for check in checks]
    lines = "".join(f"<dt>{escape(name)}</dt><dd><bdi>{escape(detail)}</bdi></dd>" for name, detail in rows)
    return f"<details><summary>Receipt: what was compared, and what was checked</summary><dl>{lines}</dl></details>"


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
    blank = {
        METRICS[name].title: int(np.isnan(values).sum()) for name, values in comparison.heads.items() if name in METRICS
    }
    every = comparison.heads["jsd_bits"].size
    parts = [f"{title} ({'all' if count == every else count} heads)" for title, count in blank.items() if count]
    if comparison.rollout is None:
        parts.append(f"Rollout ({comparison.rollout_omitted})")
    if comparison.outputs.kind == "none":
        parts.append("Answers (these models give none)")
    return "; ".join(parts) or "nothing: every number of every head was measured"


def _checkpoint(info: CheckpointInfo) -> str:
    revision = f"@{info.revision[:12]}" if info.revision else ""
    kind = f"{info.model_class}, an adapter" if info.adapter else info.model_class
    return f"{info.id}{revision} · {kind} · {info.dtype} on {info.device} · weights {info.content_hash}"
