r"""Gradient descent of a chain beyond the edge of stability, eta g > 2: two-cycles of every depth, then chaos.

A balanced chain, all weights w, that a step takes to r w and the next back to w, r > 1, has

    A = eta sigma w^(2L-2) = (r - 1) (r^(L-1) + 1) / (r^(L-1) (r^L - 1)),    B = eta sigma s w^(L-2) = r - 1 + A,

so w^L = s A / B and the learning rate eta sigma s^(2 - 2/L) = A^(2/L - 1) B^(2 - 2/L), which is eta g / L. One step of
a chain that is almost balanced multiplies its imbalance by r_t (2 - r_t), r_t = w_(t+1) / w_t: the cycle by

    r (2 - r) (2 - 1/r) / r = (2 - r) (2 r - 1) / r,

at every depth. At depth 2, a = eta sigma s and u = (eta sigma)^(1/2) w, a step of a balanced chain is
u -> u (1 + a - u^2): r + 1/r = 1 + a on the two-cycle, and u = 2 sin theta -> 2 sin 3 theta at a = 2.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq

from theory.chain.problem import Chain
from theory.core.arrays import Array
from theory.core.validation import entries_inside, inside, reject

GOLDEN = float((1 + np.sqrt(5)) / 2)
FORGETS_BELOW = GOLDEN**2  # of r: there imbalances are multiplied by -1, at every depth
LARGEST_RATIO = 100.0
MOST_TRIPLINGS = 33  # of an angle of 16 digits: then none is left
LARGEST_ANGLE = 1e3

Ratio = Float[Array, "*runs"] | float


def cycle_learning_rate(chain: Chain, r: Ratio) -> Ratio:
    """eta at which a balanced chain goes from w to r w and back: 2 / g at r = 1, and growing with r.

    Raises:
        InvalidArgument: a chain of one weight, a ratio outside [1, 100], a learning rate beyond the floats.
    """
    with np.errstate(over="ignore"):
        eta = chain.L / chain.g * np.exp(_log_strength(chain.L, _log_ratio(chain, r)))
    if not np.isfinite(eta).all():
        reject("r", r, "a ratio whose learning rate is a number")
    return eta


def cycle_ratio(chain: Chain, eta: Ratio) -> Ratio:
    """r >= 1 of the two-cycle at this learning rate.

    Raises:
        InvalidArgument: a chain of one weight, a learning rate below 2 / g, where there is none, or one whose ratio is
            above 100.
    """
    lowest, highest = 2 / chain.g, cycle_learning_rate(chain, LARGEST_RATIO)
    eta = entries_inside("eta", eta, lowest, highest, "[]")

    def log_ratio(strength: float) -> float:
        excess = lambda log_r: float(_log_strength(chain.L, log_r) - strength)  # noqa: E731
        top = np.log(LARGEST_RATIO) + 1e-9
        return 0.0 if excess(0.0) >= 0 else float(brentq(excess, 0, top, xtol=1e-15, rtol=1e-14))

    found = np.array([log_ratio(float(strength)) for strength in np.ravel(np.log(eta * chain.g / chain.L))])
    return np.minimum(np.exp(found), LARGEST_RATIO).reshape(eta.shape)[()]


def cycle_weight(chain: Chain, r: Ratio) -> Ratio:
    """w, the smaller weight of the two-cycle w, r w: omega (A / B)^(1/L). Raises as `cycle_learning_rate`."""
    A, B = _log_forces(chain.L, _log_ratio(chain, r))
    return chain.omega * np.exp((A - B) / chain.L)


def imbalance_multiplier(r: Ratio) -> Ratio:
    """(2 - r) (2 r - 1) / r = 5 - 2 (r + 1/r): of a small imbalance in the two steps of a cycle, at every depth.

    Above -1, the imbalance dies out, if r is below the square of the golden ratio.

    Raises:
        InvalidArgument: a ratio outside [1, 100].
    """
    r = entries_inside("r", r, 1, LARGEST_RATIO, "[]")
    return (2 - r) * (2 * r - 1) / r


def cycle_multiplier(chain: Chain, r: Ratio) -> Ratio:
    """Of a small displacement along the balanced chains in the two steps of a cycle, f(A, B) f(r^(2L-2) A, r^(L-2) B)
    with f = 1 - (2L - 1) A + (L - 1) B: 1 at the edge r = 1, below -1 once the cycle doubles. Raises as
    `cycle_learning_rate`."""
    log_r = _log_ratio(chain, r)
    A, B = _log_forces(chain.L, log_r)
    slope = lambda A, B: 1 - (2 * chain.L - 1) * np.exp(A) + (chain.L - 1) * np.exp(B)  # noqa: E731
    with np.errstate(over="ignore", invalid="ignore"):
        found = slope(A, B) * slope(A + (2 * chain.L - 2) * log_r, B + (chain.L - 2) * log_r)
    if not np.isfinite(found).all():
        reject("r", r, "a ratio whose powers are numbers")
    return found


def doubling_ratio(chain: Chain) -> float:
    """r at which the two-cycle doubles, `cycle_multiplier` = -1: the golden ratio at depth 2.

    Raises:
        InvalidArgument: a chain of one weight.
    """
    # As L grows, L log r tends to 0.534; at depth 2 it is 0.962.
    low, high = np.exp(0.1 / chain.L), np.exp(2.0 / chain.L)
    return float(brentq(lambda r: cycle_multiplier(chain, r) + 1, low, high, xtol=1e-15, rtol=1e-14))


def chaotic_weights(chain: Chain, angle: Float[Array, "*runs"], steps: Int[Array, " times"]) -> Array:
    """w (times, *runs) of a balanced chain of depth 2 after t steps of eta = 2 / (sigma s): (2 s)^(1/2) sin(3^t theta).

    The product p = w^2 has the arcsine law on (0, 2 s), and so the means s of p and s^2 / 4 of (s - p)^2 / 2.

    Raises:
        InvalidArgument: a depth other than 2, an angle outside [-1000, 1000], more than 33 steps.
    """
    _require_depth_2(chain)
    angle = entries_inside("angle", angle, -LARGEST_ANGLE, LARGEST_ANGLE, "[]")
    entries_inside("steps", steps, 0, MOST_TRIPLINGS, "[]")
    return np.sqrt(2 * chain.s) * np.sin(np.multiply.outer(3.0**steps, angle))


def orbit_exponents(a: float, u: Float[Array, " runs"], skipped: int, steps: int) -> Float[Array, " runs"]:
    """log|1 - E^2| (runs,) averaged over `steps` steps of the orbits u -> u (1 + a - u^2) that begin `skipped` steps
    after u: rate at which a balanced chain of depth 2 forgets its imbalance, E = u^2 - a.

    On the two-cycle it is log|3 - 2 a| / 2, at a = 2 it is 0. It is counted as log|1 - a + u^2|, to which the other
    factor |1 + a - u^2| = |u+ / u| adds nothing in the long run.

    Raises:
        InvalidArgument: a outside (0, 2], a u outside (0, (2 + a)^(1/2)], no step.
    """
    inside("a", a, 0, 2, "(]")
    u = entries_inside("u", u, 0, np.sqrt(2 + a), "(]")
    inside("skipped", skipped, 0, 10**6, "[]")
    inside("steps", steps, 1, 10**6, "[]")
    total = np.zeros_like(u)
    for step in range(skipped + steps):
        if step >= skipped:
            total += np.log(np.maximum(np.abs(1 - a + u**2), np.finfo(float).tiny))
        u = np.clip(u * (1 + a - u**2), -np.sqrt(2 + a), np.sqrt(2 + a))  # rounding takes no orbit out
    return total / steps


def _log_ratio(chain: Chain, r: Ratio) -> Array:
    if chain.L < 2:
        reject("chain.L", chain.L, "two weights or more: one has no two-cycle")
    return np.log(entries_inside("r", r, 1, LARGEST_RATIO, "[]"))


def _log_forces(L: int, log_r: Array | float) -> tuple[Array, Array]:
    """log A and log B of the two-cycle, without differences that lose digits."""
    # (r - 1) / (r^L - 1) is 1 over the sum of r^0, ..., r^(L-1).
    falling = np.exp(-np.multiply.outer(np.arange(L), log_r)).sum(0)
    A = np.log1p(np.exp((1 - L) * log_r)) - (L - 1) * log_r - np.log(falling)
    return A, np.log(np.expm1(log_r) + np.exp(A))


def _log_strength(L: int, log_r: Array | float) -> Array:
    """log of eta g / L = eta sigma s^(2 - 2/L) = A^(2/L - 1) B^(2 - 2/L)."""
    A, B = _log_forces(L, log_r)
    return (2 / L - 1) * A + (2 - 2 / L) * B


def _require_depth_2(chain: Chain) -> None:
    if chain.L != 2:
        reject("chain.L", chain.L, "2")
