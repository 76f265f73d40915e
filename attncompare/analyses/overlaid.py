"""Which attention an attribution is laid over, as people name it: the mean of all heads, the rollout, or one head."""

import re
from typing import Any

from attncompare.errors import BadInput

_HEAD = re.compile(r"l(\d+)\.?h(\d+)", re.IGNORECASE | re.ASCII)


def overlaid(which: Any) -> dict[str, Any]:
    """``mean``, ``rollout`` or a head such as ``L3.H9``, as keywords of :func:`attncompare.plots.overlay`.

    >>> overlaid("L3.H9")
    {'of': 'head', 'layer': 3, 'head': 9}

    Raises:
        BadInput: none of these. Whether there is such a head is found when it is drawn.
    """
    if which in ("mean", "rollout"):
        return {"of": which}
    if isinstance(which, str) and (found := _HEAD.fullmatch(which.strip())):
        return {"of": "head", "layer": int(found[1]), "head": int(found[2])}
    raise BadInput(f"An attribution can't be laid over {which!r:.40}: choose mean, rollout, or a head such as L3.H9.")
