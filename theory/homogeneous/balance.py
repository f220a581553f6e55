"""What layers share along training: the imbalance of matrices and of neurons, step by step (Banburski et al. 2019).

Layers may have learning rates eta_k of their own; the laws then hold of W_k / eta_k^(1/2). With the step

    W_k <- (1 - s) W_k - eta_k G_k,        s the shrinkage (weight decay lambda: s = eta lambda),

each imbalance D, quadratic in the layers, becomes (1 - s)^2 D + [D with eta_k^(1/2) G_k for the layers], exactly, for
any loss and any batch of examples: the mixed terms W_{k+1}^T G_{k+1} and G_k W_k^T are the same.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from theory.core import linear_networks as stacks
from theory.core.arrays import Array
from theory.core.linear_networks import Layers
from theory.core.validation import entries_inside, inside, reject, times

# Layers -> an imbalance of each pair of neighbours.
Law = Callable[[Layers], list[Array]]


def matrices(W: Layers) -> list[Array]:
    """D_k = W_{k+1}^T W_{k+1} - W_k W_k^T (*runs, h_k, h_k), of networks without activations.

    Raises:
        InvalidArgument: an entry that is not finite, or so large that squares overflow.
    """
    return stacks.imbalances(stacks.squarable(W))


def neurons(W: Layers) -> list[Array]:
    """|w_out|^2 - |w_in|^2 of each hidden neuron (*runs, h_k), of ReLU or leaky ReLU networks.

    Biases count with the incoming weights: a layer (*runs, h_k, h_{k-1} + 1) ends with the column of its biases, and
    that column is no neuron's outgoing weight. Raises as `matrices`.
    """
    return [
        np.square(after[..., : before.shape[-2]]).sum(-2) - np.square(before).sum(-1)
        for before, after in pairwise(stacks.squarable(W))
    ]


def layers(W: Layers) -> list[Array]:
    """rho_{k+1}^2 - rho_k^2 (*runs), of networks homogeneous in each layer. Raises as `matrices`."""
    squares = [np.square(layer).sum((-2, -1)) for layer in stacks.squarable(W)]
    return [after - before for before, after in pairwise(squares)]


def imbalance(law: Law, W: Layers, learning_rates: Float[Array, " L"]) -> list[Array]:
    """The law's imbalance of W_k / eta_k^(1/2): what gradient flow with these learning rates conserves.

    Raises:
        InvalidArgument: learning rates that are not one a layer, each finite and above 0.
    """
    if np.shape(learning_rates) != (len(W),):
        reject("learning_rates.shape", np.shape(learning_rates), f"({len(W)},), one a layer")
    return law([layer / np.sqrt(rate) for layer, rate in zip(W, entries_inside("learning_rates", learning_rates, 0))])


def after_step(
    law: Law, W: Layers, G: Layers, learning_rates: Float[Array, " L"], shrinkage: float = 0.0
) -> list[Array]:
    """The law's imbalance after the step W_k <- (1 - s) W_k - eta_k G_k: exact at any step size.

    Raises:
        InvalidArgument: as `imbalance`; gradients of other shapes than the layers, a shrinkage that is not finite.
    """
    kept, left = imbalance(law, W, learning_rates), 1 - inside("shrinkage", shrinkage, -np.inf, np.inf, "()")
    if [np.shape(gradient) for gradient in G] != [np.shape(layer) for layer in W]:
        reject("G", f"gradients of shapes {[np.shape(gradient) for gradient in G]}", "the shapes of the layers")
    grown = law([np.sqrt(rate) * gradient for gradient, rate in zip(G, learning_rates)])
    return [left * (left * before) + step for before, step in zip(kept, grown)]


def solution(decay: float, t: Float[Array, "*times"] | float) -> Float[Array, "*times"]:
    """D(t) / D(0) = e^{-2 lambda t} of gradient flow with weight decay lambda, grad L + lambda W.

    >>> solution(0.5, np.array([0.0, np.log(2), np.inf])).tolist()
    [1.0, 0.5, 0.0]

    Raises:
        InvalidArgument: a negative or NaN time, a decay below 0.
    """
    t = times(t)
    inside("decay", decay, 0, np.inf, "[)")
    # Without decay the imbalance is conserved, however late.
    return np.exp(-2 * decay * np.where(decay == 0, 0.0, t))
