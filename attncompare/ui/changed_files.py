"""What can be taken from the tab *What changed*: the whole comparison with the grid, layers, movers."""

from typing import Any

import pandas as pd

from attncompare import plots
from attncompare.analyses.comparison import Comparison
from attncompare.analyses.noise import Noise
from attncompare.plots.layers import PARTS
from attncompare.ui.one_head import place
from attncompare.ui.questions import Answer
from attncompare.ui.taking import Take


def take_heads(answer: Answer | None, yardstick: Noise | None, metric: str, opened: str) -> Take | None:
    """The grid with the open head outlined, one line a head, and the whole comparison."""
    if answer is None:
        return None
    result = answer.beside(yardstick)
    row, head = place(answer, opened)
    selected = result.layers[row], head
    return Take("heads", lambda: plots.heads(result, metric, selected=selected), result.frame, result.to_dict)


def take_layers(answer: Answer | None, yardstick: Noise | None, opened: str) -> Take | None:
    """The divergence of every layer."""
    if answer is None:
        return None
    result = answer.beside(yardstick)

    def frame() -> pd.DataFrame:
        columns = ["jsd_bits", *PARTS, "floor_jsd_bits"]
        return result.frame().groupby("layer", as_index=False, sort=False)[columns].mean()

    return Take("layers", lambda: plots.layers(result), frame, lambda: _numbers(result, "layers", frame()))


def take_movers(answer: Answer | None, yardstick: Noise | None, opened: str) -> Take | None:
    """What every head lost and gained most."""
    if answer is None:
        return None
    result = answer.beside(yardstick)

    def frame() -> pd.DataFrame:
        return pd.DataFrame(
            [
                (mover.layer, mover.head, key, result.key_tokens[key].text, change)
                for mover in result.movers
                for key, change in (*mover.lost, *mover.gained)
            ],
            columns=["layer", "head", "key", "token", "change"],
        )

    return Take("movers", lambda: plots.movers(result), frame, lambda: _numbers(result, "movers", frame()))


def _numbers(result: Comparison, name: str, frame: pd.DataFrame) -> dict[str, Any]:
    """A table as JSON values, and what it is of; what was not measured is null."""
    values = frame.astype(object)
    return {
        "base": result.base.to_dict(),
        "tuned": result.tuned.to_dict(),
        "text": result.text,
        "attention": result.attention,
        "level": result.level,
        name: values.where(values.notna(), None).to_dict("records"),
    }
