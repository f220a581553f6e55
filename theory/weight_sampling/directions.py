"""Many directions at once: w <- w - eta D v, v <- beta v + H w + xi, where H, D and the noise share no directions.

The state (w, v) is linear in its past, x <- M x + N's noise, and every average of it is a sum of powers of M.
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_discrete_lyapunov

from theory.core.arrays import Array
from theory.core.validation import finite_matrix, inside, positive, positive_integer, reject

Matrix = Float[np.ndarray, "d d"]


def recursion(H: Matrix, noise: Matrix, D: Matrix, eta: float, beta: float = 0.0) -> tuple[Array, Array]:
    """(M, N): the step of the state (w, v) of 2 d numbers, and the covariance of what it adds.

    Raises:
        InvalidArgument: matrices of different sizes, noise that is no covariance, beta outside [0, 1).
    """
    H, noise, D = _square("H", H), _covariance("noise", noise, len(H)), finite_matrix("D", D, len(H), len(H))
    eta, beta = positive("eta", eta), inside("beta", beta, 0, 1, "[)")
    identity = np.eye(len(H))
    M = np.block([[identity - eta * D @ H, -eta * beta * D], [H, beta * identity]])
    G = np.vstack([-eta * D, identity])
    return M, G @ noise @ G.T


def stationary_covariance(M: Matrix, N: Matrix) -> Array:
    """S = M S M^T + N.

    Raises:
        InvalidArgument: an eigenvalue of M on or outside the unit circle: nothing is stationary.
    """
    M = _contraction(M)
    return solve_discrete_lyapunov(M, _covariance("N", N, len(M)))


def covariance_of_average(M: Matrix, N: Matrix, K: int, P: int = 1) -> Array:
    """Of the average of K states, one every P steps: with Q = M^P, K^-2 (K S + sum_{k<K} (K - k) (Q^k S + S Q^kT)).

    The sum is T S + S T^T with T = (K Q - Q (I - Q^K) (I - Q)^-1) (I - Q)^-1. Raises as `stationary_covariance`.
    """
    K, P = positive_integer("K", K), positive_integer("P", P)
    S = stationary_covariance(M, N)
    identity = np.eye(len(S))
    Q = np.linalg.matrix_power(np.asarray(M, dtype=np.float64), P)
    inverse = np.linalg.inv(identity - Q)
    T = (K * Q - Q @ (identity - np.linalg.matrix_power(Q, K)) @ inverse) @ inverse
    return (K * S + T @ S + S @ T.T) / K**2


def averaging_limit(H: Matrix, noise: Matrix) -> Array:
    """H^-1 noise H^-T = lim n Cov of the average of n iterates: whatever D, eta and beta are (Polyak & Juditsky 1992).

    For H w = (v - beta v_before) - xi, and D^-1 (w_before - w) = eta v: the averages of v telescope away.

    Raises:
        InvalidArgument: an H that is singular, noise that is no covariance of its size.
    """
    H = _square("H", H)
    noise = _covariance("noise", noise, len(H))
    if not np.linalg.cond(H) < 1e12:
        reject("H", f"a matrix of condition {np.linalg.cond(H):.3g}", "an invertible matrix, of condition below 1e12")
    return np.linalg.solve(H, np.linalg.solve(H, noise).T)


def _square(name: str, value: Matrix) -> Array:
    matrix = finite_matrix(name, value)
    return finite_matrix(name, matrix, len(matrix), len(matrix))


def _covariance(name: str, value: Matrix, size: int) -> Array:
    matrix = finite_matrix(name, value, size, size)
    largest = np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() > 1e-9 * largest or np.linalg.eigvalsh(matrix)[0] < -1e-9 * largest:
        reject(name, "a matrix that is no covariance", "a symmetric matrix without negative eigenvalues")
    return matrix


def _contraction(M: Matrix) -> Array:
    matrix = _square("M", M)
    largest = float(np.abs(np.linalg.eigvals(matrix)).max())
    if not largest < 1 - 1e-9:
        reject("M", f"a matrix with an eigenvalue of size {largest:.6g}", "eigenvalues of size below 1 - 1e-9")
    return matrix
