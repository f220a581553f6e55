"""How far a network is from its pseudo-network, f - f(start) - g: neurons that change their pattern (ours).

The pre-activation z = w_r(0) . x + b_r is Gaussian with deviation tau m^(-1/2), tau^2 = |x|^2 + `bias`. A neuron that
moves by h = (w_r - w_r(0)) . x adds relu(z + h) - relu(z) - h 1{z >= 0} = (|h| - |z|)_+ if h takes z past 0, else 0,
times a_r = +-m^(-1/3). Here each neuron moves R m^(-2/3), and h is `along` = v . x times that.
"""

import numpy as np
from jaxtyping import Float
from scipy import special

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive

TAU = float(np.sqrt(2))  # |x| = 1, and biases that vary like the weights
SMALL = 0.1  # of h / deviation, where the closed form of a square cancels
NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
Widths = Float[Array, "*#m"] | float


def common_error(R: float, along: float, m: Float[Array, "*#m"] | float, tau: float = TAU) -> Float[Array, "*#m"]:
    """Mean error where all neurons with a_r > 0 move R m^(-2/3) v, at every width: exact.

    Tends to (R along)^2 m^(-1/6) / (4 tau sqrt(2 pi)).

    Raises:
        InvalidArgument: here and below, an R below 0 or beyond 1e50, an along beyond that size, a width that is not
            above 0 or beyond 1e100, a tau that is not in [1e-50, 1e50].
    """
    h, deviation, m = _reaches(R, along, m, tau)
    return np.power(m, 2 / 3) / 2 * _passed(h, deviation)


def worst_error(R: float, length: float, m: Float[Array, "*#m"] | float, tau: float = TAU) -> Float[Array, "*#m"]:
    """Mean of the largest error at x, |x| = length, of weights within R m^(-2/3) of the start: exact, at every width.

    Neurons with a_r > 0 move to the side that takes them past 0, the others do not: twice `common_error`, since it
    passes from both sides.
    """
    return 2 * common_error(R, length, m, tau)


def symmetric_variance(R: float, along: float, m: Float[Array, "*#m"] | float, tau: float = TAU) -> Float[Array, "*#m"]:
    """Mean square of the error where neurons move a_r / |a_r| R m^(-2/3) v, as gradients do; its mean is 0: exact.

    Tends to |R along|^3 m^(-7/6) / (3 tau sqrt(2 pi)).
    """
    h, deviation, m = _reaches(R, along, m, tau)
    return np.cbrt(m) * _passed_squared(h, deviation)


def sufficient_width(R: float, error: float, tau: float = TAU) -> float:
    """The width from which the limit of `worst_error` at length 1 is below `error`: (R^2 / (2 tau sqrt(2 pi) error))^6.

    Raises:
        InvalidArgument: see `common_error`; an error that is not above 0.
    """
    R, tau = inside("R", R, 0, 1e50), inside("tau", tau, 1e-50, 1e50)
    with np.errstate(over="ignore"):
        return float(np.float64(R**2 / (2 * tau * np.sqrt(2 * np.pi)) / positive("error", error)) ** 6)


def _reaches(R: float, along: float, m: Widths, tau: float) -> tuple[Array, Array, Array]:
    """|h|, the deviation of z, and the widths."""
    m = entries_inside("m", m, 0, 1e100, "(]")
    reach = inside("R", R, 0, 1e50) * abs(inside("along", along, -1e50, 1e50))
    return reach * np.power(m, -2 / 3), inside("tau", tau, 1e-50, 1e50) / np.sqrt(m), m


def _passed(h: Array, deviation: Array) -> Array:
    """E (h - z) 1{0 <= z < h} of a Gaussian z."""
    u = h / deviation
    return deviation * (u * special.erf(u / np.sqrt(2)) / 2 + np.expm1(-(u**2) / 2) / np.sqrt(2 * np.pi))


def _passed_squared(h: Array, deviation: Array) -> Array:
    """E (h - z)^2 1{0 <= z < h}: by quadrature where h is small, where the closed form cancels."""
    u = h / deviation
    half, fall = special.erf(u / np.sqrt(2)) / 2, np.exp(-(u**2) / 2)
    closed = (u**2 + 1) * half + (2 * u * np.expm1(-(u**2) / 2) - u * fall) / np.sqrt(2 * np.pi)
    s = (1 + NODES) / 2
    inner = np.exp(-((np.minimum(u, SMALL)[..., None] * s) ** 2) / 2) @ (WEIGHTS / 2 * (1 - s) ** 2)
    return deviation**2 * np.where(u < SMALL, u**3 * inner / np.sqrt(2 * np.pi), closed)
