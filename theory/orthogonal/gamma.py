"""Quotients of gamma functions without the cancellation that the difference of two logarithms has."""

import numpy as np
from scipy.special import polygamma, psi

from theory.core.validation import inside, positive

LARGE = 16.0  # from here on Stirling's series, as far as it is taken, is exact to rounding
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2


def log_quotient(x: float, r: float) -> float:
    """log(Gamma(x - r) / Gamma(x)), 0 <= r < x.

    Raises:
        InvalidArgument: another r or x, here and below.
    """
    return excess(x, r) - r * float(np.log(x))


def excess(x: float, r: float) -> float:
    """log(Gamma(x - r) / Gamma(x)) + r log x, which tends to 0 for large x; 0 <= r < x."""
    inside("r", r, 0, positive("x", x), "[)")
    steps = np.arange(max(0.0, np.ceil(LARGE - (x - r))))
    y = x + len(steps)
    above = (y - r - 0.5) * np.log1p(-r / y) + r + _stirling(y - r) - _stirling(y)
    at = x + steps
    logarithms = np.log1p(-r / at) if 2 * r < x else np.log((x - r + steps) / at)  # x - r is exact where r is near x
    return float(above - r * np.log(y / x) - logarithms.sum())


def second_difference(x: float, r: float) -> float:
    """log(Gamma(x) Gamma(x - 2 r) / Gamma(x - r)^2), 0 <= 2 r < x: about r^2 psi'(x - r) for small r.

    It is r^2 times the mean of psi' over [x - 2 r, x] with the weight of a hat, for which Gauss' rule is exact to
    rounding while the pole at 0 is far; where it is near nothing cancels.
    """
    inside("2 r", 2 * r, 0, positive("x", x), "[)")
    if 4 * r > x:
        return excess(x, 2 * r) - 2 * excess(x, r)
    at = x - r + r * np.multiply.outer([1, -1], NODES)
    squared_psi = (r / at) ** 2 + r * polygamma(1, at + 1) * r  # r^2 psi'(at) without its pole
    return float((WEIGHTS * (1 - NODES) * squared_psi).sum())


def harmonic(n: float) -> float:
    """1 + 1/2 + ... + 1/n, and what lies between; n >= 0."""
    return float(psi(inside("n", n, 0, np.inf, "[)") + 1) + np.euler_gamma)


def _stirling(x: float) -> float:
    """log Gamma(x) - (x - 1/2) log x + x - log(2 pi) / 2."""
    y = float(x) ** -2.0
    return (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - y * 691 / 360360))))) / x
