"""Names beside marks, placed so that no two overlap. Pixels only; knows nothing about what is named."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_DISTANCES = (6.0, 16.0, 28.0, 42.0, 58.0, 76.0)
_ANGLES = tuple(np.deg2rad([0, 180, 35, -35, 145, -145, 90, -90, 65, -65, 115, -115]).tolist())


class Box(NamedTuple):
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, others: np.ndarray) -> np.ndarray:
        """Pixels that it shares with each of ``others[box, side]``."""
        if not len(others):
            return np.zeros(0)
        wide = np.minimum(self.right, others[:, 2]) - np.maximum(self.left, others[:, 0])
        tall = np.minimum(self.bottom, others[:, 3]) - np.maximum(self.top, others[:, 1])
        return np.where((wide > 0) & (tall > 0), wide * tall, 0.0)


def placed(
    centers: Sequence[tuple[float, float]],
    radii: Sequence[float],
    sizes: Sequence[tuple[float, float]],
    marks: np.ndarray,
    room: Box,
    taken: Sequence[Box] = (),
) -> list[Box | None]:
    """A box for each name, the first named first; None where there is no place that touches no other name, nor ``taken``.

    ``marks[box, side]`` are what names should not cover (the marks that are named, and others): a place is the better the
    less it covers, then the nearer it is.
    """
    taken = list(taken)
    found: list[Box | None] = []
    for center, radius, size in zip(centers, radii, sizes, strict=True):
        best: tuple[float, Box] | None = None
        names = np.array(taken, float).reshape(-1, 4)
        for distance in _DISTANCES:
            for angle in _ANGLES:
                spot = _box(center, radius + distance, angle, size)
                if not _inside(spot, room) or spot.overlap(names).any():
                    continue
                cost = float(spot.overlap(marks).sum()) + 1.2 * distance
                if best is None or cost < best[0]:
                    best = cost, spot
        found.append(best[1] if best else None)
        taken += [best[1]] if best else []
    return found


def _box(center: tuple[float, float], away: float, angle: float, size: tuple[float, float]) -> Box:
    """A box of ``size`` whose nearest edge is ``away`` from the center, in the direction of ``angle``."""
    x, y = center[0] + away * float(np.cos(angle)), center[1] - away * float(np.sin(angle))
    left = x - size[0] * (1 - float(np.cos(angle))) / 2
    top = y - size[1] * (1 + float(np.sin(angle))) / 2
    return Box(left, top, left + size[0], top + size[1])


def _inside(spot: Box, room: Box) -> bool:
    return room.left <= spot.left and spot.right <= room.right and room.top <= spot.top and spot.bottom <= room.bottom
