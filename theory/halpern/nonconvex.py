"""Networks of several layers under norm-minimising descent: T is not nonexpansive, so no theorem says where it ends.

What is forgotten is known all the same: anchoring to 0 with weight lambda multiplies every imbalance by (1 - lambda)^2,
so the flow with regularisation c / (1 + t) leaves (1 + t)^(-2 c) of it. Chains of scalar weights (`theory.chain`) then
end at the solution of least norm, or at the origin, which is a fixed point too:

    w_l' = sigma (s - p) q_l - c w_l / (1 + t).                                                      (All of it ours.)
"""

import numpy as np
from jaxtyping import Float

from theory.chain.problem import Chain, imbalance_after_step
from theory.core.arrays import Array
from theory.core.linear_networks import Layers, imbalances
from theory.core.validation import positive, reject, times

Number = Float[Array, "*#shape"] | float


def imbalances_after_halpern(W: Layers, G: Layers, eta: float, weight: Float[Array, "*#runs"] | float) -> list[Array]:
    """D_l after W_l <- (1 - lambda) (W_l - eta G_l), G_l the gradients: (1 - lambda)^2 (D_l(W) + eta^2 D_l(G)).

    D_l = W_{l+1}^T W_{l+1} - W_l W_l^T, the whole matrix of a linear network, its diagonal with ReLUs between layers;
    exact, for any loss and any examples in the step, because <W_l, G_l> is the same for both layers of a neuron.
    """
    kept = (1 - np.asarray(weight)[..., None, None]) ** 2
    return [kept * (D + eta**2 * change) for D, change in zip(imbalances(W), imbalances(G))]


def imbalance_after_halpern(
    w: Float[Array, "*runs L"], force: Float[Array, "*#runs"], weight: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs L_minus_1"]:
    """Imbalance after w_l <- (1 - lambda) (w_l + force q_l): (1 - lambda)^2 times that after the step of descent."""
    return (1 - np.expand_dims(np.asarray(weight), -1)) ** 2 * imbalance_after_step(w, force)


def collapse_threshold(chain: Chain, c: float) -> float:
    """((c (L - 2) - 1) / ((L - 2) sigma s))^(1 / (L - 2)): balanced chains that start below it end at w = 0.

    u = (1 + t)^c w grows only at u' <= sigma s u^(L - 1) (1 + t)^(-c (L - 2)), whose integral is finite.

    Raises:
        InvalidArgument: c (L - 2) at most 1: regularisation fades too early to hold any start down.
    """
    exponent = _exponent(chain, c)
    return (exponent / ((chain.L - 2) * chain.sigma * chain.s)) ** (1 / (chain.L - 2))


def collapse_bound(chain: Chain, c: float, w: Number, t: Number) -> Number:
    """Upper bound on a balanced chain's weight from a start w below the threshold:

    w(t) <= w (1 + t)^-c [1 - (w / threshold)^(L - 2) (1 - (1 + t)^(1 - c (L - 2)))]^(-1 / (L - 2)).

    Tight while p is small against s. From a start above the threshold it is inf from some t on. Raises as
    `collapse_threshold`.
    """
    share = (np.asarray(w) / collapse_threshold(chain, c)) ** (chain.L - 2)
    t = times(t)
    left = (1 - share) + share * np.exp(-_exponent(chain, c) * np.log1p(t))
    # At infinity nothing is left of a start that is not above the threshold.
    late = np.isinf(t) & (share <= 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = w * (1 + t) ** -c * np.maximum(left, 0) ** (-1 / (chain.L - 2))
    return np.where(late, 0.0, np.where(left <= 0, np.inf, bound))


def _exponent(chain: Chain, c: float) -> float:
    """c (L - 2) - 1 > 0."""
    exponent = positive("c", c) * (chain.L - 2) - 1
    if not exponent > 0:
        reject("c (L - 2)", exponent + 1, "a number above 1")
    return exponent
