r"""How wide Gaussian starts meet Lemma 1 and Theorem 2: by how much in the limit, with which probability, at the worst.

U, V have independent N(0, h^(-2a)) entries. As the width grows, with k = h^(1 - 2a),

    h^(4a - 1) |[V U2^T; U1 U2^T]|_F^2 -> chi^2, (m + r)(D - r) degrees of freedom,
    h^(4a - 1) |U1 V^T|_F^2            -> chi^2, r m degrees of freedom,           c / k -> 2,

so that the two sides of (18) are as (D - r)^(1/2) to 2 s, those of (19) as r^(1/2) to 2 s: a factor 2 at D >> 1.
"""

import numpy as np
from scipy import special

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import inside, positive, positive_integer, reject
from theory.imbalance import wide_limit, width

MANY = 100  # dimensions, from which on quotients of Gamma functions cancel and their expansion in 1 / n does not
LENGTH_OF_MANY = (-399 / 8192, -21 / 2048, 5 / 128, 1 / 32, -1 / 4, 1)
STRETCH = np.array([0.2, 0.4, 0.6, 0.8, 1.0])  # of the largest singular value of Z beyond sqrt(h) that are tried


def overlap_degrees(problem: Regression) -> int:
    """(m + r)(D - r): degrees of freedom of the squared overlap."""
    return (problem.m + problem.r) * (problem.D - problem.r)


def product_degrees(problem: Regression) -> int:
    """r m: degrees of freedom of the squared product."""
    return problem.r * problem.m


def overlap_share(problem: Regression, s: float) -> float:
    """Mean of the overlap over its bound (18), as h grows: about (D - r)^(1/2) / (2 s).

    Raises:
        InvalidArgument: here and below, an s that is not above 0.
    """
    return mean_length(overlap_degrees(problem)) / (2 * np.sqrt(problem.m + problem.r) * positive("s", s))


def product_share(problem: Regression, s: float) -> float:
    """Mean of |U1 V^T|_F over its bound (19), as h grows: about r^(1/2) / (2 s)."""
    return mean_length(product_degrees(problem)) / (2 * np.sqrt(problem.m) * positive("s", s))


def mean_length(degrees: int) -> float:
    """E |g| = 2^(1/2) Gamma((n + 1) / 2) / Gamma(n / 2) of a standard normal g in n dimensions; 0 if n is 0.

    Raises:
        InvalidArgument: a negative n.
    """
    if degrees == 0:
        return 0.0
    n = positive_integer("degrees", degrees)
    if n < MANY:
        return float(np.sqrt(2) * special.poch(n / 2, 0.5))
    return float(np.sqrt(n) * np.polyval(LENGTH_OF_MANY, 1 / n))


def failure_bound(m: int, r: int, D: int, h: float, s: float) -> float:
    """Upper bound on the probability that one of (17), (18), (19) fails at width h (ours); at most 1.

    (17) holds if no singular value of h^a Z is below (h / 2)^(1/2), which those of a Gaussian (m + r) x h matrix are
    with probability at most exp(-((1 - 2^(-1/2)) h^(1/2) - (m + r)^(1/2))^2 / 2) (Davidson & Szarek). Given Z, and
    given U1, the squares of the overlap and of the product are chi^2 stretched by at most |h^a Z|_2^2, which exceeds
    (1 + x)^2 h with probability at most exp(-(x h^(1/2) - (m + r)^(1/2))^2 / 2).

    At h = 16 s^2 with the printed s = (m + D)^(1/2) + log(2 / delta) / 2 it is below 0.77 delta for every size with
    r < D: Lemma 1 is true as printed, though its proof is not.

    Raises:
        InvalidArgument: sizes that are no whole numbers above 0, r > D, a width or an s that is not above 0.
    """
    size, root = positive_integer("m", m) + positive_integer("r", r), np.sqrt(positive("h", h))
    if positive_integer("D", D) < r:
        reject("D", D, f"at least r = {r}")
    s = positive("s", s)

    def leaves(share: Array | float) -> Array:
        """Singular values beyond sqrt(h) (1 -+ share), on one side."""
        return np.exp(-(np.maximum(share * root - np.sqrt(size), 0.0) ** 2) / 2)

    level = 4 * (s / (1 + STRETCH)) ** 2
    others = leaves(STRETCH) + _beyond(size * level, size * (D - r)) + _beyond(m * level, r * m)
    return float(min(leaves(1 - np.sqrt(0.5)) + others.min(), 1.0))


def _beyond(squared: Array, degrees: int) -> Array:
    """P(chi^2 > squared), 0 without degrees of freedom."""
    return special.chdtrc(degrees, squared) if degrees else np.zeros_like(squared)


def squared_length(h: float, exponent: float, s: float) -> float:
    """(h + s^2) h^(-2a): of each row of Z, orthogonal to each other, at `width.extreme_network`, h >= s^2.

    Raises:
        InvalidArgument: here and below, a width below s^2 or not above 0, an s that is negative, a outside (1/4, 1/2].
    """
    a, h, s = inside("exponent", exponent, 0.25, 0.5, "(]"), positive("h", h), inside("s", s, 0, np.inf, "[)")
    if np.sqrt(h) < s:
        reject("h", h, f"at least s^2 = {s * s:.4g}, where the extreme rows have this length")
    return float(h ** (1 - 2 * a) * (1 + (s / np.sqrt(h)) ** 2))


def distance_from_extreme_start(problem: Regression, h: float, exponent: float, s: float) -> float:
    """|U V^T(inf) - Theta_hat|_F from `width.extreme_network`, the largest overlap in (18) (closed form, ours).

    There Z(0) U2^T is 2 s h^(1/2 - 2a) I and Z(0) Z(0)^T is K I, K = `squared_length`. One propagator moves both, and
    the distance is 2 s h^(1/2 - 2a) |P_V|_F where K P_V P_V^T = V V^T = (K^2 I + Theta_hat^T Theta_hat)^(1/2).
    Where |Theta_hat| << K it is a share (m / (m + r))^(1/2) of the overlap.
    """
    length = squared_length(h, exponent, s)
    gram = wide_limit.output_gram(wide_limit.limit(problem), length)
    overlap = float(width.overlap_bound(problem, h, exponent, s)) / np.sqrt(problem.m + problem.r)
    return overlap * float(np.sqrt(np.trace(gram) / length))


def distance_share(problem: Regression, h: int, exponent: float, s: float) -> float:
    """|U V^T(inf) - Theta_hat|_F of Gaussian starts over its bound in Theorem 2, as h grows.

    (m / (m + r))^(1/2) (D - r)^(1/2) / (2 s) C^(-1 / k), k = h^(1 - 2a), where |Theta_hat| << k.
    """
    bound: Array = width.distance_bound(problem, h, exponent, s)
    with np.errstate(divide="ignore"):
        return float(np.sqrt(wide_limit.squared_distance(problem, h, exponent)) / bound)
