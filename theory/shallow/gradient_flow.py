"""Gradient flow: closed forms, and how it tends to the max-margin direction (Soudry et al. 2018, JMLR 19).

With separable data, duals alpha_i > 0 on all support vectors and these linearly independent,

    w(t) = w_hat log t + w~ + o(1),   e^{-z_i . w~} = alpha_i  (i in S),   t L -> |w_hat|^2.

The direction therefore errs by a constant / log t. Long times are reached in log time: with tau = log(1 + t) and
rho = w - w_hat tau the flow reads rho' = sum_i e^{(1 - z_i . w_hat) tau - z_i . rho} z_i - w_hat, and nothing under-
or overflows however late.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import softmax, wrightomega

from theory.core.arrays import EPS, SQUARABLE, Array
from theory.core.flows import flow
from theory.core.separable import Separable, apply
from theory.core.trajectory import Trajectory
from theory.core.validation import entries_inside, finite_matrix, inside, reject, times

NEWTON_STEPS = 200
EVALUATIONS = 40_000  # of a velocity: about two seconds
VANISHING = 1e-8  # a share of the largest dual below which one counts as tending to 0


def exponential_solution(
    Z: Float[Array, "n d"], w0: Float[Array, "*runs d"], t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs d"]:
    """w(t) on pairwise orthogonal examples, L = sum e^{-m_i}; the margins are `exponential_margins` (ours).

    The weights move in the span of the examples alone, w = w0 + sum_i (m_i - m_i(0)) z_i / |z_i|^2. Shape
    (*times, *runs, d); they grow without bound, so that infinite times are refused.

    >>> Z, w0 = np.array([[2.0, 0.0], [0.0, 1.0]]), np.zeros(2)
    >>> exponential_solution(Z, w0, np.array([0.0, 1.0, 10.0])).round(3)
    array([[0.   , 0.   ],
           [0.805, 0.693],
           [1.857, 2.398]])
    """
    return _weights(Z, w0, exponential_margins(Z, w0, t))


def logistic_solution(
    Z: Float[Array, "n d"], w0: Float[Array, "*runs d"], t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs d"]:
    """w(t) as for `exponential_solution`, L = sum log(1 + e^{-m_i}); the margins are `logistic_margins` (ours).

    >>> Z, w0 = np.array([[2.0, 0.0], [0.0, 1.0]]), np.zeros(2)
    >>> logistic_solution(Z, w0, np.array([0.0, 1.0, 10.0])).round(3)
    array([[0.   , 0.   ],
           [0.653, 0.443],
           [1.811, 2.177]])
    """
    return _weights(Z, w0, logistic_margins(Z, w0, t))


def exponential_margins(
    Z: Float[Array, "n d"], w0: Float[Array, "*runs d"], t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs n"]:
    """m_i(t) = log(e^{m_i(0)} + |z_i|^2 t): margins of pairwise orthogonal examples, L = sum e^{-m_i} (ours).

    Shape (*times, *runs, n); infinite at t = inf.

    Raises:
        InvalidArgument: examples that are not pairwise orthogonal, numbers that are not finite, a negative or NaN time.
    """
    m0, grown = _start(Z, w0, t)
    with np.errstate(divide="ignore"):
        return np.logaddexp(m0, np.log(grown))


def logistic_margins(
    Z: Float[Array, "n d"], w0: Float[Array, "*runs d"], t: Float[Array, "*times"] | float
) -> Float[Array, "*times_runs n"]:
    """e^{m_i} + m_i = e^{m_i(0)} + m_i(0) + |z_i|^2 t =: C, m_i = log omega(C): L = sum log(1 + e^{-m_i}) (ours).

    omega is Wright's function, omega + log omega = C. Shapes and errors as for `exponential_margins`.
    """
    m0, grown = _start(Z, w0, t)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        C = np.exp(m0) + m0 + grown
        omega = wrightomega(C)
        # log omega = C - omega, which of the two rounds less; beyond the range of floats m + e^m is e^m.
        m = np.where(C > 1, np.log(omega), C - omega)
        return np.where(np.isinf(C), np.logaddexp(m0, np.log(grown)), m)


def _weights(Z: Array, w0: Array, margins: Array) -> Array:
    if np.isinf(margins).any():
        reject("t", np.inf, "finite times: the weights grow without bound")
    lengths = np.hypot.reduce(Z, axis=1)
    return w0 + ((margins - w0 @ Z.T) / lengths) @ (Z / lengths[:, None])


def _start(Z: Array, w0: Array, t: Array | float) -> tuple[Array, Array]:
    """m(0), and |z_i|^2 t with as many dimensions as times x runs x examples."""
    Z = finite_matrix("Z", Z)
    entries_inside("Z", Z, -SQUARABLE, SQUARABLE)
    entries_inside("w0", w0)
    lengths = np.hypot.reduce(Z, axis=1)
    units = Z / np.where(lengths > 0, lengths, 1)[:, None]
    if np.abs(units @ units.T - np.eye(len(Z))).max() > 1e-12:
        reject("Z", "examples that are not", "pairwise orthogonal examples, none of them 0")
    m0 = w0 @ Z.T
    return m0, times(t).reshape((*np.shape(t), *[1] * m0.ndim)) * lengths**2


def flow_in_log_time(
    problem: Separable, w0: Float[Array, "*runs d"], tau: Float[Array, " T"], *, relative_tolerance: float = 1e-10
) -> Trajectory:
    """rho = w - w_hat tau (T, *runs, d) of gradient flow on the exponential loss from w0, at tau = log(1 + t)."""
    beyond = 1 - apply(problem.Z, problem.w)
    # On the support the exponent has no tau at all; rounding of w_hat must not grow with time.
    beyond = np.where(problem.support, 0.0, beyond)

    def velocity(time: float, state: dict[str, Array]) -> dict[str, Array]:
        # Clipped where only a trial step that the solver will reject can get.
        losses = np.exp(np.minimum(beyond * time - apply(problem.Z, state["rho"]), 500))
        return {"rho": apply(problem.Z.mT, losses) - problem.w}

    return flow(velocity, {"rho": w0}, tau, relative_tolerance=relative_tolerance, evaluations=EVALUATIONS)


def normalised_flow(
    Z: Float[Array, "*runs n d"],
    w0: Float[Array, "*runs d"],
    s: Float[Array, " T"],
    *,
    relative_tolerance: float = 1e-10,
) -> Trajectory:
    """w' = -grad L / L, and beside it tau = log(1 + t), t = int ds / L the time of the unnormalised flow there."""

    def velocity(_: float, state: dict[str, Array]) -> dict[str, Array]:
        exponents = -apply(Z, state["w"])
        log_loss = np.logaddexp.reduce(exponents, axis=-1)
        return {"w": apply(Z.mT, softmax(exponents, axis=-1)), "tau": np.exp(-log_loss - state["tau"])}

    start = {"w": w0, "tau": np.zeros(w0.shape[:-1])}
    return flow(velocity, start, s, relative_tolerance=relative_tolerance, evaluations=EVALUATIONS)


def offset(problem: Separable, w0: Float[Array, "*runs d"]) -> Float[Array, "*runs d"]:
    """w~ = Z_S^+ (-log alpha) + (I - Z_S^+ Z_S) w0, of one problem whose examples all lie in the span of S (ours).

    e^{-z_i . w~} = alpha_i settles w~ in the span of the support vectors; off it the gradient is 0, and the start
    stays. (Examples off the span move w there for a while, and w~ has then no closed form.) The duals are those of
    `settled_duals`.

    >>> offset(Separable(np.array([[1.0, 0.0], [1.0, 0.0]])), np.zeros(2)).round(6).tolist()
    [0.693147, 0.0]

    Raises:
        InvalidArgument: a batch of problems, a start that is not finite, or an example off the span; and as
            `settled_duals`.
    """
    entries_inside("w0", w0)
    if problem.Z.ndim != 2:
        reject("problem.Z.shape", problem.Z.shape, "one problem, (n, d)")
    duals, lengths = settled_duals(problem), np.linalg.norm(problem.Z, axis=-1)
    Z_S, seen = problem.Z[duals > 0], problem.Z / lengths[:, None]
    # Of rows of one length, so that a long one does not pass for the span.
    basis = _row_space(seen[duals > 0])
    if np.linalg.norm(seen - seen @ basis.T @ basis, axis=1).max() > 1e-9:
        reject("problem.Z", "examples off the span of the support vectors", "examples in their span")
    heights = -np.log(duals[duals > 0]) / lengths[duals > 0]
    return np.linalg.lstsq(Z_S / lengths[duals > 0, None], heights)[0] + w0 - (w0 @ basis.T) @ basis


def settled_duals(problem: Separable) -> Float[Array, "*runs n"]:
    """lim t e^{-z_i . w(t)}: the duals that gradient flow tends to, unique even where the support vectors are linearly
    dependent (ours). Duplicates share theirs equally.

    In the span of the examples on the margin w~ minimises sum_i e^{-z_i . w~} + w_hat . w~ over them, which is
    sum_i e^{-z_i . w~} z_i = w_hat.

    >>> settled_duals(Separable(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]))).round(9).tolist()
    [0.25, 0.25, 0.5]

    Raises:
        InvalidArgument: an example on the margin that no choice of duals needs: there log t e^{-z_i . w} has no
            positive limit, and the flow is slower than any power.
    """
    touching = (problem.slack == 0) & ~problem.support
    duals = problem.duals.copy()
    for i in map(tuple, np.argwhere(touching.any(-1))):
        duals[i] = _settled(problem.run(i) if i else problem)
    return duals


def _settled(problem: Separable) -> Float[Array, " n"]:
    """Newton's method, damped, in units in which w_hat is a unit vector and the duals add up to 1."""
    on_margin = problem.slack == 0
    unit = problem.w * problem.margin
    Z = problem.Z[on_margin] / problem.margin
    basis = _row_space(Z / np.linalg.norm(Z, axis=1)[:, None])
    A, goal = Z @ basis.T, basis @ unit
    y = goal * np.log(len(A))
    for _ in range(NEWTON_STEPS):
        p = np.exp(-A @ y)
        step = np.linalg.solve(A.T @ (p[:, None] * A), A.T @ p - goal)
        change = np.abs(A @ step).max()
        if change < 1e-14 or p.min() < VANISHING * p.max():
            break
        y = y + step / max(1.0, change)
    if change > 1e-9:
        reject("problem.Z", "an example on the margin whose dual is 0", "examples off the margin, or needed there")
    duals = np.zeros(len(problem.Z))
    duals[on_margin] = np.exp(-A @ y) / problem.margin**2
    return duals


def _row_space(unit_rows: Float[Array, "n d"]) -> Float[Array, "r d"]:
    """Its orthonormal basis."""
    _, sigma, Vt = np.linalg.svd(unit_rows, full_matrices=False)
    return Vt[sigma > max(unit_rows.shape) * EPS * sigma[0]]


def relaxation_rate(problem: Separable) -> Float[Array, "*runs"]:
    """How w - w_hat log t - w~ shrinks in the span of the support vectors, as e^{-rate log t} (ours): the smallest
    nonzero eigenvalue of Z_S^T diag(alpha) Z_S, or the smallest z_i . w_hat - 1 of the other examples, whose losses are
    t^{-z_i . w_hat}.

    >>> float(relaxation_rate(Separable(np.array([[1.0], [1.2]]))).round(9))
    0.2

    Raises as `settled_duals`.
    """
    duals = settled_duals(problem)
    weighted = np.sqrt(duals)[..., None] * problem.Z
    values = np.linalg.svd(weighted, compute_uv=False)
    nonzero = values > max(weighted.shape[-2:]) * EPS * values[..., :1]
    own = np.where(nonzero, values, np.inf).min(-1) ** 2
    return np.minimum(own, np.where(duals > 0, np.inf, problem.slack).min(-1))


def direction_constant(problem: Separable, offset: Float[Array, "*runs d"]) -> Float[Array, "*runs"]:
    """lim log t | w/|w| - w_hat/|w_hat| | = |P w~| / |w_hat|, P = I - w_hat w_hat^T / |w_hat|^2 (after Soudry et al.,
    Theorem 9). It depends on the start through the part of w~ off the span of the support vectors."""
    return _across(problem, offset) * problem.margin


def normalised_constant(problem: Separable, offset: Float[Array, "*runs d"]) -> Float[Array, "*runs"]:
    """lim s | w/|w| - w_hat/|w_hat| | = |P w~| |w_hat| of the loss-normalised flow: log t ~ s / |w_hat|^2 (ours)."""
    return _across(problem, offset) / problem.margin


def margin_constant(problem: Separable) -> Float[Array, "*runs"]:
    """lim log t (gamma* - min_i z_i . w / |w|) = (log alpha_max - sum_i p_i log alpha_i) / |w_hat|,
    p = alpha / sum alpha (after Soudry et al., Theorem 9): the same from every start, 0 where all alpha are equal.
    Raises as `settled_duals`."""
    alpha = settled_duals(problem)
    log_alpha = np.log(np.where(alpha > 0, alpha, 1))
    p = alpha / alpha.sum(-1, keepdims=True)
    return (np.log(alpha.max(-1)) - (p * log_alpha).sum(-1)) * problem.margin


def log_hitting_time(
    problem: Separable, offset: Float[Array, "*runs d"], error: float | Float[Array, "*runs"]
) -> Float[Array, "*runs"]:
    """log t at which the direction error of w_hat log t + w~ falls to `error` = 2 sin(angle / 2).

    tan(angle) = |P w~| / (|w_hat| log t + w~ . w_hat / |w_hat|). The o(1) left out decays exponentially in log t.

    Raises:
        InvalidArgument: an error outside (0, 2).
    """
    for end in (np.min(error), np.max(error)):
        inside("error", end, 0, 2, "()")
    along = (offset * problem.w).sum(-1) * problem.margin
    angle = 2 * np.arcsin(np.asarray(error) / 2)
    return (_across(problem, offset) / np.tan(angle) - along) * problem.margin


def _across(problem: Separable, offset: Array) -> Array:
    """|P w~|, and that it is finite."""
    entries_inside("offset", offset)
    unit = problem.w * problem.margin[..., None]
    return np.linalg.norm(offset - (offset * unit).sum(-1, keepdims=True) * unit, axis=-1)
