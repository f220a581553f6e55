"""How often the loss rises from one sample to the next, and by how much: what "approximately monotonic" can mean.

Two samples of a stationary process have the same law, so the loss rises as much as it falls. If the pair is
exchangeable too, as any pair of a Gaussian process in one direction, it rises with probability one half: averaging
makes the rises small, and no less frequent. (Ours.)
"""

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad
from scipy.special import gammaln

from theory.core.arrays import Array
from theory.core.validation import entries_inside, finite_matrix, inside, positive, reject

Number = Float[Array, "*#shape"] | float


def mean_rise(h: float, variance: Number, correlation: Number, d: int = 1) -> Number:
    """E (L' - L)_+ = h V (1 - c^2)^(1/2) Gamma((d + 1)/2) / (pi^(1/2) Gamma(d/2)) of L = h |w|^2 / 2 in d directions.

    h V (1 - c^2)^(1/2) / pi in one: 2 (L' - L) / h = (w' - w) . (w' + w), two independent Gaussians of variances
    2 V (1 - c) and 2 V (1 + c) a direction.

    Args:
        variance: V of w in each direction, before and after.
        correlation: c of w and w'.

    Raises:
        InvalidArgument: h not above 0, a negative variance, a correlation outside [-1, 1], d below 1.
    """
    V = entries_inside("variance", variance, 0, np.inf, "[)")
    c, d = entries_inside("correlation", correlation, -1, 1, "[]"), inside("d", d, 1, 1e12)
    half_rise = np.exp(gammaln((d + 1) / 2) - gammaln(d / 2)) / np.sqrt(np.pi)
    return positive("h", h) * V * np.sqrt((1 - c) * (1 + c)) * half_rise


def chance_of_rise(H: Float[np.ndarray, "d d"], S: Float[np.ndarray, "d d"], C: Float[np.ndarray, "d d"]) -> float:
    """P(L' > L), L = w^T H w / 2, of Gaussian w, w' of covariance S each and C = E w w'^T.

    L' - L is a sum of lambda_i z_i^2 / 2 of independent standard z_i. By its characteristic function (Gil-Pelaez 1951)

        P = 1/2 + 1/pi int_0^inf sin(theta(u)) / (u r(u)) du,
        theta = 1/2 sum arctan(lambda_i u),  r = prod (1 + lambda_i^2 u^2)^(1/4),

    which is 1/2 wherever the lambda_i come in pairs of opposite sign: always where C is symmetric, for then the pair is
    exchangeable.

    Raises:
        InvalidArgument: matrices of different sizes, an H or a covariance of (w, w') with a negative eigenvalue.
    """
    H = finite_matrix("H", H)
    H = _semidefinite("H", finite_matrix("H", H, len(H), len(H)))
    S, C = finite_matrix("S", S, len(H), len(H)), finite_matrix("C", C, len(H), len(H))
    joint = _semidefinite("covariance of (w, w')", np.block([[S, C], [C.T, S]]))
    values, vectors = np.linalg.eigh(joint / max(np.abs(joint).max(), np.finfo(float).tiny))
    root = vectors * np.sqrt(np.maximum(values, 0))
    zero = np.zeros_like(H)
    form = root.T @ np.block([[-H, zero], [zero, H]]) @ root
    lam = np.linalg.eigvalsh((form + form.T) / 2)
    size = np.abs(lam).max()
    return 0.5 if size == 0 else float(np.clip(0.5 + _imhof(lam / size) / np.pi, 0, 1))


def _imhof(lam: Array) -> float:
    """int_0^inf sin(theta) / (u r) du, in log u."""

    def integrand(log_u: float) -> float:
        x = lam * np.exp(log_u)
        return float(np.sin(np.arctan(x).sum() / 2) * np.exp(-np.log1p(x**2).sum() / 4))

    return float(quad(integrand, -40, 80, limit=400, points=(-5.0, 0.0, 5.0))[0])


def _semidefinite(name: str, matrix: Array) -> Array:
    largest = np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() > 1e-9 * largest or np.linalg.eigvalsh(matrix)[0] < -1e-9 * largest:
        reject(name, "a matrix that is no covariance", "a symmetric matrix without negative eigenvalues")
    return matrix
