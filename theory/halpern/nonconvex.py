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
from theory.core.validation import entries_inside, positive, reject, times

LARGEST = float(np.finfo(float).max)

Number = Float[Array, "*#shape"] | float


def imbalances_after_halpern(W: Layers, G: Layers, eta: float, weight: Float[Array, "*#runs"] | float) -> list[Array]:
    """D_l after W_l <- (1 - lambda) (W_l - eta G_l), G_l the gradients: (1 - lambda)^2 (D_l(W) + eta^2 D_l(G)).

    D_l = W_{l+1}^T W_{l+1} - W_l W_l^T, the whole matrix of a linear network, its diagonal with ReLUs between layers;
    exact, for any loss and any examples in the step, because <W_l, G_l> is the same for both layers of a neuron.

    Raises:
        InvalidArgument: imbalances that are not finite.
    """
    kept = (1 - np.asarray(weight)[..., None, None]) ** 2
    moved = imbalances([eta * gradient for gradient in G])
    return [entries_inside("D", kept * (D + change)) for D, change in zip(imbalances(W), moved)]


def imbalance_after_halpern(
    w: Float[Array, "*runs L"], force: Float[Array, "*#runs"], weight: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs L_minus_1"]:
    """Imbalance after w_l <- (1 - lambda) (w_l + force q_l): (1 - lambda)^2 times that after the step of descent.

    Raises:
        InvalidArgument: an imbalance that is not finite.
    """
    kept = (1 - np.expand_dims(np.asarray(weight), -1)) ** 2
    return entries_inside("D", kept * imbalance_after_step(w, force))


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
    `collapse_threshold`, and for a start that is negative or not finite.
    """
    w, t = entries_inside("w", w, 0, np.inf, "[)"), times(t)
    grown, exponent = np.log1p(t), _exponent(chain, c)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = np.minimum((w / collapse_threshold(chain, c)) ** (chain.L - 2), LARGEST)
        below = np.logaddexp(np.log1p(-share), np.log(share) - exponent * grown)
        above = np.log1p(np.maximum(share * np.expm1(-exponent * grown), -1))
        bound = w * np.exp(-c * grown - np.where(share <= 1, below, above) / (chain.L - 2))
    # At infinity nothing is left of a start that is not above the threshold.
    return np.where(np.isinf(t), np.where(share <= 1, 0.0, np.inf), bound)


def _exponent(chain: Chain, c: float) -> float:
    """c (L - 2) - 1 > 0."""
    exponent = positive("c", c) * (chain.L - 2) - 1
    if not exponent > 0:
        reject("c (L - 2)", exponent + 1, "a number above 1")
    return exponent
