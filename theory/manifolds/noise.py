"""Second moments under gradient noise of variance sigma^2 about a minimum, in a direction of rate h:

theta <- (1 - g_t h) theta - g_t sigma xi_t, xi_t independent, mean 0, variance 1 (any law).
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive, times
from theory.manifolds.schedules import Schedule

MOST_STEPS = 10**7


def second_moments(schedule: Schedule, h: float, sigma: float, start: float, steps: int) -> Float[Array, " times"]:
    """E theta_t^2, t = 0 ... steps, from E theta_0^2 = start: m <- (1 - g h)^2 m + g^2 sigma^2, exact.

    Raises:
        InvalidArgument: a start or steps below 0, more than ten million steps, or moments that are not finite.
    """
    inside("steps", steps, 0, MOST_STEPS)
    moments = [inside("start", start, 0, np.inf, "[)")]
    for g in schedule(np.arange(steps, dtype=float)):
        moments.append((1 - g * h) ** 2 * moments[-1] + (g * sigma) ** 2)
    return entries_inside("moments", moments)


def stationary(g: float, h: float, sigma: float) -> float:
    """g sigma^2 / (h (2 - g h)) under a constant step: it does not vanish.

    Raises:
        InvalidArgument: g h not in (0, 2) or h not above 0, where there is no stationary law.
    """
    inside("g h", g * h, 0, 2, "()")
    positive("h", h)
    return g * inside("sigma", sigma, 0, np.inf, "[)") * sigma / h / (2 - g * h)


def harmonic(schedule: Schedule, h: float, sigma: float, t: Float[Array, "*times"]) -> Float[Array, "*times"]:
    """c^2 sigma^2 / ((2 c h - 1) (t + a - (1 + c h) / 2)) for large t under g = c / (t + a), up to a share of order
    1 / t^2, and what t^(1 - 2 c h) leaves of the start.

    Raises:
        InvalidArgument: another q than 1; 2 c h <= 1, where the start decides, and the decay is slower than 1 / t;
            times before the law's pole, (1 + c h) / 2 - a.
    """
    c, a, t = schedule.c, schedule.a, times(t)
    inside("q", schedule.q, 1, 1)
    positive("2 c h - 1", 2 * c * h - 1)
    inside("min t", t.min(), (1 + c * h) / 2 - a, np.inf, "(]")
    noise = inside("c sigma", c * sigma, 0, np.inf, "[)")
    return noise / (2 * c * h - 1) * (noise / (t + a - (1 + c * h) / 2))
