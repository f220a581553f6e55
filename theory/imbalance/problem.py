"""The data of a regression and the starts of a network: what theory and training share, and all they share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from theory.validation import Array, finite_matrix, positive, positive_integer, reject


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
        r = int((S > S[0] * max(self.X.shape) * np.finfo(float).eps).sum())
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


@dataclass(frozen=True)
class Network:
    """Weights U (..., D, h), V (..., m, h), leading dimensions the runs, all finite.

    Raises:
        InvalidArgument: the widths or the batch dimensions of U and V differ, or an entry is not finite.
    """

    U: Array  # (..., D, h)
    V: Array  # (..., m, h)

    def __post_init__(self) -> None:
        for name in ("U", "V"):
            array = np.asarray(getattr(self, name), dtype=np.float64)
            if array.ndim < 2 or not np.isfinite(array).all():
                reject(name, f"an array of shape {array.shape}", "finite weights (..., inputs or outputs, h)")
            object.__setattr__(self, name, array)
        if self.U.shape[:-2] != self.V.shape[:-2] or self.U.shape[-1] != self.V.shape[-1]:
            reject("V.shape", self.V.shape, f"the runs and the width of U, whose shape is {self.U.shape}")

    @property
    def h(self) -> int:
        return self.U.shape[-1]

    @property
    def end_to_end(self) -> Float[Array, "*runs D m"]:
        """Theta = U V^T."""
        return self.U @ np.swapaxes(self.V, -1, -2)


def coordinates(problem: Regression, network: Network) -> Float[Array, "*runs m_plus_r h"]:
    """Z = [V; U1]: all of the network that training on this problem moves."""
    if (network.U.shape[-2], network.V.shape[-2]) != (problem.D, problem.m):
        reject(
            "network", f"U {network.U.shape}, V {network.V.shape}", f"D = {problem.D} inputs, m = {problem.m} outputs"
        )
    return np.concatenate([network.V, problem.Phi1.T @ network.U], axis=-2)


def frozen_weights(problem: Regression, network: Network) -> Float[Array, "*runs null h"]:
    """U2 = Phi2^T U: what training on this problem never moves."""
    return problem.Phi2.T @ network.U


def gaussian(
    problem: Regression, h: int, rng: np.random.Generator, *, scales: tuple[float, float] = (1.0, 1.0), runs: int = 1
) -> Network:
    """U, V with independent entries N(0, scale^2), scales = (of U, of V)."""
    positive_integer("h", h)
    positive_integer("runs", runs)
    positive("scales[0]", scales[0])
    positive("scales[1]", scales[1])
    U = scales[0] * rng.standard_normal((runs, problem.D, h))
    V = scales[1] * rng.standard_normal((runs, problem.m, h))
    return Network(U, V)


def fan_in_scale(h: int, exponent: float) -> float:
    """Standard deviation h^-a of the starts of Lemma 1, a = `exponent` in (1/4, 1/2]."""
    return float(h) ** -exponent


def balanced(problem: Regression, h: int, rng: np.random.Generator) -> Network:
    """The balanced start of the paper's Figure 3 (one run): Lambda = 0 exactly up to rounding.

    U = Theta0 [Theta0^T P1 Theta0]^(-1/4) Q^T and V = [Theta0^T P1 Theta0]^(1/4) Q^T with P1 = Phi1 Phi1^T and Q of
    orthonormal columns, Theta0 with N(0, 1/D) entries. (The paper prints Q in V, whose shape is wrong: Q^T.)
    """
    positive_integer("h", h)
    if h < problem.m:
        reject("h", h, f"at least m = {problem.m}: Q needs m orthonormal columns")
    theta0 = rng.standard_normal((problem.D, problem.m)) / np.sqrt(problem.D)
    Q = np.linalg.qr(rng.standard_normal((h, problem.m)))[0]
    seen = problem.Phi1.T @ theta0
    values, vectors = np.linalg.eigh(seen.T @ seen)
    root = (vectors * values**0.25) @ vectors.T
    inverse_root = (vectors * values**-0.25) @ vectors.T
    return Network((theta0 @ inverse_root @ Q.T)[None], (root @ Q.T)[None])


def orthogonal_rows(
    problem: Regression, hidden: Float[Array, " r"], output: Float[Array, " m"], rng: np.random.Generator, h: int
) -> Network:
    """U1 U1^T = diag(hidden), V V^T = diag(output), U1 V^T = 0, U2 = 0 (one run): where Theorem 1 is tight.

    Raises:
        InvalidArgument: h < m + r leaves no room for orthogonal rows.
    """
    if h < problem.m + problem.r:
        reject("h", h, f"at least m + r = {problem.m + problem.r} for orthogonal rows")
    frame = np.linalg.qr(rng.standard_normal((h, problem.m + problem.r)))[0].T
    V = np.sqrt(np.asarray(output))[:, None] * frame[: problem.m]
    U1 = np.sqrt(np.asarray(hidden))[:, None] * frame[problem.m :]
    return Network((problem.Phi1 @ U1)[None], V[None])


def paper_regression(rng: np.random.Generator, *, whitened: bool, D: int = 400, n: int = 100) -> Regression:
    """The regression of the paper's Appendix A: Y = X Theta + noise, m = 1, Theta ~ N(0, I/D), noise 0.01.

    Whitened (Figures 2, 3): X = W Phi1^T, every singular value 1. Otherwise (Figures 1, 4): X iid N(0, 1/D).
    """
    positive_integer("D", D)
    positive_integer("n", n)
    X = rng.standard_normal((n, D)) / np.sqrt(D)
    if whitened:
        W, _, Phi1 = np.linalg.svd(X, full_matrices=False)
        X = W @ Phi1
    theta = rng.standard_normal((D, 1)) / np.sqrt(D)
    return Regression(X, X @ theta + 0.01 * rng.standard_normal((n, 1)))


def random_regression(rng: np.random.Generator, *, D: int, n: int, m: int, singular_values: Array) -> Regression:
    """X of rank len(singular_values) with exactly these singular values, Y iid N(0, 1)."""
    r = len(singular_values)
    if r > min(n, D):
        reject("singular_values", f"{r} values", f"at most min(n, D) = {min(n, D)}")
    W = np.linalg.qr(rng.standard_normal((n, r)))[0]
    Phi1 = np.linalg.qr(rng.standard_normal((D, r)))[0]
    return Regression((W * np.asarray(singular_values)) @ Phi1.T, rng.standard_normal((n, m)))
