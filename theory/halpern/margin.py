"""Where norm-minimising descent meets the max-margin classifier of `theory.shallow` (all of it ours).

Squared hinge loss 1/2 sum_i (1 - z_i . w)_+^2 has the classifiers with margins of at least 1 as its minima, and the one
of least norm is w_hat: Halpern's iteration with the anchor 0 finds it from every start, at an error of 1/k, not
1 / log k. Exponential loss has no minimum; there the pull makes the direction forget the start.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from theory.core.arrays import Array
from theory.core.flows import State, flow
from theory.core.separable import Separable, apply
from theory.core.trajectory import Trajectory
from theory.halpern.least_squares import Steps
from theory.shallow.gradient_flow import normalised_constant, offset


def hinge_error_limit(problem: Separable, eta: float | Float[Array, "*runs"]) -> Float[Array, "*runs d"]:
    """lim (k + 1) (w_k - w_hat) = -Z_S^+ alpha / eta in the span of the support vectors.

    Once only they have margins below 1 the step is affine, w + eta Z_S^T (1 - Z_S w), and `least_squares` applies:
    the error tends to -(eta Z_S^T Z_S)^+ w_hat, with w_hat = Z_S^T alpha.
    """
    supported = problem.Z * problem.support[..., None]
    return -apply(np.linalg.pinv(supported), problem.duals) / np.expand_dims(np.asarray(eta), -1)


def duals_read_off(
    problem: Separable, eta: float | Float[Array, "*runs"], w: Float[Array, "*steps_runs d"], k: Steps
) -> Float[Array, "*steps_runs n"]:
    """eta (k + 1) (1 - z_i . w_k)_+, which tends to alpha_i: what is missing to the margins are the duals."""
    per_step = np.reshape(k + 1.0, (*np.shape(k), *[1] * problem.duals.ndim))
    return np.expand_dims(np.asarray(eta), -1) * per_step * np.maximum(1 - apply(problem.Z, w), 0)


def hinge_factor(problem: Separable, eta: float | Float[Array, "*runs"]) -> Float[Array, "*runs"]:
    """1 - eta g_min: a step shrinks what is left of (k + 1) (w_k - w_hat) to this, for eta up to 1 / |Z|^2."""
    return 1 - eta * problem.gram_range[0]


def regularised_flow(
    problem: Separable, w: Float[Array, "*runs d"], tau: Float[Array, " T"], c: float = 1.0
) -> Trajectory:
    """w(tau) of w' = sum_i e^{-z_i . w} z_i - c w / (1 + t) in log time, tau = log(1 + t):

    dw/dtau = sum_i e^{tau - z_i . w} z_i - c w.
    """
    return flow(lambda time, state: _velocity(problem, c, time, state), {"w": w}, tau, method="LSODA")


def times_of_growth(problem: Separable, w: Float[Array, " d"], sizes: Float[Array, " K"], c: float = 1.0) -> Array:
    """The tau (K,) at which w . w_hat / |w_hat|^2 of `regularised_flow` comes to each of `sizes`, ascending."""
    along = problem.w * problem.margin**2

    def crossing(size: float) -> Callable[[float, State], float]:
        return lambda _, state: float(state["w"] @ along) - size

    run = flow(
        lambda time, state: _velocity(problem, c, time, state),
        {"w": w},
        # a(tau) lags tau by log a and a constant.
        [2 * float(sizes[-1]) + 20],
        method="LSODA",
        events=[crossing(float(size)) for size in sizes],
    )
    return np.array([found[0] for found in run.facts["events"]])


def direction_limit(problem: Separable) -> float:
    """lim |w| |w/|w| - w_hat/|w_hat|| = |P w~| with the vanishing regularisation, from every start; of one problem.

    P projects off w_hat; z_i . w~ = -log alpha_i on the support, and w~ lies in its span, where without the pull it
    keeps the part of the start that the examples do not see. Raises as `shallow.gradient_flow.offset`.
    """
    forgotten = np.zeros_like(problem.w)
    return float(normalised_constant(problem, offset(problem, forgotten)) * problem.margin)


def _velocity(problem: Separable, c: float, time: float, state: State) -> State:
    # Clipped where only a trial step that the solver will reject can get.
    push = np.exp(np.minimum(time - apply(problem.Z, state["w"]), 500))
    return {"w": apply(problem.Z.mT, push) - c * state["w"]}
