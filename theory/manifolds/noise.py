"""Second moments under gradient noise of variance sigma^2 about a minimum of curvature D:

theta <- (1 - g_t D) theta - g_t sigma xi_t, xi_t independent, mean 0, variance 1 (any law).
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import inside, positive
from theory.manifolds.schedules import Schedule


def second_moments(schedule: Schedule, D: float, sigma: float, start: float, steps: int) -> Float[Array, " times"]:
    """E theta_t^2, t = 0 ... steps, from E theta_0^2 = start: m <- (1 - g D)^2 m + g^2 sigma^2, exact."""
    moments = [start]
    for g in schedule(np.arange(steps, dtype=float)):
        moments.append((1 - g * D) ** 2 * moments[-1] + (g * sigma) ** 2)
    return np.array(moments)


def stationary(g: float, D: float, sigma: float) -> float:
    """g sigma^2 / (D (2 - g D)) under a constant step: it does not vanish.

    Raises:
        InvalidArgument: g D is not in (0, 2), where there is no stationary law.
    """
    inside("g D", g * D, 0, 2, "()")
    return g * sigma**2 / (D * (2 - g * D))


def harmonic(c: float, D: float, sigma: float, t: Float[Array, "*times"]) -> Float[Array, "*times"]:
    """c^2 sigma^2 / ((2 c D - 1) t), the leading term for large t under g = c / t.

    Raises:
        InvalidArgument: 2 c D <= 1, where the start decides, and the decay is slower than 1 / t.
    """
    positive("2 c D - 1", 2 * c * D - 1)
    return c**2 * sigma**2 / ((2 * c * D - 1) * np.asarray(t))
