"""Descent on sum_i log(1 + e^{-z_i . w}) by large constant steps eta, from w = 0 (ours).

The first step goes to w_1 = eta / 2 sum_i z_i. Where that separates the examples, with margins m_i = z_i . w_1, the
loss is about sum_i e^{-m_i} at once, exponentially small in eta; and so is every later step: in T steps the weights
move by eta T sum_i z_i e^{-m_i} up to the share eta T |Z|^2 e^{-min m} of it. The direction stays that of sum_i z_i
until T is of the order e^m / eta, and only then the clock of `clocks.descent_clock` is right. Steps of order T thus
make the loss small and leave the margin where it is.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, finite_matrix, positive, reject


def first_step(Z: Float[Array, "*runs n d"], learning_rate: float) -> Float[Array, "*runs d"]:
    """w_1 = eta / 2 sum_i z_i.

    Raises:
        InvalidArgument: examples that are not finite, a learning rate that is not above 0.
    """
    return positive("learning_rate", learning_rate) / 2 * entries_inside("Z", Z).sum(-2)


def drift(Z: Float[Array, "n d"], learning_rate: float) -> Float[Array, " d"]:
    """sum_i z_i / (1 + e^{m_i}): by how much the weights move after the first step, over step x learning rate.

    Raises:
        InvalidArgument: as `first_step`, and examples too long to be squared.
    """
    Z = finite_matrix("Z", Z)
    entries_inside("Z", Z, -SQUARABLE, SQUARABLE)
    margins = Z @ first_step(Z, learning_rate)
    return np.exp(-np.logaddexp(0, margins)) @ Z


def farthest(lengths: Float[Array, " n"], margin: float, learning_rate: float, steps: float | int) -> float:
    """eta T sum_i |z_i| e^{-margin}: more than the weights move in T steps, while every margin is at least that.

    >>> round(farthest(np.array([1.0, 2.0]), 10.0, 100.0, 50), 3)
    0.681

    Raises:
        InvalidArgument: lengths that are not finite or below 0, a margin that is not finite, a learning rate not above
            0, steps below 0.
    """
    entries_inside("lengths", lengths, 0, brackets="[)")
    entries_inside("steps", steps, 0, brackets="[)")
    if not np.isfinite(margin):
        reject("margin", margin, "a finite number")
    with np.errstate(over="ignore"):
        return float(positive("learning_rate", learning_rate) * steps * np.sum(lengths) * np.exp(-margin))
