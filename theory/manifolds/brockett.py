"""Brockett's function on Stiefel, L(Q) = -tr(Q^T A Q N) / 2, N = diag(m), m_1 > ... > m_p > 0: the columns of the
minimiser are the p largest eigenvectors, in order."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import entries_inside, finite_arrays, reject


@dataclass(frozen=True)
class Brockett:
    """A = diag(l), without loss of generality.

    Args:
        l: distinct eigenvalues (n,), falling.
        m: distinct weights (p,), falling, above 0.

    Raises:
        InvalidArgument: l or m does not fall, p > n, or a weight is not above 0.
    """

    l: Array
    m: Array

    def __post_init__(self) -> None:
        finite_arrays(self, l="n", m="p")
        for name, values in (("l", self.l), ("m", self.m)):
            if (np.diff(values) >= 0).any():
                reject(name, values, "finite numbers, falling")
        if len(self.m) > len(self.l) or (self.m <= 0).any():
            reject("m", self.m, f"at most {len(self.l)} numbers above 0")

    @property
    def optimum(self) -> Float[Array, "n p"]:
        """The first p unit vectors, up to the sign of each."""
        return np.eye(len(self.l), len(self.m))

    @property
    def least(self) -> float:
        """-sum m_i l_i / 2."""
        return -float(self.m @ self.l[: len(self.m)]) / 2


def modes(problem: Brockett) -> Float[Array, "modes n p"]:
    """Orthonormal tangent vectors at the optimum: turns within the frame, then a column out of it, as `rates`."""
    n, p = len(problem.l), len(problem.m)
    unit = lambda i, j: np.outer(np.eye(n)[i], np.eye(p)[j])  # noqa: E731
    within = [(unit(i, j) - unit(j, i)) / np.sqrt(2) for i, j in _pairs(p)]
    return np.array(within + [unit(k, j) for k, j in _outside(n, p)]).reshape(-1, n, p)


def rates(problem: Brockett) -> Float[Array, " modes"]:
    """Hessian: (l_i - l_j)(m_i - m_j) / 2 within the frame, i < j <= p, and m_j (l_j - l_k) out of it, k > p."""
    l, m = problem.l, problem.m
    within = [(l[i] - l[j]) * (m[i] - m[j]) / 2 for i, j in _pairs(len(m))]
    return np.array(within + [m[j] * (l[j] - l[k]) for k, j in _outside(len(l), len(m))])


def velocity(problem: Brockett, Q: Float[Array, "*runs n p"]) -> Float[Array, "*runs n p"]:
    """Q' = A Q N - Q sym(Q^T A Q N), the flow in the metric of the embedding.

    Raises:
        InvalidArgument: a velocity that is not finite.
    """
    AQN = problem.l[:, None] * Q * problem.m
    inner = Q.mT @ AQN
    return entries_inside("velocity", AQN - Q @ (inner + inner.mT) / 2)


def _pairs(p: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(p) for j in range(i + 1, p)]


def _outside(n: int, p: int) -> list[tuple[int, int]]:
    return [(k, j) for k in range(p, n) for j in range(p)]
