"""Gradient flow and gradient descent of the loss, in the coordinates Z = [V; U1] (equations 7 and 16)."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import expm

from theory.core import flows
from theory.core.arrays import Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.core.validation import inside, positive
from theory.imbalance.problem import Network, coordinates


def split(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> tuple[Array, Array]:
    """Z -> (V, U1)."""
    return Z[..., : problem.m, :], Z[..., problem.m :, :]


def signature(problem: Regression) -> Float[Array, " m_plus_r"]:
    """Diagonal of J = diag(-I_m, I_r)."""
    return np.concatenate([-np.ones(problem.m), np.ones(problem.r)])


def residual(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs r m"]:
    """E = y~ - S U1 V^T."""
    V, U1 = split(problem, Z)
    return problem.targets - problem.S[:, None] * (U1 @ V.mT)


def excess_loss(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs"]:
    """L - L* = 1/2 |E|^2."""
    return 0.5 * (residual(problem, Z) ** 2).sum((-2, -1))


def generator(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs m_plus_r m_plus_r"]:
    """A = [[0, E^T S], [S E, 0]]: Z' = A Z, and H = Z U2^T obeys the same equation (equation 16)."""
    m, r = problem.m, problem.r
    SE = problem.S[:, None] * residual(problem, Z)
    A = np.zeros((*SE.shape[:-2], m + r, m + r))
    A[..., m:, :m] = SE
    A[..., :m, m:] = SE.mT
    return A


def velocity(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs m_plus_r h"]:
    """Z' = [E^T S U1; S E V] (equation 7)."""
    V, U1 = split(problem, Z)
    SE = problem.S[:, None] * residual(problem, Z)
    return np.concatenate([SE.mT @ U1, SE @ V], axis=-2)


def gradient_flow(problem: Regression, network: Network, t: Array, *, relative_tolerance: float = 1e-10) -> Trajectory:
    """Z(t) of gradient flow from `network`, shape (T, ..., m + r, h); entries are known relative to the largest."""
    Z = coordinates(problem, network)
    return flows.flow(
        lambda _, state: {"Z": velocity(problem, state["Z"])},
        {"Z": Z},
        t,
        relative_tolerance=relative_tolerance,
        absolute_tolerance=relative_tolerance / 100 * (float(np.abs(Z).max()) or 1.0),
    )


def lie_euler(
    problem: Regression, Z: Float[Array, "*runs m_plus_r h"], learning_rate: float, steps: int
) -> Float[Array, "*runs m_plus_r h"]:
    """Z after `steps` of Z+ = exp(eta A) Z: first order like gradient descent, but in O(m, r), so that
    Z^T J Z is conserved at every step size (ours).

    Raises:
        InvalidArgument: a learning rate that is not positive, a negative number of steps.
    """
    positive("learning_rate", learning_rate)
    inside("steps", steps, 0, np.inf, "[)")
    for _ in range(steps):
        Z = expm(learning_rate * generator(problem, Z)) @ Z
    return Z
