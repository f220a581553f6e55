"""The event-driven solution of the Minnorm flow against integrating it with an ODE solver."""

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.timing import interleaved
from theory.core.separable import Separable, labelled_by_a_teacher
from theory.shallow import event_driven, minnorm_flow

A, B, END = 1.0, 0.8, 30.0
RELATIVE, ABSOLUTE = 1e-12, 1e-13


def test_through_all_changes_of_the_active_set(report: Callable[[str], None]) -> None:
    rng = np.random.default_rng(3)
    problem = Separable(labelled_by_a_teacher(rng, n=12, d=5, runs=1, least=0.3)[0])
    Z = problem.Z
    w0, multipliers0 = rng.standard_normal(5), rng.exponential(size=12) * (rng.random(12) < 0.5)
    solution = event_driven.solve(Z, w0, multipliers0, a=A, b=B, until=END)

    def velocity(_: float, y: np.ndarray) -> np.ndarray:
        return np.concatenate(minnorm_flow.velocity(Z, y[:5], y[5:], A, B))

    def events() -> np.ndarray:
        solved = event_driven.solve(Z, w0, multipliers0, a=A, b=B, until=END)
        return np.concatenate(solved(solution.starts), axis=-1)

    def integrated() -> np.ndarray:
        """Started anew at each change, so that no step straddles a kink: the solver's best case."""
        states = [np.concatenate([w0, multipliers0])]
        for start, end in zip(solution.starts[:-1], solution.starts[1:]):
            piece = solve_ivp(velocity, (start, end), states[-1], method="DOP853", rtol=RELATIVE, atol=ABSOLUTE)
            states.append(piece.y[:, -1])
        return np.array(states)

    def straight() -> np.ndarray:
        whole = solve_ivp(velocity, (0, END), np.concatenate([w0, multipliers0]), method="DOP853", rtol=RELATIVE,
                          atol=ABSOLUTE, t_eval=solution.starts)  # fmt: skip
        return whole.y.T

    error = np.abs(events() - integrated()).max()
    assert error <= 1e-9
    seconds = interleaved({"events": events, "restarted": integrated, "straight": straight}, rounds=3)
    report(
        f"{len(solution.starts) - 1} changes of the active set: {seconds['events'] * 1e3:.0f} ms; solve_ivp "
        f"{seconds['straight'] / seconds['events']:.0f} x as long, off by {np.abs(events() - straight()).max():.0e}; "
        f"restarted at the changes {seconds['restarted'] / seconds['events']:.1f} x, off by {error:.0e}"
    )
    assert seconds["events"] < seconds["straight"]
