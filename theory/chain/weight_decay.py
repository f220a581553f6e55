r"""Weight decay, w_l' = sigma (s - p) q_l - gamma w_l: what it forgets and what it costs. Reconstructed; ours.

It forgets: D_ij(t) = D_ij(0) e^(-2 int_0^t gamma), exactly. It is biased: at constant gamma, s - p tends to about
(gamma / sigma) s^(2/L - 1). And no schedule avoids both. From p' = sigma (s - p) sum q_l^2 - L gamma p,

    L int_0^T gamma p dt = int_0^T sigma (s - p) sum q_l^2 dt - (p(T) - p(0)):

to forget takes int gamma = inf, which forces int (s - p) = inf.
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, minimize_scalar

from theory.chain import gradient_flow
from theory.chain.problem import Chain
from theory.core.arrays import EPS, Array
from theory.core.validation import inside, positive, reject


def velocity(
    chain: Chain, w: Float[Array, "*runs L"], gamma: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs L"]:
    """w_l' = sigma (s - p) q_l - gamma w_l."""
    return gradient_flow.velocity(chain, w) - np.expand_dims(np.asarray(gamma), -1) * w


def equilibrium(chain: Chain, gamma: float) -> float:
    """Product at the stable equilibrium: the largest root of sigma (s - u) u^(1 - 2/L) = gamma.

    Raises:
        InvalidArgument: gamma is negative, or above the collapse threshold, where only w = 0 is left.
    """
    inside("gamma", gamma, 0, collapse_threshold(chain))
    if chain.L == 1:
        return chain.s / (1 + gamma / chain.sigma)
    force = lambda u: chain.sigma * (chain.s - u) * u ** (1 - 2 / chain.L) - gamma  # noqa: E731
    if force(_strongest(chain)) <= 0:
        return _strongest(chain)  # at the threshold, up to rounding
    return float(brentq(force, _strongest(chain), chain.s, xtol=1e-300, rtol=4 * EPS))


def collapse_threshold(chain: Chain) -> float:
    """gamma above which every start ends at w = 0: the maximum of sigma (s - u) u^(1 - 2/L), at u = s (L-2)/(2L-2)."""
    if chain.L == 1:
        return np.inf
    return chain.sigma * chain.s * chain.L / (2 * chain.L - 2) * _strongest(chain) ** (1 - 2 / chain.L)


def _strongest(chain: Chain) -> float:
    return chain.s * (chain.L - 2) / (2 * chain.L - 2)


def small_bias(chain: Chain, gamma: float) -> float:
    """s - u to first order in gamma: (gamma / sigma) s^(2/L - 1)."""
    return gamma / chain.sigma * chain.s ** (2 / chain.L - 1)


def distance_per_gamma(chain: Chain) -> float:
    """|w - w*| / gamma of the equilibrium as gamma -> 0: sqrt(L) omega / g.

    The bias (gamma / sigma) omega^(2 - L) of the product, shared by L weights: dp = L omega^(L - 1) dw.
    """
    return chain.L**0.5 * chain.omega / chain.g


def best_fixed_time(chain: Chain, w: Float[Array, " L"], epsilon: float) -> float:
    """Time to |w - w*| = epsilon under the best constant gamma, as epsilon -> 0.

    kappa gamma of the distance is bias; across it, what is left of the imbalance, A e^(-2 gamma t) with
    A = |w^2 - mean w^2| / (2 omega). So gamma takes the time log(A / (epsilon^2 - kappa^2 gamma^2)^(1/2)) / (2 gamma),
    and the best gamma about (kappa / 2) (1 / epsilon) log(1 / epsilon).

    Raises:
        InvalidArgument: a balanced start, which has nothing to forget, or an infinite one; epsilon not in (0, A).
    """
    A = float(np.linalg.norm(w**2 - (w**2).mean()) / (2 * chain.omega))
    if not 0 < A < np.inf:
        reject("w", w, "finite weights that differ: a balanced start has nothing to forget")
    inside("epsilon", epsilon, 0, A, "()")
    # gamma = theta epsilon / kappa; theta -> 1 as epsilon -> 0.
    scaled_time = lambda theta: np.log(A / (epsilon * np.sqrt(1 - theta**2))) / theta  # noqa: E731
    best = minimize_scalar(scaled_time, bounds=(1e-3, 1 - 1e-12), method="bounded", options={"xatol": 1e-10})
    return float(distance_per_gamma(chain) / (2 * epsilon) * best.fun)


def annealed_time(chain: Chain, k: float, epsilon: float) -> float:
    """Time to |w - w*| = epsilon under gamma = k / (1 + t), as epsilon -> 0: kappa k / epsilon.

    D falls as t^(-2k), the bias as 1/t.

    Raises:
        InvalidArgument: k is not above 1/2, where the imbalance falls faster than the bias.
    """
    inside("k", k, 0.5, np.inf, "()")
    return distance_per_gamma(chain) * k / positive("epsilon", epsilon)
