"""What a training records where something passes a level, between its records."""

import numpy as np

from theory.core.arrays import Array

POINTS = 6  # through which runs the polynomial: with steps of h it is off by O(h^6)


def at_passage(x: Array, level: Array | float, values: Array) -> Array:
    """`values` (T, ...) where x (T, ...) has first risen to the level (...), as a polynomial in x through six records.

    All three broadcast; NaN where x is not so far by the last record but two, or has been from the first three on.
    """
    x, values = np.broadcast_arrays(x - np.asarray(level), values)
    first = (x >= 0).argmax(0)
    inside = (first >= POINTS // 2) & (first <= len(x) - POINTS // 2)
    around = np.where(inside, first, POINTS // 2) + np.arange(-POINTS // 2, POINTS // 2).reshape(-1, *[1] * first.ndim)
    near, there = np.take_along_axis(x, around, 0), np.take_along_axis(values, around, 0)
    apart = near - near[:, None] + np.eye(POINTS).reshape(POINTS, POINTS, *[1] * first.ndim) * near
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = (near / apart).prod(1)  # Lagrange's at 0
        return np.where(inside, (weights * there).sum(0), np.nan)
