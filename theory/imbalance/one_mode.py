r"""One mode of whitened data, r = m = 1, at any width (the exact version of equation 14 of Min et al. 2022).

With u, v the rows of U1 and V and p = u . v, the product c = |u + v| |u - v| is conserved,
|u|^2 + |v|^2 = (c^2 + 4 p^2)^(1/2), and

    p' = (c^2 + 4 p^2)^(1/2) (y - p),        -L'/L = 2 (c^2 + 4 p^2)^(1/2).
"""

import numpy as np
from jaxtyping import Float
from scipy.special import exprel

from theory.core.arrays import Array
from theory.core.validation import reject, times

TINY = float(np.finfo(float).tiny)


def scalar_level(u: Float[Array, "*runs h"], v: Float[Array, "*runs h"]) -> Float[Array, "*runs"] | float:
    """c = |u + v| |u - v|, conserved: c^2 = (|u|^2 + |v|^2)^2 - 4 (u . v)^2 without its cancellation.

    For r = m = 1 it is the c of Theorem 1.
    """
    return np.linalg.norm(u + v, axis=-1) * np.linalg.norm(u - v, axis=-1)


def squared_norm(c: Float[Array, "..."], p: Float[Array, "..."]) -> Float[Array, "..."]:
    """|u|^2 + |v|^2 = (c^2 + 4 p^2)^(1/2)."""
    return np.hypot(c, 2 * p)


def scalar_rate(c: Float[Array, "..."], p: Float[Array, "..."]) -> Float[Array, "..."]:
    """-L'/L = 2 (c^2 + 4 p^2)^(1/2), exact at every moment; Theorem 1's 2 c is its value at p = 0."""
    return 2 * squared_norm(c, p)


def scalar_solution(
    y: Float[Array, "*#modes"] | float,
    c: Float[Array, "*#modes"] | float,
    p: Float[Array, "*#modes"] | float,
    t: Float[Array, "*times"] | float,
) -> Float[Array, "*times_modes"]:
    """p(t) of p' = (c^2 + 4 p^2)^(1/2) (y - p).

    With s = (c^2 + 4 y^2)^(1/2), decay = e^(-s t) and T = (1 - decay) / s, the two squared norms |u +- v|^2 are

        |u + v|^2 = |u0 + v0|^2 (alpha + beta decay + |u0 - v0|^2 T) / (beta + alpha decay + |u0 + v0|^2 T),

    alpha, beta = 1 +- 2 y / s, and |u - v|^2 = c^2 / |u + v|^2; p is a quarter of their difference. No term is negative
    and nothing divided by c: c = 0 is the limit c -> 0. Where the two norms are close, p small beside c, it is
    c tau / (1 - tau^2) of

        tau = 2 p / (c + (c^2 + 4 p^2)^(1/2)),
        tau(t) = (tau0 (1 + decay - c T) + 2 y T) / (1 + decay + c T + 2 y T tau0).

    So p is exact relative to its own size, except near the moment where it changes its sign.

    Args:
        y, c, p: target, conserved level c >= 0 and start of each mode, finite; they broadcast.
        t: times of any shape, infinity included.

    Returns:
        p, shape (*times, *modes).

    Raises:
        InvalidArgument: a negative or NaN time, a c that is negative, a y, c or p that is not finite.

    >>> scalar_solution(1.0, 0.5, -0.2, np.array([0, 1, np.inf])).round(4)
    array([-0.2   ,  0.3382,  1.    ])
    """
    y, c, p = np.broadcast_arrays(*(_finite(name, value) for name, value in (("y", y), ("c", c), ("p", p))))
    if not (c >= 0).all():
        reject("c", c.min(), "a level of at least 0")
    t = times(t).reshape((*np.shape(t), *[1] * y.ndim))
    # The sign of p is that of the axes: let the target be positive. The unit is a power of two, which rounds nothing.
    sign, unit = np.where(y < 0, -1.0, 1.0), np.frexp(np.maximum(np.maximum(np.abs(y), np.abs(p)), c))[1]
    y, c, p = (np.ldexp(value, -unit) for value in (sign * y, c, sign * p))
    c = np.where(c > 0, np.maximum(c, TINY), 0.0)  # 1 / c is a float
    end = np.where((c > 0) | (p > 0), y, 0.0)  # without imbalance p cannot change its sign
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        t = np.ldexp(t, unit)
        late = np.isinf(t)
        moved = _moved(y, c, p, np.where(late, 0.0, t))
    return np.asarray(np.ldexp(sign * np.where(late, end, moved), unit))


def _moved(y: Array, c: Array, p: Array, t: Array) -> Array:
    """p(t) for y >= 0 and finite times."""
    s = np.hypot(c, 2 * y)
    half = np.exp(-s * t / 2)
    T = np.where(s * t < 1, t * exprel(-np.minimum(s * t, 1)), (1 - half**2) * _ratio(1.0, s))
    plus, minus = _squared_norms(y, c, p, s, half, T)
    small = _small(y, c, p, s, half**2, T)
    return np.where(np.isnan(small), (plus - minus) / 4, small)


def _squared_norms(y: Array, c: Array, p: Array, s: Array, half: Array, T: Array) -> tuple[Array, Array]:
    """(|u + v|^2, |u - v|^2) at the time t, half = e^(-s t / 2)."""
    larger = np.hypot(c, 2 * p) + 2 * np.abs(p)
    smaller = _ratio(c, larger)  # beside c
    # Where p < 0, |u + v|^2 and beta are of the size of c^2, which may underflow: what counts is their size beside c.
    unit = np.where((p < 0) & (c > 0), c, 1.0)
    beta = np.where(s > 0, c / unit * _ratio(_ratio(c, s), s + 2 * y), 1.0)
    alpha = np.where(s > 0, 1 + _ratio(2 * y, s), 1.0)
    plus = np.where(p < 0, c / unit * smaller, larger)
    above = alpha + unit * beta * half**2 + np.where(p < 0, larger * T, smaller * (c * T))
    plus_now = _ratio(plus * above, beta + alpha * (half / unit * half) + plus * T)
    below = unit * (beta + plus * T) + alpha * half**2
    return plus_now, np.where(p < 0, larger * below / above, c * _ratio(c, plus_now))


def _small(y: Array, c: Array, p: Array, s: Array, decay: Array, T: Array) -> Array:
    """p(t) where it is small beside c and the denominator of tau is no small rest; NaN elsewhere."""
    start = _ratio(2 * p, c + np.hypot(c, 2 * p))
    keeps = _ratio(2 * y, s) * _ratio(2 * y, s + c) + decay * (1 + _ratio(c, s))  # 1 + decay - c T
    total, turn = 1 + decay + c * T, 2 * y * T * start
    tau = (start * keeps + 2 * y * T) / (total + turn)
    return np.where((c > 0) & (np.abs(tau) < 0.5) & (turn > -total / 2), c * tau / (1 - tau**2), np.nan)


def _ratio(numerator: Array | float, denominator: Array) -> Array:
    """numerator / denominator, and 0 for 0 / 0: a norm that starts at 0 with c = 0 stays 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)


def _finite(name: str, value: Array | float) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if not np.isfinite(array).all():
        reject(name, array[~np.isfinite(array)].flat[0], "finite numbers")
    return array
