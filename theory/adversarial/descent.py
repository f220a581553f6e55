"""Adversarial training at infinite width, near the start: descent in the space of kappa against the worst of a grid."""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, positive, positive_integer, reject


def robust_losses(
    K: Float[Array, "n k n k"], y: Float[Array, " n"], learning_rate: float, steps: int
) -> Float[Array, " T"]:
    """Mean over examples of max |f - y_i| over k points of their caps, before each of T steps and after the last.

    f starts at 0, and a step moves it by -eta' / n sum_i sign(f(x_i) - y_i) kappa(x_i, .), x_i the worst point of cap
    i: what m^(-1/3) eta' does to a network so wide that it is its pseudo-network, and its kernel is kappa.

    Raises:
        InvalidArgument: a kernel that is not (n, k, n, k) or labels that are not (n,) finite numbers, a learning rate
            that is not in (0, 1e50), steps that are no whole number of at least 1.
    """
    K, y = entries_inside("K", K, -1e50, 1e50, "[]"), entries_inside("y", y, -1e50, 1e50, "[]")
    if K.ndim != 4 or K.shape[:2] != K.shape[2:] or y.shape != K.shape[:1] or K.size == 0:
        reject("K.shape", K.shape, f"({y.size}, k, {y.size}, k)")
    if not positive("learning_rate", learning_rate) < 1e50:
        reject("learning_rate", learning_rate, "a number below 1e50")
    n, f = len(y), np.zeros(K.shape[:2])
    losses = []
    for _ in range(positive_integer("steps", steps) + 1):
        away = f - y[:, None]
        worst = np.abs(away).argmax(1)
        at = np.arange(n), worst
        losses.append(np.abs(away[at]).mean())
        f = f - learning_rate / n * np.einsum("i,abi->ab", np.sign(away[at]), K[:, :, at[0], at[1]])
    return np.array(losses)
