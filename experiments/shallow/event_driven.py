"""The Minnorm flow is linear between changes of the active set, and so is solved exactly, from any start to the end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from experiments.data import budget
from experiments.shallow import own_data
from experiments.shallow.classifiers import states
from experiments.shallow.examples import RandomProblems, random_problems, stable_steps
from experiments.shallow.kinks import missed, refined_minnorm, tends_to_kinked
from theory.claims import OURS, Check, Curves, Study, Tolerance, claim, curves, measured, on_data, rounding, varies
from theory.core.arrays import Array
from theory.core.separable import Separable
from theory.minnorm.tuning import Tuning
from theory.shallow import event_driven, minnorm_flow
from theory.shallow.event_driven import EventDriven
from theory.shallow.minnorm_flow import ActiveSetFlow, integrated

MOST_EXAMPLES, MOST_TO_THE_END = 600, 300  # of the user's own: every change of the active set is a decomposition
STIFFEST = 1e4  # the largest squared singular value of all examples over the smallest of the support
SETTLED = 1e4
MOST_TOGETHER = 1000  # examples of all problems


@dataclass(frozen=True)
class Flows(RandomProblems):
    a: float = varies("speed of the weights", 1.3, low=0.2, high=3)
    b: float = varies("speed of the multipliers", 0.8, low=0.1, high=2)
    horizon: float = varies("of the training", 12.0, low=1, high=30, unit="time")
    steps: int = varies(
        "of the training at the largest learning rate, the fewest", 1000, smoke=400, paper=8000, low=100, high=8000
    )
    runs: int = varies("problems", 16, smoke=12, paper=64, low=1, high=100)
    integrated: int = varies("of these problems, which are integrated too", 6, smoke=2, paper=64, low=1, high=100)
    data_runs: int = varies("starts on own data", 1, paper=4, low=1, high=16)

    def __post_init__(self) -> None:
        self.require_at_most(self.runs, MOST_TOGETHER)


@claim(
    "minnorm.shallow_event_driven",
    source="ours; the flow is Bansal et al. 2018 (reconstruction: gradient descent-ascent on the Lagrangian)",
    source_kind=OURS,
    statement=r"w' = -a(w - Z^\top \lambda),\ \lambda' = b\,[1 - Z w]_{\lambda \ge 0}: \text{ linear on each active"
    r" set } \{i : \lambda_i > 0\}; (w, \lambda)(\infty) = (\hat w, \alpha) \text{ from every start}",
    hypotheses=(
        "rows z_i = y_i x_i of Z separable; w_hat their max-margin classifier, alpha its duals",
        "linearly independent support vectors",
    ),
    theory_side="closed form",
    controls=("active set frozen at the start", "multipliers not kept at 0", "b 10 % larger"),
    accepts_data="labelled",
    parameters=Flows,
)
def events_solve_the_flow_exactly(study: Study, sizes: Flows) -> Iterator[Check | Curves]:
    if study.data is not None:
        yield from _on_own_data(study, sizes)
    rng = study.rng("examples")
    problem = random_problems(rng, sizes.runs, sizes)
    w0 = rng.standard_normal(problem.w.shape)
    multipliers0 = rng.exponential(size=problem.duals.shape) * (rng.random(problem.duals.shape) < 0.5)
    solutions = [
        event_driven.solve_to_convergence(problem.run(i), w0[i], multipliers0[i], a=sizes.a, b=sizes.b, until=SETTLED)
        for i in range(sizes.runs)
    ]
    yield from _limits(problem, solutions)
    yield _against_integration(problem, sizes, solutions[: sizes.integrated])
    yield from _against_training(study, sizes, problem, w0, multipliers0, solutions)


@on_data
def _on_own_data(study: Study, sizes: Flows) -> Iterator[Check]:
    """Training through every change of the active set, separable or not; and the limit, where there is one."""
    Z, problem = own_data.any_examples(study, MOST_EXAMPLES)
    rng, runs, a = study.rng("own data"), sizes.data_runs, sizes.a
    budget.say_before(study, 100 * runs * (len(Z) / 500) ** 3)
    w0 = own_data.starts(rng, Z, runs)
    multipliers0 = rng.exponential(size=(runs, len(Z))) * (rng.random((runs, len(Z))) < 0.5)
    pushed = np.linalg.norm(multipliers0 @ Z, axis=1, keepdims=True)  # as large as w0
    multipliers0 *= np.linalg.norm(w0, axis=1, keepdims=True) / np.where(pushed > 0, pushed, 1)
    b = float(4 * sizes.b * a / np.linalg.norm(Z, ord=2) ** 2)  # the fastest mode turns about as fast as it decays
    solutions = [event_driven.solve(Z, *start, a=a, b=b, until=2 * sizes.horizon) for start in zip(w0, multipliers0)]
    changes = sum(len(solution.starts) - 1 for solution in solutions) / runs
    study.remark(f"{changes:.0f} changes of the active set in twice the time that is trained")
    many = np.broadcast_to(Z, (runs, *Z.shape))
    trained = refined_minnorm(study, many, Tuning(a, b), w0, multipliers0, horizon=sizes.horizon, steps=sizes.steps)
    paths = [states(run) for run in trained]
    yield from tends_to_kinked("training", paths, lambda k: _states(solutions, k * trained[0].t), case="own data")
    if problem is not None:
        yield from _limit_on_own_data(study, a, problem, w0, multipliers0)


def _limit_on_own_data(study: Study, a: float, problem: Separable, w0: Array, multipliers0: Array) -> Iterator[Check]:
    """At the dual rate that is best for the support, where a thousand looks reach the end."""
    if not own_data.has_unique_duals(study, problem):
        return
    g_min = np.linalg.norm(problem.Z[problem.support], ord=-2) ** 2
    condition, n = np.linalg.norm(problem.Z, ord=2) ** 2 / g_min, len(problem.Z)
    if condition > STIFFEST or n > MOST_TO_THE_END:
        study.remark(f"not followed to its limit: {n} examples, condition number {condition:.3g} of all to the support")
        return
    best = float(minnorm_flow.critical_dual_rate(g_min, a))
    starts = zip(w0, multipliers0)
    ends = [event_driven.solve_to_convergence(problem, *start, a=a, b=best, until=SETTLED) for start in starts]
    yield from _limits(Separable(np.broadcast_to(problem.Z, (len(w0), *problem.Z.shape))), ends, case="own data")


def _limits(problem: Separable, solutions: Sequence[EventDriven], case: str = "") -> Iterator[Check]:
    proved = Tolerance(0.25, "each solution ends on an active set that the Lyapunov function proves final")
    final = sum(np.isinf(solution.end) for solution in solutions)
    yield measured("solutions known for all times", final, within=proved, case=case).equals(len(solutions))
    limits = zip(*(solution(np.inf) for solution in solutions))
    for name, limit, wanted in zip(("w", "multipliers"), limits, (problem.w, problem.duals)):
        size = problem.condition[:, None] * np.abs(wanted).max(-1, keepdims=True)
        within = rounding(64, size, of="the solution times the condition number of the Gram matrix")
        limits_found = measured(f"limit of {name}", np.stack(limit), within=within, case=case, axes=("run", "entry"))
        yield limits_found.equals(wanted)


def _against_integration(problem: Separable, sizes: Flows, solutions: Sequence[EventDriven]) -> Check:
    off, errors = np.transpose([_integrated(sizes, Z, solution) for Z, solution in zip(problem.Z, solutions)])
    within = Tolerance(errors, "two solutions never part in |w|^2/a + |lambda|^2/b: at most steps x local error")
    return measured("events against integration", off, within=within, axes=("run",)).supporting().equals(0.0)


def _integrated(sizes: Flows, Z: Array, solution: EventDriven) -> tuple[float, float]:
    """How far integration ends from the solution, and what it may be off by; started anew at each event, so that no
    step straddles a kink."""
    w, multipliers = solution(0.0)
    off, error = 0.0, 0.0
    for start, end in pairwise([*solution.starts, solution.starts[-1] + 10]):
        piece = integrated(Z, w, multipliers, [end - start], a=sizes.a, b=sizes.b)
        error += piece.facts["error"]
        w, multipliers = piece["w"][-1], piece["multipliers"][-1]
        exact = solution(end)
        off = max(off, np.abs(w - exact[0]).max(), np.abs(multipliers - exact[1]).max())
        # Exactly 0 where they reached it: what integration has left there would start the next piece with a kink.
        multipliers = np.where(exact[1] > 0, multipliers, 0.0)
    return off, error


def _against_training(
    study: Study, sizes: Flows, problem: Separable, w0: Array, multipliers0: Array, solutions: Sequence[EventDriven]
) -> Iterator[Check | Curves]:
    a, b, horizon = sizes.a, sizes.b, sizes.horizon
    steps = stable_steps(problem.gram_range[1], b, horizon, fewest=sizes.steps)
    runs = refined_minnorm(study, problem.Z, Tuning(a, b), w0, multipliers0, horizon=horizon, steps=steps)
    t, trained = runs[0].t, [states(run) for run in runs]
    exact = _states(solutions, t)
    # At k times the speeds a and b it is where it would be at k times the time.
    yield from tends_to_kinked("training", trained, lambda k: _states(solutions, k * t))
    starts = list(zip(problem.Z, w0, multipliers0))
    wrong = {
        "active set frozen at the start": [
            ActiveSetFlow(Z, (m > 0) | (1 - Z @ w > 0), w, m, a, b) for Z, w, m in starts
        ],
        "multipliers not kept at 0": [ActiveSetFlow(Z, np.ones(len(Z), bool), w, m, a, b) for Z, w, m in starts],
        "b 10 % larger": [event_driven.solve(*start, a=a, b=1.1 * b, until=1.01 * horizon) for start in starts],
    }
    for name, flows in wrong.items():
        yield missed("training", trained, _states(flows, t)).control(name).equals(0.0)
    yield _pictured(problem, trained[0][:, 0], t, solutions[0], 2 * horizon)
    deviation, left = trained[0] - exact, 2 * trained[2] - trained[1] - exact
    yield curves(deviation=np.linalg.norm(deviation, axis=-1), extrapolated_deviation=np.linalg.norm(left, axis=-1))


def _pictured(problem: Separable, trained: Array, t: Array, solution: EventDriven, end: float) -> Curves:
    """Multipliers of the first problem, and the changes of its active set up to the last time drawn."""
    fine = np.linspace(0, end, 601)
    events = solution.starts[1:]
    return curves(
        t=t,
        fine_t=fine,
        trained_multipliers=trained[:, problem.w.shape[-1] :],
        exact_multipliers=solution(fine)[1],
        duals=problem.duals[0],
        events=events[events < end],
    )


def _states(solutions: Sequence[Callable[[Array], tuple[Array, Array]]], t: Array) -> Array:
    """(T, runs, d + n)."""
    return np.stack([np.concatenate(solution(t), axis=-1) for solution in solutions], axis=1)
