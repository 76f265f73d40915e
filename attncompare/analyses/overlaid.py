"""Which attention an attribution is laid over: the mean of all heads, the rollout, or one head, as people name them."""

import re
from typing import Any

from attncompare.analyses.attribution import Attribution
from attncompare.attention import head_name
from attncompare.errors import BadInput

_HEAD = re.compile(r"l(\d+)\.?h(\d+)", re.IGNORECASE | re.ASCII)


def overlaid(record: Attribution, which: str) -> dict[str, Any]:
    """``mean``, ``rollout`` or a head such as ``L3.H9``, as keywords of :func:`attncompare.plots.overlay`.

    Raises:
        BadInput: none of these, or the record has no such attention.
    """
    named = judged(which)
    if named["of"] == "rollout" and record.looks["tuned"].rollout is None:
        raise BadInput("There is no rollout to lay the attribution over: choose mean, or a head such as L3.H9.")
    if named["of"] == "head":
        layers, heads = record.layers, record.tau["tuned"].shape[1]
        if named["layer"] not in layers or named["head"] >= heads:
            raise BadInput(
                f"{head_name(named['layer'], named['head'])} does not exist: these models have layers {layers[0]} to "
                f"{layers[-1]} with heads 0 to {heads - 1}."
            )
    return named


def judged(which: Any) -> dict[str, Any]:
    """The same before there is a record: whether such a name can mean anything.

    >>> judged("L3.H9")
    {'of': 'head', 'layer': 3, 'head': 9}

    Raises:
        BadInput: it can't.
    """
    if which in ("mean", "rollout"):
        return {"of": which}
    if isinstance(which, str) and (found := _HEAD.fullmatch(which.strip())):
        return {"of": "head", "layer": int(found[1]), "head": int(found[2])}
    raise BadInput(f"An attribution can't be laid over {which!r:.40}: choose mean, rollout, or a head such as L3.H9.")
