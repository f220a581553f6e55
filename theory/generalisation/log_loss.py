r"""The loss of a linear classifier on new examples, as its size rho grows: where its error stays, its loss does not.

The teacher is without noise, x ~ N(0, I), theta the angle to it. Of margins rho t the part that depends on theta is
linear in rho, whatever the loss does near 0:

    E log(1 + e^(-rho t)) = rho (1 - cos theta) / sqrt(2 pi) + J(rho),
    J(rho) = 2 int_0^inf phi(t) log(1 + e^(-rho t)) dt = pi^2 / (6 sqrt(2 pi) rho) + O(rho^-3)

since |t| has the law of |N(0, 1)| and t^- the mean (1 - cos theta) / sqrt(2 pi). The error is theta / pi at every rho.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import expit

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside

NODES, PANELS = 40, np.arange(9) * 5.0  # of Gauss and Legendre's rule: beyond 40 phi(t) or e^(-rho t) is below 1e-17
SMALLEST_ANGLE = 1e-7  # its best size is 10^7


def log_loss(size: Float[Array, "*runs"], angle: Float[Array, "*#runs"]) -> Float[Array, "*runs"]:
    """E log(1 + e^(-rho t)) of a classifier of this size at this angle from the teacher.

    Raises:
        InvalidArgument: a size below 0 or beyond 1e100, an angle outside [0, pi].
    """
    size = entries_inside("size", size, 0, 1e100, "[]")
    return size * slope_of_angle(angle) + _on_the_right_side(size)


def slope_of_angle(angle: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """(1 - cos theta) / sqrt(2 pi): by how much the loss of a large classifier grows with its size.

    Raises:
        InvalidArgument: an angle outside [0, pi].
    """
    return 2 * np.sin(entries_inside("angle", angle, 0, np.pi, "[]") / 2) ** 2 / np.sqrt(2 * np.pi)


def best_size(angle: float | int) -> float:
    """rho* at which the loss is least: (1 - cos theta) / sqrt(2 pi) = -J'(rho).

    Raises:
        InvalidArgument: an angle not in [1e-7, pi / 2): at a right angle and beyond, the best size is 0; at 0 there is
            none.
    """
    inside("angle", angle, SMALLEST_ANGLE, np.pi / 2, "[)")
    slope = float(slope_of_angle(np.asarray(float(angle))))
    guess = large_best_size(angle)  # it is too small, by less than 1/2 of itself and 1

    def excess(log_rho: float) -> float:
        return float(np.log(_fall(np.exp(log_rho)) / slope))

    highest = np.log(guess) + 1e-9
    lowest = highest - 1.0
    while excess(lowest) < 0:
        lowest -= 1.0
    while excess(highest) > 0:
        highest += 1.0
    return float(np.exp(brentq(excess, lowest, highest, xtol=1e-13, rtol=1e-14)))


def large_best_size(angle: float | int) -> float:
    """pi / sqrt(6 (1 - cos theta)): the best size of small angles, about sqrt(3) pi / (3 theta).

    Raises:
        InvalidArgument: an angle not in [1e-7, pi].
    """
    inside("angle", angle, SMALLEST_ANGLE, np.pi, "[]")
    return float(np.pi / (np.sqrt(12) * np.sin(angle / 2)))


def large_log_loss(size: Float[Array, "*runs"], angle: Float[Array, "*#runs"]) -> Float[Array, "*runs"]:
    """rho (1 - cos theta) / sqrt(2 pi) + pi^2 / (6 sqrt(2 pi) rho): the loss up to O(rho^-3).

    Raises:
        InvalidArgument: a size outside [1e-100, 1e100], an angle outside [0, pi].
    """
    size = entries_inside("size", size, 1e-100, 1e100, "[]")
    return size * slope_of_angle(angle) + np.pi**2 / (6 * np.sqrt(2 * np.pi)) / size


def _rule(size: Array) -> tuple[Array, Array, Array]:
    """t, weights times phi(t), and rho t: in units of 1 / max(1, rho), in which either factor falls."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(PANELS)[:, None] / 2
    u, du = (PANELS[:-1, None] + half * (1 + nodes)).ravel(), (half * weights).ravel()
    unit = 1 / np.maximum(size, 1)[..., None]
    t = u * unit
    return t, 2 * du * unit * np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi), size[..., None] * t


def _on_the_right_side(size: Array) -> Array:
    """J(rho): the loss were every example on its right side."""
    _, weights, margins = _rule(np.asarray(size))
    return (weights * np.log1p(np.exp(-margins))).sum(-1)


def _fall(size: Array) -> Array:
    """-J'(rho) = 2 int_0^inf phi(t) t / (1 + e^(rho t)) dt."""
    t, weights, margins = _rule(np.asarray(size))
    return (weights * t * expit(-margins)).sum(-1)
