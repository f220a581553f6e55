r"""Between lazy and rich, solved: how late each mode of whitened data is learned from rows of one length k.

Z0 Z0^T = k I (`wide_limit`; Gaussian weights N(0, h^(-2a)) in the limit of large h) starts at the product 0, and on
whitened data the self-consistent equation of Tu, Aranguri & Jacot (2024),

    p' = E (k^2 I + p^T p)^(1/2) + (k^2 I + p p^T)^(1/2) E,        E = y~ - p,

keeps the singular bases of y~ = sum_i y_i a_i b_i^T for ever. So each p_i is `one_mode.scalar_solution`, of level 2 k,

    p_i' = 2 (k^2 + p_i^2)^(1/2) (y_i - p_i).

Modes of y << k are lazy, and reach half their target at log 2 / (2 k), all together; those of y >> k are rich, and do
at log(2 y / k) / (2 y), one by one. The kernel moves by (k^2 + y^2)^(1/2) - k in each.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, reject
from theory.imbalance.one_mode import scalar_solution


def solution(
    y: Float[Array, "*#modes"] | float, k: Float[Array, "*#modes"] | float, t: Float[Array, "*times"] | float
) -> Float[Array, "*times_modes"]:
    """p(t) of a mode of target y from p = 0 and rows of squared length k; t has any shape, infinity included.

    Raises:
        InvalidArgument: here and below, a target that is not finite, a k not above 0; a negative or NaN time.

    >>> solution(np.array([2.0, 0.1]), 0.5, np.array([0, 1, np.inf])).round(4)
    array([[0.    , 0.    ],
           [1.8048, 0.0633],
           [2.    , 0.1   ]])
    """
    y, k = _checked(y, k)
    return scalar_solution(y, 2 * k, 0.0, t)


def passage_time(
    y: Float[Array, "*#modes"] | float, k: Float[Array, "*#modes"] | float, p: Float[Array, "*#modes"] | float
) -> Float[Array, "*modes"] | float:
    r"""When the mode has the product p, from 0 (at once) to y (never).

        T = 1/s log [(w_+ - 2 k) (w - w_-)] / [(w_+ - w) (2 k - w_-)],
        s = 2 (k^2 + y^2)^(1/2),  w = 2 p + 2 (k^2 + p^2)^(1/2),  w_+ = 2 y + s,  w_- = -4 k^2 / w_+.

    Raises:
        InvalidArgument: p not between 0 and y.

    >>> k, half = 0.5, passage_time(2.0, 0.5, 1.0)
    >>> float(solution(2.0, k, half).round(12))
    1.0
    """
    y, k = _checked(y, k)
    y, k, p = np.broadcast_arrays(y, k, entries_inside("p", p, -SQUARABLE, SQUARABLE, "[]"))
    if (away := ~((p * np.sign(y) >= 0) & (np.abs(p) <= np.abs(y)))).any():
        reject("p", p[away].flat[0], f"products from 0 to the target {y[away].flat[0]:g}")
    y, p = np.abs(y), np.abs(p)
    s, root = 2 * np.hypot(k, y), np.hypot(k, p)
    grown = 2 * p * (1 + p / (k + root))  # w - 2 k
    with np.errstate(divide="ignore", invalid="ignore"):
        left = 2 * (y - p) * (1 + (y + p) / (s / 2 + root))  # w_+ - w
        # 2 k - w_- = 2 k (1 + 2 k / w_+)
        T = (np.log1p(grown / left) + np.log1p(grown / (2 * k * (1 + 2 * k / (2 * y + s))))) / s
    return np.where(p == 0, 0.0, np.where(p == y, np.inf, T))


def half_time(y: Float[Array, "*#modes"] | float, k: Float[Array, "*#modes"] | float) -> Float[Array, "*modes"] | float:
    """When p = y/2; times 2 y it is one curve of y / k, from lazy, (y/k) log 2, to rich, log(2 y / k).

    Raises:
        InvalidArgument: a target of 0, which is learned at once.
    """
    y, _ = _checked(y, k)
    if not y.all():
        reject("y", 0.0, "targets other than 0")
    return passage_time(y, k, y / 2)


def lazy_half_time(k: Float[Array, "*modes"] | float) -> Float[Array, "*modes"] | float:
    """log 2 / (2 k): of modes of y << k."""
    return np.log(2) / (2 * _checked(1.0, k)[1])


def rich_half_time(
    y: Float[Array, "*#modes"] | float, k: Float[Array, "*#modes"] | float
) -> Float[Array, "*modes"] | float:
    """log(2 y / k) / (2 y): of modes of y >> k (above k/2, where it is positive).

    Raises:
        InvalidArgument: a target of 0.
    """
    y, k = _checked(y, k)
    if not y.all():
        reject("y", 0.0, "targets other than 0")
    return np.log(2 * (np.abs(y) / k)) / (2 * np.abs(y))


def kernel_movement(
    y: Float[Array, "*#modes"] | float, k: Float[Array, "*#modes"] | float
) -> Float[Array, "*modes"] | float:
    """(k^2 + y^2)^(1/2) - k: by how much the kernel of a mode has grown at the end, of which it had k at the start."""
    y, k = _checked(y, k)
    return y * (y / (k + np.hypot(k, y)))


def _checked(y: Array | float, k: Array | float) -> tuple[Array, Array]:
    return entries_inside("y", y, -SQUARABLE, SQUARABLE, "[]"), entries_inside("k", k, 0, SQUARABLE, "(]")
