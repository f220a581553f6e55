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
from scipy.optimize import minimize_scalar
from scipy.sparse.csgraph import connected_components

from theory.core.arrays import Array
from theory.core.validation import finite_matrix, positive, positive_integer, reject
from theory.deep_linear.minnorm import least_norm


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
    x = -a, and otherwise the kink at det W = 0 holds it.
    """
    return float(np.clip(b * c, -(a**2), a**2) / a)


def schatten_fill(a: float, b: float, c: float, L: int) -> float:
    """The entry that makes sum sigma^(2/L) of [[a, b], [c, ?]] least: on a grid, then between its neighbours.

    b c / a, where the rank is 1, is a kink of the sum, a local minimum for every L >= 2.

    Raises:
        InvalidArgument: a = 0, or a depth that is not a whole number above 0.
    """
    positive_integer("L", L)
    if a == 0:
        reject("a", a, "a number that is not 0")
    size = 2 * float(np.abs([a, b, c, b * c / a]).max())
    grid = np.linspace(-size, size, 4001)
    x = grid[np.argmin(_norm_at(grid, a, b, c, L))]
    step = 2 * size / 4000
    options = {"xatol": 1e-12 * size}
    inner = minimize_scalar(_norm_at, bounds=(x - step, x + step), args=(a, b, c, L), method="bounded", options=options)
    candidates = np.array([inner.x, b * c / a])
    return float(candidates[np.argmin(_norm_at(candidates, a, b, c, L))])


def _norm_at(x: Array | float, a: float, b: float, c: float, L: int) -> Array:
    """Least norm of [[a, b], [c, x]], for x of any shape."""
    W = np.empty((*np.shape(x), 2, 2))
    W[..., 0, :], W[..., 1, 0], W[..., 1, 1] = (a, b), c, x
    return least_norm(W, L)


def planted(known: Bool[np.ndarray, "K d"], size: float, rng: np.random.Generator) -> tuple[Completion, Array]:
    """A problem whose completion of least nuclear norm is W* = size u v^T, and that completion.

    u and v are the first singular vectors of a positive matrix that vanishes at the unknown entries: divided by its
    largest singular value, that matrix is a multiplier of W*, and its other singular values are below 1 (Perron).

    Raises:
        InvalidArgument: a size that is not above 0, or too few known entries to connect all rows and columns.
    """
    positive("size", size)
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
        InvalidArgument: a multiplier of an entry that is not known.
    """
    if np.any(np.where(problem.known, 0.0, multiplier)):
        reject("multiplier", "a matrix with entries where Y is not known", "0 there")
    size = np.maximum(1.0, np.linalg.norm(multiplier, ord=2, axis=(-2, -1)))
    return least_norm(W, 2) / 2 - (multiplier * problem.Y).sum((-2, -1)) / size
