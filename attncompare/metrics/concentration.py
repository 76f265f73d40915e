"""On how many does a sum rest? Knows no head and no token."""

import numpy as np


def carriers(sizes: np.ndarray, share: float = 0.5) -> np.ndarray:
    """The fewest entries whose sizes sum to at least ``share`` of all, as a mask of the same shape; none where all are 0.

    Sizes are never negative; NaN counts as 0.

    >>> carriers(np.array([1.0, 5.0, 2.0, np.nan, 2.0])).tolist()
    [False, True, False, False, False]
    >>> carriers(np.array([1.0, 5.0, 2.0, np.nan, 2.0]), 0.9).tolist()
    [False, True, True, False, True]
    """
    known = np.nan_to_num(np.asarray(sizes, float))
    order = np.argsort(-known, axis=None, kind="stable")
    total = np.cumsum(known.ravel()[order])
    mask = np.zeros(known.size, bool)
    if total[-1] > 0:
        mask[order[: int(np.searchsorted(total, share * total[-1])) + 1]] = True
    return mask.reshape(known.shape)
