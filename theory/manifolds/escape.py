"""Whether noise takes a chain away from the minimum at which it starts: w <- Exp_w(-g_t (G + xi_t)), E |xi_t|^2 = 1.

The noise that tests a schedule jumps: xi_t = +-u / g_t, |u| = 1, with probability g_t^2, and 0 else. A jump has length
1 however small the step, and its probabilities sum up to sum g_t^2 (Borel and Cantelli).
"""

import numpy as np
from scipy.special import zeta

from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject, times
from theory.manifolds.schedules import Schedule, remaining
from theory.manifolds.steps import normaliser

MOST_STEPS = 10**7


def stays(schedule: Schedule, t: Array | float, variance: float = 1.0) -> Array | float:
    """Probability prod_{s < t} (1 - v g_s^2) that none of the first t steps jumps; q = 0, 1/2 or 1, t = inf included.

    It is above 0 at t = inf where sum g_t^2 is finite, and 0 where it is not.

    >>> stays(Schedule(c=1.0, a=2.0, q=1.0), np.array([0.0, 1.0, np.inf])).round(12).tolist()
    [1.0, 0.75, 0.5]

    Raises:
        InvalidArgument: another q, a variance below 0, a first step at which v g^2 is no probability, or what
            `schedules.remaining` refuses.
    """
    if schedule.q not in (0, 0.5, 1):
        reject("q", schedule.q, "0, 1/2 or 1")
    inside("v", variance, 0, np.inf, "[)")
    first = float(schedule(0.0))
    inside("v g_0^2", variance * first * first, 0, 1)
    squares = Schedule(schedule.c * schedule.c, schedule.a, 2 * schedule.q)
    return remaining(squares, variance, t)


def sum_of_squares(schedule: Schedule, t: float) -> float:
    """sum_{s < t} g_s^2, t = inf included; infinite there for q <= 1/2.

    Raises:
        InvalidArgument: a time that is negative, NaN or not whole, more than ten million steps, a sum beyond a float.
    """
    if not schedule.averages_noise and t == np.inf:
        return float(np.inf)
    if t == np.inf:
        scaled = schedule.c * zeta(2 * schedule.q, schedule.a) * schedule.c
        return inside("sum of g^2", float(scaled), 0, np.inf, "[)")
    steps = inside("t", float(times(t)), 0, MOST_STEPS)
    if steps != int(steps):
        reject("t", t, "a whole number of steps")
    return float(entries_inside("sum of g^2", np.square(schedule(np.arange(steps))).sum()))


def leaving_bound(squares: float, dimensions: int, sigma: float, radius: float) -> float:
    """k sigma^2 sum g_s^2 / radius^2 >= P(sup d >= radius), from the minimum, for any noise of variance sigma^2 in each
    of k tangent directions and mean 0, where curvature is at least 0 and steps without noise do not lead away.

    d_t^2 + k sigma^2 sum_{s >= t} g_s^2, stopped where it leaves, is a supermartingale (Ville's inequality).

    Raises:
        InvalidArgument: squares or sigma below 0, a radius or dimensions not above 0.
    """
    inside("squares", squares, 0, np.inf)
    inside("sigma", sigma, 0, np.inf, "[)")
    share = sigma / positive("radius", radius)
    return min(1.0, float(np.nan_to_num(positive_integer("dimensions", dimensions) * share * squares * share, nan=0.0)))


def normalised_jump(g: Array | float, rho: float, c: float) -> Array | float:
    """Length of the jump that is left under the normaliser of FG-SGD: about g^2, and at most that.

    g R / gfrak = 1 / gfrak(1 / g); their sum is below sum g_t^2, so that nothing leaves where that is small.

    Raises:
        InvalidArgument: a step not above 0 or infinite, rho or c below 0 or infinite.
    """
    entries_inside("g", g, 0, np.inf, "()")
    return 1 / normaliser(1 / np.asarray(g, dtype=float), rho, c)
