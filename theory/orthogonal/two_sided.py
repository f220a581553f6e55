r"""A layer turned on both sides, W = R2 W0 R1^T with W0 fixed, taught a matrix T: L = 1/2 |W - T|^2 (deep linear OPT).

R1 and R2 are rotations. With W0 = U diag(s) V^T and T = C diag(tau) D^T the optimum aligns them, R2 = C U^T and
R1 = D V^T, and leaves L* = 1/2 sum (s_i - tau_i)^2 (von Neumann); tau_d has the sign of det W0 det T, which no rotation
changes. Rates of the flow in the embedded metric of both rotations, two for each pair i < j:

    (s_i - s_j) (tau_i - tau_j) / 2,    (s_i + s_j) (tau_i + tau_j) / 2.

If both sides turn in the plane (i, j) only, by alpha and beta from the optimum, the flow is solved:
tan((alpha + beta)/2) decays at the first rate, tan((alpha - beta)/2) at the second.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import finite_matrix
from theory.orthogonal.decay import decay, turned_back


@dataclass(frozen=True)
class TwoSided:
    """A fixed W0 (d, d), and the target T (d, d).

    Raises:
        InvalidArgument: one is no finite square matrix, or their sizes differ.
    """

    W0: Array
    T: Array

    def __post_init__(self) -> None:
        W0 = finite_matrix("W0", self.W0, rows=len(np.atleast_1d(self.W0)), columns=len(np.atleast_1d(self.W0)))
        object.__setattr__(self, "W0", W0)
        object.__setattr__(self, "T", finite_matrix("T", self.T, *W0.shape))


@dataclass(frozen=True)
class Alignment:
    """W0 = U diag(s) V^T and T = C diag(tau) D^T with C U^T and D V^T rotations: tau_d may be negative."""

    U: Array
    s: Array
    V: Array
    C: Array
    tau: Array
    D: Array

    @property
    def optimum(self) -> tuple[Float[Array, "d d"], Float[Array, "d d"]]:
        """(R2, R1) = (C U^T, D V^T); where s and tau are distinct, unique up to signs that both share."""
        return self.C @ self.U.T, self.D @ self.V.T

    @property
    def optimal_loss(self) -> float:
        """1/2 sum (s_i - tau_i)^2."""
        return float(0.5 * ((self.s - self.tau) ** 2).sum())

    @property
    def rates(self) -> Float[Array, "2 pairs"]:
        """(s_i - s_j)(tau_i - tau_j) / 2 and (s_i + s_j)(tau_i + tau_j) / 2, pairs i < j in the order of triu_indices.

        An equal pair of s or of tau is a flat direction: its first rate is 0.
        """
        i, j = np.triu_indices(len(self.s), 1)
        s, tau = _signed_pairs(self.s, i, j), _signed_pairs(self.tau, i, j)
        return s * tau / 2


def alignment(problem: TwoSided) -> Alignment:
    """Both singular value decompositions, with the signs two rotations can reach."""
    U, s, Vt = np.linalg.svd(problem.W0)
    C, tau, Dt = np.linalg.svd(problem.T)
    left, right = (np.linalg.det(C) * np.linalg.det(U), np.linalg.det(Dt) * np.linalg.det(Vt))
    last = np.arange(len(s)) == len(s) - 1
    signs = lambda determinant: np.where(last, np.sign(determinant), 1.0)  # noqa: E731
    return Alignment(U, s, Vt.T, C * signs(left), tau * signs(left) * signs(right), Dt.T * signs(right))


def plane_solution(
    rates: Float[Array, "2 *#runs"],
    alpha: Float[Array, "*#runs"],
    beta: Float[Array, "*#runs"],
    t: Float[Array, "*times"] | float,
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """(alpha(t), beta(t)) of two rotations in one plane whose two `rates` are given, each (*times, *runs).

    Angles are continuous: alpha +- beta end at the nearest whole turns, and a half turn of one of them rests.

    >>> alpha, beta = plane_solution(np.array([0.5, 1.5]), np.array(0.9), np.array(0.3), np.array([0.0, 1.0, np.inf]))
    >>> print(alpha.round(3), beta.round(3))
    [0.9   0.462 0.   ] [0.3   0.324 0.   ]

    Raises:
        InvalidArgument: a negative or NaN time.
    """
    slow, fast, alpha, beta = np.broadcast_arrays(*rates, alpha, beta)
    total, difference = turned_back(alpha + beta, decay(slow, t)), turned_back(alpha - beta, decay(fast, t))
    return (total + difference) / 2, (total - difference) / 2


def _signed_pairs(values: Array, i: Array, j: Array) -> Array:
    """values_i - values_j and values_i + values_j, 0 within rounding of it."""
    pairs = np.stack([values[i] - values[j], values[i] + values[j]])
    return np.where(np.abs(pairs) <= 10 * EPS * np.abs(values[0]), 0.0, pairs)
