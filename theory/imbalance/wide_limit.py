r"""Infinite width: a closed equation for the product p = U1 V^T, for data of any spectrum.

Let the rows of Z be orthogonal and of one length, Z0 Z0^T = k I: Gaussian weights N(0, h^(-2a)) are so in the limit of
large h, with k = h^(1 - 2a), and an orthonormal frame times k^(1/2) is so at any width. G = Z Z^T then starts with
G J G = k^2 J, the flow keeps it (its propagator lies in O(m, r)), and the blocks of that equation read

    V V^T = (k^2 I + p^T p)^(1/2),        U1 U1^T = (k^2 I + p p^T)^(1/2).

So p moves by itself, in r m dimensions whatever the width:

    p' = S E (k^2 I + p^T p)^(1/2) + (k^2 I + p p^T)^(1/2) S E,        E = y~ - S p,

equation 1 of Tu, Aranguri & Jacot 2024 (arXiv 2405.17580) for wide networks. U2 never moves and is independent of V,
so the network ends at a distance from Theta_hat of about

    |U V^T - Theta_hat|^2 = (D - r) h^(-2a) tr (k^2 I + Theta_hat^T Theta_hat)^(1/2).
"""

import numpy as np
from jaxtyping import Float

from theory.core import flows
from theory.core.arrays import SQUARABLE, Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside, finite_matrix, inside, positive, positive_integer, reject, times
from theory.imbalance.problem import Network


def level(h: int, exponent: float) -> float:
    """k = h^(1 - 2a), a = `exponent`: squared length of the rows of Z for weights N(0, h^(-2a)).

    Raises:
        InvalidArgument: h below 1, an exponent outside (1/4, 1/2] (Lemma 1).
    """
    return float(positive_integer("h", h)) ** (1 - 2 * inside("exponent", exponent, 0.25, 0.5, "(]"))


def output_gram(p: Float[Array, "*batch r m"], k: float) -> Float[Array, "*batch m m"]:
    """V V^T = (k^2 I + p^T p)^(1/2).

    Raises:
        InvalidArgument: here and below, a k or an entry of p that is not finite, or so large that squares overflow.
    """
    _, sigma, inputs = np.linalg.svd(_checked(p, k), full_matrices=False)
    return _root(sigma, inputs.mT, k)


def hidden_gram(p: Float[Array, "*batch r m"], k: float) -> Float[Array, "*batch r r"]:
    """U1 U1^T = (k^2 I + p p^T)^(1/2)."""
    outputs, sigma, _ = np.linalg.svd(_checked(p, k), full_matrices=False)
    return _root(sigma, outputs, k)


def velocity(problem: Regression, p: Float[Array, "*batch r m"], k: float) -> Float[Array, "*batch r m"]:
    """p' = S E (k^2 I + p^T p)^(1/2) + (k^2 I + p p^T)^(1/2) S E."""
    with np.errstate(over="ignore", invalid="ignore"):
        SE = problem.S[:, None] * (problem.targets - problem.S[:, None] * p)
    return _moved(entries_inside("S E", SE, -SQUARABLE, SQUARABLE, "[]"), _checked(p, k), k)


def _moved(SE: Array, p: Array, k: float) -> Array:
    outputs, sigma, inputs = np.linalg.svd(p, full_matrices=False)
    return SE @ _root(sigma, inputs.mT, k) + _root(sigma, outputs, k) @ SE


def limit(problem: Regression) -> Float[Array, "r m"]:
    """p at infinite time, S^-1 y~: the imbalance is c = 2 k > 0, so by Theorem 1 the loss vanishes."""
    return problem.targets / problem.S[:, None]


def product(
    problem: Regression,
    k: float,
    t: Float[Array, "*times"] | float,
    *,
    start: Float[Array, "r m"] | None = None,
    relative_tolerance: float = 1e-10,
    evaluations: int = 1_000_000,
) -> Float[Array, "*times r m"]:
    """p(t) = U1 V^T of orthogonal rows of squared length k (k = 1: weights N(0, 1/h), infinite width).

    Args:
        k: positive; see `level`.
        t: times of any shape, infinity included.
        start: p at time 0, default 0; p(t1) continues to p(t1 + t2).
        relative_tolerance: of the solver of the equation, locally.
        evaluations: of the velocity, at most this many.

    Raises:
        InvalidArgument: k not positive, a negative or NaN time, a start of another shape or with entries not finite.
        FlowStopped: it takes more evaluations, as where modes differ in speed by many orders of magnitude.

    >>> data = Regression(np.eye(1), np.ones((1, 1)))
    >>> product(data, 0.5, np.array([0, 1, np.inf]))[:, 0, 0].round(4)
    array([0.    , 0.7378, 1.    ])
    """
    positive("k", k)
    t, end = times(t), limit(problem)
    p = np.zeros_like(end) if start is None else finite_matrix("start", start, problem.r, problem.m)
    size = float(max(np.abs(p).max(), np.abs(end).max())) or 1.0
    late = np.isinf(t) | (t > _settled(problem, p, k, relative_tolerance / 100 * size))
    grid = np.unique(np.append(0.0, t[~late]))
    S, targets = problem.S[:, None], problem.targets
    velocity(problem, p, k)  # refuses what has none
    path = flows.flow(
        lambda _, state: {"p": _moved(S * (targets - S * state["p"]), state["p"], k)},
        {"p": p},
        grid,
        relative_tolerance=relative_tolerance,
        absolute_tolerance=relative_tolerance / 100 * size,
        evaluations=evaluations,
    )["p"]
    # Late times sort after all others, where the limit stands.
    return np.concatenate([path, end[None]])[np.where(late, len(grid), np.searchsorted(grid, t))]


def _settled(problem: Regression, p: Array, k: float, error: float) -> float:
    """When |p - limit| <= |E(0)| exp(-2 lambda_r(Sigma_x) k t) / S_r has come down to `error` (Theorem 1, c = 2 k)."""
    slowest = problem.S[-1]
    off = np.linalg.norm(problem.targets - problem.S[:, None] * p) / slowest
    with np.errstate(divide="ignore", over="ignore"):
        return float(max(np.log(off / error) / slowest / slowest / (2 * k), 0.0))


def squared_distance(problem: Regression, h: int, exponent: float) -> float:
    """|U V^T - Theta_hat|^2 after training: (D - r) h^(-2a) tr (k^2 I + Theta_hat^T Theta_hat)^(1/2), k = h^(1 - 2a).

    The expectation given V, up to a relative O(h^(-1)); a = 1/2, m = 1: (D - r) / h (1 + |Theta_hat|^2)^(1/2).

    Raises:
        InvalidArgument: h below 1, an exponent outside (1/4, 1/2].
    """
    gram = output_gram(problem.minimum_norm_solution, level(h, exponent))
    return (problem.D - problem.r) * float(h) ** (-2 * exponent) * float(np.trace(gram))


def orthogonal_frame(
    problem: Regression, k: float, h: int, rng: np.random.Generator, *, hidden_scale: float = 1.0
) -> Network:
    """Z Z^T = k I and U2 = 0 at finite width (one run); `hidden_scale` stretches the rows of U1, which breaks it.

    Raises:
        InvalidArgument: h < m + r leaves no room for orthogonal rows, k or the scale not positive.
    """
    size = problem.m + problem.r
    if positive_integer("h", h) < size:
        reject("h", h, f"at least m + r = {size} for orthogonal rows")
    frame = np.sqrt(positive("k", k)) * np.linalg.qr(rng.standard_normal((h, size)))[0].T
    U1 = positive("hidden_scale", hidden_scale) * frame[problem.m :]
    return Network((problem.Phi1 @ U1)[None], frame[None, : problem.m])


def _checked(p: Array, k: float) -> Array:
    """p, with squares that are numbers, as that of k is."""
    inside("k", k, 0, SQUARABLE)
    return entries_inside("p", p, -SQUARABLE, SQUARABLE, "[]")


def _root(sigma: Array, vectors: Array, k: float) -> Array:
    """(k^2 I + V diag(sigma^2) V^T)^(1/2), no singular value squared."""
    # (k^2 + sigma^2)^(1/2) - k
    above = sigma * np.divide(sigma, np.hypot(k, sigma) + k, out=np.zeros_like(sigma), where=sigma > 0)
    return k * np.eye(vectors.shape[-2]) + (vectors * above[..., None, :]) @ vectors.mT
