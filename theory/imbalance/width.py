"""Lemma 1 and Theorem 2: wide random starts are imbalanced and nearly orthogonal to what training does not see.

All of it follows from one event, of probability at least 1 - delta: every singular value of h^a [V; U1; U2], a
Gaussian matrix of m + D rows and h columns, lies within sqrt(h) -+ s. The printed s rests on a tail that is too
light; `deviation` is the corrected one, and every function here takes s, so that either can be tried.
"""

import numpy as np
from jaxtyping import Float
from scipy import linalg, stats

from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.validation import inside, reject
from theory.imbalance.problem import Network


def deviation(problem: Regression, delta: float) -> float:
    """s = sqrt(m + D) + t with 2 exp(-t^2 / 2) = delta: the tail of Davidson & Szarek for Gaussian singular values.

    Raises:
        InvalidArgument: delta outside (0, 1).
    """
    inside("delta", delta, 0, 1, "()")
    return float(np.sqrt(problem.m + problem.D) + np.sqrt(2 * np.log(2 / delta)))


def printed_deviation(problem: Regression, delta: float) -> float:
    """s = sqrt(m + D) + 1/2 log(2 / delta), as the paper prints it in Lemma 1; see `printed_tail`."""
    inside("delta", delta, 0, 1, "()")
    return float(np.sqrt(problem.m + problem.D) + 0.5 * np.log(2 / delta))


def tail(t: Array | float) -> Array:
    """P(some singular value of a Gaussian n x m matrix leaves sqrt(n) -+ (sqrt(m) + t)) <= 2 exp(-t^2 / 2)."""
    return np.exp(log_tail(t))


def log_tail(t: Array | float) -> Array:
    """log 2 - t^2 / 2, the logarithm of `tail`: far out only that is a number."""
    return np.log(2) - np.square(t) / 2


def printed_log_tail(t: Array | float) -> Array:
    """log 2 - t^2, of the bound 2 exp(-t^2) that Lemma E.1 prints for the same probability: too small."""
    return np.log(2) - np.square(t)


def scalar_log_tail(t: Array | float) -> Array:
    """log of the probability itself for n = m = 1, where the singular value is |g|: P(|g| > 2 + t), for t >= 0."""
    return np.log(2) + stats.norm.logsf(2 + np.asarray(t))


def extreme_singular_values(n: int, m: int, rng: np.random.Generator) -> tuple[float, float]:
    """Smallest and largest singular value of one Gaussian n x m matrix, n >= m >= 2, in law, without drawing it.

    Householder reflections of a Gaussian matrix leave independent chi variables on two diagonals (Silverstein 1985):
    n, ..., n - m + 1 degrees of freedom on the main one, m - 1, ..., 1 below it.
    """
    main = rng.chisquare(n - np.arange(m))
    below = np.append(rng.chisquare(m - 1 - np.arange(m - 1)), 0)
    gram = main + below, np.sqrt(below[:-1] * main[1:])
    low, high = (linalg.eigvalsh_tridiagonal(*gram, select="i", select_range=(i, i)).item() for i in (0, m - 1))
    return np.sqrt(low), np.sqrt(high)


def lemma_width(s: float) -> float:
    """h0' = 16 s^2: above it Lemma 1 holds with probability at least 1 - delta."""
    return 16 * s**2


def imbalance_level_bound(h: Array | float, exponent: float) -> Array:
    """c > h^(1 - 2a) (inequality 17)."""
    return np.asarray(h, dtype=np.float64) ** (1 - 2 * exponent)


def worst_imbalance_level(h: Array | float, exponent: float, s: float) -> Array:
    """2 (sqrt(h) - s)^2 / h^(2a): the least c when every singular value lies in sqrt(h) -+ s (ours, attained).

    Lambda has the nonzero spectrum of G^(1/2) J G^(1/2), G = Z Z^T, and Ostrowski's theorem keeps its eigenvalues at
    least lambda_min(G) away from 0. It exceeds h^(1 - 2a) as soon as h > (s / (1 - 2^(-1/2)))^2 = 11.7 s^2.
    """
    h = np.asarray(h, dtype=np.float64)
    return 2 * (np.sqrt(h) - s) ** 2 / h ** (2 * exponent)


def overlap_bound(problem: Regression, h: Array | float, exponent: float, s: float) -> Array:
    """|[V U2^T; U1 U2^T]|_F <= 2 sqrt(m + r) s / h^(2a - 1/2) (inequality 18)."""
    return 2 * np.sqrt(problem.m + problem.r) * s / np.asarray(h, dtype=np.float64) ** (2 * exponent - 0.5)


def product_bound(problem: Regression, h: Array | float, exponent: float, s: float) -> Array:
    """|U1 V^T|_F <= 2 sqrt(m) s / h^(2a - 1/2) (inequality 19)."""
    return 2 * np.sqrt(problem.m) * s / np.asarray(h, dtype=np.float64) ** (2 * exponent - 0.5)


def extreme_rows(h: float, s: float, pairs: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows A, B with A B^T = 2 sqrt(h) s I, singular values of [A; B] equal to sqrt(h) -+ s: (18), (19) are attained.

    They are h long, and written in the 2 `pairs` directions that they span: shape (pairs, 2 pairs) each.
    """
    frame = np.linalg.qr(rng.standard_normal((2 * pairs, 2 * pairs)))[0]
    low, high = (np.sqrt(h) - s) * frame[:pairs], (np.sqrt(h) + s) * frame[pairs:]
    return (high + low) / np.sqrt(2), (high - low) / np.sqrt(2)


def extreme_network(problem: Regression, h: float, exponent: float, s: float, rng: np.random.Generator) -> Network:
    """A worst start (one run) of the event behind Lemma 1: [V; U1] and U2 overlap as much as (18) allows.

    It is complete, [V; U] has no other rows, where D - r = m + r; its width is that of `extreme_rows`.

    Raises:
        InvalidArgument: D - r < m + r leaves no room for the overlap.
    """
    size = problem.m + problem.r
    if problem.D - problem.r < size:
        reject("D", problem.D, f"at least m + 2 r = {size + problem.r}: an unseen row for each that is seen")
    seen, unseen = (float(h) ** -exponent * rows for rows in extreme_rows(h, s, size, rng))
    U2 = np.concatenate([unseen, np.zeros((problem.D - problem.r - size, unseen.shape[1]))])
    U = problem.Phi1 @ seen[problem.m :] + problem.from_unseen(U2)
    return Network(U[None], seen[None, : problem.m])


def residual_bound(problem: Regression, product_norm: Array | float) -> Array:
    """|E(0)|_F <= |Y|_F + lambda_1^(1/2) |U1 V^T|_F (proof of Theorem 2, corrected)."""
    return np.linalg.norm(problem.Y) + problem.S[0] * np.asarray(product_norm)


def printed_residual_bound(problem: Regression, product_norm: Array | float) -> Array:
    """|Y|_F + lambda_r^(-1/2) |U1 V^T|_F, as printed; E = y~ - Sigma_x^(1/2) U1 V^T has the other power."""
    return np.linalg.norm(problem.Y) + np.asarray(product_norm) / problem.S[-1]


def theorem_width(problem: Regression, exponent: float, s: float) -> float:
    """h0^(1 / (4a - 1)), h0 = max(h0', 4 (lambda_1 / lambda_r)^2 m s^2): above it Theorem 2 holds (corrected).

    The paper prints 4 lambda_1 / lambda_r^3 m s^2 under the maximum, from its residual bound.

    Raises:
        InvalidArgument: a outside (1/4, 1/2].
    """
    inside("exponent", exponent, 0.25, 0.5, "(]")
    condition = problem.S[0] ** 2 / problem.S[-1] ** 2
    return float(max(lemma_width(s), 4 * condition**2 * problem.m * s**2) ** (1 / (4 * exponent - 1)))


def printed_theorem_width(problem: Regression, exponent: float, s: float) -> float:
    """h0^(1 / (4a - 1)) with the printed h0 = max(h0', 4 lambda_1 / lambda_r^3 m s^2)."""
    inside("exponent", exponent, 0.25, 0.5, "(]")
    ratio = problem.S[0] ** 2 / problem.S[-1] ** 6
    return float(max(lemma_width(s), 4 * ratio * problem.m * s**2) ** (1 / (4 * exponent - 1)))


def distance_bound(problem: Regression, h: Array | float, exponent: float, s: float) -> Array:
    """2 C^(1 / h^(1 - 2a)) sqrt(m + r) s / h^(2a - 1/2), C = exp(1 + lambda_1^(1/2) / lambda_r |Y|_F) (Theorem 2).

    Bounds |U V^T(inf) - Theta_hat|_F, and |U2 V(t)^T|_F at every time, for h > `theorem_width`.
    """
    log_C = 1 + problem.S[0] / problem.S[-1] ** 2 * np.linalg.norm(problem.Y)
    return np.exp(log_C / imbalance_level_bound(h, exponent)) * overlap_bound(problem, h, exponent, s)


def distance_given_output(
    problem: Regression, V: Float[Array, "*runs m h"], scale: Array | float
) -> Float[Array, "*runs"]:
    """E |U2 V(t)^T|_F^2 given V(t): (D - r) scale^2 |V(t)|_F^2 (ours, exact at every width and time).

    U2 has independent N(0, scale^2) entries, never moves, and V(t) never sees it: U2 V^T given V is Gaussian,
    N(0, scale^2 I (x) V V^T). `scale` is h^-a.
    """
    return (problem.D - problem.r) * np.square(scale) * (V**2).sum((-2, -1))


def whitened_distance(
    V: Float[Array, "*runs m w"], unseen: Float[Array, "*runs null m"], scale: Array | float
) -> Float[Array, "*runs"]:
    """tr[(V V^T)^-1 V U2^T U2 V^T] / scale^2: chi^2 with m (D - r) degrees of freedom (ours); unseen = U2 V^T."""
    gram = V @ V.mT
    squares = unseen.mT @ unseen
    return np.trace(np.linalg.solve(gram, squares), axis1=-2, axis2=-1) / np.square(scale)
