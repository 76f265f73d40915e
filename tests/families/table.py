"""docs/families.md: what the sweep over all model types measures, as a table for users.

Write it with ``python -m tests.families``; a test compares the committed page with the sweep.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import transformers

from attncompare.models import rules, tap
from attncompare.models.calls import HARMLESS, LayerCall, own_attention
from tests.families.configs import NOT_BUILT, model_types
from tests.families.measure import SOURCE, Family, agreement, family, text

PAGE = Path(__file__).parents[2] / "docs" / "families.md"

BY_NAME = {
    "ALiBi": ("bloom", "mpt"),
    "differential attention": ("diffllama",),
    "convolutions beside attention": ("convbert",),
    "relative positions in the scores": ("deberta", "deberta-v2", "mpnet", "xlnet"),
    "local and global layers": ("gpt_neo",),
    "keys chosen by content": ("doge", "qwen4_exp", "qwen4_exp_text"),
}
"""Mechanisms that a pass does not show: those of the dense way, and masks that depend on the text."""

KINDS = {"self": "encoder", "decoder": "decoder", "cross": "cross"}


@dataclass(frozen=True)
class Row:
    """One line of the table of types."""

    name: str
    route: str
    difference: float | None
    mechanisms: tuple[str, ...]
    note: str
    function: str
    """Source of the attention function, normalised: families with equal ones run the same code under another name."""


def row(name: str) -> Row:
    """Measure one type."""
    if name in NOT_BUILT:
        return Row(name, "not tried", None, (), NOT_BUILT[name], "")
    found = family(name)
    if found.reason:
        return Row(name, "unsupported", None, (), found.reason.partition("can't be read: ")[2].rstrip("."), "")
    measured = agreement(found)
    return Row(name, found.route, measured.rows, mechanisms(found), _note(found), _function(found))


def mechanisms(found: Family) -> tuple[str, ...]:
    """What is particular about a family's attention, observed on a text or known by name."""
    calls = _calls(found)
    config, tapped = found.model.config.get_text_config(), [call for _, call in calls if isinstance(call, LayerCall)]
    ratios = {call.query.shape[1] // call.key.shape[1] for call in tapped if call.key.shape[1] != call.query.shape[1]}
    options = {key for call in tapped for key, value in call.options.items() if value is not None}
    windows = set() if found.name in BY_NAME["keys chosen by content"] else _windows(calls)
    observed = {
        "encoder-decoder": "decoder_input_ids" in text(found.model),
        "grouped keys": any(call.key.shape[1] > 1 for call in tapped if call.key.shape[1] != call.query.shape[1]),
        "one key head": bool(ratios) and any(call.key.shape[1] == 1 for call in tapped),
        "soft-capping": "softcap" in options,
        "logit sink": any(place.null for place in found.layout),
        "position bias": "position_bias" in options,
        "sliding window": windows == {True},
        "local and global layers": windows == {True, False},
        "multi-latent attention": getattr(config, "kv_lora_rank", None) is not None,
        "mixture of experts": any("expert" in key.lower() for key, _ in found.model.named_modules()),
        "layers without attention": found.layout[-1].layer >= len(found.layout) and found.layout[0].attention == "self",
        "shared layers": len({id(call.module) for call in tapped}) < len(tapped),
        "sparse indexer": rules.SELECTION_TEST in inspect.getsource(sys.modules[type(found.model).__module__]),
    }
    named = [word for word, names in BY_NAME.items() if found.name in names]
    return tuple(sorted({*named, *(word for word, present in observed.items() if present)}))


def page(rows: list[Row]) -> str:
    """The whole page."""
    exact = [row for row in rows if row.difference is not None]
    tapped, dense = ([row for row in exact if (row.route == "dense") is way] for way in (False, True))
    others = [row for row in rows if row.difference is None]
    lines = [
        *_head(len(rows), len(tapped), len(dense), len(others)),
        *_mechanism_table(exact),
        f"\nMany families are one architecture under several names: the {len(tapped)} types on the tap run",
        f"**{len({row.function for row in tapped})} distinct attention functions** (of equal source and options), and the",
        f"{len(dense)} on the dense way {len({row.function for row in dense})}.\n",
        "## Every model type\n",
        "| model type | read by | largest difference | interventions | particular about it |",
        "| --- | --- | --- | --- | --- |",
        *(_line(row) for row in exact),
        "\n## Not readable, and why\n",
        "| model type | why |",
        "| --- | --- |",
        *(f"| `{row.name}` | {row.note} |" for row in others),
    ]
    return "\n".join(lines) + "\n"


def committed() -> dict[str, str]:
    """The way that the committed page states for each type; an empty string for those that can't be read."""
    lines = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {cells[1].strip(" `"): cells[2].strip() if len(cells) > 5 else "" for cells in lines}


def _head(types: int, tapped: int, dense: int, others: int) -> list[str]:
    return textwrap.dedent(f"""\
        # Which models can be compared

        transformers {transformers.__version__} knows {types} model types that complete, fill in or translate text (its
        mappings for causal, masked and sequence-to-sequence language models). attncompare reads {tapped + dense} of them
        exactly: {tapped} through the tap, {dense} the dense way. For each of the other {others} the last table says why not.

        A tiny model of each type with random weights, scaled so that its attention is far from uniform, reads a text of
        {SOURCE} tokens. Our rows are compared with what the family's own eager code returns
        (`output_attentions=True`, float32): the largest difference of any weight must stay below 1e-5, rows must sum to
        1, nothing may fall on a masked position, and the model's output must be that of the untouched model. What is
        decided here for a type is checked again on every model when it is loaded.

        - **tap**: rows are computed from queries and keys block by block, with the family's own function, while the model
          runs its fast attention (SDPA). Memory grows with the length of the text. Heads can be changed (patched, ablated).
        - **tap-own**: the same for families without SDPA support, which run their own eager function.
        - **dense**: the family has attention code of its own. It returns all weights at once, so memory grows with the
          square of the text; heads can't be changed.

        Written by `python -m tests.families`; a test keeps it true.

        ## Mechanisms

        | mechanism | model types | for example | read by | largest difference |
        | --- | --- | --- | --- | --- |""").splitlines()


def _mechanism_table(exact: list[Row]) -> list[str]:
    by_word: dict[str, list[Row]] = defaultdict(list)
    for measured in exact:
        for word in measured.mechanisms or ("none of these",):
            by_word[word].append(measured)
    return [
        f"| {word} | {len(rows)} | {', '.join(f'`{row.name}`' for row in rows[:4])} "
        f"| {', '.join(sorted({row.route for row in rows}))} | {_short(max(row.difference or 0 for row in rows))} |"
        for word, rows in sorted(by_word.items(), key=lambda item: (item[0] == "none of these", item[0]))
    ]


def _short(difference: float | None) -> str:
    return f"{difference:.0e}" if difference else "0"


def _line(measured: Row) -> str:
    particular = "; ".join([*measured.mechanisms, *([measured.note] if measured.note else [])])
    possible = "no" if measured.route == "dense" else "yes"
    return f"| `{measured.name}` | {measured.route} | {_short(measured.difference)} | {possible} | {particular} |"


def _note(found: Family) -> str:
    """Which of an encoder-decoder's attentions can't be read."""
    kinds = {place.attention for place in found.layout}
    missing = [word for kind, word in KINDS.items() if kind not in kinds]
    return (
        f"{' and '.join(missing)} attention not readable"
        if "decoder_input_ids" in text(found.model) and missing
        else ""
    )


def _calls(found: Family) -> list:
    calls: list = []
    tap.record(found.model, text(found.model), found.layout, lambda place, call: calls.append((place, call)))
    return calls


def _windows(calls: list) -> set[bool]:
    """Whether self-attention layers see less than every token (up to themselves), over the tapped layers."""
    found = set()
    for place, call in calls:
        if place.attention != "cross" and isinstance(call, LayerCall):
            every = call.visible(0, call.queries).new_ones(call.queries, call.keys)
            every = every.tril() if place.causal else every
            visible = call.visible(0, call.queries)[:, : call.key.shape[2]]
            found.add(not bool((visible == every[:, : call.key.shape[2]]).all()))
    return found


def _function(found: Family) -> str:
    """The source of what computes the attention, without names and comments, and the options that it is called with."""
    calls = _calls(found)
    if isinstance(calls[0][1], LayerCall):
        sources = {_normalised(own_attention(call.module)) for _, call in calls}
        given = {key for _, call in calls for key, value in call.options.items() if value is not None}
        return "".join(sorted(sources)) + str(sorted(given - HARMLESS))
    attention = [module for module in found.model.modules() if "Attention" in type(module).__name__]
    inner = [module for module in attention if not any(child in attention for child in list(module.modules())[1:])]
    return "".join(sorted({_normalised(type(module).forward) for module in inner}))


def _normalised(function: object) -> str:
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list, node.returns = [], None
            for argument in [*node.args.args, *node.args.kwonlyargs, *filter(None, [node.args.kwarg])]:
                argument.annotation = None
            if isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
                node.body = node.body[1:]
    return re.sub(r"\b[A-Z]\w+", "Name", ast.unparse(tree))


def write() -> None:
    """Measure every type and write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page([row(name) for name in model_types()]))
