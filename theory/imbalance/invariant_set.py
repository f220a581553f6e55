"""Proposition 1: from a start with V U2^T = 0 and U1 U2^T = 0, gradient descent finds the minimum-norm solution.

H = Z U2^T = [V U2^T; U1 U2^T] obeys H' = A(t) H, the equation of Z itself (equation 16); so it stays 0 if it starts
at 0, and otherwise is moved by the same propagator as Z: H(t) = P(t) H(0), Z(t) = P(t) Z(0).
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside, reject, times
from theory.imbalance.problem import Network, coordinates, frozen_weights


def leakage(problem: Regression, network: Network) -> tuple[Float[Array, "*runs"], Float[Array, "*runs"]]:
    """(|V U2^T|_F, |U1 U2^T|_F): both 0 on the invariant set."""
    Z, U2 = coordinates(problem, network), frozen_weights(problem, network)
    squares = (Z @ U2.mT) ** 2
    return np.sqrt(squares[..., : problem.m, :].sum((-2, -1))), np.sqrt(squares[..., problem.m :, :].sum((-2, -1)))


def distance_to_minimum_norm(problem: Regression, end_to_end: Float[Array, "*runs D m"]) -> Float[Array, "*runs"]:
    """|U V^T - Theta_hat|_F, Theta_hat = pinv(X) Y."""
    return np.linalg.norm(end_to_end - problem.minimum_norm_solution, axis=(-2, -1))


def onto_invariant_set(problem: Regression, network: Network) -> Network:
    """The same V and U1, with the rows of U2 projected off the row space of Z: V U2^T = 0 and U1 U2^T = 0.

    Raises:
        InvalidArgument: h <= m + r, where the only such U2 is 0.
    """
    if network.h <= problem.m + problem.r:
        reject("network.h", network.h, f"more than m + r = {problem.m + problem.r}, to leave U2 a direction")
    return without_overlap(problem, network, coordinates(problem, network))


def without_overlap(problem: Regression, network: Network, rows: Float[Array, "*runs k h"]) -> Network:
    """The same V and U1, with U2 projected off the span of `rows`, which may depend on each other.

    Raises:
        InvalidArgument: rows that are not finite, or not as long as the network is wide.
    """
    if rows.shape[-1] != network.h or not np.isfinite(rows).all():
        reject("rows.shape", rows.shape, f"(..., k, {network.h}), all entries finite")
    lengths = np.abs(rows).max(-1, keepdims=True)
    _, sizes, frame = np.linalg.svd(rows / np.where(lengths > 0, lengths, 1), full_matrices=False)
    spanned = sizes > max(rows.shape[-2:]) * EPS * sizes[..., :1]
    Q = (frame * spanned[..., None]).mT
    U2 = frozen_weights(problem, network)
    return Network(network.U - problem.from_unseen((U2 @ Q) @ Q.mT), network.V)


def unseen_end_to_end(
    problem: Regression, start: Network, V: Float[Array, "*batch m h"]
) -> Float[Array, "*batch null m"]:
    """U2 V(t)^T = U2 Pi V(t)^T with Pi the projector on the row space of Z(0) (ours; from V(t) = [P(t) Z(0)]_V).

    V(t) never leaves the row space of Z(0), so what U2 adds to the end-to-end map is known from its overlap with the
    start alone.

    Raises:
        InvalidArgument: a V that is not finite, or so large that squares overflow.
    """
    V = entries_inside("V", V, -SQUARABLE, SQUARABLE, "[]")
    Q = np.linalg.qr(coordinates(problem, start).mT)[0]
    U2 = frozen_weights(problem, start)
    return (U2 @ Q) @ (Q.mT @ V.mT)


def growth_bound(problem: Regression, t: Float[Array, " T"], residual: Float[Array, "T *runs r m"]) -> Array:
    """exp(int_0^t |S E|_2 ds) (T, *runs): what H can have grown by (equation 38), E given on a grid of times.

    Infinite where no number is as large.

    Raises:
        InvalidArgument: times that are not finite and in increasing order, or not as many as residuals, an S E that is
            not finite, or so large that squares overflow.
    """
    t = times(t)
    if t.shape != residual.shape[:1] or not np.isfinite(t).all() or (np.diff(t) < 0).any():
        reject("t", t if t.size < 8 else f"{t.size} times", f"{len(residual)} finite times in increasing order")
    with np.errstate(over="ignore"):
        SE = entries_inside("S E", problem.S[:, None] * residual, -SQUARABLE, SQUARABLE, "[]")
    speed = np.linalg.norm(SE, ord=2, axis=(-2, -1))
    steps = np.diff(t).reshape(-1, *[1] * (speed.ndim - 1))
    # |S E| may be curved either way between two times; the larger end bounds a monotone piece from above.
    pieces = steps * np.maximum(speed[1:], speed[:-1])
    with np.errstate(over="ignore"):
        return np.exp(np.concatenate([np.zeros((1, *speed.shape[1:])), np.cumsum(pieces, axis=0)]))
