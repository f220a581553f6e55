"""Epochs that start from the average of the one before: W <- alpha W + noise, bias against variance.

An epoch is n = K P steps, sampled every P of them. Without restart the same averages are only looked at.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, reject
from theory.weight_sampling.averages import averaged_variance, decorrelation, mean_forgotten, mean_kept
from theory.weight_sampling.descent import Counts, Descent, Numbers, forgotten, kept, variance, whole

Start = Float[Array, "*#counts"] | float


def restarted_variance(descent: Descent, K: Counts, P: Counts = 1) -> Numbers:
    """R = (A - alpha^2 V) / (1 - alpha^2), A the variance of the average of K samples: R <= A <= V.

    W <- alpha W + N with Var N = K^-2 sum_ij V (q^|i - j| - q^(i + j)) = A - alpha^2 V. For slow directions,
    eta h n -> 0, R tends to V (2 K + 1) / (3 K): no more than a third of the variance goes.

    Raises:
        InvalidArgument: K or P is no whole number of at least 1.
    """
    lost = mean_forgotten(descent, K, P)
    return variance(descent) * (1 - decorrelation(descent, K, P) / (lost * (2 - lost)))


def loss(descent: Descent, start: Start, steps: Counts) -> Numbers:
    """E L of w itself: h/2 (rho^(2 t) w_0^2 + V (1 - rho^(2 t))).

    Raises:
        InvalidArgument: steps are no whole numbers of at least 0, a start that is not finite.
    """
    twice = 2 * whole("steps", steps)
    bias = kept(descent, twice) * entries_inside("start", start) ** 2
    return descent.h / 2 * (bias + variance(descent) * forgotten(descent, twice))


def averaged_loss(descent: Descent, start: Start, epoch: Counts, K: Counts, P: Counts = 1) -> Numbers:
    """E L of the average over an epoch (the first is 1) of w that goes on: it keeps alpha rho^(n (e - 1)) of the start.

    h/2 (A + alpha^2 rho^(2 n (e - 1)) (w_0^2 - V)). Raises as `restarted_loss`.
    """
    K, P, before = whole("K", K, 1), whole("P", P, 1), whole("epoch", epoch, 1) - 1
    left = mean_kept(descent, K, P) ** 2 * kept(descent, 2 * np.where(before == 0, 0.0, K * P * before))
    bias = left * (entries_inside("start", start) ** 2 - variance(descent))
    return descent.h / 2 * (averaged_variance(descent, K, P) + bias)


def restarted_loss(descent: Descent, start: Start, epoch: Counts, K: Counts, P: Counts = 1) -> Numbers:
    """E L of what the next epoch starts from: h/2 (alpha^(2 e) w_0^2 + R (1 - alpha^(2 e))).

    Raises:
        InvalidArgument: K, P or the epoch is no whole number of at least 1, a start that is not finite.
    """
    left = mean_kept(descent, K, P) ** (2 * whole("epoch", epoch, 1))
    bias = left * entries_inside("start", start) ** 2
    return descent.h / 2 * (bias + restarted_variance(descent, K, P) * (1 - left))


def delay(descent: Descent, K: Counts, P: Counts = 1) -> Numbers:
    """log rho^n / log alpha: how many epochs restart takes to forget what descent forgets in one.

    2 K / (K + 1) for slow directions, eta h n -> 0, and more for all others.

    Raises:
        InvalidArgument: eta h is 1 or more, where one step forgets all or overshoots; K or P is no whole number of at
            least 1, or infinite.
    """
    K, P = whole("K", K, 1), whole("P", P, 1)
    if descent.rho <= 0:
        reject("eta h", descent.eta * descent.h, "a number below 1: descent that does not overshoot")
    if not np.isfinite(K * P).all():
        reject("K P", np.inf, "epochs of finitely many steps")
    lost = mean_forgotten(descent, K, P)
    log_alpha = np.log1p(-np.minimum(lost, 0.5))
    with np.errstate(divide="ignore"):
        log_alpha = np.where(lost < 0.5, log_alpha, np.log(mean_kept(descent, K, P)))
    return K * P * np.log1p(-descent.eta * descent.h) / log_alpha
