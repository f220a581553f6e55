r"""Matrix completion, the smallest layers whose product has the entries that are known: here depth changes the answer.

A network without inputs, W = W_L ... W_1, is to have W_ij = Y_ij at the known entries. The least sum |W_l|^2 is
L sum_k sigma_k(W)^(2/L) (Schatten's quasi-norm of power 2/L), least over all completions:

    L = 1    Frobenius: the unknown entries are 0
    L = 2    nuclear: convex, and its optima have certificates
    L >= 3   ever closer to the rank, not convex

Fully known regression has one answer for every depth (`minnorm`): all singular values of an interpolant grow together.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import brentq
from scipy.sparse.csgraph import connected_components

from theory.core.arrays import EPS, Array
from theory.core.validation import finite_matrix, inside, positive, positive_integer, reject
from theory.deep_linear.minnorm import least_norm

SMALLEST = 1e-150  # beside entries of size 1, what has a square that is a normal number


@dataclass(frozen=True)
class Completion:
    """A matrix of which some entries are known.

    Attributes:
        Y: (K, d); the entries that are not known do not count.
        known: (K, d), True at the known entries.

    Raises:
        InvalidArgument: Y is no finite matrix, `known` has another shape, or nothing is known.
    """

    Y: Array
    known: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "Y", finite_matrix("Y", self.Y))
        known = np.asarray(self.known)
        if known.shape != self.Y.shape or known.dtype != bool:
            reject("known", f"{known.dtype} of shape {known.shape}", f"bool of shape {self.Y.shape}")
        if not known.any():
            reject("known", "False everywhere", "at least one known entry")
        object.__setattr__(self, "known", known)

    def violation(self, W: Float[Array, "*runs K d"]) -> Float[Array, "*runs K d"]:
        """Y - W where Y is known, 0 elsewhere."""
        return np.where(self.known, self.Y - W, 0.0)


def corner(a: float, b: float, c: float) -> Completion:
    """[[a, b], [c, ?]]."""
    known: Bool[np.ndarray, "2 2"] = np.array([[True, True], [True, False]])
    return Completion(np.array([[a, b], [c, 0.0]]), known)


def nuclear_fill(a: float, b: float, c: float) -> float:
    """The entry that makes the nuclear norm of [[a, b], [c, ?]] least: b c / a, but no further from 0 than |a|.

    |W|_*^2 = |W|_F^2 + 2 |det W|: with b c > a^2 the derivative by the entry x vanishes at x = a, with b c < -a^2 at
    x = -a, and otherwise the kink at det W = 0 holds it. At a = 0 that is 0.

    >>> [nuclear_fill(a, 2.0, 3.0) for a in (4.0, 1.0, -1.0, 0.0)]
    [1.5, 1.0, -1.0, 0.0]
    """
    return float(np.clip(rank_one_fill(a, b, c), -abs(a), abs(a)))


def schatten_fill(a: float, b: float, c: float, L: int) -> float:
    """The entry that makes sum sigma^(2/L) of [[a, b], [c, ?]] least; 0 at a = 0.

    b c / a, where the rank is 1, is a kink of the sum, a local minimum for every L >= 2. Beyond it, and beyond 0, both
    |W|_F and |det W| grow, and with them the sum. At another extremum x between the two, with q = 2 / L and t the ratio
    of the singular values,

        |x / a| = (t^(q - 1) - t) / (1 - t^q) >= 2 / q - 1 = L - 1.

    Raises:
        InvalidArgument: an entry that is not finite, a depth that is not a whole number above 0, an a that is not 0 and
            below 1e-150 of the largest entry.
    """
    kink = rank_one_fill(a, b, c)
    if positive_integer("L", L) == 1:
        return 0.0
    if L == 2:
        return nuclear_fill(a, b, c)
    if abs(kink) <= (L - 1) * abs(a):
        return kink
    largest = max(abs(a), abs(b), abs(c))
    sizes = np.array([abs(a), abs(b), abs(c)]) / largest
    inside("a relative to the largest entry", sizes[0], SMALLEST, 1)
    rank_one = abs(rank_one_fill(*sizes))
    x = np.geomspace((L - 1) * sizes[0], rank_one, 4001)
    rising = _slope(x[:-1], *sizes, L) > 0
    minima = [
        brentq(_slope, x[i], x[i + 1], args=(*sizes, L), xtol=1e-300, rtol=4 * EPS)
        for i in np.flatnonzero(rising[1:] & ~rising[:-1])
    ]
    best = min([rank_one, *minima], key=lambda x: _power_sum(x, *sizes, L))
    return kink if best == rank_one else float(np.copysign(best * largest, kink))


def rank_one_fill(a: float, b: float, c: float) -> float:
    """The entry with which [[a, b], [c, ?]] has rank 1, b c / a: for L >= 3 a local minimum, if not the least.

    0 at a = 0, and infinite where b c / a is beyond the largest number.

    >>> rank_one_fill(1.0, 2.0, 3.0), schatten_fill(1.0, 2.0, 3.0, 4)
    (6.0, 6.0)

    Raises:
        InvalidArgument: an entry that is not finite.
    """
    # Without overflow or underflow on the way.
    a, b, c = (inside(name, value, -np.inf, np.inf, "()") for name, value in (("a", a), ("b", b), ("c", c)))
    small, large = sorted((b, c), key=abs)
    return small / a * large if a else 0.0


def _singular_values(x: Array | float, a: float, b: float, c: float) -> tuple[Array, Array]:
    """The first one of [[a, b], [c, x]], and log of first / second, by their sum and difference; 0 <= a x <= b c."""
    total, apart = np.hypot(a - x, b + c), np.hypot(a + x, b - c)
    first = (total + apart) / 2
    with np.errstate(divide="ignore"):  # rank 1
        far = -np.log(b * c * (1 - x / rank_one_fill(a, b, c)) / first / first)
    return first, np.where(apart < total / 4, -np.log1p(-np.minimum(apart, first / 2) / first), far)


def _slope(x: Array | float, a: float, b: float, c: float, L: int) -> Array:
    """Above 0 where sum sigma^(2/L) grows with x; t = e^-y."""
    q, y = 2 / L, _singular_values(x, a, b, c)[1]
    with np.errstate(over="ignore"):  # next to rank 1 it falls ever faster
        return x - a * np.exp((1 - q) * y) * np.expm1(-(2 - q) * y) / np.expm1(-q * y)


def _power_sum(x: Array | float, a: float, b: float, c: float, L: int) -> Array:
    """sum sigma^(2/L)."""
    first, y = _singular_values(x, a, b, c)
    return first ** (2 / L) * (1 + np.exp(-2 / L * y))


def planted(known: Bool[np.ndarray, "K d"], size: float, rng: np.random.Generator) -> tuple[Completion, Array]:
    """A problem whose completion of least nuclear norm is W* = size u v^T, and that completion.

    u and v are the first singular vectors of a positive matrix that vanishes at the unknown entries: divided by its
    largest singular value, that matrix is a multiplier of W*, and its other singular values are below 1 (Perron).

    Raises:
        InvalidArgument: a size that is not above 0, no matrix of bools, or too few known entries to connect all rows
            and columns.
    """
    positive("size", size)
    known = np.asarray(known)
    if known.ndim != 2 or known.dtype != bool:
        reject("known", f"{known.dtype} of shape {known.shape}", "bool of shape (K, d)")
    graph = np.block([[np.zeros((len(known), len(known))), known], [known.T, np.zeros(2 * known.shape[1:])]])
    if connected_components(graph, directed=False)[0] > 1:
        reject("known", f"{known.sum()} entries", "entries that connect every row with every column")
    U, _, Vt = np.linalg.svd(np.where(known, rng.uniform(0.5, 1.5, known.shape), 0.0))
    W = size * np.outer(U[:, 0], Vt[0])
    return Completion(W, known), W


def duality_gap(
    problem: Completion, W: Float[Array, "*runs K d"], multiplier: Float[Array, "*runs K d"]
) -> Float[Array, "*runs"] | float:
    """|W|_* - <Lambda, Y> / max(1, sigma_1(Lambda)): how far the nuclear norm of a completion W can be from the least.

    Any Lambda that vanishes where Y is not known, with singular values of at most 1, bounds the nuclear norm of every
    completion from below: <Lambda, Y> = <Lambda, W> <= |W|_*. At depth 2 Minnorm's multipliers end as the best of them.

    Raises:
        InvalidArgument: a multiplier of an entry that is not known, or matrices of other shapes or that are not finite.
    """
    for name, matrix in (("W", W), ("multiplier", multiplier)):
        if np.shape(matrix)[-2:] != problem.Y.shape or not np.isfinite(matrix).all():
            reject(
                name,
                f"an array of shape {np.shape(matrix)}",
                f"finite, (*runs, {', '.join(map(str, problem.Y.shape))})",
            )
    if np.any(np.where(problem.known, 0.0, multiplier)):
        reject("multiplier", "a matrix with entries where Y is not known", "0 there")
    size = np.maximum(1.0, np.linalg.norm(multiplier, ord=2, axis=(-2, -1)))
    return least_norm(W, 2) / 2 - (multiplier * problem.Y).sum((-2, -1)) / size
