"""What is left of the start after k steps: P_k = prod_{j < k} (1 - lambda_j), k of any shape."""

import numpy as np
from jaxtyping import Float, Real
from scipy.special import xlog1py

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside

Steps = Real[np.ndarray | np.number, "*steps"] | int | float
Share = Float[Array, "*steps"]


def counted(k: Steps) -> Share:
    """k as floating-point numbers.

    Raises:
        InvalidArgument: a negative or NaN number of steps; so does every function below.
    """
    return entries_inside("k", k, 0, np.inf, "[]")


def none(k: Steps) -> Share:
    """lambda_j = 0: the method itself, which keeps all of it."""
    return np.ones_like(counted(k))


def harmonic(k: Steps) -> Share:
    """lambda_j = 1/(j + 2): P_k = 1/(k + 1)."""
    return 1 / (counted(k) + 1)


def inverse_square(k: Steps) -> Share:
    """lambda_j = 1/(j + 2)^2: P_k = (k + 2) / (2 (k + 1)), which tends to 1/2 and not to 0."""
    return 0.5 + 0.5 / (counted(k) + 1)


def constant(weight: float, k: Steps) -> Share:
    """lambda_j = weight: P_k = (1 - weight)^k.

    Raises:
        InvalidArgument: a weight outside [0, 1].
    """
    if inside("weight", weight, 0, 1) == 0:
        return none(k)
    return np.exp(xlog1py(counted(k), -weight))
