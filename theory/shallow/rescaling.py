"""Normalised descent whose weights are multiplied by c every S steps (after Wang, Min & Wu 2024; ours).

w <- c w turns nothing and moves tau on; the S steps that follow take what it has enlarged across w_hat down again by
rho^S, rho = max |1 - eta mu| over the curvatures of `transients`. Where w~ across w_hat is small, as it is of duals
that are nearly equal, and all examples are in the span of the support, the direction error falls by c a cycle iff
c rho^S < 1: by less than 1 / rho a step, at best (kappa_M + 1) / (kappa_M - 1), kappa_M = mu_max / mu_min. A w~ that is
not small asks for more: far from the end log L has a slope of bounded size, and S steps do not bring back what c has
moved farther than they go; there the error stalls whatever rho is.

Alternating Minnorm's error falls by (kappa_G^{1/2} + 1) / (kappa_G^{1/2} - 1) a step, kappa_G the condition of the
support's Gram matrix: the border is kappa_M = kappa_G^{1/2}.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.separable import Separable
from theory.core.validation import entries_inside, inside, positive, positive_integer, reject
from theory.shallow.gradient_flow import settled_duals

Numbers = float | int | Float[Array, "*#batch"]


def best_step(mu_min: Numbers, mu_max: Numbers) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """eta = 2 / (mu_min + mu_max), and its rho = (kappa_M - 1) / (kappa_M + 1).

    Raises:
        InvalidArgument: curvatures that are not finite and above 0, or the smallest above the largest.
    """
    entries_inside("mu_min", mu_min, 0)
    entries_inside("mu_max", mu_max, 0)
    low, high = np.asarray(mu_min, dtype=np.float64), np.asarray(mu_max, dtype=np.float64)
    if (low > high).any():
        reject("mu_min", mu_min, f"at most mu_max = {mu_max}")
    share = low / high
    return 2 / high / (1 + share), (1 - share) / (1 + share)


def direction_constant(
    problem: Separable, offset: Float[Array, " d"], learning_rate: float, between: int, factor: float
) -> float:
    """lim tau x direction error, tau that of `clocks.rescaled_clock`, where P w~ is small: gamma |u|,
    u = (I - c N)^{-1} (I - N) P w~, N = (I - eta H)^S, H the curvature at the end. As c rho^S tends to 0 it is
    `gradient_flow.direction_constant`.

    Raises:
        InvalidArgument: a batch of problems; a learning rate not above 0, a factor below 1 or with c rho^S not below 1;
            and as `settled_duals`.
    """
    if problem.Z.ndim != 2:
        reject("problem.Z.shape", problem.Z.shape, "one problem, (n, d)")
    entries_inside("offset", offset)
    eta, c = positive("learning_rate", learning_rate), inside("factor", factor, 1, np.inf, "[)")
    alpha = settled_duals(problem)
    p = alpha / alpha.sum()
    _, values, rows = np.linalg.svd(np.sqrt(p)[:, None] * (problem.Z - p @ problem.Z), full_matrices=False)
    kept = values > max(problem.Z.shape) * EPS * np.linalg.norm(problem.Z, axis=1)[p > 0].max()
    N = (1 - eta * values[kept] ** 2) ** positive_integer("between", between)
    if not (c * np.abs(N) < 1).all():
        reject("factor", factor, f"below {1 / np.abs(N).max():g}, beyond which nothing settles")
    return float(np.linalg.norm((1 - N) / (1 - c * N) * (rows[kept] @ offset)) * problem.margin)


def steps_between(factor: Numbers, rho: Numbers, spare: Numbers) -> Float[Array, "*batch"]:
    """The fewest S with factor x rho^S <= spare; 1 where rho is 0.

    Raises:
        InvalidArgument: a factor that is not above 1, a rho outside [0, 1), a `spare` outside (0, 1).
    """
    entries_inside("factor", factor, 1)
    entries_inside("rho", rho, 0, 1, "[)")
    entries_inside("spare", spare, 0, 1)
    with np.errstate(divide="ignore"):
        needed = (np.log(spare) - np.log(factor)) / np.log(np.asarray(rho, dtype=np.float64))
    return np.maximum(np.ceil(needed), 1)


def steps_for_one_of_minnorm(kappa_M: Numbers, kappa_G: Numbers) -> Float[Array, "*batch"]:
    """Steps of rescaling that turn as much as one of alternating Minnorm, each at its best: above 1, Minnorm is faster.

    log of one contraction over that of the other, arctanh(kappa_G^{-1/2}) / arctanh(1 / kappa_M): about
    kappa_M / kappa_G^{1/2} where both are large, 0 at kappa_M = 1, infinite at kappa_G = 1, 1 at both.

    Raises:
        InvalidArgument: a condition number below 1.
    """
    entries_inside("kappa_M", kappa_M, 1, brackets="[)")
    entries_inside("kappa_G", kappa_G, 1, brackets="[)")
    with np.errstate(divide="ignore", invalid="ignore"):
        slow, fast = (np.arctanh(1 / np.asarray(x, dtype=np.float64)) for x in (kappa_M, np.sqrt(kappa_G)))
        return np.where(np.isinf(slow) & np.isinf(fast), 1.0, fast / slow)
