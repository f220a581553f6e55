"""The inputs, and what wide networks see of them: H, the kernel at infinite width, and its spectrum."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.validation import entries_inside, finite_matrix, inside, positive_integer, reject

LENGTH = 1e-12  # by how much the length of an input may differ from 1
SAME = 1e-9  # distance below which two inputs are one


@dataclass(frozen=True)
class Inputs:
    """Inputs of length 1, the rows of X (n, d).

    Raises:
        InvalidArgument: X is no finite matrix, or a row is not of length 1.
    """

    X: Float[Array, "n d"]

    def __post_init__(self) -> None:
        X = finite_matrix("X", self.X)
        lengths = np.linalg.norm(X, axis=1)
        worst = int(np.argmax(np.abs(lengths - 1)))
        if not abs(lengths[worst] - 1) <= LENGTH:
            reject(f"|X[{worst}]|", lengths[worst], "an input of length 1; see unit_rows")
        object.__setattr__(self, "X", X)

    @property
    def n(self) -> int:
        """How many examples."""
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        """How many inputs of the network."""
        return int(self.X.shape[1])

    @cached_property
    def gram(self) -> Float[Array, "n n"]:
        """x_i . x_j."""
        return self.X @ self.X.T

    @cached_property
    def angles(self) -> Float[Array, "n n"]:
        """Angles between the inputs, in [0, pi]; those near 0 and pi as exact as others (Kahan)."""
        apart, together = (np.linalg.norm(self.X[:, None] + sign * self.X, axis=-1) for sign in (-1, 1))
        return 2 * np.arctan2(apart, together)

    @property
    def both_active(self) -> Float[Array, "n n"]:
        """P(w . x_i >= 0 and w . x_j >= 0) = (pi - angle) / (2 pi) for Gaussian w."""
        return (np.pi - self.angles) / (2 * np.pi)

    @property
    def H(self) -> Float[Array, "n n"]:
        """H_ij = x_i . x_j (pi - angle) / (2 pi), the kernel at infinite width (Theorem 3.1)."""
        return self.gram * self.both_active

    @cached_property
    def _spectrum(self) -> tuple[Array, Array]:
        values, vectors = np.linalg.eigh(self.H)
        return np.maximum(values, 0), vectors

    @property
    def eigenvalues(self) -> Float[Array, " n"]:
        """Of H, increasing."""
        return self._spectrum[0]

    @property
    def eigenvectors(self) -> Float[Array, "n n"]:
        """Of H, as columns."""
        return self._spectrum[1]

    @property
    def least(self) -> float:
        """lambda_0."""
        return float(self.eigenvalues[0])

    @property
    def largest(self) -> float:
        """The largest eigenvalue of H."""
        return float(self.eigenvalues[-1])

    def vector(self, name: str, value: Float[Array, " n"]) -> Float[Array, " n"]:
        """`value` as a number an input, or `InvalidArgument`, which names it."""
        value = entries_inside(name, value, -SQUARABLE, SQUARABLE, "[]")
        if value.shape != (self.n,):
            reject(f"{name}.shape", value.shape, f"({self.n},), a number an example")
        return value


def unit_rows(Z: Float[Array, "n d"]) -> Inputs:
    """The rows of Z, scaled to length 1.

    Raises:
        InvalidArgument: Z is no finite matrix, or has a row that is 0.
    """
    Z = finite_matrix("Z", Z)
    size = np.abs(Z).max(1, keepdims=True)
    if not (size > 0).all():
        reject(f"Z[{int(np.argmin(size))}]", 0, "rows that are not 0")
    Z = Z / size
    return Inputs(Z / np.linalg.norm(Z, axis=1, keepdims=True))


def random_inputs(n: int, d: int, rng: np.random.Generator) -> Inputs:
    """n inputs, uniform on the sphere of R^d."""
    return unit_rows(rng.standard_normal((positive_integer("n", n), positive_integer("d", d))))


def least_of_a_pair(angle: Float[Array, "*#shape"] | float) -> Float[Array, "*#shape"]:
    """sin^2(angle / 2) + angle cos(angle) / (2 pi): lambda_0 of two inputs, which is angle / (2 pi) + O(angle^2).

    Cauchy's interlacing: no inputs among which there is such a pair have a larger one. Beyond a right angle the pair's
    least eigenvalue is that of the sum of the two, and no longer this.

    Raises:
        InvalidArgument: an angle outside [0, pi / 2].
    """
    angle = entries_inside("angle", angle, 0, np.pi / 2, "[]")
    return np.sin(angle / 2) ** 2 + angle * np.cos(angle) / (2 * np.pi)


def null_vectors(inputs: Inputs) -> Float[Array, "n null"]:
    """Orthonormal basis of the null space of H, which all kernels H(W) of any width share (ours).

    sum_i c_i x_i 1{w . x_i >= 0} has to be 0 for almost all w. Crossing the plane of an input x it jumps by C x, where
    C sums the c_i of the inputs at x and at -x: so C = 0. What is left is the sum of (c at x) x over the antipodal
    pairs, the same for all w. So there are two kinds of null vectors: differences of equal inputs, and +-c_l at the
    pairs x_l, -x_l with sum_l c_l x_l = 0, of which there are none while the x_l are linearly independent. A network
    without biases has f(x) - f(-x) linear in x: these sums it cannot fit.
    """
    rows = [_difference(inputs.n, i, j) for i, j in _first_equals(inputs) if i != j]
    pairs = _antipodal_pairs(inputs)
    if pairs:
        x = inputs.X[[i for i, _ in pairs]]
        left = np.linalg.svd(x)[0][:, np.linalg.matrix_rank(x, tol=SAME) :]
        rows += list(left.T @ np.array([_difference(inputs.n, i, j) for i, j in pairs]))
    return np.linalg.qr(np.array(rows).reshape(-1, inputs.n).T)[0]


def unreachable(inputs: Inputs, y: Float[Array, "*runs n"]) -> Float[Array, "*runs"]:
    """The least |u - y|^2 that networks of any width and any weights can reach: the part of y in the null space of H.

    Raises:
        InvalidArgument: y is not finite.
    """
    return np.square(entries_inside("y", y, -1e150, 1e150) @ null_vectors(inputs)).sum(-1)


def near(angle: float, others: Inputs) -> Inputs:
    """The inputs `others`, and one more at this angle from the first of them, turned towards the second.

    Raises:
        InvalidArgument: an angle outside [0, pi], a first and second input on one line, or only one.
    """
    inside("angle", angle, 0, np.pi)
    first, second = (others.X[min(i, others.n - 1)] for i in (0, 1))
    across = second - (second @ first) * first
    if np.linalg.norm(across) < SAME:
        reject("others.X", "a first and second row on one line", "a direction to turn the first input to")
    turned = np.cos(angle) * first + np.sin(angle) * across / np.linalg.norm(across)
    return unit_rows(np.vstack([others.X, turned]))


def _first_equals(inputs: Inputs) -> list[tuple[int, int]]:
    """Each input (its index) with the first that is equal to it."""
    return [(i, int(np.argmax(equal))) for i, equal in enumerate(_apart(inputs.X, inputs.X) < SAME)]


def _antipodal_pairs(inputs: Inputs) -> list[tuple[int, int]]:
    """Indices of the first x and the first -x, for every line that has both."""
    firsts = [i for i, j in _first_equals(inputs) if i == j]
    x = inputs.X[firsts]
    opposite = _apart(x, -x) < SAME
    return [(firsts[i], firsts[j]) for i, j in np.argwhere(opposite) if i < j]


def _apart(x: Array, y: Array) -> Array:
    return np.linalg.norm(x[:, None] - y, axis=-1)


def _difference(n: int, i: int, j: int) -> Array:
    return np.eye(n)[i] - np.eye(n)[j]
