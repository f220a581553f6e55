"""The normalised step v = -(g / gfrak) G of fine-grained SGD, and why it approaches a minimiser.

gfrak = max(1, R^2 Gamma)^(1/2), Gamma = max((2 rho + R)^2, 1 + c (rho + R)): our reading of the paper's normaliser.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, inside

TINY = float(np.finfo(float).tiny)  # an absolute tolerance for roots of any size: the relative one is left


def sine(theta: Array) -> Array:
    """sin, and 0 at half turns, of which theta is the nearest float only: what rests there would leave by rounding.

    Raises:
        InvalidArgument: an angle that is not finite.
    """
    found = np.sin(entries_inside("theta", theta))
    return np.where(np.abs(found) <= EPS * np.abs(theta), 0.0, found)


def normaliser(R: Float[Array, "*runs"] | float, rho: float, c: float) -> Float[Array, "*runs"] | float:
    """gfrak >= 1: 1 exactly where the gradient is small, about R (2 rho + R) where it is large.

    Raises:
        InvalidArgument: R, rho or c below 0 or infinite.
    """
    _no_less_than_0(R=R, rho=rho, c=c)
    return np.maximum(1, R * _root_Gamma(R, rho, c))


def _no_less_than_0(**numbers: Array | float) -> None:
    for name, number in numbers.items():
        entries_inside(name, number, 0, np.inf, "[)")


def _root_Gamma(R: Array | float, rho: float, c: float) -> Array | float:
    return np.maximum(2 * rho + R, np.hypot(1, np.sqrt(c) * np.sqrt(rho + R)))


def largest_step(rho: float, c: float) -> float:
    """Greatest R / gfrak over all R: the root of R^2 Gamma = 1, since beyond it R / gfrak = Gamma^(-1/2) falls.

    rho = 0, c = 1: R^3 + R^2 = 1, 0.7549. Every term of R^2 Gamma is at most 1 there, and one of them 1/4 at least.

    Raises:
        InvalidArgument: rho or c below 0 or infinite.
    """
    _no_less_than_0(rho=rho, c=c)
    most = min(1, 1 / (rho + np.hypot(rho, 1)), 1 / np.hypot(1, np.sqrt(c) * np.sqrt(rho)), max(c, 1) ** (-1 / 3))
    return float(brentq(lambda R: R * _root_Gamma(R, rho, c) - 1, most / 4, 2 * most, xtol=TINY))


def zeta(k: float, rho: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """sqrt(k) rho coth(sqrt(k) rho) where curvature is at least -k (Zhang & Sra 2016, lemma 5); 1 at k = 0.

    Raises:
        InvalidArgument: k below 0, or a distance that is not finite.
    """
    x = np.sqrt(inside("k", k, 0, np.inf, "[)")) * entries_inside("rho", rho)
    return np.divide(x, np.tanh(x), out=np.ones_like(x), where=x != 0)


def squared_distance_bound(
    rho: Float[Array, "*runs"], inner: Float[Array, "*runs"], size: Float[Array, "*runs"], weight: Array | float
) -> Float[Array, "*runs"]:
    """d(exp_w v, w*)^2 <= rho^2 - 2 <v, log_w w*> + zeta |v|^2.

    Args:
        rho: d(w, w*).
        inner: <v, log_w w*>.
        size: |v|.
        weight: zeta.

    Raises:
        InvalidArgument: a bound that is not finite.
    """
    return entries_inside("bound", rho**2 - 2 * inner + weight * size**2)
