"""The Minnorm flow is linear between changes of the active set, and so is solved exactly, from any start to the end."""

from collections.abc import Iterator

import numpy as np

from experiments.shallow.classifiers import SimultaneousMinnorm, train_minnorm
from experiments.shallow.examples import random_problems
from experiments.shallow.kinks import extrapolated, tends_to_kinked
from experiments.training.loop import recording_steps
from theory.claims import Check, Curves, claim, curves
from theory.claims.legacy import equal, refuted
from theory.claims.study import Study
from theory.core.arrays import EPS, Array
from theory.core.flows import flow
from theory.core.separable import Separable
from theory.shallow import event_driven, minnorm_flow
from theory.shallow.event_driven import EventDriven

REFINED = (1, 2, 4)  # the step sizes of training are the first one over these
A = 1.0


@claim(
    "minnorm.shallow_event_driven",
    source="ours; the flow is Bansal et al. 2018 (reconstruction: gradient descent-ascent on the Lagrangian)",
    statement=r"w' = -a(w - Z^\top \lambda),\ \lambda' = b\,[1 - Z w]_{\lambda \ge 0}: \text{ linear on each active"
    r" set; } (w, \lambda)(\infty) = (\hat w, \alpha) \text{ from every start}",
    hypotheses=("separable", "linearly independent support vectors"),
    controls=("active set frozen at the start", "multipliers not kept at 0", "b 10 % larger"),
)
def events_solve_the_flow_exactly(study: Study) -> Iterator[Check | Curves]:
    rng = study.rng("examples")
    runs = study.pick(smoke=12, quick=16, paper=64)
    problem = random_problems(rng, runs)
    w0 = rng.standard_normal(problem.w.shape)
    multipliers0 = rng.exponential(size=problem.duals.shape) * (rng.random(problem.duals.shape) < 0.5)
    b = 0.8
    solutions = [
        event_driven.solve_to_convergence(problem.run(i), w0[i], multipliers0[i], a=A, b=b, until=1e4)
        for i in range(runs)
    ]
    yield from _limits(problem, solutions)
    yield from _against_integration(problem, solutions[: study.pick(smoke=2, quick=6, paper=64)], b)
    yield from _against_training(study, problem, w0, multipliers0, solutions, b)


def _limits(problem: Separable, solutions: list[EventDriven]) -> Iterator[Check]:
    because = "each solution ends on an active set that the Lyapunov function proves final"
    final = sum(np.isinf(solution.end) for solution in solutions)
    yield equal("solutions known for all times", final, len(solutions), tolerance=0.5, because=because)
    limits = [solution(np.array(np.inf)) for solution in solutions]
    for name, i, wanted in (("w", 0, problem.w), ("multipliers", 1, problem.duals)):
        rounding = 64 * EPS * problem.condition[:, None] * np.abs(wanted).max(-1, keepdims=True)
        because = "condition number of the Gram matrix x rounding"
        limit = np.stack([limit[i] for limit in limits])
        yield equal(f"limit of {name}", limit, wanted, tolerance=rounding, because=because)


def _against_integration(problem: Separable, solutions: list[EventDriven], b: float) -> Iterator[Check]:
    """An ODE solver that knows nothing of active sets, started anew at each event so that no step straddles a kink."""
    off, allowed = [], []
    for i, solution in enumerate(solutions):
        Z = problem.Z[i]

        def velocity(_: float, state: dict[str, Array], Z: Array = Z) -> dict[str, Array]:
            w, multipliers = minnorm_flow.velocity(Z, state["w"], state["multipliers"], A, b)
            return {"w": w, "multipliers": multipliers}

        w, multipliers = solution(np.array(0.0))
        error, worst = 0.0, 0.0
        for start, end in zip(solution.starts, [*solution.starts[1:], solution.starts[-1] + 10]):
            state = {"w": w, "multipliers": multipliers}
            piece = flow(velocity, state, [end - start], relative_tolerance=1e-11)
            error += piece.facts["steps"] * piece.facts["local_error"]
            exact = solution(end)
            differences = piece["w"][-1] - exact[0], piece["multipliers"][-1] - exact[1]
            worst = max(worst, *(np.abs(difference).max() for difference in differences))
            # Exactly 0 where they reached it: what integration has left there would start the next piece with a kink.
            w, multipliers = piece["w"][-1], np.where(exact[1] > 0, piece["multipliers"][-1], 0.0)
        off.append(worst)
        allowed.append(error * np.sqrt(max(A / b, b / A)))
    because = "two solutions never part in |w|^2/a + |lambda|^2/b, so the solver's error is at most steps x local error"
    yield equal("events against integration", off, 0.0, tolerance=allowed, because=because)


def _against_training(
    study: Study, problem: Separable, w0: Array, multipliers0: Array, solutions: list[EventDriven], b: float
) -> Iterator[Check | Curves]:
    horizon, steps = 12.0, study.pick(smoke=400, quick=1000, paper=8000)
    trained = []
    for k in REFINED:
        rule = SimultaneousMinnorm(problem.Z, A, b, study.device)
        run = train_minnorm(
            study,
            f"over {k}",
            rule,
            w0,
            multipliers0,
            learning_rate=horizon / steps / k,
            steps=steps * k,
            record=[k * step for step in recording_steps(steps, 41)],
        )
        trained.append(np.concatenate([run["w"], run["multipliers"]], axis=-1))
    t = run.t
    exact = _states(solutions, t)
    yield from tends_to_kinked("training", trained, exact)

    def wrong(states: Array) -> Check:
        return extrapolated("training", trained, states)

    frozen = [
        minnorm_flow.ActiveSetFlow(Z, (m > 0) | (1 - Z @ w > 0), w, m, A, b)
        for Z, w, m in zip(problem.Z, w0, multipliers0)
    ]
    yield refuted("active set frozen at the start", wrong(_states(frozen, t)))
    everything = [
        minnorm_flow.ActiveSetFlow(Z, np.ones(len(Z), bool), w, m, A, b) for Z, w, m in zip(problem.Z, w0, multipliers0)
    ]
    yield refuted("multipliers not kept at 0", wrong(_states(everything, t)))
    faster = [
        event_driven.solve(Z, w, m, a=A, b=1.1 * b, until=2 * horizon) for Z, w, m in zip(problem.Z, w0, multipliers0)
    ]
    yield refuted("b 10 % larger", wrong(_states(faster, t)))
    d = w0.shape[1]
    fine = np.linspace(0, 2 * horizon, 601)
    yield curves(
        t=t,
        fine_t=fine,
        trained_multipliers=trained[0][:, 0, d:],
        exact_multipliers=solutions[0](fine)[1],
        duals=problem.duals[0],
        events=solutions[0].starts[1:],
        deviation=np.linalg.norm(trained[0] - exact, axis=-1),
        extrapolated_deviation=np.linalg.norm(2 * trained[2] - trained[1] - exact, axis=-1),
    )


def _states(solutions: list, t: Array) -> Array:
    """(T, runs, d + n)."""
    return np.stack([np.concatenate(solution(t), axis=-1) for solution in solutions], axis=1)
