"""What predictions earn, and the rule that earns most (Narasimhan & Menon 2021, Proposition 1)."""

import numpy as np
from jaxtyping import Float, Int

from theory.core.arrays import Array
from theory.core.validation import entries_inside, finite_matrix, reject

LARGEST = 1e100  # of a gain or cost
OFF_BY = 1e-9  # what probabilities may add up to, beside 1


def scores(G: Float[Array, "K K"], eta: Float[Array, "*cells K"]) -> Float[Array, "*cells K"]:
    """(G^T eta)_j = sum_i eta_i G_ij: what predicting j earns on average.

    Raises:
        InvalidArgument: G is no square matrix of finite numbers, eta no probabilities of as many labels.
    """
    G = square("G", G)
    return probabilities("eta", eta, len(G)) @ G


def bayes_rule(G: Float[Array, "K K"], eta: Float[Array, "*cells K"]) -> Int[np.ndarray | np.integer, "*cells"]:
    """argmax_j (G^T eta)_j, the first of several. Raises as `scores`."""
    return np.asarray(scores(G, eta).argmax(-1))


def regret(
    G: Float[Array, "K K"], eta: Float[Array, "*cells K"], chosen: Int[np.ndarray | np.integer, "*cells"]
) -> Float[Array, "*cells"]:
    """What the labels `chosen` earn less than the best ones. Raises as `scores`, and for labels that do not exist."""
    earned = scores(G, eta)
    entries_inside("chosen", chosen, 0, len(G) - 1, "[]")
    return earned.max(-1) - np.take_along_axis(earned, np.asarray(chosen)[..., None], -1)[..., 0]


def gains_of_costs(costs: Float[Array, "K K"]) -> Float[Array, "K K"]:
    """G_ij = c_i - cost_ij, c_i the largest cost of row i: no gain is negative, and the Bayes rule minimises the cost.

    Which c_i are taken does not matter to any prediction: sum_i c_i eta_i is the same for all of them.

    Raises:
        InvalidArgument: costs that are no square matrix of finite numbers.
    """
    costs = square("costs", costs)
    return costs.max(1, keepdims=True) - costs


def square(name: str, value: Float[Array, "K K"]) -> Float[Array, "K K"]:
    """`value` as a square matrix of moderate numbers."""
    matrix = finite_matrix(name, value)
    entries_inside(name, matrix, -LARGEST, LARGEST, "[]")
    return finite_matrix(name, matrix, len(matrix), len(matrix))


def probabilities(name: str, value: Float[Array, "*cells K"], K: int) -> Float[Array, "*cells K"]:
    """`value` as probabilities of K labels, one distribution a row; they are made to add up to 1 exactly."""
    eta = entries_inside(name, value, 0, 1 + OFF_BY, "[]")
    if eta.ndim == 0 or eta.shape[-1] != K:
        reject(f"{name}.shape", eta.shape, f"(..., {K}), a number a label")
    total = eta.sum(-1, keepdims=True)
    if (np.abs(total - 1) > OFF_BY).any():
        reject(f"{name}.sum(-1)", total[np.abs(total - 1) > OFF_BY][0], "probabilities that add up to 1")
    return eta / total
