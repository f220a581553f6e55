"""Epochs without replacement: each of n examples once, in random order, so that their noise adds up to 0.

The loss is the mean of h (w - y_i)^2 / 2: a step on example i is w <- w - eta (h w + xi_i) about the mean of y, with
xi_i = -h (y_i - mean y), s^2 their variance (divided by n). Over an epoch the xi sum to 0, so the weights before each
step average to (w_start - w_end) / (eta h n): what is left of the average is the noise of its two ends. (Ours.)
"""

import numpy as np

from theory.core.validation import inside, positive_integer
from theory.weight_sampling.descent import Descent, forgotten, kept

MOST = 10**6  # examples whose weights in the last state are added up


def variance_between_epochs(descent: Descent, n: int) -> float:
    """V_e = eta^2 s^2 n/(n - 1) sum_i (rho^i - mean)^2 / (1 - rho^(2 n)), i < n: of w where epochs end.

    Raises:
        InvalidArgument: n is below 2 or above a million.
    """
    n = _examples(n)
    powers = kept(descent, np.arange(n)) if descent.rho < 0 else -forgotten(descent, np.arange(n))
    spread = n / (n - 1) * ((powers - powers.mean()) ** 2).sum()
    return float(descent.eta**2 * descent.s**2 * spread / forgotten(descent, 2 * n))


def averaged_variance(descent: Descent, n: int, epochs: int) -> float:
    """2 V_e (1 - rho^(m n)) (rho / (eta h m n))^2: of the average over m whole epochs of the weights after each step.

    It falls as 1 / m^2 where independent noise leaves s^2 / (h^2 m n). Raises as `variance_between_epochs`, and for
    epochs that are no whole number of at least 1.
    """
    steps = _examples(n) * positive_integer("epochs", epochs)
    share = abs(descent.rho) / (descent.eta * descent.h * steps)
    return float(2 * variance_between_epochs(descent, n) * forgotten(descent, steps) * share**2)


def _examples(n: int) -> int:
    n = positive_integer("n", n)
    inside("n", n, 2, MOST)
    return n
