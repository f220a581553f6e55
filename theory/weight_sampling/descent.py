"""Noisy descent on a quadratic: its stationary variance and correlations."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Real

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive, reject

Counts = Real[np.ndarray | np.number, "*#counts"] | int | float  # of steps, samples or epochs, shapes that broadcast
Numbers = Float[Array, "*counts"]
SMALLEST, LARGEST = 1e-50, 1e50  # of h, eta and s: their ratios and squares are numbers


@dataclass(frozen=True)
class Descent:
    """w <- w - eta (h w + xi), Var xi = s^2.

    Raises:
        InvalidArgument: h or eta not above 0, s below 0, or eta h not below 2, where descent diverges.
    """

    h: float
    eta: float
    s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("h", "eta"):
            inside(name, positive(name, getattr(self, name)), SMALLEST, LARGEST)
        inside("s", self.s, 0, LARGEST)
        inside("eta h", self.eta * self.h, 0, 2, "()")

    @property
    def rho(self) -> float:
        """1 - eta h: what a step keeps of w."""
        return 1 - self.eta * self.h


def kept(descent: Descent, k: Counts) -> Numbers:
    """rho^k: what k steps keep of the start, and the correlation of weights k steps apart.

    Raises:
        InvalidArgument: k is no whole number of at least 0; infinity asks for the limit.
    """
    sign, log_size = _sign_and_log(descent, k)
    return sign * np.exp(log_size)


def forgotten(descent: Descent, k: Counts) -> Numbers:
    """1 - rho^k, with all of its digits however slow descent is. Raises as `kept`."""
    sign, log_size = _sign_and_log(descent, k)
    return np.where(sign < 0, 1 + np.exp(log_size), -np.expm1(log_size))


def _sign_and_log(descent: Descent, k: Counts) -> tuple[Array, Array]:
    """Sign of rho^k, and log |rho|^k."""
    k = whole("k", k)
    odd = np.fmod(np.where(np.isinf(k), 0.0, k), 2) == 1
    with np.errstate(divide="ignore", invalid="ignore"):
        # 1 - |rho| is eta h, or 2 - eta h where descent overshoots.
        log_rho = np.log1p(-min(descent.eta * descent.h, 2 - descent.eta * descent.h))
        return np.where(odd & (descent.rho < 0), -1.0, 1.0), np.where(k == 0, 0.0, k * log_rho)


def variance(descent: Descent) -> float:
    """V = eta s^2 / (h (2 - eta h)), the fixed point of V = rho^2 V + eta^2 s^2."""
    return descent.eta * descent.s**2 / (descent.h * (2 - descent.eta * descent.h))


def heavy_ball_variance(descent: Descent, beta: float) -> float:
    """eta s^2 (1 + beta) / (h (1 - beta) (2 (1 + beta) - eta h)): of v <- beta v + h w + xi, w <- w - eta v.

    Raises:
        InvalidArgument: beta outside [0, 1).
    """
    beta, product = inside("beta", beta, 0, 1, "[)"), descent.eta * descent.h
    return descent.eta * descent.s**2 * (1 + beta) / (descent.h * (1 - beta) * (2 * (1 + beta) - product))


def whole(name: str, value: Counts, least: int = 0) -> Array:
    """`value` as numbers if all of them are whole, of at least `least`; infinity is one.

    Raises:
        InvalidArgument: they are not.
    """
    numbers = entries_inside(name, value, least, np.inf, "[]")
    finite = numbers[np.isfinite(numbers)]
    if (finite != np.round(finite)).any():
        reject(name, finite[finite != np.round(finite)].flat[0], f"whole numbers of at least {least}")
    return numbers
