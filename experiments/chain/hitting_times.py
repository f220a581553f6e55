"""When a distance comes below an accuracy for good."""

import numpy as np
from scipy.interpolate import CubicSpline

from theory.core.arrays import Array


def hitting_time(t: Array, distances: Array, epsilon: float) -> float:
    """When a distance (T,) is last above epsilon: the last crossing of the cubic spline of its logarithm.

    Infinite if it still is above at the end.
    """
    if distances[-1] > epsilon:
        return np.inf
    above = np.flatnonzero(distances > epsilon)
    if above.size == 0:
        return 0.0
    near = slice(max(above[-1] - 3, 0), above[-1] + 5)
    roots = CubicSpline(t[near], np.log(distances[near] / epsilon)).roots(extrapolate=False)
    return float(roots[(roots >= t[above[-1]]) & (roots <= t[above[-1] + 1])][-1])


def hitting_times(t: Array, distances: Array, epsilons: Array | tuple[float, ...]) -> Array:
    """The same for several accuracies, shape (len(epsilons),)."""
    return np.array([hitting_time(t, distances, epsilon) for epsilon in epsilons])
