"""Gradient flow and gradient descent of the loss, in the coordinates Z = [V; U1] (equations 7 and 16).

Raises:
    InvalidArgument: by every function of a state Z, which has no m + r rows, or holds a number that is not finite or so
        large that squares overflow; by those of its residual, where that is as large.
"""

import numpy as np
from jaxtyping import Float
from scipy.linalg import expm

from theory.core import flows
from theory.core.arrays import SQUARABLE, Array
from theory.core.regression import Regression
from theory.core.trajectory import Trajectory
from theory.core.validation import entries_inside, inside, positive, reject
from theory.imbalance.problem import Network, coordinates

LARGEST_STEP = 300  # |eta A|: e^300 is a number, and its square


def split(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> tuple[Array, Array]:
    """Z -> (V, U1)."""
    if Z.shape[-2] != problem.m + problem.r:
        reject("Z.shape", Z.shape, f"(..., m + r = {problem.m + problem.r}, h)")
    return _split(problem, _squarable("Z", Z))


def _squarable(name: str, values: Array) -> Array:
    """`values`, whose squares are numbers."""
    return entries_inside(name, values, -SQUARABLE, SQUARABLE, "[]")


def _split(problem: Regression, Z: Array) -> tuple[Array, Array]:
    return Z[..., : problem.m, :], Z[..., problem.m :, :]


def signature(problem: Regression) -> Float[Array, " m_plus_r"]:
    """Diagonal of J = diag(-I_m, I_r)."""
    return np.concatenate([-np.ones(problem.m), np.ones(problem.r)])


def residual(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs r m"]:
    """E = y~ - S U1 V^T."""
    V, U1 = split(problem, Z)
    with np.errstate(over="ignore"):
        return _squarable("E", problem.targets - problem.S[:, None] * (U1 @ V.mT))


def excess_loss(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs"]:
    """L - L* = 1/2 |E|^2."""
    return 0.5 * (residual(problem, Z) ** 2).sum((-2, -1))


def generator(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs m_plus_r m_plus_r"]:
    """A = [[0, E^T S], [S E, 0]]: Z' = A Z, and H = Z U2^T obeys the same equation (equation 16)."""
    m, r = problem.m, problem.r
    SE = _pull(problem, Z)
    A = np.zeros((*SE.shape[:-2], m + r, m + r))
    A[..., m:, :m] = SE
    A[..., :m, m:] = SE.mT
    return A


def velocity(problem: Regression, Z: Float[Array, "*runs m_plus_r h"]) -> Float[Array, "*runs m_plus_r h"]:
    """Z' = [E^T S U1; S E V] (equation 7)."""
    return _moved(_pull(problem, Z), *split(problem, Z))


def _pull(problem: Regression, Z: Array) -> Array:
    """S E."""
    with np.errstate(over="ignore"):
        return _squarable("S E", problem.S[:, None] * residual(problem, Z))


def _moved(SE: Array, V: Array, U1: Array) -> Array:
    return np.concatenate([SE.mT @ U1, SE @ V], axis=-2)


def gradient_flow(
    problem: Regression, network: Network, t: Array, *, relative_tolerance: float = 1e-10, evaluations: int = 1_000_000
) -> Trajectory:
    """Z(t) of gradient flow from `network`, shape (T, ..., m + r, h); entries are known relative to the largest.

    Raises:
        InvalidArgument: times that are not finite and increasing, a tolerance that is not positive.
        FlowStopped: the flow is too fast for a solver, or takes more evaluations of the velocity.
    """
    S, targets, Z = problem.S[:, None], problem.targets, coordinates(problem, network)
    _pull(problem, Z)  # refuses what has none

    def moving(_: float, state: dict[str, Array]) -> dict[str, Array]:
        V, U1 = _split(problem, state["Z"])
        return {"Z": _moved(S * (targets - S * (U1 @ V.mT)), V, U1)}

    return flows.flow(
        moving,
        {"Z": Z},
        t,
        relative_tolerance=relative_tolerance,
        absolute_tolerance=relative_tolerance / 100 * (float(np.abs(Z).max()) or 1.0),
        evaluations=evaluations,
    )


def lie_euler(
    problem: Regression, Z: Float[Array, "*runs m_plus_r h"], learning_rate: float, steps: int
) -> Float[Array, "*runs m_plus_r h"]:
    """Z after `steps` of Z+ = exp(eta A) Z: first order like gradient descent, but in O(m, r), so that
    Z^T J Z is conserved at every step size (ours).

    Raises:
        InvalidArgument: a learning rate that is not positive, a negative number of steps, a step so large that the
            exponential, or its product with Z, overflows.
    """
    positive("learning_rate", learning_rate)
    inside("steps", steps, 0, np.inf, "[)")
    for _ in range(steps):
        A = learning_rate * generator(problem, Z)
        if (size := np.linalg.norm(A, axis=(-2, -1)).max()) > LARGEST_STEP:
            reject("learning_rate", learning_rate, f"one with eta |A| below {LARGEST_STEP:g}, here {size:.3g}")
        Z = _squarable("Z", expm(A) @ Z)
    return Z
