"""Theorem 1: the loss decays at least at the rate 2 lambda_r(Sigma_x) c, with c set by the imbalance of the start."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from theory.core.arrays import SQUARABLE, Array
from theory.core.regression import Regression
from theory.core.validation import entries_inside, times
from theory.imbalance.dynamics import excess_loss, generator, residual, signature, split
from theory.imbalance.problem import Network, coordinates


def imbalance(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs h h"]:
    """Lambda = U1^T U1 - V^T V = Z^T J Z, conserved by the flow. (U1, the part the data see, not U.)"""
    V, U1 = split(problem, Z)
    return U1.mT @ U1 - V.mT @ V


def imbalance_spectrum(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs m_plus_r"]:
    """The m + r eigenvalues of Lambda that can differ from 0, decreasing, at any width.

    Lambda = Z^T J Z shares its nonzero spectrum with L^T J L, where Z^T = Q L^T has a QR factor L of size m + r.
    """
    size, h = np.concatenate(split(problem, Z), axis=-2).shape[-2:]
    if h <= size:
        small = np.linalg.eigvalsh(imbalance(problem, Z))
        padded = np.concatenate([small, np.zeros((*Z.shape[:-2], size - h))], axis=-1)
        return -np.sort(-padded, axis=-1)
    L = np.linalg.qr(Z.mT, mode="r").mT
    return np.linalg.eigvalsh(imbalance(problem, L))[..., ::-1]


def imbalance_level(problem: Regression, network: Network) -> Float[Array, "*runs"]:
    """c = [lambda_r(Lambda)]_+ + [lambda_m(-Lambda)]_+ (Theorem 1; eigenvalues in decreasing order)."""
    return level(problem, coordinates(problem, network))


def level(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs"]:
    """c of a state Z. lambda_m(-Lambda) is minus the m-th smallest of the spectrum of Lambda."""
    spectrum = imbalance_spectrum(problem, Z)
    hidden = spectrum[..., problem.r - 1]
    output = -spectrum[..., problem.r]
    return np.maximum(hidden, 0) + np.maximum(output, 0)


def convergence_rate(problem: Regression, network: Network) -> Float[Array, "*runs"]:
    """2 lambda_r(Sigma_x) c: lower bound on the exponential rate of L - L* under gradient flow (Theorem 1).

    Per unit of time, time = step x learning rate on L.
    """
    return 2 * problem.S[-1] * (problem.S[-1] * imbalance_level(problem, network))


def loss_bound(problem: Regression, network: Network, t: Array | Sequence[float] | float) -> Float[Array, "..."]:
    """exp(-2 lambda_r(Sigma_x) c t) (L(0) - L*), shape (*times, *runs) (Theorem 1).

    Raises:
        InvalidArgument: a negative or NaN time.

    >>> data = Regression(np.eye(1), np.ones((1, 1)))
    >>> start = Network(np.array([[[2.0, 0.0]]]), np.array([[[0.0, 1.0]]]))
    >>> loss_bound(data, start, [0, 0.1, np.inf])[:, 0].round(4)
    array([0.5   , 0.1839, 0.    ])
    """
    start = excess_loss(problem, coordinates(problem, network))
    return exponential_bound(start, convergence_rate(problem, network), t)


def exponential_bound(
    start: Float[Array, "*runs"], rate: Float[Array, "*runs"], t: Array | Sequence[float] | float
) -> Float[Array, "..."]:
    """exp(-rate t) start, shape (*times, *runs): what a quantity that falls at least at this rate can be at time t.

    Raises:
        InvalidArgument: a negative or NaN time, a rate that is negative or NaN, a start that is not finite.
    """
    start, rate = entries_inside("start", start), entries_inside("rate", rate, 0, np.inf, "[]")
    t = times(t).reshape((*np.shape(t), *[1] * np.ndim(rate)))
    # At rate 0 the bound is constant, also at infinite time (where 0 x inf would be NaN); and it starts where it does.
    still = (rate == 0) | (t == 0)
    return np.exp(-np.where(still, 0.0, rate) * np.where(still, 0.0, t)) * start


def pointwise_rate(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs"]:
    """-d/dt log(L - L*) = 2 (|E^T S U1|^2 + |S E V|^2) / |E|^2 at a state (equations 22 to 25); NaN where E = 0."""
    V, U1 = split(problem, Z)
    E = residual(problem, Z)
    with np.errstate(invalid="ignore"):  # only the direction of E counts, whose square may underflow
        E = E / np.abs(E).max((-2, -1), keepdims=True)
    SE = problem.S[:, None] * E
    decrease = ((SE.mT @ U1) ** 2).sum((-2, -1)) + ((SE @ V) ** 2).sum((-2, -1))
    return 2 * decrease / (E**2).sum((-2, -1))


def slowest_rate(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs"]:
    """2 lambda_min(T), T = S U1 U1^T S (x) I + Sigma_x (x) V V^T: the least rate a residual can have at the state Z.

    The rate at Z is 2 <E, T E> / <E, E>; as the loss vanishes E turns to the slowest direction, and this is its limit.
    In the eigenbasis of V V^T the matrix T falls apart into S (U1 U1^T + v I) S, one for each of its eigenvalues v, and
    the smallest v has the slowest direction: the square of the smallest singular value of S [U1, v^(1/2) I].
    """
    V, U1 = split(problem, Z)
    m, r = problem.m, problem.r
    root_v = np.linalg.svd(V, compute_uv=False)[..., -1] if m <= V.shape[-1] else np.zeros(V.shape[:-2])
    both = problem.S[:, None] * np.concatenate([U1, root_v[..., None, None] * np.eye(r)], axis=-1)
    return 2 * np.linalg.svd(both, compute_uv=False)[..., -1] ** 2


def descent_drift(
    problem: Regression, Z: Float[Array, "*runs m_plus_r h"], learning_rate: float
) -> Float[Array, "*runs h h"]:
    """Lambda after one step of gradient descent minus Lambda before it: exact, not an expansion.

    eta^2 (V^T E^T Sigma_x E V - U1^T S E E^T S U1): the step is (I + eta A) Z and A J = -J A, so the first-order
    terms cancel and eta^2 Z^T A J A Z is left.

    Raises:
        InvalidArgument: a step eta A Z that is not finite, or so large that squares overflow.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        step = learning_rate * (generator(problem, Z) @ Z)
    step = entries_inside("eta A Z", step, -SQUARABLE, SQUARABLE, "[]")
    return step.mT @ (signature(problem)[:, None] * step)
