"""Linear regression: the data X, Y with the decomposition every formula uses."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.linalg import lapack

from theory.core.arrays import EPS, Array
from theory.core.validation import entries_inside, finite_matrix, positive_integer, reject


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

    @property
    def Phi2(self) -> Float[Array, "D null"]:
        """Orthonormal basis of the null space of X: D (D - r) numbers, which `unseen` and `from_unseen` do without."""
        return self.from_unseen(np.eye(self.D - self.r))

    def unseen(self, U: Float[Array, "*runs D h"]) -> Float[Array, "*runs null h"]:
        """Phi2^T U: what the data do not see of weights."""
        return self._reflected(U, "T")[..., self.r :, :]

    def from_unseen(self, U2: Float[Array, "*runs null h"]) -> Float[Array, "*runs D h"]:
        """Phi2 U2: the weights of which the data see nothing, and do not see U2."""
        above = np.zeros((*U2.shape[:-2], self.r, U2.shape[-1]))
        return self._reflected(np.concatenate([above, U2], axis=-2), "N")

    @cached_property
    def _reflections(self) -> tuple[Array, Array]:
        """Householder's reflections whose product is [Phi1 R^-1, Phi2], R = diag(+-1): D r numbers."""
        reflections, scales, _, _ = lapack.dgeqrf(self.Phi1)
        return reflections, scales

    def _reflected(self, weights: Array, transposed: str) -> Array:
        """The product of the reflections, or its transpose ("T"), times weights (..., D, h)."""
        columns = np.moveaxis(weights, -2, 0)
        side_by_side = columns.reshape(self.D, -1)
        room = 64 * max(side_by_side.shape[1], 1)
        product, _, _ = lapack.dormqr("L", transposed, *self._reflections, side_by_side, room)
        return np.moveaxis(product.reshape(columns.shape), 0, -2)

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
    """X of rank len(singular_values) with exactly these singular values, Y iid N(0, 1).

    Raises:
        InvalidArgument: sizes that are no whole numbers above 0, singular values that are no row of finite numbers, or
            more than min(n, D).
    """
    for name, size in (("D", D), ("n", n), ("m", m)):
        positive_integer(name, size)
    r = entries_inside("singular_values", singular_values).size
    if np.ndim(singular_values) != 1:
        reject("singular_values.shape", np.shape(singular_values), "(r,)")
    if r > min(n, D):
        reject("singular_values", f"{r} values", f"at most min(n, D) = {min(n, D)}")
    W = np.linalg.qr(rng.standard_normal((n, r)))[0]
    Phi1 = np.linalg.qr(rng.standard_normal((D, r)))[0]
    return Regression((W * np.asarray(singular_values)) @ Phi1.T, rng.standard_normal((n, m)))
