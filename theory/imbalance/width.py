"""Lemma 1 and Theorem 2: wide random starts are imbalanced and nearly orthogonal to what training does not see.

All of it follows from one event, of probability at least 1 - delta: every singular value of h^a [V; U1; U2], a
Gaussian matrix of m + D rows and h columns, lies within sqrt(h) -+ s. The printed s rests on a tail that is too
light; `deviation` is the corrected one, and every function here takes s, so that either can be tried.
"""

import numpy as np
from jaxtyping import Float
from scipy import linalg, stats

from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside, inside, positive_integer, reject, times
from theory.imbalance.problem import Network


def deviation(problem: Regression, delta: float) -> float:
    """s = sqrt(m + D) + t with 2 exp(-t^2 / 2) = delta: the tail of Davidson & Szarek for Gaussian singular values.

    Raises:
        InvalidArgument: delta outside (0, 1).
    """
    inside("delta", delta, 0, 1, "()")
    return float(np.sqrt(problem.m + problem.D) + np.sqrt(2 * (np.log(2) - np.log(delta))))


def printed_deviation(problem: Regression, delta: float) -> float:
    """s = sqrt(m + D) + 1/2 log(2 / delta), as the paper prints it in Lemma 1; see `printed_tail`."""
    inside("delta", delta, 0, 1, "()")
    return float(np.sqrt(problem.m + problem.D) + 0.5 * (np.log(2) - np.log(delta)))


def tail(t: Array | float) -> Array:
    """P(some singular value of a Gaussian n x m matrix leaves sqrt(n) -+ (sqrt(m) + t)) <= 2 exp(-t^2 / 2).

    Raises:
        InvalidArgument: here and in the logarithms below, a t that is negative or NaN.
    """
    return np.exp(log_tail(t))


def log_tail(t: Array | float) -> Array:
    """log 2 - t^2 / 2, the logarithm of `tail`: far out only that is a number."""
    return np.log(2) - _squared(t) / 2


def printed_log_tail(t: Array | float) -> Array:
    """log 2 - t^2, of the bound 2 exp(-t^2) that Lemma E.1 prints for the same probability: too small."""
    return np.log(2) - _squared(t)


def scalar_log_tail(t: Array | float) -> Array:
    """log of the probability itself for n = m = 1, where the singular value is |g|: P(|g| > 2 + t), for t >= 0."""
    return np.log(2) + stats.norm.logsf(2 + times(t))


def extreme_singular_values(n: int, m: int, rng: np.random.Generator) -> tuple[float, float]:
    """Smallest and largest singular value of one Gaussian n x m matrix, n >= m, in law, without drawing it.

    Householder reflections of a Gaussian matrix leave independent chi variables on two diagonals (Silverstein 1985):
    n, ..., n - m + 1 degrees of freedom on the main one, m - 1, ..., 1 below it. Its singular values are the positive
    eigenvalues of the tridiagonal matrix that has the two in turn beside a diagonal of zeros (Golub & Kahan 1965).

    Raises:
        InvalidArgument: n < m, or no whole numbers.
    """
    if positive_integer("n", n) < positive_integer("m", m):
        reject("n", n, f"at least m = {m}: more rows than columns")
    beside = np.empty(2 * m - 1)
    beside[::2] = np.sqrt(rng.chisquare(n - np.arange(m)))
    beside[1::2] = np.sqrt(rng.chisquare(m - 1 - np.arange(m - 1)))
    zeros = np.zeros(2 * m)
    low, high = (
        abs(linalg.eigvalsh_tridiagonal(zeros, beside, select="i", select_range=(i, i)).item()) for i in (m, 2 * m - 1)
    )
    return low, high


def lemma_width(s: float) -> float:
    """h0' = 16 s^2: above it Lemma 1 holds with probability at least 1 - delta."""
    with np.errstate(over="ignore"):
        return float(16 * np.square(_deviation(s)))


def imbalance_level_bound(h: Array | float, exponent: float) -> Array:
    """c > h^(1 - 2a) (inequality 17).

    Raises:
        InvalidArgument: here and below, a width that is not positive, a outside (1/4, 1/2], an s that is negative.
    """
    return _widths(h) ** (1 - 2 * _exponent(exponent))


def worst_imbalance_level(h: Array | float, exponent: float, s: float) -> Array:
    """2 [sqrt(h) - s]_+^2 / h^(2a): the least c when every singular value lies in sqrt(h) -+ s (ours, attained).

    Lambda has the nonzero spectrum of G^(1/2) J G^(1/2), G = Z Z^T, and Ostrowski's theorem keeps its eigenvalues at
    least lambda_min(G) away from 0. It exceeds h^(1 - 2a) as soon as h > (s / (1 - 2^(-1/2)))^2 = 11.7 s^2.
    """
    return 2 * np.maximum(np.sqrt(_widths(h)) - _deviation(s), 0) ** 2 / _widths(h) ** (2 * _exponent(exponent))


def overlap_bound(problem: Regression, h: Array | float, exponent: float, s: float) -> Array:
    """|[V U2^T; U1 U2^T]|_F <= 2 sqrt(m + r) s / h^(2a - 1/2) (inequality 18); more below h = s^2, see `_overlap`."""
    return np.sqrt(problem.m + problem.r) * _overlap(h, s) / _widths(h) ** (2 * _exponent(exponent))


def product_bound(problem: Regression, h: Array | float, exponent: float, s: float) -> Array:
    """|U1 V^T|_F <= 2 sqrt(m) s / h^(2a - 1/2) (inequality 19); more below h = s^2, see `_overlap`."""
    return np.sqrt(problem.m) * _overlap(h, s) / _widths(h) ** (2 * _exponent(exponent))


def extreme_rows(h: float, s: float, pairs: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows A, B with A B^T = 2 sqrt(h) s I, singular values of [A; B] equal to sqrt(h) -+ s: (18), (19) are attained.

    They are h long, and written in the 2 `pairs` directions that they span: shape (pairs, 2 pairs) each. Below h = s^2
    the smaller of the two values is 0, and A B^T as in `_overlap`.
    """
    positive_integer("pairs", pairs)
    frame = np.linalg.qr(rng.standard_normal((2 * pairs, 2 * pairs)))[0]
    small, large = (float(value) for value in _range(h, s))
    low, high = small * frame[:pairs], large * frame[pairs:]
    return (high + low) / np.sqrt(2), (high - low) / np.sqrt(2)


def extreme_network(problem: Regression, h: float, exponent: float, s: float, rng: np.random.Generator) -> Network:
    """A worst start (one run) of the event behind Lemma 1: [V; U1] and U2 overlap as much as (18) allows.

    It is complete, [V; U] has no other rows, where D - r = m + r; its width is that of `extreme_rows`.

    Raises:
        InvalidArgument: D - r < m + r leaves no room for the overlap, a outside (1/4, 1/2].
    """
    size = problem.m + problem.r
    if problem.D - problem.r < size:
        reject("D", problem.D, f"at least m + 2 r = {size + problem.r}: an unseen row for each that is seen")
    seen, unseen = (float(h) ** -_exponent(exponent) * rows for rows in extreme_rows(h, s, size, rng))
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

    The paper prints 4 lambda_1 / lambda_r^3 m s^2 under the maximum, from its residual bound. Infinite where no number
    is as large, a near 1/4.

    Raises:
        InvalidArgument: a outside (1/4, 1/2].
    """
    return _theorem_width(problem, (problem.S[0] / problem.S[-1]) ** 2, exponent, s)


def printed_theorem_width(problem: Regression, exponent: float, s: float) -> float:
    """h0^(1 / (4a - 1)) with the printed h0 = max(h0', 4 lambda_1 / lambda_r^3 m s^2)."""
    with np.errstate(over="ignore", divide="ignore"):
        ratio = problem.S[0] / problem.S[-1] / problem.S[-1] / problem.S[-1]
    return _theorem_width(problem, ratio, exponent, s)


def _theorem_width(problem: Regression, ratio: float, exponent: float, s: float) -> float:
    """max(16, 4 ratio^2 m) s^2, and its power."""
    with np.errstate(over="ignore"):
        root = np.float64(max(4, 2 * ratio * np.sqrt(problem.m)) * s if _deviation(s) > 0 else 0)
        return float(np.square(root) ** (1 / (4 * _exponent(exponent) - 1)))


def distance_bound(problem: Regression, h: Array | float, exponent: float, s: float) -> Array:
    """2 C^(1 / h^(1 - 2a)) sqrt(m + r) s / h^(2a - 1/2), C = exp(1 + lambda_1^(1/2) / lambda_r |Y|_F) (Theorem 2).

    Bounds |U V^T(inf) - Theta_hat|_F, and |U2 V(t)^T|_F at every time, for h > `theorem_width`.
    """
    log_C = 1 + problem.S[0] / problem.S[-1] / problem.S[-1] * np.linalg.norm(problem.Y)
    overlap = overlap_bound(problem, h, exponent, s)
    with np.errstate(over="ignore"):  # far below that width it is infinite, and still a bound
        growth = np.exp(log_C / imbalance_level_bound(h, exponent))
        return np.multiply(growth, overlap, out=np.zeros_like(overlap), where=overlap > 0)


def distance_given_output(
    problem: Regression, V: Float[Array, "*runs m h"], scale: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs"]:
    """E |U2 V(t)^T|_F^2 given V(t): (D - r) scale^2 |V(t)|_F^2 (ours, exact at every width and time).

    U2 has independent N(0, scale^2) entries, never moves, and V(t) never sees it: U2 V^T given V is Gaussian,
    N(0, scale^2 I (x) V V^T). `scale` is h^-a.

    Raises:
        InvalidArgument: a product of scale and V that is not finite, or so large that squares overflow.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.asarray(scale)[..., None, None] * V
    return (problem.D - problem.r) * np.square(entries_inside("scale V", scaled, -SQUARABLE, SQUARABLE, "[]")).sum(
        (-2, -1)
    )


def whitened_distance(
    V: Float[Array, "*runs m w"], unseen: Float[Array, "*runs null m"], scale: Float[Array, "*#runs"] | float
) -> Float[Array, "*runs"]:
    """tr[(V V^T)^-1 V U2^T U2 V^T] / scale^2: chi^2 with m (D - r) degrees of freedom (ours); unseen = U2 V^T.

    Raises:
        InvalidArgument: rows of V that depend on each other, where U2 V^T does not tell U2 along all of them; numbers
            that are not finite, a scale that is not above 0.
    """
    V, unseen, scale = entries_inside("V", V), entries_inside("unseen", unseen), entries_inside("scale", scale, 0)
    values = np.linalg.svd(V, compute_uv=False)
    m = V.shape[-2]
    if values.shape[-1] < m or not (values[..., -1] > max(V.shape[-2:]) * EPS * values[..., 0]).all():
        reject("V", f"an array of shape {V.shape}", f"rank m = {m}, its rows independent")
    R = np.linalg.qr(V.mT, mode="r")
    with np.errstate(over="ignore"):
        return np.square(np.linalg.solve(R.mT, unseen.mT) / scale[..., None, None]).sum((-2, -1))


def _range(h: Array | float, s: float) -> tuple[Array, Array]:
    """([sqrt(h) - s]_+, sqrt(h) + s): where the singular values of the event lie."""
    root = np.sqrt(_widths(h))
    return np.maximum(root - _deviation(s), 0), root + s


def _overlap(h: Array | float, s: float) -> Array:
    """The largest |A B^T|_2 of rows [A; B] with singular values in this range: 2 sqrt(h) s, or (sqrt(h) + s)^2 / 2.

    It is half the difference of the squares of the two ends, the smaller of which is 0 below h = s^2.
    """
    root = np.sqrt(_widths(h))
    with np.errstate(over="ignore"):
        return np.where(root >= _deviation(s), 2 * root * s, np.square(root + s) / 2)


def _widths(h: Array | float) -> Array:
    h = np.asarray(h, dtype=np.float64)
    if not (np.isfinite(h) & (h > 0)).all():
        reject("h", h if h.ndim == 0 else h[~(np.isfinite(h) & (h > 0))].flat[0], "widths above 0")
    return h


def _exponent(exponent: float) -> float:
    return inside("exponent", exponent, 0.25, 0.5, "(]")


def _deviation(s: float) -> float:
    return inside("s", s, 0, np.inf, "[)")


def _squared(t: Array | float) -> Array:
    """t^2 of what a singular value may be beyond; -infinity is the logarithm of what no number is as small as."""
    with np.errstate(over="ignore"):
        return np.square(times(t))
