r"""Sharpness of where the flow would end, phi(w) = sigma s^2 sum_l 1 / w_l(inf)^2, and what descent makes of it.

A step w_l <- w_l + eta sigma (s - p) q_l multiplies D_ij = w_i^2 - w_j^2 by 1 - c_ij, where c_ij is at most

    C = (eta sigma (s - p) p / (w_(1) w_(2)))^2,        w_(1), w_(2) the two smallest |w_l|.

If p stays positive and C <= 1, sorted gaps shrink and keep their order. With the product fixed, the change of the
sorted w_(l)(inf)^2 then grows less with l and changes its sign once: the new log w(inf)^2 are majorised by the old. So
the sharpness falls, as do |w(inf)|^2 and every other convex symmetric function of the logarithms. At depth 2, where
phi = sigma (D^2 + 4 s^2)^(1/2), it falls exactly if C < 2.

Depth 2 near the edge, delta = 2 (1 - eta sigma s) small: per step, with g = D^2 / (4 s^2) and F = (s - p)^2 / s^2 (of
which descent shows the geometric mean of two successive steps),

    g' = -2 F g,   F' = 2 (g - delta) F - 4 F^2:      F = g - delta/2 - (g_0 - delta/2) (g / g_0)^2,

so it comes to rest where 1/g_0 + 1/g_inf = 2/delta. With eta phi_0 = 2 + u_0 and eta phi_inf = 2 - u this reads

    1/u = 1/u_0 + 1/(1 - eta sigma s).
"""

import numpy as np
from jaxtyping import Float

from theory.chain.gradient_flow import limit
from theory.chain.problem import Chain, product
from theory.core.arrays import Array
from theory.core.validation import entries_inside, reject


def flow_sharpness(chain: Chain, w: Float[Array, "*runs L"]) -> Float[Array, "*runs"] | float:
    """phi = sigma s^2 sum_l 1 / w_l(inf)^2: of 1/2 h^2 where gradient flow from w ends; at least g, its balanced value.

    Raises:
        InvalidArgument: p is not positive, a weight is infinite.

    >>> float(flow_sharpness(Chain(2.0, 2), np.array([2.0, 0.5])).round(8))
    5.48292805
    """
    ends = chain.s / limit(chain, w)
    return chain.sigma * np.square(ends).sum(-1)


def contraction(
    chain: Chain, w: Float[Array, "*runs L"], learning_rate: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs"] | float:
    """C = (eta sigma (s - p) p / (w_(1) w_(2)))^2: the largest c_ij by which a step takes D_ij to (1 - c_ij) D_ij.

    Raises:
        InvalidArgument: fewer than two weights, a learning rate that is not positive and finite.
    """
    if chain.L < 2 or w.shape[-1] != chain.L:
        reject("w.shape", w.shape, f"(..., L) of a chain of at least two weights, here L = {chain.L}")
    rates = entries_inside("learning_rate", learning_rate, 0, np.inf, "()")
    larger = np.sort(np.abs(w), axis=-1)[..., 2:]
    with np.errstate(over="ignore"):
        return np.square(rates * chain.sigma * (chain.s - product(w)) * product(larger))


def landing(
    chain: Chain, learning_rate: Float[Array, "*#shape"] | float, start: Float[Array, "*#shape"] | float
) -> Float[Array, "*shape"] | float:
    """eta phi where descent comes to rest, from a minimum of sharpness eta phi = `start`, disturbed by very little.

    Depth 2, to leading order in 1 - eta sigma s, start - 2 of any size beside it:

        2 - u,    1/u = 1/(start - 2) + 1/(1 - eta sigma s).

    As far below the edge as the start was above it, if that is little; never further than 1 - eta sigma s.

    Args:
        start: above 2 (2 itself stays where it is; infinity is allowed).

    Raises:
        InvalidArgument: a depth other than 2, a learning rate with eta sigma s not between 0 and 1, a start below 2.

    >>> chain = Chain(1.0, 2)
    >>> float(landing(chain, 0.99, 2.01)), float(landing(chain, 0.99, np.inf))
    (1.995, 1.99)
    """
    above = entries_inside("start", start, 2, np.inf, "[]") - 2
    u = _room(chain, learning_rate)
    with np.errstate(divide="ignore"):
        return 2 - 1 / (1 / above + 1 / u)


def amplitude(
    chain: Chain,
    learning_rate: Float[Array, "*#shape"] | float,
    start: Float[Array, "*#shape"] | float,
    g: Float[Array, "*#shape"] | float,
) -> Float[Array, "*shape"] | float:
    """F = (s - p)^2 / s^2 when D^2 / (4 s^2) has come down to g: g - delta/2 - (g_0 - delta/2) (g / g_0)^2.

    Depth 2, to leading order in delta = 2 (1 - eta sigma s); g_0 = delta + start - 2, as for `landing`. Negative for g
    that descent does not reach.

    Raises:
        InvalidArgument: as for `landing`, an infinite start, or a g that is negative or infinite.
    """
    above = entries_inside("start", start, 2, np.inf, "[)") - 2
    g = entries_inside("g", g, 0, np.inf, "[)")
    u = _room(chain, learning_rate)
    g_0 = 2 * u + above
    return g - u - (g_0 - u) * (g / g_0) ** 2


def _room(chain: Chain, learning_rate: Array | float) -> Array:
    """1 - eta sigma s, of a chain of depth 2 whose balanced minima are stable."""
    if chain.L != 2:
        reject("chain.L", chain.L, "depth 2")
    rates = entries_inside("learning_rate", learning_rate, 0, np.inf, "()")
    a = rates * (chain.sigma * chain.s)
    return 1 - entries_inside("eta sigma s", a, 0, 1, "()")
