"""The networks and their starts: what theory and training share, and all they share."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.regression import Regression
from theory.core.validation import (
    entries_inside,
    finite_arrays,
    finite_matrix,
    inside,
    positive,
    positive_integer,
    reject,
)


@dataclass(frozen=True)
class Network:
    """Weights U (..., D, h), V (..., m, h), leading dimensions the runs, all finite.

    Raises:
        InvalidArgument: the widths or the batch dimensions of U and V differ, an entry is not finite, or so large that
            squares overflow.
    """

    U: Array  # (..., D, h)
    V: Array  # (..., m, h)

    def __post_init__(self) -> None:
        finite_arrays(self, U="*runs D h", V="*runs m h")
        for name in ("U", "V"):
            entries_inside(name, getattr(self, name), -SQUARABLE, SQUARABLE, "[]")

    @property
    def h(self) -> int:
        return self.U.shape[-1]

    @property
    def end_to_end(self) -> Float[Array, "*runs D m"]:
        """Theta = U V^T."""
        return self.U @ self.V.mT


def coordinates(problem: Regression, network: Network) -> Float[Array, "*runs m_plus_r h"]:
    """Z = [V; U1]: all of the network that training on this problem moves."""
    if (network.U.shape[-2], network.V.shape[-2]) != (problem.D, problem.m):
        reject(
            "network", f"U {network.U.shape}, V {network.V.shape}", f"D = {problem.D} inputs, m = {problem.m} outputs"
        )
    return np.concatenate([network.V, problem.Phi1.T @ network.U], axis=-2)


def frozen_weights(problem: Regression, network: Network) -> Float[Array, "*runs null h"]:
    """U2 = Phi2^T U: what training on this problem never moves."""
    return problem.unseen(network.U)


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
    """Standard deviation h^-a of the starts of Lemma 1, a = `exponent` in [1/4, 1/2]."""
    return float(positive_integer("h", h)) ** -inside("exponent", exponent, 0.25, 0.5)


def balanced(problem: Regression, h: int, rng: np.random.Generator) -> Network:
    """A balanced start (one run), Lambda = 0 exactly up to rounding, whose Theta0 has N(0, 1/D) entries.

    Raises:
        InvalidArgument: h < m leaves no room for it.
    """
    positive_integer("h", h)
    return _balanced(problem, rng.standard_normal((1, problem.D, problem.m)) / np.sqrt(problem.D), h, rng)


def rebalanced(problem: Regression, start: Network, rng: np.random.Generator) -> Network:
    """The balanced start of the same width whose Theta0 is U V^T of `start`, in each run: that of the paper's Figure 3.

    Raises:
        InvalidArgument: h < m leaves no room for it, or the network does not fit the problem.
    """
    coordinates(problem, start)
    return _balanced(problem, start.end_to_end, start.h, rng)


def _balanced(problem: Regression, theta0: Array, h: int, rng: np.random.Generator) -> Network:
    """U = Theta0 [Theta0^T P1 Theta0]^(-1/4) Q^T, V = [Theta0^T P1 Theta0]^(1/4) Q^T.

    P1 = Phi1 Phi1^T, and Q has orthonormal columns. (The paper prints Q in V, whose shape is wrong: Q^T.) Where the
    data see less of Theta0 than m directions the matrix in brackets is singular: its power is its pseudoinverse's.
    """
    if h < problem.m:
        reject("h", h, f"at least m = {problem.m}: Q needs m orthonormal columns")
    Q = np.linalg.qr(rng.standard_normal((h, problem.m)))[0]
    seen = problem.Phi1.T @ theta0
    _, s, vectors = np.linalg.svd(seen, full_matrices=False)
    is_seen = s > max(seen.shape[-2:]) * EPS * s[..., :1]
    root = np.sqrt(np.where(is_seen, s, 0))
    inverse = np.divide(1, root, out=np.zeros_like(root), where=is_seen)
    to_root, to_inverse = (vectors.mT @ (power[..., None] * vectors) @ Q.T for power in (root, inverse))
    return Network(theta0 @ to_inverse, to_root)


def orthogonal_rows(
    problem: Regression, hidden: Float[Array, " r"], output: Float[Array, " m"], rng: np.random.Generator, h: int
) -> Network:
    """U1 U1^T = diag(hidden), V V^T = diag(output), U1 V^T = 0, U2 = 0 (one run): where Theorem 1 is tight.

    Raises:
        InvalidArgument: h < m + r leaves no room for orthogonal rows, or squared lengths that are negative or not as
            many as rows.
    """
    positive_integer("h", h)
    if h < problem.m + problem.r:
        reject("h", h, f"at least m + r = {problem.m + problem.r} for orthogonal rows")
    frame = np.linalg.qr(rng.standard_normal((h, problem.m + problem.r)))[0].T
    V = _lengths("output", output, problem.m) * frame[: problem.m]
    U1 = _lengths("hidden", hidden, problem.r) * frame[problem.m :]
    return Network((problem.Phi1 @ U1)[None], V[None])


def _lengths(name: str, squares: Array, rows: int) -> Array:
    """Their roots, as a column."""
    column = finite_matrix(name, np.reshape(squares, (-1, 1)), rows, 1)
    if (column < 0).any():
        reject(name, column.min(), "squared lengths of at least 0")
    return np.sqrt(column)


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
