r"""A penalty in place of the constraint: minimisers of 1/2 |R - T|_F^2 + lambda |R R^T - I|_F^k, k = 2 and 1.

With T = P diag(s) Q^T, s > 0, they are R = P diag(r) Q^T; the functions map s (d,) to r (d,).
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from theory.core.arrays import EPS, Array
from theory.core.validation import positive

NEWTON_STEPS = 80  # at most: enough from any start to the right of the root, where the cubic is convex
NEXT_TO_IT = 1e-12  # of the threshold: there r - 1 is of that size too


def squared_penalty_minimiser(s: Float[Array, " d"], weight: float) -> Float[Array, " d"]:
    """Largest root r of (r - s) + 4 lambda r (r^2 - 1) = 0, which is never 1: r^2 - 1 ~ (s - 1) / (4 lambda).

    Raises:
        InvalidArgument: a weight that is not above 0.
    """
    positive("weight", weight)
    r = np.maximum(s, 1.0)
    for _ in range(NEWTON_STEPS):
        step = (r - s + 4 * weight * r * (r**2 - 1)) / (1 + 4 * weight * (3 * r**2 - 1))
        r = r - step
        if (np.abs(step) <= EPS * r).all():
            break
    return r


def limiting_defect(s: Float[Array, " d"]) -> float:
    """Limit of lambda |R R^T - I|_F for the squared penalty at large lambda: |s - 1|_2 / 4."""
    return float(np.linalg.norm(s - 1)) / 4


def threshold(s: Float[Array, " d"]) -> float:
    """Weight |s - 1|_2 / 2 from which on the unsquared penalty makes R the orthogonal matrix nearest to T."""
    return float(np.linalg.norm(s - 1)) / 2


def unsquared_penalty_minimiser(s: Float[Array, " d"], weight: float) -> Float[Array, " d"]:
    """Root r of (r - s) + 2 lambda r (r^2 - 1) / |r^2 - 1|_2 = 0 below the threshold; 1 from it on.

    That is the squared penalty's equation at weight kappa / 2, with lambda = kappa |r^2 - 1|_2 = |(s - r) / 2 r|_2.

    Raises:
        InvalidArgument: a weight that is not above 0.
    """
    if positive("weight", weight) >= threshold(s) * (1 - NEXT_TO_IT):
        return np.ones_like(s)

    def excess(log_kappa: float) -> float:
        r = squared_penalty_minimiser(s, float(np.exp(log_kappa)) / 2)
        return float(np.linalg.norm((s - r) / (2 * r))) - weight

    return squared_penalty_minimiser(s, float(np.exp(brentq(excess, -60, 60, xtol=1e-14))) / 2)
