r"""A penalty in place of the constraint: minimisers of 1/2 |R - T|_F^2 + lambda |R R^T - I|_F^k, k = 2 and 1.

With T = P diag(s) Q^T, s > 0, they are R = P diag(r) Q^T; the functions map s (d,) to r (d,).
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, positive

NEWTON_STEPS = 80  # at most: enough from any start to the right of the root, where the cubic is convex
LARGEST = 1e100  # singular value whose square, times a weight, is still a float
NEXT_TO_IT = 1e-12  # of the threshold: there r - 1 is of that size too


def squared_penalty_minimiser(s: Float[Array, " d"], weight: float) -> Float[Array, " d"]:
    """Largest root r of (r - s) + 4 lambda r (r^2 - 1) = 0, which is never 1: r^2 - 1 ~ (s - 1) / (4 lambda).

    Raises:
        InvalidArgument: a weight or a singular value that is not above 0.
    """
    positive("weight", weight), entries_inside("s", s, 0, np.inf)
    a, b = 4 * weight, 1 - 4 * weight
    least = s / b if b > 0 else np.inf
    r = np.sqrt(max(-b / a, 0)) + np.minimum(np.cbrt(s) / np.cbrt(a), least)  # at the root or to the right of it
    for _ in range(NEWTON_STEPS):
        step = (a * r * r * r + b * r - s) / (3 * a * r * r + b)
        r = r - step
        if (np.abs(step) <= EPS * r).all():
            break
    return r


def limiting_defect(s: Float[Array, " d"]) -> float:
    """Limit of lambda |R R^T - I|_F for the squared penalty at large lambda: |s - 1|_2 / 4.

    Raises:
        InvalidArgument: a singular value that is not above 0; so does `threshold`.
    """
    return _length(entries_inside("s", s, 0, np.inf) - 1) / 4


def threshold(s: Float[Array, " d"]) -> float:
    """Weight |s - 1|_2 / 2 from which on the unsquared penalty makes R the orthogonal matrix nearest to T."""
    return _length(entries_inside("s", s, 0, np.inf) - 1) / 2


def unsquared_penalty_minimiser(s: Float[Array, " d"], weight: float) -> Float[Array, " d"]:
    """Root r of (r - s) + 2 lambda r (r^2 - 1) / |r^2 - 1|_2 = 0 below the threshold; 1 from it on.

    That is the squared penalty's equation at weight kappa / 2, with lambda = kappa |r^2 - 1|_2 = |(s - r) / 2 r|_2.

    Raises:
        InvalidArgument: a weight that is not above 0, a singular value outside (0, 1e100].
    """
    entries_inside("s", s, 0, LARGEST, "(]")
    if positive("weight", weight) >= threshold(s) * (1 - NEXT_TO_IT):
        return np.ones_like(s)
    if weight < EPS / 4:  # |r - s| / r = 2 lambda |r^2 - 1| / |r^2 - 1|_2, at most 2 lambda
        return np.array(s, dtype=float)

    def excess(log_kappa: float) -> float:
        kappa = float(np.exp(log_kappa))
        r = squared_penalty_minimiser(s, kappa / 2)
        # Equal where r is the root; of the differences the larger has lost fewer digits.
        pull = np.where(np.abs(s - r) > np.abs(r - 1), (s - r) / (2 * r), kappa * (r - 1) * (r + 1))
        return _length(pull) - weight

    low = float(np.log(weight) - np.log(_length((s - 1) * (s + 1))))  # r^2 - 1 is smaller than s^2 - 1
    high = low + 1
    while excess(high) < 0:
        high += 2 * (high - low)
    return squared_penalty_minimiser(s, float(np.exp(brentq(excess, low - 1, high, xtol=1e-14))) / 2)


def _length(x: Array) -> float:
    """|x|_2, whose squares may be no floats."""
    return float(np.hypot.reduce(x))
