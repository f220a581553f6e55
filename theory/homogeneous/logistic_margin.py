"""The smoothed margin of the logistic loss and of cross-entropy (Lyu & Li 2020; proved anew).

    Loss = sum_n log(1 + e^{-q_n}),  q_n = y_n f(theta; x_n), or f_y - log sum_{j != y} e^{f_j} with several classes
    M(Loss) = -log(e^Loss - 1)       the margin of one example that had all of the loss
    gamma~ = M(Loss) / |theta|^L     f homogeneous of degree L
    nu = -sum_n <dLoss/df_n, f_n>    d|theta|^2 / dt = 2 L nu

d log gamma~ / dt = (L^2 nu / |theta|^2) (h nu - 1) + h |P grad Loss|^2 with 1 / h = (1 - e^{-Loss}) M(Loss), P the
projection orthogonal to theta. It is not negative where nu >= 1 / h, and that is so below Loss = log 2: each example
adds at least (1 - e^{-l}) M(l) to nu, and this over l falls with l while M(l) > 0.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside

THRESHOLD = float(np.log(2))  # of the loss, a sum and not a mean: below it every example is classified


def single_margin(loss: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """M = -log(e^Loss - 1), decreasing, 0 at log 2.

    >>> single_margin(np.log1p(np.exp(-np.array([2.0, 0.0])))).round(9) + 0.0
    array([2., 0.])

    Raises:
        InvalidArgument: a loss that is not finite and above 0.
    """
    loss = entries_inside("loss", loss, 0, np.inf, "()")
    # e^x - 1 = e^x (1 - e^-x): large losses do not overflow.
    return -loss - np.log(-np.expm1(-loss))


def least_norm_growth(loss: Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """(1 - e^{-Loss}) M(Loss) <= nu wherever Loss <= log 2, with equality for one example of two classes.

    Raises as `single_margin`.
    """
    return -np.expm1(-entries_inside("loss", loss, 0, np.inf, "()")) * single_margin(loss)
