"""The last time at which a direction error is above a level: gradient flow, loss-normalised flow, Minnorm."""

from collections.abc import Callable

import numpy as np

from theory.core.arrays import Array
from theory.core.separable import Separable, direction_error
from theory.core.trajectory import Trajectory
from theory.shallow import event_driven, gradient_flow


def last_above(error: Array, level: float) -> Array:
    """Index of the first record from which on the error (T, runs) stays below the level, or of the last record."""
    above = error > level
    return np.where(above.any(0), np.minimum(len(error) - np.argmax(above[::-1], axis=0), len(error) - 1), 0)


def log_time(tau: Array) -> Array:
    """log t of tau = log(1 + t)."""
    return tau + np.log(-np.expm1(-tau))


def logarithmic_times(problem: Separable, flow: Trajectory, offset: Array, levels: Array) -> tuple[Array, Array]:
    """log of the last times above the levels, (runs, levels), of gradient flow and of the loss-normalised flow.

    Past the end of the integration w = w_hat tau + w~ up to e^(-slack tau), and s - |w_hat|^2 tau is constant.
    """
    error = direction_error(problem, flow["w"])
    runs = np.arange(error.shape[1])
    descent, normalised = [], []
    for level in levels:
        tau = gradient_flow.log_hitting_time(problem, offset, level)
        s = flow.t[-1] + (tau - flow["tau"][-1]) / problem.margin**2
        late, index = error[-1] > level, last_above(error, level)
        descent.append(np.where(late, tau, log_time(np.maximum(flow["tau"][index, runs], 1e-9))))
        normalised.append(np.log(np.where(late, s, np.maximum(flow.t[index], 1e-9))))
    return np.stack(descent, -1), np.stack(normalised, -1)


def minnorm_times(problem: Separable, w0: Array, a: float, b: Array, ends: Array, levels: Array) -> Array:
    """Last times, up to the ends, above the levels, (runs, levels), of the exact solution from multipliers 0."""
    last = []
    for i, (rate, end) in enumerate(zip(b, ends)):
        one, zero = problem.run(i), np.zeros(problem.duals.shape[-1])
        solution = event_driven.solve_to_convergence(one, w0[i], zero, a=a, b=float(rate), until=float(end))
        t = np.linspace(0, end, 4001)[1:]
        error = direction_error(one, solution(t)[0])[:, None]
        last.append([t[last_above(error, level)[0]] for level in levels])
    return np.array(last)


def minnorm_flows(problem: Separable, w0: Array, a: float, b: Array, until: float) -> Callable[[Array], Array]:
    """t -> w (T, runs, d) of the exact solution from multipliers 0, with each run's own b, up to `until`."""
    zero = np.zeros(problem.duals.shape[-1])
    starts = zip(problem.Z, w0, b)
    solutions = [event_driven.solve(Z, w, zero, a=a, b=float(rate), until=until) for Z, w, rate in starts]
    return lambda t: np.stack([solution(t)[0] for solution in solutions], axis=1)
