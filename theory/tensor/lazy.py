"""Lazy training: components that move little, so that the model stays in the tangent space of its start.

The model alpha (f(U) - f(U(0))), f(U) = sum_i u_i^l, is trained by descent on |T - model|^2 / (2 alpha^2). As alpha
tends to infinity it is linear in how far the components moved: what is left of T in the end is what is at right angles
to S(U(0)), whatever the step, and after k steps (I - eta K)^k T with K the tangent kernel.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, reject
from theory.tensor import harmonics
from theory.tensor.coordinates import dimension, exponents, scales, tangents
from theory.tensor.generic import tangent_dimension

RANK = 1e-9  # singular values below this share of the largest are 0


@dataclass(frozen=True)
class Tangents:
    """S(U) for the components U (m, d), of length 1 or near it, and order l.

    Raises:
        InvalidArgument: U is no matrix of numbers of size below 1e9, or 0; see `coordinates.exponents`.
    """

    U: Float[Array, "m d"]
    l: int
    jacobian: Float[Array, "D params"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "jacobian", self.l * tangents(self.U, self.l).reshape(np.size(self.U), -1).T)
        if not np.any(self._decomposed[1]):
            reject("U", "components whose tangents are 0", "components that are not 0")

    @cached_property
    def _decomposed(self) -> tuple[Array, Array, Array]:
        left, values, right = np.linalg.svd(self.jacobian, full_matrices=False)
        return left, values, right

    @property
    def rank(self) -> int:
        """dim S(U), counted with a tolerance of `RANK`."""
        values = self._decomposed[1]
        return int((values > RANK * values[0]).sum())

    @property
    def eigenvalues(self) -> Float[Array, " rank"]:
        """Of K = J J^T other than 0, from the largest."""
        return self._decomposed[1][: self.rank] ** 2

    @property
    def basis(self) -> Float[Array, "D rank"]:
        """Orthonormal, of S(U): eigenvectors of K."""
        return self._decomposed[0][:, : self.rank]

    def left(self, T: Float[Array, "*runs D"]) -> Float[Array, "*runs D"]:
        """What training leaves of T in the end: T - P T.

        Raises:
            InvalidArgument: T has no D numbers, or one too large to be squared.
        """
        T = self._target(T)
        return T - T @ self.basis @ self.basis.T

    def left_after(self, T: Float[Array, "*runs D"], learning_rate: float, k: int) -> Float[Array, "*runs D"]:
        """(I - eta K)^k T, what k steps leave. Raises as `left`."""
        T = self._target(T)
        kept = (1 - learning_rate * self.eigenvalues) ** k
        return self.left(T) + (T @ self.basis * kept) @ self.basis.T

    def moves(self, T: Float[Array, "*runs D"]) -> Float[Array, "*runs m d"]:
        """alpha (U - U(0)) in the end: the shortest solution of J delta = P T. Raises as `left`."""
        _, values, right = self._decomposed
        inverse = right[: self.rank].T / values[: self.rank]
        moves = self._target(T) @ self.basis @ inverse.T
        return moves.reshape(*moves.shape[:-1], *np.shape(self.U))

    def squared_first_order(self, T: Float[Array, "*runs D"]) -> Float[Array, "*runs"]:
        """c in |T - model|^2 = |T - P T|^2 + c / alpha + O(1 / alpha^2), in the end (ours).

        The model is J delta + H[delta, delta] / (2 alpha). What changes in J delta at first order lies in S, and so is
        at right angles to R = T - P T: left is c = -<R, H[delta, delta]> = -l (l - 1) sum_i <R, u_i^(l-2) delta_i^2>.
        It is true where no direction of U leaves the model unchanged: m d = dim S(U).

        Raises:
            InvalidArgument: m d is not dim S(U), or l is 1; as `left`.
        """
        if self.rank < np.size(self.U):
            reject("m d", np.size(self.U), f"components that count: dim S(U) = {self.rank}")
        e = exponents(self.U.shape[1], self.l)
        moved, R = self.moves(T), self.left(T) * scales(self.U.shape[1], self.l)
        second = np.zeros(moved.shape[:-2])
        for i, u in enumerate(self.U):
            curved = _second_derivatives(u, e)
            second += np.einsum("...a,...b,abD,...D->...", moved[..., i, :], moved[..., i, :], curved, R)
        return -second

    def mean_left(self, r: int = 1) -> float:
        """The share that is left of q_1^l + ... + q_r^l, orthonormal in random position, on average (ours).

        1 - sum_j w_j tr(P Pi_j) / dim H_j; see `harmonics`.

        Raises:
            InvalidArgument: r is no whole number between 1 and d, D is above 1000.
        """
        d = self.U.shape[1]
        worth = harmonics.target_shares(d, self.l, r) / harmonics.sizes(d, self.l)
        traces = [np.sum((part @ self.basis) * self.basis) for part in harmonics.projectors(d, self.l)]
        return float(1 - worth @ traces)

    def _target(self, T: Array) -> Array:
        T = entries_inside("T", T, -SQUARABLE, SQUARABLE, "[]")
        if T.shape[-1:] != (len(self.jacobian),):
            reject("T.shape", T.shape, f"(..., {len(self.jacobian)}), a number a monomial")
        return T


def isotropic_left(d: int, l: int, m: int) -> float:
    """1 - dim S / D, which is max(0, 1 - m d / D) if nothing is defective: of a Gaussian target, on average.

    Raises:
        InvalidArgument: d, l or m is no whole number of at least 1.
    """
    return 1 - tangent_dimension(d, l, m) / dimension(d, l)


def isotropic_law(d: int, l: int, m: int) -> Any:
    """Beta((D - s) / 2, s / 2), s = dim S, as scipy's: the law of |T - P T|^2 / |T|^2 of a Gaussian target T.

    Raises:
        InvalidArgument: d, l or m is no whole number of at least 1, or S is everything: then nothing is left.
    """
    s, D = tangent_dimension(d, l, m), dimension(d, l)
    if s == D:
        reject("m", m, f"fewer components than the {m} whose tangent space is everything")
    return stats.beta((D - s) / 2, s / 2)


def _second_derivatives(u: Array, e: Array) -> Array:
    """Of the monomials x^e at u (d, d, D)."""
    one = np.eye(len(u), dtype=e.dtype)
    twice = one[:, None] + one[None]
    factors = e.T[:, None] * (e.T[None] - one[:, :, None])
    return factors * np.prod(u ** np.maximum(e - twice[:, :, None], 0), axis=-1)
