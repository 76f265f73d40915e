"""What does the output rest on? Attribution of both models' answer to the tokens, beside what attention looks at.

High attention is not an explanation. Attribution says by how much each token moves the answer (which is a claim too, with a
baseline of its own); where a head's attention and attribution agree, the head looks where the output rests.
"""

from dataclasses import dataclass
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd

from attncompare.analyses.looks import Looks
from attncompare.attention import About, Progress, Token
from attncompare.models.pair import Pair
from attncompare.models.reading import Reading
from attncompare.models.readout import Readout

Method = Literal["integrated_gradients", "gradient_x_input", "saliency", "occlusion"]
Erasing = Literal["delete", "mask", "hide"]
"""How a token is taken from a text: deleted, replaced by the mask token, or hidden by the attention mask."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each token moves the answer of both models. Arrays are read-only float32; NaN: not measured."""

    about: About
    readout: Readout
    method: Method
    how: str
    """One sentence: what a token was compared with (the baseline, or how it was taken away)."""
    tokens: tuple[Token, ...]
    """What attribution is of: tokens of the text, or units (words, what two tokenizers share)."""
    base: np.ndarray
    """``[token]``, signed, in the readout's unit; saliency is never negative and has the unit per embedding length."""
    tuned: np.ndarray
    outputs: dict[str, float]
    """The readout on the text: ``base``, ``tuned``."""
    baselines: dict[str, float]
    """The readout on the baseline, NaN without one."""
    steps: dict[str, int | None]
    """Integration steps that were taken on each side; None without integration."""
    errors: dict[str, float]
    """Relative completeness: |sum of attributions - (output - baseline)| / |output - baseline|; NaN without a baseline."""
    looks: dict[str, Looks]
    """``base`` and ``tuned``: what attention looks at from where the answer is read."""
    layers: tuple[int, ...]
    tau: dict[str, np.ndarray]
    """``base``, ``tuned``: ``[layer, head]``, Kendall's tau-b between a head's look and the size of the attribution over the
    content tokens; NaN for fewer than 5 of them, or where either is constant."""
    overlap: dict[str, np.ndarray]
    """``[layer, head]``: share of the ``top`` tokens by the size of attribution that are among the head's ``top``."""
    top: int
    content: tuple[int, ...]
    """The tokens that tau and overlap are over: no special tokens, no sinks."""
    notes: tuple[str, ...]
    """What a reader should know: not converged, borrowed head, too few tokens …"""

    @property
    def delta(self) -> np.ndarray:
        """Tuned minus base, ``[token]``."""
        return self.tuned - self.base

    @property
    def answers(self) -> tuple[str, ...]:
        """What was found, in sentences: the answer first, then what it does not say."""
        raise NotImplementedError

    def frame(self) -> pd.DataFrame:
        """One line per token: token, text, base, tuned, delta, and the looks (mean, rollout) of both."""
        raise NotImplementedError

    def head_frame(self) -> pd.DataFrame:
        """One line per head: layer, head, tau and overlap of both models and their deltas."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON values, ``schema_version`` 1."""
        raise NotImplementedError


def attribution(
    pair: Pair,
    text: str,
    *,
    method: Method = "integrated_gradients",
    answer: str | None = None,
    against: str | None = None,
    baseline: str = "auto",
    erasing: Erasing = "delete",
    progress: Progress | None = None,
    **reading: Unpack[Reading],
) -> Attribution:
    """What both models' answer rests on.

    Args:
        pair: the models. text: what both read; ``reading`` as in :func:`attncompare.compare`.
        method: how.
        answer: a class or a next token; the tuned model's likeliest if not given.
        against: another, whose logit is taken off.
        baseline: of integrated gradients: ``"pad"``, ``"mask"``, ``"unk"``, ``"eos"`` (that token in place of every token
            that is not special), ``"zero"`` (zero embeddings), or ``"auto"``: the first of pad, eos, unk that there is.
        erasing: of occlusion.
        progress: may raise to stop.
    """
    raise NotImplementedError
