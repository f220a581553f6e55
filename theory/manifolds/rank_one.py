"""A two-layer linear network of one hidden unit whose layers have length 1, x -> u v^T x, on white inputs: up to a
constant its squared loss is L(u, v) = -u^T M v on a product of two spheres, M = Y X^T.

Off the spheres, U' = M V and V' = M^T U keep |U|^2 - |V|^2, so that two unit vectors stay of equal length: the flow on
the spheres is this linear one, normalised (derived).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.validation import finite_matrix
from theory.manifolds.rayleigh import require_gap, turned, unit


@dataclass(frozen=True)
class RankOne:
    """M (a, b), its largest singular value simple.

    Raises:
        InvalidArgument: M is not such a matrix.
    """

    M: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "M", finite_matrix("M", self.M))
        s = np.linalg.svd(self.M, compute_uv=False)
        require_gap("gap between the two largest singular values of M", s[0] - sum(s[1:2]), s)


def rates(problem: RankOne) -> Float[Array, " modes"]:
    """Hessian at the optimum: s_1 - s_k, s_1 + s_k for k >= 2, then s_1 for each dimension one side has more."""
    a, b = problem.M.shape
    s = np.linalg.svd(problem.M, compute_uv=False)
    return np.concatenate([s[0] - s[1:], s[0] + s[1:], np.full(abs(a - b), s[0])])


def modes(problem: RankOne) -> Float[Array, "modes a_plus_b"]:
    """Orthonormal tangent vectors (du, dv) at the optimum, as `rates`."""
    a, b = problem.M.shape
    U, _, Vt = np.linalg.svd(problem.M)
    both = range(1, min(a, b))
    slow = [np.concatenate([U[:, k], Vt[k]]) / np.sqrt(2) for k in both]
    fast = [np.concatenate([U[:, k], -Vt[k]]) / np.sqrt(2) for k in both]
    left = [np.concatenate([U[:, k], np.zeros(b)]) for k in range(b, a)]
    right = [np.concatenate([np.zeros(a), Vt[k]]) for k in range(a, b)]
    return np.array(slow + fast + left + right).reshape(-1, a + b)


def optimum(problem: RankOne) -> Float[Array, " a_plus_b"]:
    """(u_1, v_1), up to a common sign."""
    U, _, Vt = np.linalg.svd(problem.M)
    return np.concatenate([U[:, 0], Vt[0]])


def solution(
    problem: RankOne, u: Float[Array, "*runs a"], v: Float[Array, "*runs b"], t: Float[Array, "*times"] | float
) -> tuple[Array, Array]:
    """(u, v)(t), each (*times, *runs, ...), from u / |u| and v / |v|; t = inf gives the limit.

    >>> problem, t = RankOne(np.diag([2.0, 1.0])), np.array([0.0, np.inf])
    >>> u, v = solution(problem, np.array([0.6, 0.8]), np.array([0.8, 0.6]), t)
    >>> u.round(3).tolist(), v.round(3).tolist()
    ([[0.6, 0.8], [1.0, 0.0]], [[0.8, 0.6], [1.0, 0.0]])

    Raises:
        InvalidArgument: a vector that is 0; a negative or NaN time.
    """
    a, b = problem.M.shape
    dilation = np.block([[np.zeros((a, a)), problem.M], [problem.M.T, np.zeros((b, b))]])
    z = turned(dilation, np.concatenate([unit(u), unit(v)], axis=-1), t)
    return unit(z[..., :a]), unit(z[..., a:])
