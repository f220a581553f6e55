"""Linear regression: the data X, Y with the decomposition every formula uses."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, Array
from theory.core.validation import finite_matrix, reject


@dataclass(frozen=True)
class Regression:
    """Data X (n, D), Y (n, m), validated, with the decomposition every formula uses.

    Raises:
        InvalidArgument: X or Y is no finite matrix, their numbers of rows differ, or X is zero.
    """

    X: Array  # (n, D); plain, so that a wrong shape is refused by name below
    Y: Array  # (n, m)

    def __post_init__(self) -> None:
        X = finite_matrix("X", self.X)
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "Y", finite_matrix("Y", self.Y, rows=X.shape[0]))
        if not X.any():
            reject("X", "the zero matrix", "data of rank at least 1")

    @cached_property
    def _svd(self) -> tuple[Array, Array, Array]:
        W, S, Phi1 = np.linalg.svd(self.X, full_matrices=False)
        r = int((S > S[0] * max(self.X.shape) * EPS).sum())
        return W[:, :r], S[:r], Phi1[:r].T

    @property
    def W(self) -> Float[Array, "n r"]:
        """Orthonormal basis of the column space of X: X = W S Phi1^T."""
        return self._svd[0]

    @property
    def S(self) -> Float[Array, " r"]:
        """Singular values of X, decreasing: Sigma_x^(1/2)."""
        return self._svd[1]

    @property
    def Phi1(self) -> Float[Array, "D r"]:
        """Orthonormal basis of the row space of X."""
        return self._svd[2]

    @cached_property
    def Phi2(self) -> Float[Array, "D null"]:
        """Orthonormal basis of the null space of X."""
        return np.linalg.qr(self.Phi1, mode="complete")[0][:, self.r :]

    @cached_property
    def targets(self) -> Float[Array, "r m"]:
        """y~ = W^T Y: the part of Y that a linear map of X can reach."""
        return self.W.T @ self.Y

    @property
    def D(self) -> int:
        return self.X.shape[1]

    @property
    def m(self) -> int:
        return self.Y.shape[1]

    @property
    def r(self) -> int:
        return self.S.size

    @cached_property
    def optimal_loss(self) -> float:
        """L* = 1/2 |(I - W W^T) Y|^2."""
        return 0.5 * float(((self.Y - self.W @ self.targets) ** 2).sum())

    @cached_property
    def minimum_norm_solution(self) -> Float[Array, "D m"]:
        """Theta_hat = Phi1 S^-1 y~ = pinv(X) Y."""
        return self.Phi1 @ (self.targets / self.S[:, None])


def random_regression(rng: np.random.Generator, *, D: int, n: int, m: int, singular_values: Array) -> Regression:
    """X of rank len(singular_values) with exactly these singular values, Y iid N(0, 1)."""
    r = len(singular_values)
    if r > min(n, D):
        reject("singular_values", f"{r} values", f"at most min(n, D) = {min(n, D)}")
    W = np.linalg.qr(rng.standard_normal((n, r)))[0]
    Phi1 = np.linalg.qr(rng.standard_normal((D, r)))[0]
    return Regression((W * np.asarray(singular_values)) @ Phi1.T, rng.standard_normal((n, m)))
