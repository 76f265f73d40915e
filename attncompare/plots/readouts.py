"""The number that was asked about, in words; and whether base and tuned may stand on one scale. Knows nothing about layout.

Under a borrowed head the base's numbers are small or large for reasons of the head: then each model has its own scale, and
differences are of shares.
"""

from dataclasses import replace

import numpy as np

from attncompare.analyses.ablation import Ablation
from attncompare.analyses.attribution import Attribution
from attncompare.analyses.erasure import Erasure
from attncompare.analyses.patching import Patching
from attncompare.plots.colors import furthest
from attncompare.plots.labels import readable

Asked = Ablation | Attribution | Erasure | Patching

_ANSWER = 12.0  # longest answer in a picture, in ems


def answer(record: Asked) -> str:
    """The answer as a reader can see it."""
    return readable(record.readout.answer, _ANSWER)


def asked(record: Asked) -> str:
    """What is read out of both models: ``logit(negative) − logit(positive)``."""
    against = record.readout.against
    shown = replace(
        record.readout,
        answer=answer(record),
        against=None if against is None else readable(against, _ANSWER),
    )
    return shown.name


def is_borrowed(record: Asked) -> bool:
    """Whether the base's numbers come from the base body under the tuned model's head."""
    return record.readout.base_head == "borrowed"


def called(record: Asked, side: str) -> str:
    """The name of a side where its numbers stand."""
    return "base (borrowed head)" if side == "base" and is_borrowed(record) else side


def reach(record: Asked, base: np.ndarray, tuned: np.ndarray) -> tuple[float, float]:
    """How far from 0 the scales of base and tuned go: the same unless the head is borrowed."""
    if is_borrowed(record):
        return furthest(base), furthest(tuned)
    far = furthest(base, tuned)
    return far, far


def scales(record: Asked) -> str:
    """A sentence about the scales of both models."""
    return "Each model has its own scale." if is_borrowed(record) else "Both models share one scale."


def shares(values: np.ndarray) -> np.ndarray:
    """Sizes as shares of their sum; NaN where there is nothing to share or nothing was measured."""
    sizes = np.abs(np.asarray(values, float))
    total = np.nansum(sizes)
    return sizes / total if total > 0 else np.full(sizes.shape, np.nan)


def amount(value: float) -> str:
    """A readout in few characters, with a true minus.

    >>> amount(-0.0845), amount(3.8737), amount(float("nan"))
    ('−0.08', '3.87', 'not measured')
    """
    if not np.isfinite(value):
        return "not measured"
    return (f"{value:.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.1g}").replace("-", "−")


def fixed(value: float, far: float, sign: str = "+") -> str:
    """A value with as many decimals as all values beside it, of which the furthest from 0 is ``far``.

    >>> fixed(-0.034, 2.7), fixed(0.0641, 0.064), fixed(-0.2, 140.0), fixed(3e-9, 2e-8), fixed(0.07, 1.9, "")
    ('−0.03', '+0.064', '0', '+3e-09', '0.07')
    """
    ten = int(np.floor(np.log10(far))) if far > 0 else 0
    places = max(2 - ten, 0) if ten >= 0 else 1 - ten
    text = f"{value:{sign}{f'.{places}f' if places <= 4 else '.0e'}}"
    if not float(text):
        return text.lstrip("+-")
    return text.replace("-", "−", 1) if value < 0 else text
