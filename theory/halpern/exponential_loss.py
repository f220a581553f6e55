"""Exponential loss sum_i e^(-z_i . w) with vanishing regularisation: where its direction tends to (all of it ours).

The loss has no minimum; the direction tends to that of the max-margin classifier of `theory.shallow`, and forgets the
start.
"""

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.flows import State, flow
from theory.core.separable import Separable, apply
from theory.core.trajectory import Trajectory
from theory.core.validation import entries_inside, inside
from theory.shallow.gradient_flow import normalised_constant, offset

LATEST = 1e8  # log times beyond leave few digits of tau - z_i . w, which stays of order log tau
LARGEST = 500.0  # of the exponents


def regularised_flow(
    problem: Separable, w: Float[Array, "*runs d"], tau: Float[Array, " T"], c: float = 1.0, evaluations: int = 10_000
) -> Trajectory:
    """w(tau) of w' = sum_i e^{-z_i . w} z_i - c w / (1 + t) in log time, tau = log(1 + t):

    dw/dtau = sum_i e^{tau - z_i . w} z_i - c w.

    Raises:
        InvalidArgument: times that do not increase or of which rounding leaves no digit, above 10^8; c below 0; a start
            that gives an example a margin below -500, whose force no number is.
        FlowStopped: the last time is not reached within so many evaluations of the velocity, and 100 more a weight.
    """
    inside("c", c, 0, np.inf, "[)")
    entries_inside("tau", tau, 0, LATEST, "[]")
    entries_inside("margin at the start", apply(problem.Z, w), -LARGEST, np.inf, "[)")
    velocity = lambda time, state: _velocity(problem, c, time, state)  # noqa: E731
    return flow(velocity, {"w": w}, tau, method="LSODA", evaluations=evaluations + 100 * np.size(w))


def direction_limit(problem: Separable) -> float:
    """lim |w| |w/|w| - w_hat/|w_hat|| = |P w~| with the vanishing regularisation, from every start; of one problem.

    P projects off w_hat; z_i . w~ = -log alpha_i on the support, and w~ lies in its span. Without regularisation it
    would keep the part of the start that the examples do not see. Raises as `shallow.gradient_flow.offset`.
    """
    forgotten = np.zeros_like(problem.w)
    return float(normalised_constant(problem, offset(problem, forgotten)) * problem.margin)


def _velocity(problem: Separable, c: float, time: float, state: State) -> State:
    w = state["w"][..., None]
    # Clipped where only a trial step that the solver will reject can get.
    force = np.exp(np.minimum(time - problem.Z @ w, LARGEST))
    return {"w": (problem.Z.mT @ force - c * w)[..., 0]}
