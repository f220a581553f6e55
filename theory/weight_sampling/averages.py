"""Averages of samples: their variance at stationarity, and what they keep of the start."""

import numpy as np

from theory.core.arrays import Array
from theory.core.validation import inside
from theory.weight_sampling.descent import Counts, Descent, Numbers, forgotten, kept, variance, whole

SHORT = 1e-3  # K samples in so small a part of the memory of descent: what they have forgotten is a series


def mean_kept(descent: Descent, K: Counts, P: Counts = 1) -> Numbers:
    """alpha = 1/K sum_{j=1..K} q^j = q (1 - q^K) / (K (1 - q)): what the average keeps of where w began.

    Raises:
        InvalidArgument: K or P is no whole number of at least 1.
    """
    return kept(descent, whole("P", P, 1)) * _mean_power(descent, K, P)


def mean_forgotten(descent: Descent, K: Counts, P: Counts = 1) -> Numbers:
    """1 - alpha, with all of its digits however slow descent is. Raises as `mean_kept`."""
    u, x = _slowness(descent, K, P)
    # c^m / m! times the mean of j^m, in powers of x = K c.
    few = x * (1 + u) / 2 - x**2 * (1 + u) * (2 + u) / 12 + x**3 * (1 + u) ** 2 / 24
    few -= x**4 * (1 + u) * (2 + u) * (3 + 3 * u - u**2) / 720
    return np.where(np.isnan(x), 1 - mean_kept(descent, K, P), few)


def averaged_variance(descent: Descent, K: Counts, P: Counts = 1) -> Numbers:
    """A = V/K [(1 + q)/(1 - q) - 2 q (1 - q^K) / (K (1 - q)^2)]: of the average of K samples, one every P steps.

    V times the mean of q^|i - j| over pairs of samples. Raises as `mean_kept`.
    """
    return variance(descent) * (1 - decorrelation(descent, K, P))


def decorrelation(descent: Descent, K: Counts, P: Counts = 1) -> Numbers:
    """1 - A/V = (1 - 1/K) (1 - 2 q/(K (1 - q)) mean_{j<K} (1 - q^j)): by what share averaging lowers the variance.

    Raises as `mean_kept`.
    """
    K, P = np.broadcast_arrays(whole("K", K, 1), whole("P", P, 1))
    u, x = _slowness(descent, K, P)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        earlier = mean_forgotten(descent, np.maximum(K - 1, 1), P) / (K * forgotten(descent, P))
        lowered = (1 - u) * (1 - 2 * kept(descent, P) * earlier)
    # c^m / m! times the mean of |i - j|^m, in powers of x = K c.
    few = (1 - u**2) * (x / 3 - x**2 / 12 + x**3 * (3 - 2 * u**2) / 180 - x**4 * (2 - 3 * u**2) / 720)
    return np.where(K == 1, 0.0, np.where(np.isinf(K), 1.0, np.where(np.isnan(x), lowered, few)))


def averaging_limit(descent: Descent) -> float:
    """s^2 / h^2 = lim n Var of the average of n iterates: no eta and no momentum is in it (Polyak & Juditsky 1992)."""
    return (descent.s / descent.h) ** 2


def moving_average_variance(descent: Descent, mu: float, P: Counts = 1) -> Numbers:
    """V (1 - mu)/(1 + mu) (1 + mu q)/(1 - mu q): of W <- mu W + (1 - mu) w, once every P steps.

    Raises:
        InvalidArgument: mu outside [0, 1); P is no whole number of at least 1.
    """
    mu, q = inside("mu", mu, 0, 1, "[)"), kept(descent, whole("P", P, 1))
    return variance(descent) * (1 - mu) / (1 + mu) * (1 + mu * q) / (1 - mu * q)


def successive_covariance(descent: Descent, K: Counts, P: Counts = 1) -> Numbers:
    """V q ((1 - q^K) / (K (1 - q)))^2: of the average of K samples and that of the next K. Raises as `mean_kept`."""
    return variance(descent) * kept(descent, whole("P", P, 1)) * _mean_power(descent, K, P) ** 2


def _mean_power(descent: Descent, K: Counts, P: Counts) -> Array:
    """1/K sum_{j<K} q^j = (1 - q^K) / (K (1 - q))."""
    K, P = np.broadcast_arrays(whole("K", K, 1), whole("P", P, 1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = forgotten(descent, K * P) / (K * forgotten(descent, P))
    return np.where(K == 1, 1.0, np.where(np.isinf(K), 0.0, mean))


def _slowness(descent: Descent, K: Counts, P: Counts) -> tuple[Array, Array]:
    """1/K, and K c with c = -log q where K samples are so few that sums over them are series in it; NaN elsewhere."""
    K, P = np.broadcast_arrays(whole("K", K, 1), whole("P", P, 1))
    lost = forgotten(descent, P)
    with np.errstate(invalid="ignore", over="ignore"):
        short = np.where(lost > 0, K * lost, np.where(np.isinf(K), np.inf, 0.0)) < SHORT
        return 1 / K, np.where(short, -K * np.log1p(-np.minimum(lost, 0.5)), np.nan)
